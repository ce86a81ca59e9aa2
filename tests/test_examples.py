"""The examples run: quickly on a network that has hardly been trained, and once in full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vital
from vital.lwta.layers import competing

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
NETWORKS = {"cifar_resnet.py": 7, "cifar_vit.py": 4}
SHEETS = {
    "own_term.py": (8 * 68 + 4, 68 + 4),
    "own_model.py": (3 * 136 + 8, 136 + 2 * 14 + 8),  # with a title of two lines below each picture
    "compare_methods.py": (6 * 132 + 4, 7 * 132 + 4),
}


def run(folder: Path, script: str, *arguments: object) -> str:
    """Run an example as its first lines say; warnings are errors there too."""
    done = subprocess.run(
        [sys.executable, "-W", "error", f"examples/{script}", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "VITAL_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def sketch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world after two steps of training."""
    folder = tmp_path_factory.mktemp("sketch")
    run(folder, "shapes.py", folder, 2)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world as a user gets it."""
    folder = tmp_path_factory.mktemp("trained")
    run(folder, "shapes.py", folder)
    return folder


def accuracy(folder: Path) -> float:
    model = vital.load_model(f"{ROOT}/examples/shapes.py:network", weights=folder / "weights.safetensors")
    images = vital.load_images(folder / "images.npz")
    labels = np.load(folder / "images.npz")["labels"]
    bank = vital.build_bank(model, ["class"], images, top=1, disk=False)
    shown = model.normalize(bank.tensor(range(len(images))))
    return float((model.module(shown).argmax(1).numpy() == labels).mean())


def test_every_example_is_run_here() -> None:
    assert {"shapes.py", "with_tensorboard.py", *SHEETS, *NETWORKS} == set(EXAMPLES)


def test_what_tensorboard_shows_is_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    told = run(tmp_path, "with_tensorboard.py", tmp_path / "board", 2)
    assert f"tensorboard --logdir {tmp_path / 'board'}" in told
    assert list((tmp_path / "board").glob("events.out.*"))


@pytest.mark.parametrize(("script", "layers"), NETWORKS.items())
def test_a_network_runs_dense_and_competing(script: str, layers: int) -> None:
    name = f"{ROOT}/examples/{script}:{script.removeprefix('cifar_').removesuffix('.py')}"
    assert vital.load_model(name).size == (32, 32)
    assert len(competing(vital.load_model(f"lwta:16/{name}").module)) == layers


@pytest.mark.parametrize("script", SHEETS)
def test_an_example_runs_and_leaves_its_sheet(script: str, sketch: Path) -> None:
    run(sketch, script, sketch, 2)
    with Image.open(sketch / script.replace(".py", ".png")) as sheet:
        assert sheet.size == SHEETS[script]


def test_the_drawings_hold_every_class_equally(sketch: Path) -> None:
    drawn = np.load(sketch / "images.npz")
    assert drawn["images"].shape == (300, 3, 64, 64)
    assert np.bincount(drawn["labels"]).tolist() == [50] * 6


@pytest.mark.slow
def test_the_shapes_network_knows_its_shapes(trained: Path) -> None:
    assert accuracy(trained) > 0.95


@pytest.mark.slow
def test_the_readmes_first_render_is_seen_as_its_classes(trained: Path) -> None:
    model = vital.load_model(f"{ROOT}/examples/shapes.py:network", weights=trained / "weights.safetensors")
    images = vital.load_images(trained / "images.npz")
    made = vital.render(model, "class:0-5", images=images, progress=False)
    assert [p.status for p in made] == ["done"] * 6
    seen = [model.module(model.normalize(p.image[None])).softmax(1)[0, p.unit.index].item() for p in made]
    assert min(seen) > 0.9
