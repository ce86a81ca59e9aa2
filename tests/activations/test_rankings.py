import pytest
import torch

from vital.activations.rankings import Ranking, Tables, merge, share_below, shifted, unpack


def tables(values: torch.Tensor, ids: torch.Tensor, keys: torch.Tensor) -> Tables:
    """The tables of images with these values (C, n), unmerged."""
    row = ids.expand(len(values), -1)
    means, peaks = Ranking(values, row), Ranking(values * 2, row, (keys % 50).expand(len(values), -1))
    return Tables({"a": means}, {"a": peaks}, {"a": values}, ids, keys, len(ids))


def sample_class(count: int, seed: int = 0) -> Tables:
    draw = torch.Generator().manual_seed(seed)
    values = torch.randint(0, 40, (3, count), generator=draw).float()  # with many ties
    return tables(values, torch.arange(count), torch.randperm(count, generator=draw))


def part(whole: Tables, start: int, stop: int) -> Tables:
    ids = torch.arange(stop - start)
    return tables(whole.sample["a"][:, start:stop], ids, whole.keys[start:stop])


def test_parts_merge_to_what_one_pass_finds() -> None:
    whole = sample_class(90)
    once = merge([whole], 7, sample=11)
    first, second, third = (merge([part(whole, *ends)], 7, 11) for ends in ((0, 20), (20, 21), (21, 90)))
    joined = merge([first, shifted(second, 20), shifted(third, 21)], 7, 11)
    for name, tensor in once.pack().items():
        assert torch.equal(joined.pack()[name], tensor), name


def test_a_merge_over_the_first_part_is_the_same_merge() -> None:
    whole = sample_class(90)
    kept = merge([part(whole, 0, 20)], 7, 11)
    again = merge([part(whole, 0, 20)], 7, 11)
    rest = shifted(part(whole, 20, 90), 20)
    apart, over = merge([kept, rest], 7, 11), merge([again, rest], 7, 11, reuse=True)
    assert all(torch.equal(over.pack()[k], t) for k, t in apart.pack().items())
    assert over.means["a"].values is again.means["a"].values
    assert merge([merge([whole], 90), rest], 7, 11, reuse=True).means["a"].values.shape == (3, 7)


def test_ties_go_to_the_earlier_image() -> None:
    found = merge([sample_class(90)], 30, 5)
    ranked = found.means["a"]
    for values, ids in zip(ranked.values.tolist(), ranked.indices.tolist(), strict=True):
        pairs = list(zip([-v for v in values], ids, strict=True))
        assert pairs == sorted(pairs)


def test_what_is_packed_is_unpacked() -> None:
    made = merge([sample_class(30)], 4, 6)
    again = unpack(made.pack(), 30)
    assert again.count == made.count
    assert made.pack().keys() == again.pack().keys()
    assert all(torch.equal(again.pack()[k], t) for k, t in made.pack().items())
    with pytest.raises(ValueError, match="it lacks 'keys'"):
        unpack({k: t for k, t in made.pack().items() if k != "keys"}, 30)


def exact(values: torch.Tensor, value: float) -> float:
    return sum(v < value for v in values.tolist()) / len(values)


def test_the_share_below_is_exact_where_all_images_are_sampled() -> None:
    whole = sample_class(60)
    found = merge([whole], 5)
    for value in [-1.0, *torch.arange(0, 41, 0.5).tolist()]:
        for unit in range(3):
            assert found.below("a", unit, value) == exact(whole.sample["a"][unit], value)


def test_the_tail_is_exact_and_the_rest_close_where_few_are_sampled() -> None:
    draw = torch.Generator().manual_seed(2)
    values = torch.randn(1, 5000, generator=draw)
    whole = tables(values, torch.arange(5000), torch.randperm(5000, generator=draw))
    found = merge([whole], 51, sample=1000)
    grid = torch.linspace(-4, 4, 400).tolist()
    shares = [found.below("a", 0, v) for v in grid]
    assert shares == sorted(shares)
    last = float(found.means["a"].values[0, -1])
    for value, share in zip(grid, shares, strict=True):
        if value > last:
            assert share == exact(values[0], value)
        else:
            assert share == pytest.approx(exact(values[0], value), abs=0.05)
    assert any(v > last and 0.99 < s < 1 for v, s in zip(grid, shares, strict=True))


def test_the_share_falls_when_the_value_does() -> None:
    found = merge([sample_class(60)], 5, sample=20)
    assert found.below("a", 0, 39.5) > found.below("a", 0, 20.5) > found.below("a", 0, 0.5)
    assert found.below("a", 0, -1.0) == 0.0
    assert found.below("a", 0, 100.0) == 1.0


def test_values_in_the_tail_do_not_count_twice() -> None:
    """A sample that holds images of the tail too says nothing more about the rest for it."""
    values = torch.tensor([[*range(10)]]).float()
    found = merge([tables(values, torch.arange(10), torch.arange(10).flip(0))], 4, sample=6)
    assert found.below("a", 0, 5.0) == pytest.approx(
        0.6 * 0.5
    )  # of 4 and 5, the sampled rest, one is below 5
    assert found.below("a", 0, 6.5) == 0.7


def test_a_sample_wholly_in_the_tail_says_that_nothing_is_below() -> None:
    assert share_below(1.0, torch.tensor([5.0, 4.0]), torch.tensor([]), 3) == 0.0


def test_of_a_unit_that_is_mostly_silent_nothing_lies_below_silence() -> None:
    """The last of the kept values is then 0 itself, as are the values of images that are not kept."""
    values = torch.zeros(1, 50)
    values[0, 7] = 2.0
    found = merge([tables(values, torch.arange(50), torch.arange(50))], 4, sample=20)
    assert [found.below("a", 0, v) for v in (0.0, 1.0, 2.0, 3.0)] == [0.0, 0.98, 0.98, 1.0]


def test_ranking_units_in_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    luck = torch.Generator().manual_seed(0)

    def part(start: int, count: int) -> Tables:
        values = torch.randint(0, 9, (7, count), generator=luck).float()
        ids = torch.arange(start, start + count)
        ranking = Ranking(values, ids.expand(7, -1), torch.randint(0, 4, (7, count), generator=luck))
        keys = torch.randint(0, 2**60, (count,), generator=luck)
        return Tables(
            {"a": Ranking(values, ids.expand(7, -1))}, {"a": ranking}, {"a": values}, ids, keys, count
        )

    parts = [part(0, 5), part(5, 4), part(9, 6)]
    whole = merge(parts, 6, sample=8).pack()
    monkeypatch.setattr("vital.activations.rankings.BLOCK", 3)
    blocks = merge(parts, 6, sample=8).pack()
    assert whole.keys() == blocks.keys()
    assert all(torch.equal(whole[name], blocks[name]) for name in whole)
    order = torch.cat([p.keys for p in parts]).sort(stable=True).indices[:8]
    assert torch.equal(whole["sample/a"], torch.cat([p.sample["a"] for p in parts], 1)[:, order])


@pytest.mark.parametrize(
    "missing",
    ["peaks.values/a", "peaks.indices/a", "peaks.places/a", "means.values/a", "means.indices/a", "sample/a"],
)
def test_tables_of_which_a_part_is_missing_are_refused(missing: str) -> None:
    packed = merge([sample_class(30)], 4, 6).pack()
    with pytest.raises(ValueError, match=r"it lacks 'a'|its tables .*do not fit together"):
        unpack({k: t for k, t in packed.items() if k != missing}, 30)
    unpack({k: t for k, t in packed.items() if not k.startswith("peaks.")}, 30)
