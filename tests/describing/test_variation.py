"""Units that do not answer get no label, and labels that cannot be judged say so."""

import json
import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import vital
from vital import ImageSet, Model
from vital.data import load_images
from vital.describing import Context, Describer, describer, read_labels
from vital.describing.api import Descriptions, Words
from vital.describing.evaluation.significance import JudgeOptions, LabelEvaluator
from vital.describing.evaluation.table import score_rows, verdict_lines
from vital.describing.variation import warn_of_halves, why_silent
from vital.errors import ModelError
from vital.records import Description
from vital.world.networks.backends import Encoder
from vital.world.scenes.dataset import images

WORDS = ("red", "green", "snow", "small", "square", "dotted cube")
SILENT = {1: "the same value on all", 2: "the same value on all", 3: "a single one of"}


class Units(nn.Module):
    """Redness, a dead unit, a constant one, one that answers to a single image, and redness behind a ReLU."""

    def __init__(self, single: float = -1.0) -> None:
        super().__init__()
        self.single = single

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red = x[:, 0].mean((1, 2)) - x[:, 2].mean((1, 2))
        lone = (x.sum((1, 2, 3)) - self.single).abs() < 1e-3
        parts = [red, 0 * red, 0 * red + 0.3, lone.float(), torch.relu(red)]
        return torch.stack(parts, 1)


def context_of(shown: ImageSet, encoder: Encoder | None, **more: Any) -> Context:
    size = (64, 64)
    first = int(shown.part().int().argmax())
    probe = Model(Units(), size=size)
    single = float(shown.tensor([first], probe).sum())
    return Context(Model(Units(single), size=size), shown, concepts=WORDS, encoder=encoder, **more)


@pytest.fixture
def context(pictures: ImageSet, encoder: Encoder) -> Context:
    return context_of(pictures, encoder)


@pytest.mark.parametrize("name", ["clip-dissect", "linear", "activation-ranges"])
def test_a_unit_that_does_not_vary_gets_no_label(context: Context, name: str) -> None:
    units = context.model.units(["class:0-4"])
    found = describer(name).describe(context, units)
    assert [d.unit for d in found] == units
    for i, d in enumerate(found):
        assert bool(d.candidate) == (i not in SILENT)
        assert SILENT.get(i, "") in d.reason
        assert d.label == d.candidate


@pytest.mark.parametrize("name", ["dnd", "prototype"])
def test_captions_and_prototypes_say_nothing_of_it_either(world: Context, name: str) -> None:
    model = vital.load_model("world")
    last = next(m for m in reversed(list(model.module.modules())) if getattr(m, "weight", None) is not None)
    with torch.no_grad():
        last.weight[3] = 0
    bank = vital.build_bank(model, ["layer3"], world.images, disk=False)
    drawn: list[Any] = []
    at = replace(
        world, model=model, bank=bank, generator=None, prototypes=lambda units, seed: drawn.append(units)
    )
    (found,) = describer(name, n_real=0).describe(at, ["class:3"])
    assert (found.label, found.candidate, drawn) == ("", "", [])
    assert "the same value on all" in found.reason


@pytest.mark.filterwarnings("ignore:none of the")
def test_describers_of_others_are_silenced_too(context: Context) -> None:
    @dataclass(frozen=True)
    class Square(Describer):
        needs: ClassVar[tuple[str, ...]] = ()

        def describe(self, context: Context, units: Any) -> Any:
            return [Description(unit, "square", "square", 1.0, "square") for unit in units]

    words = Words(context, {"square": Square()}, JudgeOptions(n_random_models=0))
    found = words.describe(context.model.units(["class:0-4"]))
    assert [d.candidate for d in found] == ["square", "", "", "", "square"]
    assert [d.status for d in found[1:4]] == ["not judged"] * 3
    (row, *_) = words.scores(found)
    assert (row["units"], row["judged"]) == (5, 2)


def test_without_an_encoder_nothing_stands(context: Context, tmp_path) -> None:
    @dataclass(frozen=True)
    class Same(Describer):
        needs: ClassVar[tuple[str, ...]] = ()

        def describe(self, context: Context, units: Any) -> Any:
            return [Description(unit, "same", "red", 1.0, "red") for unit in units]

    found = Words(replace(context, encoder=None), {"same": Same()}).describe(context.model.units(["class:0"]))
    assert found[0].verdict == "not judged: there is no image-text encoder to judge it with"
    assert isinstance(found, Descriptions)
    assert found.table()[0][-1] in found._repr_html_()
    found.to_csv(tmp_path / "labels.csv")
    (row,) = read_labels(tmp_path / "labels.csv")
    assert f"{row['status']}: {row['reason']}" == found[0].verdict
    assert json.loads(json.dumps(found[0].to_dict()))["status"] == "not judged"
    page = vital.report(tmp_path / "page.html", found).read_text()
    assert found[0].verdict in page


