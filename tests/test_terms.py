from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from tests import toy
from vital.errors import InvalidValueError
from vital.objectives import Channel, Diversity
from vital.regularizers import L1, L2
from vital.terms import Sum, Term, as_sum, per_image_mean
from vital.tracing import Trace
from vital.types import PerImage


@dataclass(frozen=True, repr=False)
class Constant(Term):
    """The same number for every image."""

    value: float
    note: tuple[str, ...] = field(default_factory=tuple)
    secret: int = field(default=0, repr=False)

    def __call__(self, trace: Trace) -> PerImage:
        """The number, (B,)."""
        return trace.seen.new_full((len(trace),), self.value)


def trace() -> Trace:
    return toy.trace(toy.model(double=True), ["layer2"], toy.images(2))


def test_a_sum_is_the_weighted_sum_of_its_parts() -> None:
    assert (Constant(2) + 3 * Constant(5) + Constant(1) * 4)(trace()).tolist() == [21, 21]
    assert (2 * (Constant(2) + 0.5 * Constant(4)))(trace()).tolist() == [8, 8]


def test_an_empty_sum_is_zero_and_adds_nothing() -> None:
    assert Sum()(trace()).tolist() == [0, 0]
    assert Sum() + Constant(2) == as_sum(Constant(2))


def test_sums_are_flat_so_grouping_does_not_count() -> None:
    a, b, c = Constant(1), Constant(2), Constant(3)
    assert (a + b) + c == a + (b + c)
    assert 2 * (a + b) == 2 * a + 2 * b


def test_a_sum_reads_each_layer_once() -> None:
    assert (Channel("layer2:1") + Channel("layer3:1") + Channel("layer2:2")).layers == ("layer2", "layer3")


def test_a_sum_couples_when_one_of_its_parts_does() -> None:
    assert not (Channel("layer2:1") + L1()).couples
    assert (Channel("layer2:1") + 0.1 * Diversity("layer2")).couples


def test_losses_are_named_after_their_classes_and_numbered() -> None:
    losses = (L1() + 2 * L2() + 3 * L1(0.1)).losses(trace())
    assert list(losses) == ["L1", "L2", "L1 2"]
    torch.testing.assert_close(losses["L1 2"], 3 * L1(0.1)(trace()))


def test_terms_subtract_divide_and_sum_up() -> None:
    a, b = Constant(3), Constant(4)
    assert (a - 2 * b)(trace()).tolist() == [-5, -5]
    assert (a - (b - a))(trace()).tolist() == [2, 2]
    assert (-(a + b) / 2)(trace()).tolist() == [-3.5, -3.5]
    assert sum([a, b]) == a + b
    assert sum([a]) is a
    assert (6 * a) / 3 == 2 * a


@pytest.mark.parametrize("factor", [np.float32(2), np.float64(2), np.int64(2)])
def test_numpys_numbers_weight_a_term_as_pythons_do(factor: Any) -> None:
    assert L1() * factor == 2 * L1()
    assert L1() / factor == 0.5 * L1()
    assert repr(factor * L1()) == "2 * L1()"


@pytest.mark.parametrize("divisor", [0, 0.0, math.nan, math.inf])
def test_a_term_is_divided_by_finite_numbers_other_than_0(divisor: float) -> None:
    with pytest.raises(InvalidValueError) as caught:
        L1() / divisor
    sentence = f"a term cannot be divided by {divisor}; allowed are finite numbers other than 0"
    assert str(caught.value) == sentence


def test_weights_that_grow_too_large_are_an_error() -> None:
    with pytest.raises(InvalidValueError, match="a term cannot be weighted with inf"):
        1e200 * (1e200 * L1())
    with pytest.raises(InvalidValueError, match="a term cannot be weighted with inf"):
        1e200 * L1() / 1e-200


@pytest.mark.parametrize("factor", [math.nan, math.inf, -math.inf])
def test_a_weight_that_is_no_finite_number_is_an_error(factor: float) -> None:
    with pytest.raises(InvalidValueError) as caught:
        factor * L1()
    assert str(caught.value) == f"a term cannot be weighted with {factor}; allowed are finite numbers"


@pytest.mark.parametrize("other", [True, "2", None, 1j])
def test_only_numbers_weight_a_term(other: object) -> None:
    with pytest.raises(TypeError):
        L1() * other  # type: ignore[operator]
    with pytest.raises(TypeError):
        L1() / other  # type: ignore[operator]
    with pytest.raises(TypeError):
        other / L1()  # type: ignore[operator]


@pytest.mark.parametrize("other", [1, 0.5, "L2()", None])
def test_only_terms_are_added_to_a_term(other: object) -> None:
    for combine in (operator.add, operator.sub):
        with pytest.raises(TypeError):
            combine(L1(), other)
        with pytest.raises(TypeError):
            combine(other, L1())


def test_the_text_makes_the_term() -> None:
    term = Channel("layer4:162") + 0.05 * L1() + 3e-7 * L2(0.1) + 0.123456789 * L1()
    assert repr(term) == "Channel('layer4:162') + 0.05 * L1() + 3e-07 * L2(center=0.1) + 0.123456789 * L1()"
    assert eval(repr(term), {"Channel": Channel, "L1": L1, "L2": L2}) == term
    assert repr(Sum()) == "Sum()"


@pytest.mark.parametrize(
    ("term", "text"),
    [
        (-L1(), "-L1()"),
        (L1() - 2 * L2(), "L1() - 2 * L2()"),
        (-(L1() - L2()), "-L1() + L2()"),
        (-0.5 * L1() - L2() / 4, "-0.5 * L1() - 0.25 * L2()"),
        (L1() / 3, "0.3333333333333333 * L1()"),
        (L1() - (L2() - L1()), "L1() - L2() + L1()"),
        (0 * L1() - L2(), "0 * L1() - L2()"),
    ],
)
def test_the_text_of_a_difference_reads_back(term: Term, text: str) -> None:
    assert repr(term) == text
    assert eval(text, {"L1": L1, "L2": L2}) == term


def test_the_text_of_a_term_leaves_out_defaults_and_hidden_fields() -> None:
    assert repr(Constant(1)) == "Constant(1)"
    assert repr(Constant(1, ("a",), secret=3)) == "Constant(1, note=('a',))"


def test_a_per_image_mean_keeps_the_first_axis() -> None:
    assert per_image_mean(torch.arange(8.0).view(2, 2, 2)).tolist() == [1.5, 5.5]
