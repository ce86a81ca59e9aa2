from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests import toy
from vital.errors import InvalidValueError
from vital.regularizers import Blur, Boundary, TotalVariation
from vital.regularizers.smoothness import blurred
from vital.tracing import Trace

IMAGE = toy.images(2)


def trace(image: Tensor = IMAGE) -> Trace:
    return toy.trace(toy.model(double=True), [], image)


@pytest.mark.parametrize("power", [1, 2])
def test_total_variation_is_the_sum_over_neighbors_per_value(power: int) -> None:
    expected = []
    for image in IMAGE[:, :, :5, :6]:
        total = 0.0
        for channel in image:
            for r in range(5):
                for c in range(6):
                    total += float(abs(channel[r, c + 1] - channel[r, c]) ** power) if c < 5 else 0
                    total += float(abs(channel[r + 1, c] - channel[r, c]) ** power) if r < 4 else 0
        expected.append(total / (3 * 5 * 6))
    got = TotalVariation(power)(trace(IMAGE[:, :, :5, :6]))  # type: ignore[arg-type]
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64))


def test_the_published_variation_sums_four_norms() -> None:
    x = toy.model().normalize(IMAGE)
    steps = [(1, 0), (0, 1), (1, 1), (1, -1)]
    expected = torch.zeros(2, dtype=torch.float64)
    for down, right in steps:
        moved = x.roll((-down, -right), (2, 3)) - x
        rows = slice(0, 32 - down)
        columns = slice(1, 32) if right < 0 else slice(0, 32 - right)
        expected += (moved[:, :, rows, columns] ** 2).sum((1, 2, 3)).sqrt()
    torch.testing.assert_close(TotalVariation("four", of="input")(trace()), expected)


@pytest.mark.parametrize("power", [1, 2, "four"])
def test_a_plain_image_and_a_single_pixel_have_no_variation(power: int) -> None:
    for size in (1, 32):
        plain = torch.full((1, 3, size, size), 0.3, dtype=torch.float64)
        assert TotalVariation(power)(trace(plain)).tolist() == [0]  # type: ignore[arg-type]


def test_a_blur_step_moves_the_image_towards_its_blurred_copy() -> None:
    x = IMAGE.clone().requires_grad_()
    Blur(1.5)(trace(x)).sum().backward()
    torch.testing.assert_close(x.grad, 2 * (IMAGE - blurred(IMAGE, 1.5)) / (3 * 32 * 32))


def test_blurring_keeps_a_plain_image_and_the_mean_weight() -> None:
    torch.testing.assert_close(blurred(torch.full((1, 3, 9, 9), 0.7), 1.0), torch.full((1, 3, 9, 9), 0.7))
    spot = torch.zeros(1, 1, 31, 31)
    spot[..., 15, 15] = 1
    found = blurred(spot, 2.0)
    assert float(found.sum()) == pytest.approx(1)
    reached = found[0, 0, 15].nonzero().flatten().tolist()
    assert reached == list(range(15 - 6, 15 + 6 + 1))


def test_the_boundary_counts_the_margin_alone() -> None:
    image = torch.full((1, 3, 32, 32), 0.5, dtype=torch.float64)
    image[..., 12:20, 12:20] = 1.0
    assert Boundary(6)(trace(image)).item() < 1e-24
    assert Boundary(14)(trace(image)).item() > 0


def test_the_boundary_follows_its_formula() -> None:
    unrest = (IMAGE - blurred(IMAGE, 1.0)) ** 2 + 0.8 * (IMAGE - 0.3) ** 2
    margin = [(r, c) for r in range(32) for c in range(32) if min(r, c, 31 - r, 31 - c) < 5]
    rows, columns = zip(*margin, strict=True)
    torch.testing.assert_close(Boundary(5, center=0.3)(trace()), unrest[:, :, rows, columns].mean((1, 2)))


@pytest.mark.parametrize(("height", "width"), [(9, 14), (16, 7)])
@pytest.mark.parametrize("margin", [1, 3, 4, 20])
def test_the_boundary_of_an_image_of_any_shape(margin: int, height: int, width: int) -> None:
    image = IMAGE[..., :height, :width]
    unrest = (image - blurred(image, 1.0)) ** 2 + 0.8 * (image - 0.5) ** 2
    down, right = (torch.arange(n).minimum(n - 1 - torch.arange(n)) for n in (height, width))
    found = torch.minimum(down[:, None], right[None]) < margin
    torch.testing.assert_close(Boundary(margin)(trace(image)), unrest[:, :, found].mean((1, 2)))


def test_a_margin_as_wide_as_the_image_is_the_image() -> None:
    torch.testing.assert_close(Boundary(16)(trace()), Boundary(99)(trace()))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: TotalVariation(3), "power is 3; allowed are 1, 2 and 'four'"),
        (lambda: TotalVariation(of="x"), "of is 'x'; allowed are"),
        (lambda: Blur(0), "sigma is 0; allowed are numbers of pixels above 0"),
        (lambda: Boundary(0), "width is 0; allowed are whole numbers of pixels from 1"),
    ],
)
def test_wrong_arguments_fail_with_a_sentence(make, sentence) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidValueError, match=sentence):
        make()
