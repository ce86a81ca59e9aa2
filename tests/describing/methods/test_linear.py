"""How sums of concepts are found and judged, on numbers whose sum is known."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from vital.describing.matching.presence import presence
from vital.describing.methods import linear
from vital.describing.methods.linear import Linear, said
from vital.units import Unit


def shown() -> Tensor:
    return torch.rand(80, 6, generator=torch.Generator().manual_seed(0))


def unit() -> Tensor:
    """The weights of columns 1, 4 and 3 are 2, 1.5 and −1."""
    return 2 * shown()[:, 1] + 1.5 * shown()[:, 4] - shown()[:, 3] + 0.5


def test_pursuit_finds_a_sum_in_standard_deviations_of_the_unit() -> None:
    chosen, weights = linear._pursued(unit(), shown(), 3)
    assert chosen == [1, 3, 4]
    torch.testing.assert_close(torch.tensor(weights), torch.tensor([2, -1, 1.5]) / unit().std())
    assert linear._pursued(torch.ones(80), shown(), 3) == ([0], [0.0])


@pytest.mark.parametrize(
    ("unit_gain", "presence_gain"), [(1e-3, 1.0), (50.0, 1.0), (1.0, 0.02), (1e-6, 1e-3)]
)
def test_weights_are_per_full_presence_whatever_the_scales(unit_gain: float, presence_gain: float) -> None:
    chosen, weights = linear._pursued(unit_gain * unit().double() + 3, presence_gain * shown().double(), 3)
    assert chosen == [1, 3, 4]
    found = presence_gain * torch.tensor(weights)
    torch.testing.assert_close(found, torch.tensor([2, -1, 1.5]) / unit().std(), rtol=1e-4, atol=1e-4)


def test_without_images_that_judge_every_concept_gains_nothing() -> None:
    none = torch.zeros(80, dtype=torch.bool)
    assert len(Linear(gain=0.0, n_concepts=3)._fitted(unit(), shown(), none)[0]) == 3
    assert len(Linear(n_concepts=3)._fitted(unit(), shown(), none)[0]) == 1


def test_a_sum_grows_while_it_gains_and_tells_the_weightiest_first() -> None:
    judging = torch.arange(80) % 4 == 0
    chosen, weights = Linear()._fitted(unit(), shown(), judging)
    assert chosen == [1, 4, 3]
    torch.testing.assert_close(torch.tensor(weights), torch.tensor([2, 1.5, -1]) / unit()[~judging].std())
    assert Linear(n_concepts=2)._fitted(unit(), shown(), judging)[0] == [1, 4]
    assert Linear(gain=0.9)._fitted(unit(), shown(), judging)[0] == [1]
    assert Linear()._fitted(unit(), shown(), torch.zeros(80, dtype=torch.bool))[0] == [1]


def test_a_sum_without_a_positive_weight_goes_on() -> None:
    judging = torch.arange(80) % 4 == 0
    values = 0.2 * shown()[:, 2] - 3 * shown()[:, 5]
    chosen, weights = Linear(gain=1.0)._fitted(values, shown(), judging)
    assert chosen == [2, 5]
    assert weights[0] > 0 > weights[1]


@pytest.mark.parametrize(("left", "judges"), [(2, False), (3, True)])
def test_of_very_few_images_none_are_set_aside(
    left: int, judges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = torch.tensor([True] + [False] * left)
    asked: list[tuple[object, ...]] = []
    images = SimpleNamespace(part=lambda *how: asked.append(how) or drawn)
    monkeypatch.setattr(linear, "probe_images", lambda _: images)
    rows = torch.arange(len(drawn))
    features = SimpleNamespace(
        context=SimpleNamespace(split_seed=7), matrix=SimpleNamespace(numbers=rows, choosing=rows >= 0)
    )
    found = linear._set_aside(features)  # type: ignore[arg-type]
    assert asked == [(0.25, 7, "judging sums")]  # about every fourth
    assert found.tolist() == (drawn.tolist() if judges else [False] * len(drawn))


def test_a_label_has_the_concepts_of_at_least_half_of_the_greatest_weight() -> None:
    assert said([["a", 2.0], ["b", 1.0], ["c", 0.99]]) == "a, b"
    assert said([["a", 0.0], ["b", -1.0]]) == ""


@pytest.mark.parametrize("held_out", [0, 30])
def test_the_score_is_that_of_images_held_out_and_0_without_them(held_out: int) -> None:
    draw = torch.Generator().manual_seed(0)
    images, texts = torch.randn(80, 6, generator=draw), torch.randn(4, 6, generator=draw)
    values = presence(images @ texts.T)[:, 2:3] * 3 - 1
    features = SimpleNamespace(
        matrix=SimpleNamespace(choosing=torch.arange(80) >= held_out, of=lambda _: values),
        image_embeddings=images,
        text_embeddings=texts,
        encoder=SimpleNamespace(name="encoder"),
        strongest=lambda *_: ("1.png",),
        context=SimpleNamespace(concepts=("a", "b", "c", "d"), seed=0, model=SimpleNamespace(name="net")),
    )
    judging = torch.arange(80 - held_out) % 4 == 0
    found = Linear()._description(features, Unit("fc", 0), torch.arange(4), judging)  # type: ignore[arg-type]
    assert found.label == "c"
    assert found.score == pytest.approx(1 if held_out else 0, abs=1e-5)
