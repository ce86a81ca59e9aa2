"""A unit's picture is its own, whichever units share its batch: over the registered methods."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import vital
from tests import toy
from vital.models import Model

UNITS = ("class:1", "act2:3", "class:4", "layer3:2", "act2:9")


def rendered(model: Model, units: tuple[str, ...], method: str, steps: int) -> vital.Prototypes:
    """Pictures of units that share a batch."""
    images = vital.load_images(toy.images(12).float(), labels=[i % 6 for i in range(12)])
    few: dict[str, Any] = {"n_transforms": 2} if method == "maco" else {}
    return vital.render(
        model, units, method=method, images=images, steps=steps, batch=8, progress=False, **few
    )


@pytest.mark.parametrize("method", list(vital.METHODS))
def test_in_float64_a_picture_is_the_same_to_the_last_bit_in_any_company(method: str) -> None:
    model = toy.model(double=True)
    together = rendered(model, UNITS, method, 4)
    for i in (1, 2, 3):
        (alone,) = rendered(model, UNITS[i : i + 1], method, 4)
        assert torch.equal(together[i].image, alone.image)
        assert torch.equal(together[i].alpha, alone.alpha)
        assert together[i].losses == alone.losses


@pytest.mark.parametrize("method", list(vital.METHODS))
def test_in_float32_company_matters_less_than_one_in_a_hundred_thousand_after_a_step(method: str) -> None:
    model = toy.model()
    together = rendered(model, UNITS, method, 1)
    for i, unit in enumerate(UNITS):
        (alone,) = rendered(model, (unit,), method, 1)
        apart = (together[i].image - alone.image).abs().flatten()
        assert apart.quantile(0.99) < 1e-5
        assert apart.max() < 1e-2  # Adam divides the smallest gradients by themselves in its first step


@pytest.mark.parametrize("method", list(vital.METHODS))
def test_two_units_of_one_batch_have_pictures_of_their_own(method: str) -> None:
    first, second, *_ = rendered(toy.model(), UNITS, method, 2)
    assert (first.image - second.image).abs().amax() > 1e-3
