from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from vital.utils.random import Random, generator, key_schedule, philox, seed_of


def test_the_same_key_gives_the_same_numbers_and_any_other_key_others() -> None:
    found = {
        key: torch.rand(4, generator=generator(*key)).tolist()
        for key in [(0, "class:1"), (1, "class:1"), (0, "class:2"), (0, "class", ":1"), ("0class:1",), ()]
    }
    assert torch.rand(4, generator=generator(0, "class:1")).tolist() == found[0, "class:1"]
    assert len({tuple(d) for d in found.values()}) == len(found)


def test_seeds_are_pinned_so_pictures_stay_the_same_between_versions() -> None:
    assert seed_of(0, "class:1") == 4051098266030231736


def test_a_seed_fits_in_63_bits() -> None:
    assert all(0 <= seed_of(i) < 2**63 for i in range(100))


ANSWERS = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
"""The known answers for philox4x32-10 that Random123 (Salmon et al., 2011) publishes."""


@pytest.mark.parametrize(("counter", "key", "words"), ANSWERS)
def test_philox_gives_the_published_answers(counter: list[int], key: list[int], words: list[int]) -> None:
    given, schedule = np.array(counter, np.int64).reshape(4, 1, 1), key_schedule([key[0] | key[1] << 32])
    for even, odd in (
        philox(given.copy(), schedule),
        philox(torch.from_numpy(given), torch.from_numpy(schedule)),
    ):
        assert [*even.ravel().tolist(), *odd.ravel().tolist()] == [words[i] for i in (0, 2, 1, 3)]


def test_philox_is_the_same_of_numpy_and_of_torch() -> None:
    rng = np.random.default_rng(0)
    counter, schedule = rng.integers(0, 2**32, (4, 3, 50)), key_schedule([3, 2**63 + 5, 2**64 - 1])
    theirs = philox(torch.from_numpy(counter.copy()), torch.from_numpy(schedule))
    for a, b in zip(philox(counter, schedule), theirs, strict=True):
        assert np.array_equal(a, b.numpy())


