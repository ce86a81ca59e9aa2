"""The benchmarks of competing units keep each row, go on, and write what there is."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vital
from benchmarks import lwta_cifar, lwta_twins, lwta_world
from benchmarks.kept import Kept
from vital.lwta.layers import competing
from vital.world.scenes.dataset import fingerprint
from vital.world.training.tasks import COMPETING
from vital.world.training.train import Plan


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("train5k", "test"):
        pictures = rng.integers(0, 255, (20, 32, 32, 3), np.uint8)
        np.savez(tmp_path / f"{name}.npz", images=pictures, labels=np.arange(20) % 10)
    return tmp_path


def lines(out: Path) -> list[str]:
    return [line for line in (out / "rows.jsonl").read_text().splitlines() if line]


def cifar(data: Path, *more: str) -> dict[str, object]:
    where = ["--data", str(data), "--out", str(data / "run"), "--results", str(data / "results")]
    lwta_cifar.main([*where, "--networks", "resnet", "--competitors", "1,4", "--epochs", "1", *more])
    found: dict[str, object] = json.loads((data / "results" / "lwta-cifar10.json").read_text())
    return found


def test_cifar_rows_are_kept_taken_up_and_made_again_for_other_settings(data: Path) -> None:
    found = cifar(data)
    first = lines(data / "run")
    assert len(first) == 2
    assert found["missing"] == ["words (no --classifier)"]
    assert [row["competitors"] for row in found["rows"]] == [1, 4]  # type: ignore[attr-defined]
    cut = data / "run" / "rows.jsonl"
    cut.write_text(first[0] + "\n" + first[1][: len(first[1]) // 2])
    again = cifar(data)
    assert [{**row, "seconds": 0} for row in again["rows"]] == [  # type: ignore[attr-defined]
        {**row, "seconds": 0}
        for row in found["rows"]  # type: ignore[attr-defined]
    ]
    assert lines(data / "run")[0] == first[0]
    cifar(data, "--sampling", "0.2")
    assert len(lines(data / "run")) == 5


NETS = """
from torch import nn

SIZE, CLASSES = 32, "airplane automobile bird cat deer dog frog horse ship truck".split()


