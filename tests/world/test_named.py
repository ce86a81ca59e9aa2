import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import vital
from vital.cli import main
from vital.data import load_images as open_images
from vital.data.open import SETS
from vital.errors import DataError, UnknownNameError, WeightsError
from vital.utils.registry import Entry
from vital.world.networks.weights import FOLDER, model, ship
from vital.world.scenes.dataset import CLASSES, scenes_of
from vital.world.scenes.dataset import images as rendered
from vital.world.scenes.vocabulary import SOLIDS
from vital.world.training.tasks import TASKS, TWIN_CLASSES

UNTRAINED = "the world's networks are not trained yet: python -m vital.world.training"


@pytest.mark.parametrize("name", ["world", *(f"world:{name}" for name in TASKS)])
def test_every_network_of_the_world_is_loaded_by_its_name(name: str) -> None:
    net = vital.load_model(name, weights="random")
    assert net.name == name.replace(":classifier", "")
    assert (net.size, net.weights, net.module.training) == ((64, 64), "random", False)
    layers = vital.list_layers(net)
    assert layers["class"].channels == (len(net.classes) or 128)
    assert not layers["class"].problem


def test_class_names_are_those_of_the_outputs() -> None:
    assert vital.load_model("world", weights="random").classes == CLASSES
    assert vital.load_model("world:twin-solid", weights="random").classes == TWIN_CLASSES
    judge = vital.load_model("world:judge", weights="random")
    assert judge.classes == SOLIDS
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(next(iter(judge.module(x).values())), judge.module(x)["solid"])


def test_random_weights_follow_the_seed() -> None:
    first, again, other = (
        vital.load_model("world", weights="random", seed=s).weights_hash() for s in (0, 0, 1)
    )
    assert first == again != other


def test_the_encoders_image_tower_is_what_embeds_images(tmp_path: Path) -> None:
    encoder = TASKS["encoder"].build().eval()
    ship(encoder, tmp_path / "encoder.safetensors")
    net = model("encoder", tmp_path)
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        seen = nn.functional.normalize(net.module(net.normalize(x)), dim=1)
        assert torch.allclose(seen, encoder.encode_image(x), atol=1e-6)


def test_a_network_that_is_not_trained_says_how_to_train_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        model("judge", tmp_path)
    assert str(caught.value) == UNTRAINED


@pytest.mark.skipif((FOLDER / "classifier.safetensors").is_file(), reason="the weights are there")
def test_the_name_says_so_too() -> None:
    with pytest.raises(WeightsError) as caught:
        vital.load_model("world")
    assert str(caught.value) == UNTRAINED


def test_a_wrong_name_has_its_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown network of the world 'jugde'; did you mean 'judge'"):
        vital.load_model("world:jugde", weights="random")


@pytest.mark.parametrize("name", ["world", Path("world")])
def test_the_images_of_the_world_come_by_name(
    name: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = vital.load_images(name)
    assert pictures.hash() == rendered().hash()
    assert len(scenes_of(pictures)) == 1000
    assert set(pictures.labels) == set(range(len(CLASSES)))


def test_a_folder_of_that_name_is_not_guessed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "world").mkdir()
    with pytest.raises(
        DataError, match="'world' is the built-in set of images, and lies in the working folder"
    ):
        open_images("world")
    with pytest.raises(DataError, match="holds no images"):
        open_images(tmp_path / "world")


def test_the_built_in_set_has_no_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        DataError, match=r"^split 'val' needs a folder or an \.npz file, not the built-in set 'world'$"
    ):
        open_images("world", split="val")


def test_the_command_line_lists_the_layers_of_the_world(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers", "world"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("world, images of 3 x 64 x 64, ")
    assert "class:0 or class:plain cube" in shown
    assert "planted:0" in shown


def test_the_command_line_takes_the_images_of_the_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SETS.entries, "world", Entry("world", lambda: rendered(96, size=32)))
    words = "world class:0 planted:1 --images world --weights random --steps 2 --input-size 32 --out run"
    code = main(["render", *words.split()])
    assert (code, capsys.readouterr().err) == (0, "")
    assert len(list((tmp_path / "run" / "units").rglob("*.png"))) >= 2


def test_importing_vital_does_not_load_the_world() -> None:
    code = "import sys, vital, vital.cli; print([m for m in sys.modules if m.startswith('vital.world')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
