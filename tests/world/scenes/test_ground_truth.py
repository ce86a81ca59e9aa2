import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import nn

from vital.errors import InvalidValueError, ModelError, UnitError
from vital.models import Model
from vital.utils.io import cache_folder
from vital.utils.random import generator
from vital.world import Scene, Truth, caption, concepts, sample, truth, truths, unit_truths
from vital.world.renderer.render import render
from vital.world.scenes.ground_truth import _ranked

SIDE = 24
MODULE = sys.modules["vital.world.scenes.ground_truth"]


class Redness(nn.Module):
    """Channel 0: how red a pixel is beyond its other colors; 1: nothing; 2: how bright it is."""

    passes = 0

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.strength = nn.Parameter(torch.ones(1))
        self.seen = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Redness.passes += 1
        red = (x[:, 0] - x[:, 1:].amax(1) - 0.35).clamp(min=0) * (x[:, 1] < 0.3) * (x[:, 2] < 0.35)
        found: torch.Tensor = self.seen(
            torch.stack([red * self.strength, torch.zeros_like(red), x.mean(1)], 1)
        )
        return found.mean((2, 3))


def redness(scale: float = 1.0) -> Model:
    model = Model(Redness(), "redness", (SIDE, SIDE), resize=SIDE)
    with torch.no_grad():
        model.module.strength.mul_(scale)
    return model


def found(model: Model, *units: str, scenes: int = 400, seed: int = 0) -> list[Truth]:
    return unit_truths(model, units, scenes=scenes, seed=seed, progress=False)


def planted(scenes: Sequence[Scene], *names: str) -> tuple[list[int], torch.Tensor, torch.Tensor]:
    shown = truths(scenes, concepts()).T
    numbers = [[c.name for c in concepts()].index(name) for name in names]
    return numbers, shown[numbers].float(), shown


def test_single_factors_and_pairs_are_found_among_all_concepts() -> None:
    scenes = sample(generator("test"), 2000)
    numbers, values, shown = planted(scenes, "red", "striped cube", "on grass")
    table = _ranked(values, shown, "test", progress=False)
    assert table["concept"][:, 0].tolist() == numbers
    assert table["auprc"][:, 0].tolist() == [1.0] * 3
    assert torch.allclose(table["correlation"], torch.ones(3, dtype=torch.float64))
    assert (table["auprc"][:, 1] < 0.7).all()


def test_the_figures_are_those_of_the_half_that_did_not_choose() -> None:
    scenes = sample(generator("test"), 1000)
    (number,), values, shown = planted(scenes, "red")
    values[:, 500:] = torch.rand(1, 500, generator=generator("noise"))
    table = _ranked(values, shown, "test", progress=False)
    assert int(table["concept"][0, 0]) == number
    wanted = average_precision_score(shown[number, 500:].numpy(), values[0, 500:].numpy())
    assert float(table["auprc"][0, 0]) == pytest.approx(wanted, rel=1e-5)
    both = torch.stack([values[0, 500:], shown[number, 500:].float()])
    assert float(table["correlation"][0]) == pytest.approx(float(torch.corrcoef(both)[0, 1]), abs=1e-5)
    assert float(table["chance"][0]) == pytest.approx(float(shown[number, 500:].float().mean()))
    assert float(table["auprc"][0, 0]) < 0.5


def test_a_network_that_measures_redness_has_the_truth_red() -> None:
    (one,) = found(redness(), "seen:0")
    assert one.concept.name == "red"
    assert one.auprc > 0.9
    assert one.correlation > 0.5
    assert one.runner_up.name != "red"
    assert one.margin == one.auprc - one.runner_up_auprc > 0


def test_what_is_kept_is_what_the_renderer_shows() -> None:
    model = redness()
    (one,) = found(model, "seen:0")
    scenes = sample(generator("world", "truth", 0), 400)[200:]
    seen = render(scenes, SIDE)
    with torch.no_grad():
        scores = model.module(seen)[:, 0].numpy()
    wanted = [one.concept.holds(scene) for scene in scenes]
    assert any("red" in caption(scene) for scene in scenes)
    assert one.auprc == pytest.approx(average_precision_score(wanted, scores), rel=1e-4)


def test_a_silent_unit_is_told_by_its_chance() -> None:
    (one,) = found(redness(), "seen:1")
    assert one.auprc == pytest.approx(one.chance)
    assert one.correlation == 0


def test_the_layer_and_the_output_are_answered_together_and_then_looked_up() -> None:
    model = redness(1.25)
    units = found(model, "seen:0-2", "class:0")
    passes = Redness.passes
    assert [str(one.unit) for one in units] == ["seen:0", "seen:1", "seen:2", "class:0"]
    assert replaced(units[0]) == replaced(units[3])
    assert found(model, "class:2", "seen:1") == [found(model, "class:2")[0], units[1]]
    assert Redness.passes == passes


def replaced(one: Truth) -> tuple[object, ...]:
    return one.concept, one.auprc, one.correlation, one.runner_up


def test_one_position_is_read_on_its_own() -> None:
    here, everywhere = found(redness(), "seen:2@0,0", "seen:2")
    assert here.auprc != everywhere.auprc


@pytest.mark.parametrize("change", ["nothing", "weights", "seed", "scenes", "size"])
def test_another_network_or_other_scenes_are_another_answer(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path))
    found(redness(), "seen:2", scenes=60)
    model = Model(Redness(), "redness", (16, 16), resize=SIDE) if change == "size" else redness()
    if change == "weights":
        model = redness(2.0)
    found(model, "seen:2", seed=int(change == "seed"), scenes=70 if change == "scenes" else 60)
    assert len(list(tmp_path.rglob("truth-*"))) == 1 + (change != "nothing")


def test_a_damaged_file_is_made_again() -> None:
    before = found(redness(), "seen:0")
    files = sorted(cache_folder().rglob("*.safetensors"))
    assert files
    for file in files:
        file.write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    assert found(redness(), "seen:0") == before


def test_pictures_are_rendered_once_for_all_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    found(redness(), "seen:0")
    monkeypatch.setattr(MODULE, "render", None)
    assert found(redness(3.0), "seen:0")[0].concept.name == "red"


def test_refusals_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidValueError, match=r"^10 scenes are too few to tell; allowed are whole numbers from 50$"
    ):
        truth(redness(), "seen:0", scenes=10)
    with pytest.raises(InvalidValueError, match=r"^the batch is 0; "):
        truth(redness(), "seen:0", batch=0)
    with pytest.raises(UnitError, match="seen:9 does not exist"):
        truth(redness(), "seen:9")
    from safetensors.torch import save_file

    save_file({"d": torch.ones(1, 3)}, tmp_path / "d.safetensors")
    with pytest.raises(UnitError, match="is a direction; a truth is known of a network's own units alone"):
        truth(redness(), f"{tmp_path}/d.safetensors:0@seen")
    with pytest.raises(ModelError, match="layer 'seen' gives values that are not finite"):
        truth(redness(float("nan")), "seen:0", scenes=60, progress=False)
