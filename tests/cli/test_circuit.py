import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vital import build_bank, load_images, load_model
from vital.activations.relevances import served_classes
from vital.attribution import attribution_graph, feeders

Cli = Callable[..., Any]


def test_a_circuit_is_found_rendered_and_taken_up_again(vital: Cli, here: Path, pictures: Path) -> None:
    words = ("circuit", "net.py:make", "3:3", "--layers", "1", "--images", pictures)
    words = (*words, "--count", 3, "--steps", 40, "--out", "run")
    answer = vital(*words)
    assert answer.code == 0
    model = load_model("net.py:make")
    bank = build_bank(model, ["3", "1"], load_images(pictures), disk=False)
    expected = feeders(model, "3:3", "1", bank.tensor(bank.strongest("3:3", 8)), 3)
    kept = json.loads((here / "run" / "circuit.json").read_text())
    assert kept["unit"] == "3:3"
    assert kept["shares"] == pytest.approx({str(f.unit): f.share for f in expected})
    assert [line.split()[0] for line in answer.out.splitlines()[1:5]] == [
        "3:3",
        *(str(f.unit) for f in expected),
    ]
    for unit in ("3_3", *(f"1_{f.unit.index}" for f in expected)):
        assert (here / "run" / "units" / unit / "vital-0.png").is_file()
    before = (here / "run" / "circuit.png").read_bytes()
    with Image.open(here / "run" / "circuit.png") as sheet:
        assert sheet.width > 3 * 160
    assert vital(*words).code == 0
    assert (here / "run" / "circuit.png").read_bytes() == before


def test_a_circuit_by_a_method_without_images_needs_them_for_the_shares(
    vital: Cli, here: Path, pictures: Path
) -> None:
    words = ("circuit", "net.py:make", "3:3", "--layers", "1", "--method", "fourier", "--steps", 20)
    assert vital(*words, "--out", "run").err == "vital: images are needed; give --images DIR or --bank FILE\n"
    assert vital("bank", "net.py:make", "--layers", "3,1", "--images", pictures, "--out", "b").code == 0
    assert vital(*words, "--bank", "b", "--count", 1, "--out", "run").code == 0
    assert (here / "run" / "circuit.png").is_file()


def test_a_layer_that_does_not_feed_the_unit_is_one_sentence(vital: Cli, pictures: Path) -> None:
    words = ("circuit", "net.py:make", "1:2", "--layers", "3", "--images", pictures, "--steps", 2)
    answer = vital(*words, "--out", "run")
    assert answer.code == 2
    assert "is not before" in answer.err


def test_a_circuit_of_two_layers_is_a_graph_with_edges(vital: Cli, here: Path, pictures: Path) -> None:
    words = ("circuit", "net.py:make", "class:2", "--layers", "3,1", "--images", pictures, "--count", 2)
    answer = vital(*words, "--method", "fourier", "--steps", 60, "--out", "run")
    assert "feeder" in answer.out
    model = load_model("net.py:make")
    bank = build_bank(model, ["3", "1"], load_images(pictures), disk=False)
    seen = bank.tensor(bank.strongest("class:2", 8))
    graph = attribution_graph(model, "class:2", ["3", "1"], seen, 2)
    kept = json.loads((here / "run" / "circuit.json").read_text())
    assert (kept["unit"], kept["layers"]) == ("class:2", ["3", "1"])
    assert kept["shares"] == pytest.approx({str(u.unit): u.share for level in graph.levels for u in level})
    assert kept["statuses"] == {str(u.unit): u.status for level in graph.levels for u in level}
    edges = {(e["unit"], e["feeder"]): e["share"] for e in kept["edges"]}
    assert edges == pytest.approx({(str(e.unit), str(e.feeder)): e.share for e in graph.edges})
    assert any(line.split()[:2] == list(next(reversed(edges))) for line in answer.out.splitlines())
    with Image.open(here / "run" / "circuit.png") as sheet:
        assert sheet.height > 3 * 160


@pytest.mark.parametrize(("given", "target"), [((), "label"), (("--for", "predicted"), "predicted")])
def test_the_classes_that_a_unit_serves_are_listed(
    vital: Cli, here: Path, pictures: Path, given: tuple[str, ...], target: str
) -> None:
    words = ("circuit", "net.py:make", "3:4", "--layers", "class", "--images", pictures, "--count", 2, *given)
    answer = vital(*words, "--out", "run")
    assert answer.code == 0
    assert f"class ({target})" in answer.out
    found = served_classes(load_model("net.py:make"), "3:4", load_images(pictures), target=target)
    kept = json.loads((here / "run" / "classes.json").read_text())
    assert (kept["unit"], kept["target"]) == ("3:4", target)
    assert [row["class"] for row in kept["classes"]] == [str(one.unit) for one in found]
    assert [row["share"] for row in kept["classes"]] == pytest.approx([one.share for one in found])
    assert answer.out.splitlines()[1].startswith(found[0].unit.title)
    assert len(answer.out.splitlines()) == 1 + min(2, len(found))


def test_a_unit_that_serves_no_class_and_options_that_do_not_apply_are_one_sentence(
    vital: Cli, pictures: Path
) -> None:
    words = ("--images", pictures, "--out", "run")
    answer = vital("circuit", "net.py:make", "3:1", "--layers", "class", *words)
    assert (answer.code, "vital: no relevance arrived at 3:1; choose" in answer.err) == (1, True)
    answer = vital("circuit", "net.py:make", "3:4", "--layers", "1", "--for", "label", *words)
    assert (answer.code, answer.err) == (2, "vital: --for label goes with --layers class; leave it out\n")
    answer = vital("circuit", "net.py:make", "3:4", "--layers", "3,1", *words)
    assert (answer.code, "name layers before" in answer.err) == (2, True)
