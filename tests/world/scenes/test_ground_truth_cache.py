import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from vital.models import Model
from vital.world.scenes import ground_truth_cache as kept
from vital.world.scenes.ground_truth import unit_truths

SIDE = 24


class Means(nn.Module):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.gain * x.mean((2, 3))
        return found


def small() -> Model:
    return Model(Means(), "means", (SIDE, SIDE), resize=SIDE)


def table() -> kept.Table:
    return {
        "concept": torch.tensor([[3, 4], [5, 6], [7, 8]]),
        "auprc": torch.full((3, 2), 0.5),
        "chance": torch.full((3,), 0.25),
        "correlation": torch.full((3,), 0.125),
    }


def test_shipped_figures_are_read_back_for_their_network_alone(tmp_path: Path) -> None:
    model, path = small(), tmp_path / "truths.safetensors"
    assert kept.shipped_truths(model, path) == {}
    kept.ship_truths(model, {"class:0": table()}, path)
    found = kept.shipped_truths(model, path)
    assert found.keys() == {"class:0"}
    assert all(torch.equal(found["class:0"][part], value) for part, value in table().items())
    with torch.no_grad():
        model.module.gain.mul_(2)  # type: ignore[operator, union-attr]
    assert kept.shipped_truths(model, path) == {}
    assert kept.shipped_truths(replace(small(), mean=(0.1,)), path) == {}


def test_shipped_figures_stand_for_the_default_question_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path / "cache"))
    model = small()
    monkeypatch.setattr(
        sys.modules["vital.world.scenes.ground_truth"], "shipped_truths", lambda of: {"class:0": table()}
    )
    (found,) = unit_truths(model, ["class:1"], progress=False)
    assert (found.auprc, found.chance, found.correlation) == (0.5, 0.25, 0.125)
    assert found.concept == kept.concepts()[5]
    assert found.runner_up == kept.concepts()[6]
    (other,) = unit_truths(model, ["class:1"], scenes=60, progress=False)
    assert other.auprc != 0.5
    assert not list((tmp_path / "cache").rglob("truth-*"))[1:]