KEYS = [seed_of("row", i) for i in range(7)]
DRAWS: dict[str, Callable[[Random], Tensor]] = {
    "uniform": lambda random: random.uniform(-1, 2),
    "few uniform": lambda random: random.uniform(0, 1, 3, 5),
    "many uniform": lambda random: random.uniform(0, 1, 3, 15, 17),
    "normal": lambda random: random.normal(),
    "few normal": lambda random: random.normal(3, dtype=torch.float64),
    "many normal": lambda random: random.normal(3, 15, 17),
    "integers": lambda random: random.integers(-3, 3, 2),
    "many integers": lambda random: random.integers(0, 2**31 - 2, 99),
    "choice": lambda random: random.choice([0.25, 0.5, 4]),
    "generators": lambda random: torch.cat([torch.rand(1, generator=own) for own in random.generators()]),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_row_draws_the_same_alone_and_in_any_company(draw: Callable[[Random], Tensor]) -> None:
    random = Random(KEYS, step=3)
    first, second = draw(random), draw(random)
    assert len(first) == len(random) == 7
    for i, key in enumerate(KEYS):
        alone = Random([key]).at(3)
        assert torch.equal(draw(alone)[0], first[i])
        assert torch.equal(draw(alone)[0], second[i])
    turned = Random(KEYS[::-1], step=3)
    assert torch.equal(draw(turned).flip(0), first)


@pytest.mark.parametrize("name", [name for name in DRAWS if "many" in name or "few" in name])
def test_other_steps_draws_and_keys_give_other_numbers(name: str) -> None:
    random, draw = Random(KEYS), DRAWS[name]
    first, second = draw(random), draw(random)
    assert torch.equal(first, draw(random.at(0)))
    for other in (second, draw(random.at(1)), draw(Random([key + 2**40 for key in KEYS])), first.roll(1, 0)):
        assert not (first == other).flatten(1).all(1).any()


def test_a_number_depends_on_its_place_and_not_on_how_many_there_are() -> None:
    for many, few in ((4000, 1001), (50, 3)):
        assert torch.equal(Random([1]).uniform(0, 1, many)[:, :few], Random([1]).uniform(0, 1, few))
    assert torch.equal(Random([1]).uniform(0, 1, 65)[:, :64], Random([1]).uniform(0, 1, 64))
    few, many = Random([1]).normal(64), Random([1]).normal(65)[:, :64]
    torch.testing.assert_close(few, many, rtol=1e-5, atol=1e-6)


def test_types_and_ranges() -> None:
    random = Random(KEYS)
    assert random.uniform().dtype == random.normal(99).dtype == random.choice([1]).dtype == torch.float32
    assert random.uniform(0, 1, 99, dtype=torch.float64).dtype == torch.float64
    assert random.integers(0, 1).dtype == torch.int64
    assert random.uniform().shape == random.integers(0, 1).shape == random.choice([1]).shape == (7,)
    assert random.normal(2, 3).shape == (7, 2, 3)
    assert random.integers(-2, 1, 500).unique().tolist() == [-2, -1, 0, 1]
    assert {float(x) for step in range(20) for x in random.at(step).choice([1, 2.5])} == {1, 2.5}
    assert float(random.uniform(3, 3, 5).mean()) == 3


def test_a_uniform_number_is_never_0_or_1() -> None:
    for words in (np.array([0, 2**32 - 1]), torch.tensor([0, 2**32 - 1])):
        from vital.utils.random import _fractions

        low, high = torch.as_tensor(_fractions(words)).to(torch.float32).tolist()
        assert 0 < low < 1e-7
        assert 1 - 1e-7 < high < 1


COUNT = 50_000


def test_uniform_numbers_are_uniform() -> None:
    drawn = Random(KEYS).uniform(0, 1, COUNT, dtype=torch.float64)
    assert (drawn.mean(1) - 0.5).abs().max() < 5 * math.sqrt(1 / 12 / COUNT)
    assert (drawn.var(1) - 1 / 12).abs().max() < 5 * math.sqrt(1 / 180 / COUNT)
    shares = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    assert (drawn.quantile(shares, 1).T - shares).abs().max() < 5 * math.sqrt(0.25 / COUNT)


def test_normal_numbers_are_normal() -> None:
    few = torch.cat([Random(KEYS, step=step).normal(64) for step in range(COUNT // 64)], 1)
    for drawn in (Random(KEYS).normal(COUNT).double(), few.double()):
        assert drawn.mean(1).abs().max() < 5 / math.sqrt(COUNT)
        assert (drawn.var(1) - 1).abs().max() < 5 * math.sqrt(2 / COUNT)
        assert drawn.pow(3).mean(1).abs().max() < 5 * math.sqrt(15 / COUNT)
        assert (drawn.pow(4).mean(1) - 3).abs().max() < 5 * math.sqrt(96 / COUNT)
        for share in (0.01, 0.25, 0.5, 0.9, 0.999):
            below = (torch.special.ndtr(drawn) < share).double().mean(1)
            assert (below - share).abs().max() < 5 * math.sqrt(share * (1 - share) / COUNT)


def test_rows_steps_draws_and_neighbors_do_not_correlate() -> None:
    random = Random([0, 1, 2**32, *KEYS])
    drawn = torch.cat([random.normal(COUNT), random.normal(COUNT), random.at(1).normal(COUNT)])
    correlation = torch.corrcoef(torch.cat([drawn, drawn.roll(1, 1), drawn.roll(4, 1)]).double())
    assert (correlation - torch.eye(len(correlation))).abs().max() < 6 / math.sqrt(COUNT)
    squares = torch.corrcoef(drawn.double().square())
    assert (squares - torch.eye(len(squares))).abs().max() < 6 / math.sqrt(COUNT)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", DRAWS)
def test_a_gpu_draws_the_same_and_is_not_waited_for(name: str) -> None:
    random = Random(KEYS, "cuda")
    DRAWS[name](random.at(1))
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn = DRAWS[name](random.at(5))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    exact = "many normal" not in name
    wanted = DRAWS[name](Random(KEYS, step=5))
    torch.testing.assert_close(drawn.cpu(), wanted, rtol=0 if exact else 1e-5, atol=0 if exact else 1e-6)