def classifier():
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 10))
"""


@pytest.mark.filterwarnings("ignore:none of the")  # few images
def test_cifar_units_are_described_by_what_a_classifier_says(data: Path) -> None:
    (data / "nets.py").write_text(NETS)
    asked = ("--classifier", f"{data / 'nets.py'}:classifier", "--classifier-weights", "random")
    found = cifar(data, *asked)
    assert found["missing"] == []
    words = [row for row in found["rows"] if "label stands" in row]  # type: ignore[attr-defined]
    assert [(row["competitors"], row["units"]) for row in words] == [(1, 64), (4, 64)]
    assert all(0 <= row["p at most .05"] <= 1 for row in words)
    first = lines(data / "run")
    cifar(data, *asked)
    assert lines(data / "run") == first


def test_cifar_says_what_is_missing(data: Path) -> None:
    where = ["--data", str(data), "--out", str(data / "run"), "--results", str(data), "--networks", "resnet"]
    given = lwta_cifar.asked_for([*where, "--competitors", "4", "--seeds", "2"])
    sets, kept = lwta_cifar.data(given), Kept(data / "run" / "rows.jsonl")
    row = {
        "network": "resnet",
        "competitors": 4,
        "seed": 1,
        "seconds": None,
        "device": "cpu",
        "accuracy": 0.5,
    }
    kept.add(lwta_cifar.settings("resnet", 4, lwta_cifar.training(given, 1), sets), row)
    lwta_cifar.told(given, kept, sets)
    found = json.loads((data / "lwta-cifar10.json").read_text())
    assert found["missing"] == ["resnet, U = 4, seed 0", "words (no --classifier)"]
    assert not found["pass"]
    assert found["tables"][0][1][-1] == ""  # a row that went on from a checkpoint has no seconds


def test_what_is_dense_is_asked_for_once_and_the_way_around_is_left_whole() -> None:
    def wanted(networks: str) -> list[tuple[str, int, int]]:
        asked = ["--data", "none", "--networks", networks, "--competitors", "1,4"]
        return [*lwta_cifar.wanted(lwta_cifar.asked_for(asked))]

    assert wanted("resnet,resnet-inside") == [("resnet", 1, 0), ("resnet", 4, 0), ("resnet-inside", 4, 0)]
    assert wanted("resnet-inside") == [("resnet", 1, 0), ("resnet-inside", 4, 0)]
    with pytest.raises(SystemExit):
        wanted("resnet-insde")
    every = {"0.2", "1.inner.2", "1.relu", "2.inner.2", "2.relu", "3.inner.2", "3.relu"}
    assert set(competing(lwta_cifar.network("resnet", 4).module)) == every
    inside = competing(lwta_cifar.network("resnet-inside", 4).module)
    assert set(inside) == every - {"0.2", "1.relu", "2.relu"}
    rows = [
        {"network": n, "competitors": u, "accuracy": a}
        for n, u, a in (("resnet", 1, 0.5), ("resnet-inside", 4, 0.625))
    ]
    assert lwta_cifar.verdicts(rows) == {"resnet-inside, U = 4: +12.5 points beside the dense one": True}


ALL = {
    *("stem.2", "layer1.relu1", "layer1.relu2", "layer4.relu1", "layer4.relu2"),
    *(f"layer{i}.{j}.relu{k}" for i in (2, 3) for j in (0, 1) for k in (1, 2)),
}
AROUND = {"stem.2", "layer1.relu2", "layer2.0.relu2", "layer2.1.relu2", "layer3.0.relu2", "layer3.1.relu2"}
NARROW = {"stem.2", "layer1.relu1", "layer1.relu2"}
PLACES: dict[tuple[str, int], set[str]] = {
    ("longer", 1): set(),
    ("inside", 4): ALL - AROUND,
    ("inside", 16): ALL - AROUND - NARROW,
    ("everywhere", 4): ALL,
    ("everywhere", 16): ALL - NARROW,
}


def test_the_worlds_networks_compete_where_it_is_said() -> None:
    assert {kind: set(competing(task.build())) for kind, task in lwta_twins.TASKS.items()} == PLACES
    assert set(competing(vital.load_model("world:competing").module)) == PLACES["inside", 4]


def test_the_first_twin_is_the_shipped_one() -> None:
    assert round(Plan().epochs * COMPETING.length) == lwta_world.BUDGET["epochs"]
    assert replace(lwta_twins.TASKS["inside", 4], length=COMPETING.length) == COMPETING


def test_goals_are_judged_by_the_mean_over_seeds() -> None:
    def row(where: str, units: int, right: float, least: float) -> dict[str, object]:
        found = {"where": where, "competitors": units, "class": right}
        return found | {"active, least": least, "active, most": 1 / units}

    rows = [
        *(row("dense", 1, 0.99, 1.0), row("longer", 1, 0.5, 1.0)),
        *(row("inside", 4, 0.985, 0.25), row("inside", 4, 0.9775, 0.25)),
        *(row("inside", 16, 0.95, 1 / 16), row("everywhere", 16, 0.5, 0.06)),
    ]
    assert lwta_world.verdicts(rows) == {
        "inside, U = 4: within 1 point of the dense twin (-0.9 points beside it)": True,
        "inside, U = 16: within 3 points of the dense twin (-4.0 points beside it)": False,
        "inside, U = 4: activity 1/4 in every competing layer and image": True,
        "inside, U = 16: activity 1/16 in every competing layer and image": True,
        "everywhere, U = 16: activity 1/16 in every competing layer and image": False,
    }


@pytest.mark.slow
def test_rows_of_before_the_place_was_said_are_not_taken_for_new_ones(tmp_path: Path) -> None:
    where = f"--out {tmp_path} --rendered {tmp_path} --results {tmp_path / 'results'}"
    old = {"weights": vital.load_model("world").weights_hash(), "fresh": 32, "world": fingerprint()}
    Kept(tmp_path / "rows.jsonl").add(old, {"competitors": 1, "class": 1.0})
    lwta_world.main(f"{where} --scenes 64 --used 64 --fresh 32 --batch 32 --seeds 0".split())
    found = json.loads((tmp_path / "results" / "lwta-world.json").read_text())
    assert [row["where"] for row in found["rows"]] == ["dense", "longer"]


@pytest.mark.slow
def test_world_rows_are_kept_and_taken_up(tmp_path: Path) -> None:
    where = f"--out {tmp_path / 'run'} --rendered {tmp_path} --results {tmp_path / 'results'}"
    sizes = "--scenes 64 --used 64 --fresh 32 --batch 32 --seeds 1 --epochs 1"
    small = f"{where} {sizes}".split()
    lwta_world.main([*small, "--where", "inside", "--competitors", "4"])
    half = json.loads((tmp_path / "results" / "lwta-world.json").read_text())
    assert [(row["where"], row["competitors"]) for row in half["rows"]] == [("dense", 1), ("inside", 4)]
    assert "everywhere, U = 16, seed 0" in half["missing"]
    assert not half["pass"]
    lwta_world.main(small)
    found = json.loads((tmp_path / "results" / "lwta-world.json").read_text())
    kinds = [
        ("dense", 1),
        ("longer", 1),
        ("inside", 4),
        ("inside", 16),
        ("everywhere", 4),
        ("everywhere", 16),
    ]
    assert [(row["where"], row["competitors"]) for row in found["rows"]] == kinds
    assert found["missing"] == [
        f"words of {name}, seed 0, {layer}"
        for name in ("dense", "dense, longer", "inside, U = 4", "inside, U = 16")
        for layer in ("layer4", "layer4.relu1")
    ]
    for where, units in kinds[2:]:
        assert (
            f"{where}, U = {units}: activity 1/{units} in every competing layer and image: won"
            in found["verdicts"]
        )
    assert all(1 / 16 < row["active of all"] < 0.6 for row in found["rows"])
    lwta_world.main([*small, "--words", "--images", "50"])
    found = json.loads((tmp_path / "results" / "lwta-world.json").read_text())
    said = [row for row in found["rows"] if "label stands" in row]
    assert [(row["where"], row["layer"], row["units"]) for row in said] == [
        (where, layer, 144)
        for where in ("dense", "longer", "inside", "inside")
        for layer in ("layer4", "layer4.relu1")
    ]
    assert found["missing"] == []
    first = lines(tmp_path / "run")
    lwta_world.main([*small, "--words", "--images", "50"])
    assert lines(tmp_path / "run") == first
    with pytest.raises(SystemExit):
        lwta_world.main([*small, "--competitors", "8"])
