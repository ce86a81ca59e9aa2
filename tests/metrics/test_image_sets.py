import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import torch

from vital.errors import InvalidValueError
from vital.metrics import (
    diversity,
    frechet_distance,
    kernel_distance,
    path_similarity,
    rank_of,
    similarity_to_way,
    way_sum,
)


def features(count: int, width: int = 5, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    mixed = torch.randn(width, width, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    return torch.randn(count, width, generator=draw, dtype=torch.float64) @ mixed + shift


def slow_frechet(x: np.ndarray, y: np.ndarray) -> float:
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(a @ b).real
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * root))


def slow_kernel(x: np.ndarray, y: np.ndarray) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    own = [k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    other = [k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    between = [k(a, b) for a in x for b in y]
    return float(np.mean(own) + np.mean(other) - 2 * np.mean(between))


def slow_correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_frechet_distance_equals_the_formula() -> None:
    x, y = features(40), features(60, seed=1, shift=0.7)
    assert frechet_distance(x, y) == pytest.approx(slow_frechet(x.numpy(), y.numpy()), rel=1e-6)


def test_kernel_distance_equals_the_formula() -> None:
    x, y = features(30), features(30, seed=1, shift=0.4)
    assert kernel_distance(x, y) == pytest.approx(slow_kernel(x.numpy(), y.numpy()), rel=1e-6)


def test_kernel_distance_takes_all_of_the_fewer_and_as_many_of_the_others_evenly() -> None:
    x, y = features(10), features(40, seed=1)
    assert kernel_distance(x, y) == pytest.approx(slow_kernel(x.numpy(), y[::4].numpy()), rel=1e-6)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_distances_of_sets_see_a_shift_and_leave_the_random_state_alone(distance) -> None:
    x, y = features(50), features(50, seed=1)
    before = torch.get_rng_state()
    assert distance(x, y) < distance(x + 0.5, y) < distance(x + 1.0, y)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_one_picture_is_no_set(distance) -> None:
    with pytest.raises(InvalidValueError, match="1 and 50 pictures"):
        distance(features(1), features(50))
    with pytest.raises(InvalidValueError, match="50 and 1 pictures"):
        distance(features(50), features(1))


def test_two_pictures_are_a_set() -> None:
    x, y = features(2), features(2, seed=1)
    assert kernel_distance(x, y) == pytest.approx(slow_kernel(x.numpy(), y.numpy()), rel=1e-6)
    means, widths = (x.mean(0) - y.mean(0))[0], (x.std(0) - y.std(0))[0]
    alone = frechet_distance(x[:, :1], y[:, :1])  # of one number it needs no root of a matrix
    assert alone == pytest.approx(float(means**2 + widths**2), rel=1e-6)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize(
    "shapes", [((4, 5), (4, 6)), ((4, 5, 1), (4, 5)), ((4, 5), (4, 5, 1)), ((4, 5), (4,))]
)
def test_features_are_vectors_of_one_length(
    distance, shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    with pytest.raises(InvalidValueError, match="cannot be compared; allowed are"):
        distance(torch.rand(shapes[0]), torch.rand(shapes[1]))


def test_path_similarity_equals_the_formula() -> None:
    layers = {"a": 7, "b": 4}
    x, n, o = (
        {name: features(count, width, seed) for name, width in layers.items()}
        for count, seed in ((1, 3), (4, 4), (5, 5))
    )
    for name, width in layers.items():
        n[name] += 3 * torch.arange(width)  # natural images of the unit have something in common
    way = width = 0.0
    for name in layers:
        rows = {key: t[name].numpy() for key, t in (("x", x), ("n", n), ("o", o))}
        apart = np.mean([slow_correlation(a, b) for a in rows["n"] for b in rows["o"]])
        width += np.mean([slow_correlation(a, b) for a, b in itertools.permutations(rows["n"], 2)]) - apart
        way += np.mean([slow_correlation(rows["x"][0], b) for b in rows["n"]]) - apart
    assert path_similarity(x, n, o) == pytest.approx(way / width, rel=1e-9)


def test_a_picture_of_another_unit_takes_another_path() -> None:
    base, other = torch.arange(9.0), torch.arange(9.0).flip(0)
    noise = torch.randn(12, 9, generator=torch.Generator().manual_seed(0))
    own, others = {"a": base + noise[:6]}, {"a": other + noise[6:]}
    same = path_similarity({"a": (base + noise[11])[None]}, own, others)
    different = path_similarity({"a": (other + noise[0])[None]}, own, others)
    assert same > 0.8
    assert abs(different) < 0.2


def test_a_layer_that_hardly_tells_units_apart_hardly_counts() -> None:
    base, other = torch.arange(9.0), torch.arange(9.0).flip(0)
    noise = torch.randn(12, 9, generator=torch.Generator().manual_seed(0))
    x = {"a": (base + noise[11])[None]}
    own, others = {"a": base + noise[:6]}, {"a": other + noise[6:]}
    alone = path_similarity(x, own, others)
    blurred = {"b": base + 0.01 * noise[:6]}, {"b": base + 0.01 * noise[6:]}
    both = path_similarity(x | {"b": (base + 0.02 * noise[3])[None]}, own | blurred[0], others | blurred[1])
    assert both == pytest.approx(alone, abs=0.02)


def test_layers_that_cannot_tell_units_apart_say_nothing() -> None:
    acts = {"a": torch.ones(3, 4)}
    assert math.isnan(path_similarity(acts, acts, acts))


def test_natural_images_that_spread_too_far_around_their_own_way_say_nothing() -> None:
    way, across = torch.eye(8, dtype=torch.double)[:2] - torch.eye(8, dtype=torch.double)[2:4]
    others = {"a": (-0.1 * way + across)[None]}
    tight = {"a": torch.stack([way + 0.1 * across, way - 0.1 * across, way])}
    wide = {"a": torch.stack([way, way, -0.8 * way + across])}
    x = {"a": way[None]}
    assert path_similarity(x, tight, others) == pytest.approx(1, abs=0.05)
    assert math.isnan(path_similarity(x, wide, others))


@pytest.mark.parametrize(
    ("widths", "known"),
    [
        ((0.0, 1.0, 2.0), True),  # spread exactly as wide as they are apart
        ((0.0, 0.125, 0.25), True),
        ((0.0, 0.0, 0.375), False),
        ((0.0, 3.0, 3.0), True),
        ((0.0, 0.0, 8.0), False),
        ((0.001, 0.001), False),  # exactly as far apart as is too little
        ((0.0, 0.0, 0.0), False),
    ],
)
def test_a_way_is_known_by_how_far_its_images_are_from_others_and_by_their_spread(
    widths: tuple[float, ...], known: bool
) -> None:
    rows = torch.tensor([[1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=torch.double) / 2
    own = rows[: len(widths)]  # none is like another, so that each is as far apart as it is unlike the others
    usual = -(torch.tensor(widths, dtype=torch.double)[:, None] * own).sum(0)
    found = similarity_to_way({"a": rows[:1]}, {"a": own}, {"a": usual})
    assert math.isfinite(found) if known else math.isnan(found)


@pytest.mark.parametrize("layers", ["a", "ab", "abc"])
def test_layers_tell_units_apart_from_a_thousandth_on_average(layers: str) -> None:
    own = torch.arange(9.0).repeat(2, 1)
    for apart, known in ((0.0009, False), (0.0011, True)):
        usual = (1 - apart) * way_sum(own[:1])
        found = similarity_to_way(*(dict.fromkeys(layers, one) for one in (own[:1], own, usual)))
        assert found == pytest.approx(1.0, rel=1e-6) if known else math.isnan(found)


def test_diversity_is_the_mean_cosine_distance_of_all_pairs() -> None:
    x = features(4)
    pairs = list(itertools.combinations(range(4), 2))
    expected = np.mean([1 - float(x[i] @ x[j] / x[i].norm() / x[j].norm()) for i, j in pairs])
    assert diversity(x) == pytest.approx(expected, rel=1e-9)
    assert diversity(x[[0, 0]]) == pytest.approx(0, abs=1e-12)


def test_ties_count_against_a_rank() -> None:
    scores = torch.tensor([[0.5, 0.5, 0.1], [0.9, 0.2, 0.1]])
    assert rank_of(scores, torch.tensor([0, 2])).tolist() == [2, 3]


def test_the_ways_of_many_units_are_sums_without_one_s_own() -> None:
    luck = torch.Generator().manual_seed(3)
    naturals = [
        {"a": torch.rand(7, generator=luck) + 0.1 * torch.rand(4 + i, 7, generator=luck)} for i in range(5)
    ]
    x = {"a": torch.rand(1, 7, generator=luck)}
    sums = [way_sum(n["a"]) for n in naturals]
    total, count = torch.stack(sums).sum(0), sum(len(n["a"]) for n in naturals)
    for i, own in enumerate(naturals):
        others = {"a": torch.cat([n["a"] for j, n in enumerate(naturals) if j != i])}
        left = {"a": (total - sums[i]) / (count - len(own["a"]))}
        assert similarity_to_way(x, own, left) == pytest.approx(path_similarity(x, own, others), rel=1e-9)


def test_paths_need_two_natural_images_and_one_other() -> None:
    acts = {"a": torch.rand(3, 5)}
    with pytest.raises(InvalidValueError, match="1 natural images are given at 'a'; allowed are 2 and more"):
        path_similarity(acts, {"a": acts["a"][:1]}, acts)
    with pytest.raises(InvalidValueError, match="no image of another unit is given at 'a'"):
        path_similarity(acts, acts, {"a": acts["a"][:0]})
