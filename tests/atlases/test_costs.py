import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import vital
from tests import toy
from vital.atlases import costs, estimate, prepare
from vital.atlases.api import carry_out
from vital.atlases.plan import Piece


def test_an_estimate_has_every_stage_that_is_left_and_leaves_nothing_behind(tmp_path: Path) -> None:
    images = vital.load_images(toy.images(40).float().numpy())
    context = prepare(
        toy.model(), ["act1", "class"], images, tmp_path / "site", methods=["vital", "clip-dissect"],
        steps=8, concepts=["a cat", "a dog", "red"], encoder="world",
    )  # fmt: skip
    found = {cost.stage: cost for cost in estimate(context, context.pieces)}
    assert {stage: cost.pieces for stage, cost in found.items()} == {
        "bank": 1,
        "exemplars": 2,
        "prototypes": 2,
        "words": 2,
        "site": 0,
    }
    assert all(cost.seconds > 0 for stage, cost in found.items() if stage != "site")
    assert all(cost.bytes > 1000 for cost in found.values())
    assert not (tmp_path / "site").exists()


def test_it_is_near_what_comes_and_nothing_when_nothing_is_left(tmp_path: Path) -> None:
    images = vital.load_images(toy.images(40).float().numpy())
    context = prepare(toy.model(), "act1", images, tmp_path / "site", methods="fourier", steps=64, count=4)
    found = {cost.stage: cost for cost in estimate(context, context.pieces)}
    made = carry_out(context, progress=False)
    units = made.run / "units"
    exemplars = sum(file.stat().st_size for file in units.rglob("exemplars*/*.png"))
    assert 0.5 < found["exemplars"].bytes / exemplars < 2
    bank = (made.run / "bank.safetensors").stat().st_size
    assert 0.3 < found["bank"].bytes / bank < 3
    assert estimate(context, context.pieces) == []


@pytest.mark.parametrize(("step", "tried"), [(0.01, [2, 16]), (0.5, [2])])
def test_a_whole_piece_is_tried_where_that_is_quick(monkeypatch, step: float, tried: list[int]) -> None:
    asked = list[int]()

    def trial(_sample: object, _name: str, names: tuple[str, ...]) -> tuple[float, float, float]:
        asked.append(len(names))
        return 10.0 / len(names), 1000.0 * len(names), step

    monkeypatch.setattr(costs, "_tried", trial)
    sample: Any = SimpleNamespace(whole=SimpleNamespace(model=toy.model()))
    piece = Piece("prototypes", 0, tuple(f"act1:{i}" for i in range(16)), "vital")
    assert costs._rendered(sample, piece) == (10.0 / tried[-1], 2000.0)
    assert asked == tried


def test_where_a_whole_piece_fails_its_few_units_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def trial(_sample: object, _name: str, names: tuple[str, ...]) -> tuple[float, float, float]:
        return (5.0, 100.0, 0.01) if len(names) == 2 else (0.0, 0.0, 0.0)

    monkeypatch.setattr(costs, "_tried", trial)
    sample: Any = SimpleNamespace(whole=SimpleNamespace(model=toy.model()))
    piece = Piece("prototypes", 0, tuple(f"act1:{i}" for i in range(16)), "vital")
    assert costs._rendered(sample, piece) == (5.0, 100.0)


class Drawn:
    """Images that are drawn by eights, slowly, and then kept."""

    def __init__(self) -> None:
        self.kept = set[int]()

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if index // 8 not in self.kept:
            time.sleep(0.08)
            self.kept.add(index // 8)
        return torch.full((3, 32, 32), index / 40), 0


def test_images_that_a_source_draws_once_are_timed_when_they_are_drawn(tmp_path: Path) -> None:
    drawn = Drawn()
    context = prepare(
        toy.model(), "act1", vital.load_images(drawn), tmp_path / "site", methods="fourier", steps=2
    )
    drawn.kept.clear()
    found = {cost.stage: cost.seconds for cost in estimate(context, context.pieces[:1])}
    assert found["bank"] >= 40 / 8 * 0.08
