"""All scores against slow oracles in plain Python, from their formulas."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from vital.describing.candidates.scoring import (
    SCORERS,
    CandidateActivations,
    compare_images,
    mean_rank,
    median_rank,
    places,
    squared_mean,
    topk_squared_mean,
)
from vital.errors import UsageError


def drawn(seed: int, candidates: int = 5, images: int = 8, others: int = 20) -> CandidateActivations:
    g = torch.Generator().manual_seed(seed)
    made = torch.nn.functional.normalize(torch.randn(candidates, images, 6, generator=g), dim=2)
    real = torch.nn.functional.normalize(torch.randn(7, 6, generator=g), dim=1)
    shown = torch.rand(candidates, candidates * images + others, generator=g) < 0.3
    values = torch.randn(candidates, images, generator=g) + torch.arange(candidates)[:, None] / 3
    return CandidateActivations(values, torch.randn(others, generator=g), shown, made, real)


def slow_ranks(activations: CandidateActivations) -> list[list[int]]:
    rows = activations.values.tolist()
    flat = [(-value, i, j) for i, row in enumerate(rows) for j, value in enumerate(row)]
    at = {(i, j): place for place, (_, i, j) in enumerate(sorted(flat))}
    return [[at[i, j] for j in range(len(row))] for i, row in enumerate(rows)]


def slow_topk(ranks: list[list[int]], best: int = 5) -> list[float]:
    found = []
    for row in ranks:
        kept = sorted(row)[:best]
        found.append(sum(rank**2 for rank in kept) / len(kept))
    return found


def slow_places(lower: list[float]) -> list[int]:
    """As the release: sorted by (value, number), the place counted from the bottom."""
    ordered = sorted((value, i) for i, value in enumerate(lower))
    return [len(lower) - next(at for at, (_, j) in enumerate(ordered) if j == i) for i in range(len(lower))]


def slow_weights(activations: CandidateActivations, top: int = 10) -> list[float]:
    found = []
    for row, own in zip(slow_ranks(activations), activations.made.double().tolist(), strict=True):
        products = [
            sum(a * b for a, b in zip(image, real, strict=True))
            for rank, image in zip(row, own, strict=True)
            if rank < top
            for real in activations.real.double().tolist()
        ]
        found.append(sum(products) / len(products) if products else -1.0)
    return found


def pearson(x: list[float], y: list[float]) -> float:
    mx, my = statistics.fmean(x), statistics.fmean(y)
    top = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    below = math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))
    return top / below


@pytest.mark.parametrize("seed", range(5))
def test_ranks_and_their_statistics(seed):
    activations = drawn(seed)
    slow = slow_ranks(activations)
    assert activations.ranks.tolist() == slow
    assert mean_rank(activations.ranks).tolist() == pytest.approx([statistics.fmean(row) for row in slow])
    assert median_rank(activations.ranks).tolist() == pytest.approx([statistics.median(row) for row in slow])
    assert squared_mean(activations.ranks).tolist() == pytest.approx(
        [statistics.fmean([r * r for r in row]) for row in slow]
    )
    assert topk_squared_mean(activations.ranks).tolist() == pytest.approx(slow_topk(slow))
    for name, oracle in (
        ("mean", [statistics.fmean(row) for row in slow]),
        ("median", [statistics.median(row) for row in slow]),
        ("topk-sq-mean", slow_topk(slow)),
        ("sq-mean", [statistics.fmean([r * r for r in row]) for row in slow]),
    ):
        assert SCORERS[name](activations).tolist() == pytest.approx([-value for value in oracle])


def test_equal_values_share_their_ranks_and_fewer_than_five_images_are_enough():
    activations = CandidateActivations(torch.tensor([[1.0, 2.0], [2.0, 1.0]]))
    assert activations.ranks.tolist() == [[2.5, 0.5], [0.5, 2.5]]
    assert topk_squared_mean(activations.ranks).tolist() == [3.25, 3.25]
    assert activations.among(3).tolist() == [[0.5, 1], [1, 0.5]]


def test_a_dead_unit_prefers_no_candidate():
    drawn_images = drawn(0)
    dead = CandidateActivations(torch.zeros(5, 8), made=drawn_images.made, real=drawn_images.real)
    for name in ("mean", "median", "sq-mean", "topk-sq-mean"):
        assert SCORERS[name](dead).unique().numel() == 1
    assert places(torch.zeros(5)).tolist() == [3.0] * 5
    whole = SCORERS["image-products"](dead)
    assert compare_images(dead).tolist() == pytest.approx(whole.tolist())
    assert int(SCORERS["topk-compare"](dead).argmax()) == int(whole.argmax())


@pytest.mark.parametrize("seed", range(5))
def test_scores_that_compare_images(seed):
    activations = drawn(seed)
    slow = slow_ranks(activations)
    weights = slow_weights(activations)
    assert compare_images(activations).tolist() == pytest.approx(weights)
    by_topk = [p * w for p, w in zip(slow_places(slow_topk(slow)), weights, strict=True)]
    by_mean = [
        p * w for p, w in zip(slow_places([statistics.fmean(row) for row in slow]), weights, strict=True)
    ]
    assert SCORERS["topk-compare"](activations).tolist() == pytest.approx(by_topk)
    assert SCORERS["mean-compare"](activations).tolist() == pytest.approx(by_mean)
    products = [
        statistics.fmean(
            [sum(a * b for a, b in zip(x, y, strict=True)) for x in own for y in activations.real.tolist()]
        )
        for own in activations.made.tolist()
    ]
    assert SCORERS["image-products"](activations).tolist() == pytest.approx(products, abs=1e-6)


def test_a_candidate_without_an_image_among_the_top_weighs_minus_one():
    activations = drawn(0, candidates=3)
    low = CandidateActivations(
        activations.values.index_fill(0, torch.tensor([1]), -99.0),
        made=activations.made,
        real=activations.real,
    )
    assert compare_images(low)[1] == -1
    assert SCORERS["topk-compare"](low)[1] == -1  # the last place of all, times −1
    assert places(torch.tensor([2.0, 2.0, 1.0])).tolist() == [1.5, 1.5, 3]


@pytest.mark.parametrize("seed", range(5))
def test_auprc_and_correlation_are_over_all_images(seed):
    activations = drawn(seed)
    pool = [*activations.values.flatten().tolist(), *activations.others.tolist()]
    areas = [average_precision_score(np.array(row), np.array(pool)) for row in activations.shown.tolist()]
    assert SCORERS["auprc"](activations).tolist() == pytest.approx(areas)
    slow = [pearson(pool, [float(x) for x in row]) for row in activations.shown.tolist()]
    assert SCORERS["correlation"](activations).tolist() == pytest.approx(slow, abs=1e-6)


def red_unit() -> CandidateActivations:
    """A unit for red, before images of red, large red and cube; every other image is large."""
    values = torch.tensor([[5.0, 4.0, 5.1, 4.1], [5.0, 5.2, 5.1, 5.3], [0.0, 5.0, 0.1, 0.2]])
    red = [True] * 8 + [False, True, False, False]
    large = [True, False, True, False] + [True] * 4 + [False, True, False, False]
    cube = [False] * 8 + [True] * 4
    return CandidateActivations(
        values, torch.zeros(2), torch.tensor([[*row, False, False] for row in (red, large, cube)])
    )


def test_what_is_high_for_all_red_is_red_and_not_large_red():
    assert int(SCORERS["auprc"](red_unit()).argmax()) == 0
    assert int(SCORERS["correlation"](red_unit()).argmax()) == 0
    assert int(SCORERS["topk-sq-mean"](red_unit()).argmax()) == 1
    assert int(SCORERS["mean"](red_unit()).argmax()) == 1


@pytest.mark.parametrize("name", ["topk-compare", "mean-compare", "image-products"])
def test_without_an_encoder_images_cannot_be_compared(name):
    with pytest.raises(UsageError, match="need an image-text encoder"):
        SCORERS[name](CandidateActivations(torch.rand(2, 3)))
    for known in ("made", "real"):
        with pytest.raises(UsageError, match="need an image-text encoder"):
            SCORERS[name](CandidateActivations(torch.rand(2, 3), **{known: torch.rand(2, 3, 4)}))


def test_without_other_images_those_of_the_candidates_are_all():
    activations = drawn(0, others=0)
    alone = CandidateActivations(activations.values, shown=activations.shown)
    for name in ("auprc", "correlation"):
        assert torch.equal(SCORERS[name](alone), SCORERS[name](activations))


@pytest.mark.parametrize("name", ["auprc", "correlation"])
def test_scores_of_what_is_shown_need_to_know_it(name):
    with pytest.raises(UsageError, match="nobody said"):
        SCORERS[name](CandidateActivations(torch.rand(2, 3)))
