from __future__ import annotations

import pytest
import torch

from tests import toy
from vital.errors import InvalidValueError
from vital.regularizers import L1, L2, Range
from vital.tracing import Trace

IMAGE = toy.images(2, low=-0.5, high=1.5)


def trace() -> Trace:
    return toy.trace(toy.model(double=True), [], IMAGE, IMAGE.flip(3) * 0.5)


def test_l1_is_the_mean_distance_from_the_center() -> None:
    torch.testing.assert_close(L1(0.3)(trace()), (IMAGE - 0.3).abs().mean((1, 2, 3)))


def test_l2_is_the_mean_squared_distance_from_the_center() -> None:
    torch.testing.assert_close(L2(0.3)(trace()), ((IMAGE - 0.3) ** 2).mean((1, 2, 3)))


def test_the_published_l2_is_the_norm_of_each_normalized_image() -> None:
    seen = toy.model().normalize(IMAGE.flip(3) * 0.5)
    expected = torch.stack([(x**2).sum().sqrt() for x in seen])
    torch.testing.assert_close(L2(0, "input", squared=False)(trace()), expected)


def test_range_punishes_what_lies_outside_by_its_square() -> None:
    low, high = (0.1 - IMAGE).clamp_min(0), (IMAGE - 0.8).clamp_min(0)
    torch.testing.assert_close(Range(0.1, 0.8)(trace()), (low**2 + high**2).mean((1, 2, 3)))
    assert Range(-0.5, 1.5)(trace()).tolist() == [0, 0]


@pytest.mark.parametrize(("of", "picture"), [("image", IMAGE), ("seen", IMAGE.flip(3) * 0.5)])
def test_of_chooses_the_picture(of: str, picture: torch.Tensor) -> None:
    torch.testing.assert_close(L2(0.0, of)(trace()), (picture**2).mean((1, 2, 3)))  # type: ignore[arg-type]


@pytest.mark.parametrize("term", [L1, L2, Range])
def test_an_unknown_picture_is_an_error(term: type) -> None:
    with pytest.raises(InvalidValueError, match="of is 'pixels'; allowed are 'image', 'seen' and 'input'"):
        term(of="pixels")


def test_an_empty_range_is_an_error() -> None:
    with pytest.raises(InvalidValueError, match=r"low is 1 and high is 0.5; low must be below high"):
        Range(1, 0.5)
