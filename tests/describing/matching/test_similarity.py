"""The similarities against slow oracles: the published formulas, one unit and one concept at a time, in float64."""

import math

import pytest
import torch
from torch import Tensor

from vital.describing.matching import search as module
from vital.describing.matching import similarity
from vital.describing.matching.search import find_best_concepts
from vital.describing.matching.similarity import SIMILARITIES, RankReorder, Similarity, Wpmi
from vital.describing.matching.wpmi_sums import Ranks, series
from vital.errors import InvalidValueError

C = tuple(((1 - p) / p) for p in (0.998 - 0.028 * rank / 100 for rank in range(100)))
"""What soft-wpmi adds to the shares, rank by rank."""


def drawn(
    images: int = 150, units: int = 5, concepts: int = 300, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(images, units, generator=draw)
    seen = torch.nn.functional.normalize(torch.randn(images, 6, generator=draw) + 0.5, dim=1)
    read = torch.nn.functional.normalize(torch.randn(concepts, 6, generator=draw) + 0.5, dim=1)
    return values, seen, read


def table(by: Similarity, values: Tensor, seen: Tensor, read: Tensor, **more: Tensor) -> Tensor:
    """All scores (U, K), from the answers in order."""
    found = find_best_concepts(by, values, seen, read, top=len(read), **more)
    return found.scores.new_zeros(found.scores.shape).scatter_(1, found.concepts, found.scores)


def slow_cosine(a: Tensor, p: Tensor) -> float:
    return float((a * p).sum() / (a.norm() * p.norm()))


def slow_cubed(a: Tensor, p: Tensor) -> float:
    x, y = (a - a.mean()) ** 3, (p - p.mean()) ** 3
    return float((x * y).sum() / (max(x.norm(), 1e-3) * max(y.norm(), 1e-3)))


def slow_rank_reorder(a: Tensor, p: Tensor) -> float:
    count = max(2, int(0.05 * len(a)))
    rows = a.argsort(descending=True)[:count].tolist()
    ordered = [float(a[i]) for i in rows]
    by_cosine = sorted(range(count), key=lambda i: -float(p[rows[i]]))
    moved = [0.0] * count
    for rank, place in enumerate(by_cosine):
        moved[place] = ordered[rank]
    off = sum(abs(x - y) ** 3 for x, y in zip(ordered, moved, strict=True)) / count
    chance = sum(abs(x - y) ** 3 for x in ordered for y in ordered) / count**2
    mean = sum(float(p[i]) for i in rows) / count
    return -off / chance / max(mean, 1e-3) ** 0.5


def slow_wpmi(
    values: Tensor,
    cosines: Tensor,
    top: int,
    a: float,
    lam: float,
    start: float,
    end: float,
    least: float = 1e-7,
) -> Tensor:
    probability = (a * cosines).softmax(1)
    sums = torch.zeros(values.shape[1], cosines.shape[1], dtype=torch.float64)
    for unit, column in enumerate(values.T):
        for rank, image in enumerate(column.argsort(descending=True)[:top].tolist()):
            p = start - rank / top * (start - end)
            sums[unit] += (1 + p * (probability[image] - 1) + least).log()
    return sums - lam * (sums.logsumexp(0) - math.log(len(sums)))


@pytest.mark.parametrize(
    ("name", "slow"),
    [("cos", slow_cosine), ("cos-cubed", slow_cubed), ("rank-reorder", slow_rank_reorder)],
)
@pytest.mark.parametrize(
    ("images", "gain", "length"), [(150, 1.0, 1.0), (30, 1.0, 1.0), (150, 0.03, 1.0), (150, 1.0, 0.05)]
)
def test_those_of_single_pairs_are_their_formulas(
    name: str, slow, images: int, gain: float, length: float
) -> None:
    values, seen, read = drawn(images)
    values, seen = gain * values, length * seen
    found = table(SIMILARITIES[name], values, seen, read)
    cosines = seen.double() @ read.double().T
    for unit in range(5):
        for concept in range(0, 300, 23):
            expected = slow(values[:, unit].double(), cosines[:, concept])
            assert float(found[unit, concept]) == pytest.approx(expected, rel=2e-4, abs=1e-6)


def test_of_equal_cosines_the_stronger_image_keeps_the_stronger_value() -> None:
    values, seen = torch.arange(100.0, 0.0, -1.0)[:, None], torch.ones(100, 1) / 2
    assert float(table(RankReorder(), values, seen, torch.ones(1, 1))) == 0


def test_the_last_of_the_strongest_images_belongs_as_the_published_formula_says() -> None:
    p = Wpmi().belonging(100)
    assert p[0].item() == 0.998
    assert p[-1].item() == pytest.approx(0.97028, abs=1e-12)
    assert torch.equal(Wpmi().belonging(7), p[:7])


@pytest.mark.parametrize(
    ("name", "settings"),
    [("wpmi", (28, 2.0, 0.6, 1.0, 1.0)), ("soft-wpmi", (100, 10.0, 1.0, 0.998, 0.97))],
)
def test_both_wpmi_are_their_formula(name: str, settings: tuple[float, ...]) -> None:
    values, seen, read = drawn()
    found = table(SIMILARITIES[name], values, seen, read)
    expected = slow_wpmi(values, seen.double() @ read.double().T, *settings)
    assert torch.allclose(found.double(), expected, rtol=1e-5, atol=2e-4)


def test_the_hard_form_needs_no_least_probability() -> None:
    values, seen, read = drawn()
    by = Wpmi(top_k=28, a=2.0, lam=0.6, p_start=1.0, p_end=1.0, min_prob=0.0)
    expected = slow_wpmi(values, seen.double() @ read.double().T, 28, 2.0, 0.6, 1.0, 1.0, 0.0)
    assert torch.allclose(table(by, values, seen, read).double(), expected, rtol=1e-5, atol=2e-4)


def test_among_thousands_of_concepts_soft_wpmi_is_its_formula_by_a_series(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(similarity, "exact", lambda *_: pytest.fail("the series was not asked"))
    values, seen, read = drawn(images=120, units=3, concepts=20_000)
    seen, read = (torch.nn.functional.normalize(x + 1, dim=1) for x in (seen, read))  # no share is large
    assert series(Ranks(torch.zeros(100, 1, dtype=torch.int64)), [torch.full((1, 1), 5e-4)], C) is not None
    found = table(SIMILARITIES["soft-wpmi"], values, seen, read)
    expected = slow_wpmi(values, seen.double() @ read.double().T, 100, 10.0, 1.0, 0.998, 0.97)
    assert torch.allclose(found, expected, rtol=0, atol=5e-5)


def test_cosines_made_twice_give_what_cosines_kept_give(monkeypatch: pytest.MonkeyPatch) -> None:
    given = drawn()
    kept = table(SIMILARITIES["soft-wpmi"], *given)
    monkeypatch.setattr(module, "HELD", 0)
    assert torch.equal(table(SIMILARITIES["soft-wpmi"], *given), kept)


@pytest.mark.parametrize("name", ["wpmi", "soft-wpmi"])
def test_a_unit_alone_gets_what_it_gets_in_its_layer(name: str) -> None:
    values, seen, read = drawn()
    whole = find_best_concepts(SIMILARITIES[name], values, seen, read)
    for unit in range(5):
        one = values[:, [unit]]
        beside = find_best_concepts(SIMILARITIES[name], one, seen, read, layer=values)
        later = find_best_concepts(SIMILARITIES[name], one, seen, read, prior=whole.prior, layer=values)
        for found in (beside, later):
            assert found.concepts[0, 0] == whole.concepts[unit, 0]
            assert torch.allclose(found.scores[0], whole.scores[unit], atol=1e-3)
        assert torch.allclose(beside.prior, whole.prior, atol=1e-3)


def test_a_layer_of_one_unit_is_told_by_its_images_not_by_a_prior_that_cancels_them() -> None:
    seen = read = torch.eye(8)
    values = torch.zeros(8, 1).index_fill(0, torch.tensor([5]), 1.0)
    found = find_best_concepts(Wpmi(top_k=1), values, seen, read, top=8)
    assert found.concepts[0, 0] == 5
    assert found.scores[0, 0] > found.scores[0, 1]


def test_few_images_and_negative_cosines_give_numbers() -> None:
    values, seen, read = drawn(images=9, concepts=20)
    for name in SIMILARITIES:
        assert torch.isfinite(table(SIMILARITIES[name], values, seen, -read)).all(), name
    negative = table(RankReorder(), values, seen, -seen[:4])
    assert torch.isfinite(negative).all()


def test_a_probability_of_one_does_not_run_out_of_numbers() -> None:
    values, seen, read = drawn()
    sharp = Wpmi(28, 200.0, 0.6, 1.0, 1.0)
    expected = slow_wpmi(values, seen.double() @ read.double().T, 28, 200.0, 0.6, 1.0, 1.0)
    assert torch.allclose(table(sharp, values, seen, read).double(), expected, rtol=1e-4, atol=1e-3)


def test_a_sharp_softmax_is_summed_in_double() -> None:
    sharp = Wpmi(a=50.0)
    cosines = torch.rand(200, 2000, generator=torch.Generator().manual_seed(0)) * 0.01
    odds = sharp.odds(cosines * sharp.a)
    found = sharp.block(sharp.prepared(torch.randn(200, 3)), odds, sharp.total(odds, None))
    assert found.dtype == torch.float64
    assert bool(found.isfinite().all())


def test_shapes_that_do_not_fit_are_said() -> None:
    values, seen, read = drawn()
    with pytest.raises(InvalidValueError, match="allowed are"):
        find_best_concepts(SIMILARITIES["cos"], values[:5], seen, read)


@pytest.mark.parametrize("a", [0.0, -1.0, 2000.0])
def test_a_softmax_that_numbers_cannot_hold_is_refused(a: float) -> None:
    with pytest.raises(InvalidValueError, match="allowed are numbers above 0"):
        Wpmi(a=a)
    assert [Wpmi(a=allowed).a for allowed in (0.01, 40.0, 350.0)] == [0.01, 40.0, 350.0]
    with pytest.raises(InvalidValueError, match="up to 350"):
        Wpmi(a=350.1)


def test_without_a_divisor_the_odds_are_shares() -> None:
    draw, soft = torch.Generator().manual_seed(0), SIMILARITIES["soft-wpmi"]
    prepared, shares = soft.prepared(torch.rand(200, 3, generator=draw)), torch.rand(200, 7, generator=draw)
    assert torch.equal(soft.block(prepared, shares, None), soft.block(prepared, shares, torch.ones(200)))