@pytest.mark.parametrize("count", [2, 10, 30])
@pytest.mark.filterwarnings("ignore:none of the")
def test_too_few_images_judge_nothing(encoder: Encoder, count: int) -> None:
    context = context_of(images(count, seed=5), encoder)
    methods = {name: describer(name) for name in ("clip-dissect", "linear", "activation-ranges")}
    found = Words(context, methods, JudgeOptions(n_random_models=0)).describe(
        context.model.units(["class:0", "class:4"])
    )
    assert {d.status for d in found} == {"not judged"}
    assert all("judging needs at least 20" in d.reason or not d.candidate for d in found)
    assert all(d.reason for d in found)


def test_a_layer_of_one_unit_that_nothing_is_held_against_is_not_judged(context: Context) -> None:
    class One(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :1].mean((2, 3))

    at = replace(context, model=Model(One(), size=(64, 64)))
    (unit,) = at.model.units(["class:0"])
    (found,) = LabelEvaluator(at, n_random_models=0).judged([Description(unit, "x", "red", 1.0, "red")])
    assert (
        found.verdict == "not judged: class has no other unit, and no network with random weights was asked"
    )


@pytest.mark.parametrize("inside", [True, False])
def test_a_half_that_does_not_show_what_excites_a_unit_is_told(encoder: Encoder, inside: bool) -> None:
    dark = images(120, seed=5)
    pixels = np.stack([dark[i] for i in range(120)]) // 4
    for name in range(60):  # white pictures that all fall into one half
        white = np.full((1, 64, 64, 3), 255, np.uint8)
        white[0, 0, 0] = name
        if bool(load_images(white).part()) == inside:
            pixels = np.concatenate([pixels, white])

    class Bright(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x.mean((1, 2, 3)), x[:, 0].mean((1, 2))], 1)

    context = Context(Model(Bright(), size=(64, 64)), load_images(pixels), encoder=encoder, concepts=WORDS)
    (unit,) = context.model.units(["class:0"])
    half = "held out" if inside else "that labels are chosen on"
    with pytest.warns(UserWarning, match=rf"none of the \d+ images {half} shows what excites class:0"):
        warn_of_halves(context, [unit])
    (judged,) = LabelEvaluator(context, n_random_models=0).judged(
        [Description(unit, "x", "snow", 1.0, "snow")]
    )
    assert (judged.status == "not judged") == inside
    assert ("shows what excites the unit" in judged.reason) == inside


def test_embeddings_that_are_no_numbers_are_told(context: Context, encoder: Encoder) -> None:
    class Sick:
        name = "sick"
        encode_image = encoder.encode_image

        def encode_text(self, texts: list[str]) -> torch.Tensor:
            found = encoder.encode_text(texts).clone()
            found[[i for i, text in enumerate(texts) if text == "snow"]] = math.nan
            return found

    sick = replace(context, encoder=Sick())
    (unit,) = context.model.units(["class:0"])
    with pytest.raises(ModelError, match="sick gives embeddings that are not finite for snow"):
        describer("clip-dissect").describe(sick, [unit])
    (found,) = LabelEvaluator(sick, n_random_models=0).judged([Description(unit, "x", "snow", 1.0, "snow")])
    assert found.verdict == "not judged: the encoder gives no finite number for 'snow'"


def test_what_failed_is_said_of_each_unit(net: Model, pictures: ImageSet, encoder: Encoder) -> None:
    context = Context(net, pictures, encoder=encoder)
    units = net.units(["planted:2", "planted:19"])
    evaluator = LabelEvaluator(context, n_random_models=1)
    wrong = evaluator.judged([Description(unit, "x", "striped", 1.0, "striped") for unit in units])
    for d in wrong:
        assert d.status == "taken back"
        assert d.details["failed"]
        assert ("of 43 other units of planted" in d.reason) == ("layer" in d.details["failed"])
        assert ("random weights" in d.reason) == ("random" in d.details["failed"])
    (line,) = verdict_lines(wrong)
    assert line.startswith("x, planted: no label stands: of 2, ")
    assert score_rows(evaluator, wrong)[0]["labeled"] == 0
    right = evaluator.judged([Description(units[0], "x", "red", 1.0, "red")])
    assert verdict_lines(right) == []


def test_values_say_nothing_where_one_image_or_none_differs() -> None:
    assert why_silent(torch.zeros(0))
    assert why_silent(torch.full((9,), 3.0))
    assert why_silent(torch.full((9,), 3.0) + 1e-7 * torch.rand(9))
    assert why_silent(torch.eye(9)[0])
    assert why_silent(1 - torch.eye(9)[0])
    assert why_silent(torch.tensor([1.0, math.nan, 2.0]))
    assert not why_silent(torch.eye(9)[0] + torch.eye(9)[1])
