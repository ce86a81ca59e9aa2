import pytest
import torch

from vital.utils.sorting import LONG, ascending, rows, stable_argsort


def activations(kind: str, places: int) -> torch.Tensor:
    """Rows as layers make them: of all signs, mostly zeros as under a mask, with ties, or nothing but one value."""
    draw = torch.Generator().manual_seed(places)
    x = torch.randn(2, 40, places, generator=draw)
    if kind == "masked":
        x[torch.rand(x.shape, generator=draw) < 0.9] = 0.0
        x[0, 0] = 0.0
        x[0, 1, ::3] = -0.0
    if kind == "tied":
        x = x.round()
    return x


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("places", [1, 7, LONG - 1, LONG + 5])
@pytest.mark.parametrize("kind", ["signed", "masked", "tied"])
def test_the_order_is_that_of_a_stable_sort(kind: str, places: int, threads: int) -> None:
    torch.set_num_threads(threads)
    x = activations(kind, places)
    expected = torch.sort(x.double(), dim=-1, stable=True)
    assert torch.equal(stable_argsort(x), expected.indices)
    assert torch.equal(ascending(x).double(), expected.values)


def test_double_precision_and_views_are_sorted_too() -> None:
    x = activations("tied", 9)
    assert torch.equal(stable_argsort(x.double()), torch.sort(x, dim=-1, stable=True).indices)
    turned = x.transpose(1, 2)
    assert torch.equal(stable_argsort(turned), torch.sort(turned, dim=-1, stable=True).indices)
    assert torch.equal(ascending(turned), turned.sort(-1).values)


def test_what_is_sorted_stays_as_it_was() -> None:
    x = activations("masked", LONG)
    before = x.clone()
    stable_argsort(x)
    ascending(x)
    assert torch.equal(x, before)


def test_rows_lay_out_maps_tokens_and_vectors() -> None:
    assert [rows(torch.zeros(shape)).shape for shape in ((2, 3, 4, 5), (2, 3, 7), (2, 3))] == [
        (2, 3, 20), (2, 3, 7), (2, 3, 1),
    ]  # fmt: skip
