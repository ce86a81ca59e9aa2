"""The best concepts of units, found block by block, against a sort of all."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from vital.describing.matching.search import TopConcepts, find_best_concepts
from vital.describing.matching.similarity import SIMILARITIES, Wpmi
from vital.errors import InvalidValueError

BLOCKS = (2, 5, 1, 9)


@pytest.mark.parametrize("top", [1, 3, 7, 20])
@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_blocks_leave_the_best_of_all_and_of_equal_ones_the_earlier(top: int, levels: int) -> None:
    draw = torch.Generator().manual_seed(levels)
    whole = torch.randint(-levels, levels, (6, sum(BLOCKS)), generator=draw).float()
    best, start = TopConcepts(len(whole), top), 0
    for block in whole.split(BLOCKS, 1):
        best.add(block, start)
        start += block.shape[1]
    count = min(top, start)
    assert torch.equal(best.scores[:, :count], whole.sort(dim=1, descending=True).values[:, :count].double())
    assert (best.scores[:, count:] == -math.inf).all()
    found = best.concepts[:, :count]
    assert torch.equal(whole.gather(1, found).double(), best.scores[:, :count])
    block_of = torch.arange(len(BLOCKS)).repeat_interleave(torch.tensor(BLOCKS))
    for row, numbers in zip(whole, found.tolist(), strict=True):
        assert len(set(numbers)) == count
        for one, other in itertools.pairwise(numbers):
            assert row[one] > row[other] or block_of[one] <= block_of[other]


def given(concepts: int = 30) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    seen, read = torch.randn(40, 6, generator=draw), torch.randn(concepts, 6, generator=draw)
    return (
        torch.randn(40, 4, generator=draw),
        torch.nn.functional.normalize(seen, dim=1),
        torch.nn.functional.normalize(read, dim=1),
    )


@pytest.mark.parametrize("name", SIMILARITIES)
def test_ten_concepts_are_found_or_all_where_there_are_fewer(name: str) -> None:
    assert find_best_concepts(SIMILARITIES[name], *given()).concepts.shape == (4, 10)
    few = find_best_concepts(SIMILARITIES[name], *given(3))
    assert few.scores.shape == few.concepts.shape == (4, 3)
    assert (few.scores.diff(dim=1) <= 0).all()


def test_a_prior_is_the_mean_of_the_layer_and_nothing_where_it_has_no_weight() -> None:
    values, seen, read = given()
    for by, layer in ((SIMILARITIES["cos"], values), (Wpmi(lam=0.0), values), (Wpmi(), values[:, :1])):
        found = find_best_concepts(by, values[:, :1], seen, read, layer=layer)
        assert torch.equal(found.prior, torch.zeros(30, dtype=torch.float64))
    soft, plain = (find_best_concepts(Wpmi(lam=lam), values, seen, read, top=30) for lam in (0.6, 0.0))
    sums = torch.zeros(4, 30, dtype=torch.float64).scatter_(1, plain.concepts, plain.scores)
    prior = sums.logsumexp(0) - math.log(4)
    torch.testing.assert_close(soft.prior, prior, rtol=1e-5, atol=1e-4)
    found = torch.zeros(4, 30, dtype=torch.float64).scatter_(1, soft.concepts, soft.scores)
    torch.testing.assert_close(found, sums - 0.6 * prior, rtol=1e-5, atol=1e-3)
    pair = find_best_concepts(Wpmi(lam=0.6), values[:, :1], seen, read, layer=values[:, :2], top=30)
    torch.testing.assert_close(pair.prior, sums[:2].logsumexp(0) - math.log(2), rtol=1e-5, atol=1e-4)


def test_shapes_that_do_not_fit_are_refused() -> None:
    values, seen, read = given()
    for wrong in (
        (values[:, 0], seen, read),
        (values[:, :, None], seen, read),
        (values[:9], seen, read),
        (values, seen, read[:, :5]),
        (values[:, :0], seen, read),
        (values[:0], seen[:0], read),
    ):
        with pytest.raises(InvalidValueError, match=r"allowed are \(N, U\), \(N, D\) and \(K, D\)"):
            find_best_concepts(SIMILARITIES["cos"], *wrong)
