from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sklearn.decomposition import PCA

from vital import load_images, load_model
from vital.directions import decompose, nmf
from vital.tracing import read_direction

Cli = Callable[..., Any]


def test_directions_are_found_kept_and_rendered(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital(f"concepts net.py:make --layer 3 --images {pictures} --count 2 --out c.safetensors")
    assert answer.code == 0
    assert (
        answer.out == "c.safetensors: 2 directions in 3, from 16 images; the first unit: c.safetensors:0@3\n"
    )
    assert answer.err.startswith("vital: skipped cat/broken.png: ")
    expected = nmf(load_model("net.py:make"), "3", load_images(pictures), 2)
    assert torch.equal(read_direction("c.safetensors:1@3"), expected[1])
    drawn = vital(f"render net.py:make c.safetensors:1@3 --images {pictures} --steps 2 --out run")
    assert drawn.code == 0
    assert drawn.out.splitlines()[1].split()[:3] == ["c.safetensors:1@3", "-", "done"]


def test_a_layer_with_negative_values_is_one_line(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital(f"concepts net.py:make --layer 2 --images {pictures} --count 2 --out c.safetensors")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("vital: the activations at '2' go down to -")
    assert answer.err.count("\n") == 1
    assert not (here / "c.safetensors").exists()


def test_a_name_that_no_unit_reads_is_refused(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital(f"concepts net.py:make --layer 3 --images {pictures} --count 2 --out c.pt")
    assert answer.code == 2
    assert (
        answer.err == "vital: 'c.pt' cannot hold directions; allowed are names NAME.safetensors without '!'\n"
    )


def test_any_decomposition_is_taken_by_its_name(vital: Cli, here: Path, pictures: Path) -> None:
    command = f"concepts net.py:make --layer 2 --images {pictures} --count 2 --out c.safetensors"
    answer = vital(f"{command} --decomposition PCA --set whiten=true --seed 3 --rows 200")
    assert answer.code == 0
    estimator = PCA(2, whiten=True)
    expected = decompose(load_model("net.py:make"), "2", load_images(pictures), estimator, seed=3, rows=200)
    assert torch.equal(read_direction("c.safetensors:1@2"), expected[1])
    for wrong, said in [
        ("--decomposition PAC", "unknown decomposition 'PAC'; did you mean 'PCA'"),
        ("--decomposition PCA --set whitn=true", "unknown parameter of PCA 'whitn'; did you mean 'whiten'"),
        ("--decomposition PCA --set n_components=3", "n_components of PCA is given by count; leave it out"),
        ("--decomposition PCA --set tol=-1", "PCA cannot be fitted to the activations at '2', "),
        ("--decomposition MiniBatchNMF", "the activations at '2' go down to -"),
        ("--set whiten=true", "--set is of a decomposition; give --decomposition NAME too"),
        ("--key W_dec", "--key is of a sparse autoencoder; give --sae FILE too"),
    ]:
        answer = vital(f"{command} {wrong}")
        assert answer.code == 2
        assert answer.err.startswith(f"vital: {said}"), answer.err


def test_what_directions_are_found_in_is_asked_for(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital("concepts net.py:make --layer 3 --count 2 --out c.safetensors")
    assert (answer.code, answer.err) == (
        2,
        "vital: directions are found in the activations of images; give --images DIR or --bank FILE\n",
    )
    answer = vital(f"concepts net.py:make --layer 3 --images {pictures} --out c.safetensors")
    assert answer.code == 2
    assert answer.err.endswith("give --count K, or --sae FILE\n")


def test_a_sparse_autoencoder_is_read_and_rendered(vital: Cli, here: Path, pictures: Path) -> None:
    rows = torch.arange(1.0, 161.0).view(20, 8).sin()
    torch.save({"W_dec": rows, "W_enc": rows.cos().T}, "sae.pt")
    command = "concepts net.py:make --layer 3 --sae sae.pt --out c.safetensors"
    answer = vital(command)
    assert (answer.code, answer.out, answer.err) == (
        0,
        "c.safetensors: 20 directions in 3, from sae.pt; the first unit: c.safetensors:0@3\n",
        "",
    )
    torch.testing.assert_close(read_direction("c.safetensors:4@3"), rows[4] / rows[4].norm())
    assert vital(f"render net.py:make c.safetensors:4@3 --images {pictures} --steps 2 --out run").code == 0
    assert vital(f"{command} --part encoder").code == 0
    torch.testing.assert_close(read_direction("c.safetensors:4@3"), rows[4].cos() / rows[4].cos().norm())
    assert vital(f"{command} --key W_dec").code == 0
    for wrong, said in [
        (f"--images {pictures}", "--images has no use beside --sae; leave it out"),
        ("--count 3", "--count has no use beside --sae; leave it out"),
        ("--part decoders", "unknown part of a sparse autoencoder 'decoders'; did you mean 'decoder'"),
        ("--tokens cls", "3:0#cls asks for tokens, but layer '3' is a map"),
        ("--key W_de", "unknown matrix in 'sae.pt' 'W_de'; did you mean 'W_dec'"),
    ]:
        answer = vital(f"{command} {wrong}")
        assert answer.code == 2
        assert answer.err.startswith(f"vital: {said}"), answer.err
    answer = vital("concepts net.py:make --layer 6 --sae sae.pt --out d.safetensors")
    assert answer.code == 2
    assert "'W_dec' has the shape (20, 8); a decoder for layer '6' has 5 rows or columns" in answer.err


def test_other_directions_are_not_replaced_in_silence(vital: Cli, here: Path, pictures: Path) -> None:
    command = (
        f"concepts net.py:make --weights random --layer 3 --images {pictures} --out c.safetensors --count"
    )
    said = "vital: c.safetensors held other directions, which these have replaced\n"
    assert said not in vital(f"{command} 2").err
    assert said not in vital(f"{command} 2").err
    assert said in vital(f"{command} 3").err
