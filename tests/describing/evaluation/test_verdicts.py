"""Verdicts on labels against the two conditions worked out by hand, on a network of one layer that sees colors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital.describing.base import Context
from vital.describing.evaluation.significance import (
    LabelEvaluator,
    leading,
    leading_text,
    terms_of,
    unjudged,
    with_luck,
)
from vital.models.random import random_weights
from vital.records import NOT_JUDGED, STANDS, TAKEN_BACK, Description
from vital.units import Unit

UNITS = 6
TEXTS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "cyan": (-1, 0, 0),
    "yellow": (1, 1, 0),
    "pink": (1, -1, 0),
    "lime": (0, 1, -1),
    "dim": (0, 0, -1),
}


class Colors:
    """An encoder whose texts are colors; what is none of them has no number."""

    name = "colors"

    def encode_image(self, images: Tensor) -> Tensor:
        return torch.nn.functional.normalize(images.float().mean((2, 3)) - 0.5, dim=1)

    def encode_text(self, texts: list[str]) -> Tensor:
        rows = torch.tensor([TEXTS.get(text, (math.nan,) * 3) for text in texts], dtype=torch.float32)
        return torch.nn.functional.normalize(rows, dim=1)


class Cubed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=0) ** 3


def layer(units: int) -> nn.Module:
    weights = torch.tensor(
        [[3, 0, 0], [2, -1, 0], [0, 2, 0.5], [0, 0, -2], [1, 1, 1], [1, -1, 0.2]], dtype=torch.float32
    )
    conv = nn.Conv2d(3, units, 1)
    with torch.no_grad():
        conv.weight.copy_(weights[:units, :, None, None])
        conv.bias.zero_()
    return nn.Sequential(conv, Cubed())


def context_of(count: int = 200, units: int = UNITS) -> Context:
    colors = np.random.default_rng(3).integers(30, 225, (count, 1, 1, 3))
    grain = np.random.default_rng(4).integers(-25, 26, (count, 8, 8, 1))
    images = vital.load_images((colors + grain).astype(np.uint8))
    return Context(toy.wrap(layer(units), size=8), images, encoder=Colors())


@pytest.fixture
def context() -> Context:
    return context_of()


def claim(unit: int, text: str, **details: object) -> Description:
    return Description(Unit("1", unit), "anybody", text, 1.0, text, details=details)


def seen(context: Context) -> Tensor:
    return context.images.load(range(len(context.images)), context.model)[1]


def values_of(context: Context, pictures: Tensor) -> np.ndarray:
    with torch.no_grad():
        return context.model.module(context.model.normalize(pictures)).mean((2, 3)).double().numpy()


def presence_of(pictures: Tensor, text: str) -> np.ndarray:
    cosines = (Colors().encode_image(pictures) @ Colors().encode_text([text])[0]).numpy()
    ordered = np.sort(cosines)
    middle, top = ordered[len(ordered) // 2], ordered[int(0.995 * len(ordered))]
    return np.clip((cosines - middle) / (top - middle), 0, 1) ** 3


def fits_of(values: np.ndarray, shown: np.ndarray) -> np.ndarray:
    return np.array([np.corrcoef(column, shown)[0, 1] if np.ptp(column) else 0.0 for column in values.T])


@pytest.mark.parametrize("copies", [0, 1, 3])
@pytest.mark.parametrize("alpha", [0.05, 1 / 3, 0.7])
def test_a_label_stands_if_no_more_units_go_with_it_and_none_of_random_weights(
    context: Context, alpha: float, copies: int
) -> None:
    claims = [claim(unit, text) for unit in range(UNITS) for text in TEXTS]
    held, pictures = ~context.images.part().numpy(), seen(context)
    own = values_of(context, pictures)[held]
    copied = [replace(context, model=random_weights(context.model, draw)) for draw in range(copies)]
    blank = [values_of(copy, pictures)[held] for copy in copied]
    presences = {text: presence_of(pictures, text)[held] for text in TEXTS}
    statuses = set()
    for found in LabelEvaluator(context, alpha=alpha, n_random_models=copies).judged(claims):
        text, unit = found.candidate, found.unit.channel
        fits = fits_of(own, presences[text])
        p = (fits >= fits[unit]).sum() / UNITS  # the unit is among them, and counts as one
        floor = max((fits_of(values, presences[text]).max() for values in blank), default=-1.0)
        luck = math.tanh(math.atanh(min(floor, 1 - 1e-9)) + 2 * (2 / (held.sum() - 3)) ** 0.5) if blank else 0
        failed = [
            *(["layer"] if p > max(alpha, 1 / UNITS) else []),
            *(["random"] if fits[unit] <= max(0, luck) else []),
        ]
        assert found.p_value == pytest.approx(p)
        assert found.details.get("failed", []) == failed
        assert (found.status, found.label) == ((TAKEN_BACK, "") if failed else (STANDS, text))
        assert found.details["held-out"]["correlation"] == pytest.approx(fits[unit], abs=1e-4)
        assert ("random" in found.details["held-out"]) == bool(blank)
        if blank:
            assert found.details["held-out"]["random"] == pytest.approx(floor, abs=1e-4)
        statuses.add(found.status)
    assert statuses == {STANDS, TAKEN_BACK}


def test_a_label_in_other_words_than_its_candidate_stays_in_them(context: Context) -> None:
    (found,) = LabelEvaluator(context, n_random_models=0).judged([replace(claim(0, "red"), label="scarlet")])
    assert (found.label, found.candidate, found.status) == ("scarlet", "red", STANDS)


def test_what_does_not_go_with_a_unit_at_all_does_not_stand(context: Context) -> None:
    evaluator = LabelEvaluator(context, n_random_models=0)
    others = torch.full((UNITS,), -1.0)
    for correlation, status in ((0.0, TAKEN_BACK), (1e-6, STANDS)):
        found = evaluator._verdict(
            claim(0, "red"), torch.tensor(correlation), others, torch.tensor(-1.0), {}, 30
        )
        assert found.status == status


def test_the_only_unit_of_a_layer_is_held_against_random_weights_alone() -> None:
    alone = context_of(units=1)
    (found,) = LabelEvaluator(alone, n_random_models=0).judged([claim(0, "red")])
    assert (found.status, found.label) == (NOT_JUDGED, "red")
    assert found.reason == "1 has no other unit, and no network with random weights was asked"
    (found,) = LabelEvaluator(alone, n_random_models=1).judged([claim(0, "red")])
    assert (found.status, found.p_value) in {(STANDS, 1.0), (TAKEN_BACK, 1.0)}
    assert found.details.get("failed", ["random"]) == ["random"]


def test_too_few_images_are_told_by_their_number() -> None:
    few = context_of(30)
    (found,) = LabelEvaluator(few, n_random_models=0).judged([claim(0, "red")])
    held = int((~few.images.part()).sum())
    assert held < 20
    assert found.reason == f"{held} images were held out, and judging needs at least 20"


@pytest.mark.parametrize(
    ("text", "terms"),
    [("unknown", []), ("red", [["red", 2.0], ["unknown", 1.0]]), ("red", [["unknown", 2.0], ["red", 1.0]])],
)
def test_a_text_that_the_encoder_cannot_read_is_not_judged(
    context: Context, text: str, terms: list[list[object]]
) -> None:
    (found,) = LabelEvaluator(context, n_random_models=0).judged([claim(0, text, terms=terms)])
    named = max(terms, key=lambda term: term[1])[0] if terms else text
    assert (found.status, found.reason) == (NOT_JUDGED, f"the encoder gives no finite number for {named!r}")


@pytest.mark.parametrize("correlation", [-1.0, -0.9, -0.3, 0.0, 0.4, 1.0])
@pytest.mark.parametrize("count", [4, 5, 30, 1000])
def test_luck_is_two_standard_errors_of_fishers_z(correlation: float, count: int) -> None:
    z = math.atanh(min(max(correlation, -1 + 1e-9), 1 - 1e-9))
    error = math.sqrt(1 / (count - 3) + 1 / (count - 3))  # of a difference
    assert with_luck(correlation, count) == pytest.approx(math.tanh(z + 2 * error), abs=1e-9)


def test_the_weightiest_term_leads_and_a_lone_text_weighs_one() -> None:
    alone, several = claim(0, "red"), claim(0, "red", terms=[["red", 0.5], ["old", 0.7], ["new", 0.6]])
    assert terms_of(alone) == terms_of(replace(alone, label="")) == [("red", 1.0)]
    assert (leading(alone), leading_text(alone)) == (alone, "red")
    assert terms_of(leading(several)) == [("old", 0.7)]
    assert leading_text(several) == "old"
    one = claim(0, "red", terms=[["blue", 3.0]])
    assert leading(one) == one


def test_a_reason_that_was_given_stays() -> None:
    assert unjudged(claim(0, "red"), "no images").reason == "no images"
    assert unjudged(replace(claim(0, "red"), reason="dark"), "no images").reason == "dark"
