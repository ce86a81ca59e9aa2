from __future__ import annotations

import torch

from vital.params import color

# Lucid's matrix as printed in Olah et al. (2017), to four digits.
LUCID = torch.tensor([[0.5628, 0.5845, 0.5845], [0.1948, 0.0, -0.1948], [0.0433, -0.1082, 0.0649]])


def test_the_matrix_is_lucids() -> None:
    torch.testing.assert_close(color.matrix(torch.zeros(())), LUCID, rtol=0, atol=6e-5)


def test_an_image_is_the_sigmoid_of_the_canvas_times_the_matrix() -> None:
    canvas = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    flat = canvas.permute(0, 2, 3, 1) @ color.matrix(canvas)
    torch.testing.assert_close(color.to_image(canvas), flat.sigmoid().permute(0, 3, 1, 2))


def test_without_mixing_or_without_three_channels_the_image_is_the_plain_sigmoid() -> None:
    canvas = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(color.to_image(canvas, mixed=False), canvas.sigmoid())
    assert torch.equal(color.to_image(canvas[:, :1]), canvas[:, :1].sigmoid())
    assert torch.equal(color.decorrelate(canvas[:, :2]), canvas[:, :2])


def test_equal_steps_along_the_axes_correlate_the_colors_as_in_photographs() -> None:
    noise = torch.randn(1, 3, 200, 200, generator=torch.Generator().manual_seed(0))
    colors = color.correlate(noise)[0].flatten(1)
    assert float(torch.corrcoef(colors)[0, 2]) > 0.7
    assert (
        float(torch.corrcoef(color.decorrelate(colors[None].unflatten(2, (200, 200)))[0].flatten(1))[0, 2])
        < 0.02
    )


def test_black_and_white_come_back_to_half_a_level() -> None:
    image = torch.tensor([0.0, 1.0, 0.5]).view(1, 3, 1, 1)
    back = color.to_image(color.to_canvas(image))
    torch.testing.assert_close(back, image, rtol=0, atol=1 / 500)
    assert color.to_canvas(image).isfinite().all()


def test_black_and_white_are_kept_half_of_one_of_256_levels_away() -> None:
    ends = torch.tensor([0.0, 1.0, 0.5], dtype=torch.float64).view(1, 3, 1, 1)
    back = color.to_image(color.to_canvas(ends, mixed=False), mixed=False)
    torch.testing.assert_close(back.flatten(), torch.tensor([0.5 / 256, 1 - 0.5 / 256, 0.5]).double())
