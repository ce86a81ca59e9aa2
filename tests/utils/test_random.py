from __future__ import annotations

import torch

from vital.utils.random import generator, seed_of


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
