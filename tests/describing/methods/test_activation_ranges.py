"""Which concept stands out in a range, on numbers that are known."""

from types import SimpleNamespace

import pytest
import torch

from vital.describing.matching import presence
from vital.describing.methods.activation_ranges import ActivationRanges, _standing_out
from vital.errors import InvalidValueError
from vital.units import Unit


@pytest.mark.parametrize("block", [1, 3])
def test_of_concepts_that_stand_out_alike_it_is_the_first(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "BLOCK", block)
    draw, unit = torch.Generator().manual_seed(0), Unit("fc", 0)
    images, (one, other) = torch.randn(40, 5, generator=draw), torch.randn(2, 5, generator=draw)
    rows = (images @ one).argsort()[-8:]
    features = SimpleNamespace(
        matrix=SimpleNamespace(choosing=torch.ones(40, dtype=torch.bool)),
        image_embeddings=images,
        text_embeddings=torch.stack([other, one, one]),
        context=SimpleNamespace(concepts=("other", "first", "second")),
    )
    (found,) = _standing_out(features, {unit: {"top": rows}})[unit]  # type: ignore[arg-type]
    shown = presence.presence((images @ one)[:, None])[:, 0]
    score = float((shown[rows].mean() - shown.mean()) / (shown.std() / len(rows) ** 0.5))
    assert (found["range"], found["images"], found["concept"]) == ("top", 8, "first")
    assert found["score"] == round(score, 4)


@pytest.mark.parametrize("count", [3, 7, 60, 100, 1000])
@pytest.mark.parametrize("shares", [(0.5, 0.01), (0.001, 0.01, 0.05), (0.03,)])
@pytest.mark.parametrize("kind", ["varied", "ties", "relu"])
def test_ranges_are_shares_of_the_strongest_and_the_weakest_of_the_largest(
    count: int, shares: tuple[float, ...], kind: str
) -> None:
    values = torch.randn(count, generator=torch.Generator().manual_seed(count))
    values = {"varied": values, "ties": values.round(), "relu": values.relu()}[kind]
    order = sorted(range(count), key=lambda i: (-float(values[i]), i))
    most = {share: min(count, max(5, round(share * count))) for share in sorted(shares)}
    wanted = {f"top {100 * share:g} %": order[:number] for share, number in most.items()}
    low = most[max(shares)]
    if int((values == values.min()).sum()) <= low:
        wanted["negative"] = order[-low:]
    found = {name: rows.tolist() for name, rows in ActivationRanges(shares=shares).rows(values).items()}
    assert found == wanted
    assert list(found) == list(wanted)


@pytest.mark.parametrize(("zeros", "told"), [(9, True), (10, True), (11, False)])
def test_a_unit_that_is_silent_on_more_images_than_a_range_has_no_negative_side(
    zeros: int, told: bool
) -> None:
    values = torch.cat([torch.zeros(zeros), torch.arange(1.0, 101.0 - zeros)])
    assert ("negative" in ActivationRanges(shares=(0.1,)).rows(values)) == told


def test_a_range_is_at_most_half_of_the_images() -> None:
    assert ActivationRanges(shares=[0.5, 0.01]).shares == (0.5, 0.01)  # type: ignore[arg-type]
    for share in (0.0, 0.51):
        with pytest.raises(InvalidValueError, match="shares"):
            ActivationRanges(shares=(share,))


def test_the_label_is_that_of_the_largest_range_and_others_are_told_beside_it() -> None:
    features = SimpleNamespace(
        context=SimpleNamespace(seed=0, model=SimpleNamespace(name="net")),
        encoder=SimpleNamespace(name="encoder"),
        strongest=lambda _, count: ("1.png",) * count,
    )
    told = (("top 1 %", 5, "cube", 3.0), ("top 2 %", 9, "red", 2.0), ("negative", 20, "sky", 4.0))
    names = ("range", "images", "concept", "score")
    ranges = [
        dict(zip(names, one, strict=True)) for one in (*told[:2], ("top 1.5 %", 7, "red", 1.0), told[2])
    ]
    found = ActivationRanges(n_evidence=2)._description(features, Unit("fc", 0), ranges)  # type: ignore[arg-type]
    assert (found.label, found.candidate, found.score) == ("red", "red", 2.0)
    assert found.others == (("cube", 3.0), ("sky", 4.0))
    assert found.evidence == ("1.png",) * 2
    assert found.details["ranges"] == ranges
