"""The brightness and colorfulness of images."""

from __future__ import annotations

import pytest
import torch

from tests import toy
from vital import regularizers as reg
from vital.errors import InvalidValueError


def loss(term: reg.Colors, picture: torch.Tensor) -> float:
    return float(term(toy.trace(toy.model(), (), picture, picture)))


def by_hand(picture: torch.Tensor, quantiles: torch.Tensor) -> float:
    """The formula, pixel by pixel, for one picture."""
    total, pixels = 0.0, picture[0].flatten(1).T
    bright = [float(p.mean()) for p in pixels]
    away = [float(((p - p.mean()).square().sum() + 1e-6).sqrt()) for p in pixels]
    for values, wanted in zip((bright, away), quantiles, strict=True):
        total += sum((a - float(b)) ** 2 for a, b in zip(sorted(values), wanted, strict=True))
    return total / (2 * len(pixels)) / float(quantiles.var(1, correction=0).mean())


def test_it_follows_its_formula() -> None:
    real, picture = toy.images(3, seed=1), toy.images(1, seed=2)
    term = reg.Colors.of(real)
    assert loss(term, picture) == pytest.approx(by_hand(picture, term.quantiles), rel=1e-4)


def test_a_picture_has_its_own_colors_wherever_they_lie_and_whatever_their_hue() -> None:
    picture = toy.images(1, seed=3)
    term = reg.Colors.of(picture)
    assert loss(term, picture) == pytest.approx(0, abs=1e-9)
    assert loss(term, picture.flip(3).roll(2, 2)) == pytest.approx(0, abs=1e-6)
    assert loss(term, picture.flip(1)) == pytest.approx(0, abs=1e-6)


def test_paler_darker_and_flatter_pictures_are_further_away() -> None:
    picture = toy.images(1, seed=3)
    term, mean = reg.Colors.of(picture), picture.mean(1, keepdim=True)
    half, none = (loss(term, mean + (picture - mean) * share) for share in (0.5, 0.0))
    assert 0 < half < none
    assert loss(term, picture * 0.5) > 0.01
    assert loss(term, 0.5 + (picture - 0.5) * 0.5) > 0.01


def test_natural_values_are_the_mean_over_images() -> None:
    one, other = toy.images(2, seed=4).split(1)
    both = reg.Colors.of(torch.cat([one, other])).quantiles
    each = (reg.Colors.of(one).quantiles + reg.Colors.of(other).quantiles) / 2
    assert torch.allclose(both, each)


def test_terms_of_other_images_differ_and_say_so() -> None:
    one, other = (reg.Colors.of(toy.images(1, seed=seed)) for seed in (1, 2))
    assert one != other
    assert repr(one) != repr(other)
    assert one == reg.Colors.of(toy.images(1, seed=1))
    loss(one, toy.images(1, seed=3))
    assert one == reg.Colors.of(toy.images(1, seed=1))


def test_another_size_is_interpolated() -> None:
    picture = toy.images(1, seed=5)
    grown = picture.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert loss(reg.Colors.of(grown), picture) < 0.01
    assert loss(reg.Colors.of(picture), grown) < 0.01


def test_a_step_makes_a_grey_picture_colorful_and_grey_images_make_none() -> None:
    grey = toy.images(1, seed=6).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    picture = (grey + 1e-3 * toy.images(1, seed=7)).requires_grad_()
    term = reg.Colors.of(toy.images(4, seed=8))
    term(toy.trace(toy.model(), (), picture, picture)).sum().backward()
    assert picture.grad is not None
    stepped = (picture - 5 * picture.grad).detach()
    assert float(stepped.std(1).mean()) > float(picture.detach().std(1).mean())
    assert torch.isfinite(picture.grad).all()
    assert loss(reg.Colors.of(grey), grey) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("shape", [(3, 5), (2, 0), (2,)])
def test_other_shapes_fail_with_a_sentence(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError, match=r"Colors\.of"):
        reg.Colors(torch.zeros(shape))
