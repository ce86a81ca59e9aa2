from pathlib import Path

import vital
from tests import toy
from vital.atlases import estimate, prepare
from vital.atlases.api import carry_out


def test_an_estimate_has_every_stage_that_is_left_and_leaves_nothing_behind(tmp_path: Path) -> None:
    images = vital.load_images(toy.images(40).float().numpy())
    context = prepare(
        toy.model(), ["act1", "class"], images, tmp_path / "site", methods=["vital", "clip-dissect"],
        steps=8, concepts=["a cat", "a dog", "red"], encoder="world",
    )  # fmt: skip
    costs = {cost.stage: cost for cost in estimate(context, context.pieces)}
    assert {stage: cost.pieces for stage, cost in costs.items()} == {
        "bank": 1,
        "exemplars": 2,
        "prototypes": 2,
        "words": 2,
        "site": 0,
    }
    assert all(cost.seconds > 0 for stage, cost in costs.items() if stage != "site")
    assert all(cost.bytes > 1000 for cost in costs.values())
    assert not (tmp_path / "site").exists()


def test_it_is_near_what_comes_and_nothing_when_nothing_is_left(tmp_path: Path) -> None:
    images = vital.load_images(toy.images(40).float().numpy())
    context = prepare(toy.model(), "act1", images, tmp_path / "site", methods="fourier", steps=64, count=4)
    costs = {cost.stage: cost for cost in estimate(context, context.pieces)}
    made = carry_out(context, progress=False)
    units = made.run / "units"
    exemplars = sum(file.stat().st_size for file in units.rglob("exemplars*/*.png"))
    assert 0.5 < costs["exemplars"].bytes / exemplars < 2
    bank = (made.run / "bank.safetensors").stat().st_size
    assert 0.3 < costs["bank"].bytes / bank < 3
    assert estimate(context, context.pieces) == []
