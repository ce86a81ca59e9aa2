from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vital.errors import InvalidValueError
from vital.transforms import Crop, Resize, Rotate, Scale
from vital.utils.random import Random, seed_of


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(seed: int = 0) -> Random:
    return Random([seed_of(seed)])


def picture(height: int = 9, width: int = 9) -> Tensor:
    return torch.rand(1, 3, height, width, generator=generator(), dtype=torch.float64)


@pytest.mark.parametrize("side", [8, 9])
def test_a_quarter_turn_is_rot90(side: int) -> None:
    image = picture(side, side)
    seen = Rotate(choices=(90.0,))(image, numbers())
    torch.testing.assert_close(seen, torch.rot90(image, 1, (2, 3)), rtol=0, atol=1e-12)


def test_angles_lie_on_both_sides_and_within_the_range() -> None:
    ramp = torch.linspace(-1, 1, 41, dtype=torch.float64).expand(1, 1, 41, 41).contiguous()
    seen = [Rotate(10)(ramp, numbers(seed))[0, 0, 10:31, 10:31] for seed in range(60)]
    slopes = torch.stack([(s[-1] - s[0]).mean() / (s[:, -1] - s[:, 0]).mean() for s in seen])
    angles = torch.rad2deg(torch.atan(slopes))
    assert -10 <= angles.min() < -7
    assert 7 < angles.max() <= 10


def test_no_turn_and_no_zoom_give_the_image() -> None:
    image = picture(7, 10)
    for transform in (Rotate(0), Scale(1, 1), Scale(choices=(1.0,)), Crop(fraction=(1, 1))):
        torch.testing.assert_close(transform(image, numbers()), image, rtol=0, atol=1e-12)


def test_zooming_in_by_two_stretches_a_ramp_about_the_center() -> None:
    ramp = torch.linspace(-1, 1, 21, dtype=torch.float64).expand(1, 1, 21, 21).contiguous()
    torch.testing.assert_close(Scale(2, 2)(ramp, numbers()), ramp / 2)


def test_zooming_out_fills_the_outside_as_told() -> None:
    image = torch.ones(1, 1, 9, 9)
    seen = {
        mode: Scale(0.5, 0.5, outside=mode)(image, numbers()) for mode in ("zeros", "border", "reflection")
    }  # type: ignore[arg-type]
    assert seen["zeros"][..., 0, 0] == 0
    assert seen["zeros"][..., 4, 4] == 1
    assert bool((seen["border"] == 1).all())
    assert bool((seen["reflection"] == 1).all())


def test_choices_are_all_drawn_and_nothing_else() -> None:
    ramp = torch.linspace(-1, 1, 21, dtype=torch.float64).expand(1, 1, 21, 21).contiguous()
    transform = Scale(choices=(1.0, 2.0, 4.0))
    ends = {round(float(1 / transform(ramp, numbers(s))[0, 0, 0, -1]), 6) for s in range(60)}
    assert ends == {1.0, 2.0, 4.0}


def test_a_crop_shows_its_share_of_the_image() -> None:
    ramp = torch.linspace(0, 1, 40, dtype=torch.float64).expand(1, 1, 40, 40).contiguous()
    for seed in range(30):
        seen = Crop(fraction=(0.5, 0.5))(ramp, numbers(seed))
        assert seen.shape == ramp.shape
        assert 0.45 < float(seen.max() - seen.min()) < 0.5


def test_crops_lie_inside_and_gather_about_the_middle() -> None:
    ramp = torch.linspace(0, 1, 101, dtype=torch.float64).expand(1, 1, 101, 101).contiguous()
    middles = torch.stack([Crop(fraction=(0.1, 0.1))(ramp, numbers(s)).mean() for s in range(300)])
    assert abs(middles.mean() - 0.5) < 0.03
    assert abs(middles.std() - 0.15) < 0.02
    outer = torch.stack([Crop(fraction=(0.1, 0.1), spread=5)(ramp, numbers(s)).mean() for s in range(50)])
    assert outer.min() > 0.04
    assert outer.max() < 0.96


def test_a_box_that_shrinks_keeps_near_the_line() -> None:
    ramp = torch.arange(1001, dtype=torch.float64).expand(1, 1, 5, 1001).contiguous()
    late = Crop(fraction=(0.1, 0.5), spread=0, shrink=True, sd=0.02).at(0.75)
    widths = torch.stack([(seen := late(ramp, numbers(s))).max() - seen.min() for s in range(200)]) / 1001
    assert abs(widths.mean() - 0.2) < 0.01
    assert abs(widths.std() - 0.02) < 0.005
    assert late == Crop(fraction=(late.fraction[0],) * 2, spread=0, sd=0.02)
    assert Crop().at(0.75) == Crop()


BATCH = 4
SHAPES = [(9, 9), (6, 11), (1, 5), (2, 7), (3, 2), (16, 13)]
OUTSIDE = ["zeros", "border", "reflection"]


def batch() -> Random:
    return Random(range(BATCH))


@pytest.mark.parametrize("outside", OUTSIDE)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_zoom_and_a_turn_are_those_of_kornia(shape: tuple[int, int], outside: Any) -> None:
    from kornia.geometry.transform import rotate, scale

    images = torch.rand(BATCH, 3, *shape, generator=generator(), dtype=torch.float64)
    factors = batch().uniform(0.5, 2, dtype=images.dtype)
    angles = batch().uniform(-180, 180, dtype=images.dtype)
    for seen, wanted in (
        (Scale(0.5, 2, outside=outside)(images, batch()), scale(images, factors, padding_mode=outside)),
        (Rotate(180, outside=outside)(images, batch()), rotate(images, angles, padding_mode=outside)),
    ):
        torch.testing.assert_close(seen, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [None, 4, (30, 7), (1, 64)])
@pytest.mark.parametrize("shape", [(40, 31), (9, 16), (1, 5)])
def test_crops_are_boxes_resized_by_interpolate(
    shape: tuple[int, int], size: Any, dtype: torch.dtype
) -> None:
    images = torch.rand(16, 3, *shape, generator=generator(), dtype=dtype)
    fraction = (0.05, 1.0)
    seen = Crop(size, fraction, spread=0.3, sd=0.1)(images, Random(range(16)))
    ours = Random(range(16))
    shares, normals = ours.uniform(*fraction).tolist(), ours.normal(3).tolist()
    for image, one, share, (down, right, more) in zip(images, seen, shares, normals, strict=True):
        part = min(1.0, max(share / 2, share + 0.1 * more))
        boxes = [max(1, round(part * side)) for side in shape]
        top, left = (
            min(max(round((0.5 + 0.3 * away) * side - box / 2), 0), side - box)
            for away, side, box in zip((down, right), shape, boxes, strict=True)
        )
        box = image[None, :, top : top + boxes[0], left : left + boxes[1]]
        new = (size, size) if isinstance(size, int) else size or shape
        wanted = F.interpolate(box, new, mode="bilinear", antialias=True)[0]
        torch.testing.assert_close(one, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("size", "wanted"), [(None, (6, 11)), (5, (5, 5)), ((3, 20), (3, 20))])
def test_a_crop_has_the_size_asked_for(size: object, wanted: tuple[int, int]) -> None:
    assert Crop(size)(picture(6, 11), numbers()).shape[2:] == wanted  # type: ignore[arg-type]


def test_one_pixel_survives_every_warp() -> None:
    image = picture(1, 1)
    for transform in (Rotate(10), Scale(), Crop()):
        torch.testing.assert_close(transform(image, numbers()), image)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Scale(0, 1), "Scale is given the factors 0, 1; allowed are numbers from 0.01 to 100"),
        (lambda: Scale(1.2, 0.9), "Scale is given the factors 1.2 to 0.9; allowed is the lower one first"),
        (
            lambda: Scale(choices=(1, -2)),
            "Scale is given the factors 1, -2; allowed are numbers from 0.01 to 100",
        ),
        (
            lambda: Scale(outside="edge"),
            "Scale is given the mode 'edge'; allowed are zeros, border, reflection",
        ),
        (lambda: Rotate(-5), "Rotate is given the degrees -5; allowed are numbers from 0 to 360"),
        (
            lambda: Rotate(choices=(400,)),
            "Rotate is given the choices 400; allowed are numbers from -360 to 360",
        ),
        (lambda: Crop(0), "Crop is given the size 0; allowed are whole numbers from 1, a pair, or None"),
        (
            lambda: Crop(fraction=(0.2, 2)),
            "Crop is given the fractions 0.2, 2; allowed are numbers from 0 to 1",
        ),
        (
            lambda: Crop(fraction=(0.5, 0.1)),
            "Crop is given the fractions 0.5 to 0.1; allowed is the lower one first",
        ),
        (lambda: Crop(spread=-1), "Crop is given the spread -1; allowed are numbers from 0"),
    ],
)
def test_wrong_values_are_refused_in_one_sentence(make: object, sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        make()  # type: ignore[operator]
    assert str(caught.value) == sentence


@pytest.mark.parametrize("size", [(5, 4), (12, 9), 7])
def test_resize_brings_an_image_to_a_size(size: Any) -> None:
    image, pair = picture(9, 11), size if isinstance(size, tuple) else (size, size)
    seen = Resize(size=size)(image, numbers())
    assert torch.equal(seen, F.interpolate(image, pair, mode="bilinear", antialias=True))
    assert Resize(size=(9, 11))(image, numbers()) is image


@pytest.mark.parametrize(("share", "wanted"), [(0.5, (4, 6)), (0.1, (1, 1)), (0.3, (2, 3)), (1.25, (10, 14))])
def test_resize_brings_each_side_to_its_share_and_keeps_a_pixel(
    share: float, wanted: tuple[int, int]
) -> None:
    image = picture(8, 11)
    seen = Resize(share)(image, numbers())
    assert torch.equal(seen, F.interpolate(image, wanted, mode="bilinear", antialias=True))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Resize is given the share None and the size None; give one of them"),
        ({"share": 0.5, "size": 8}, r"Resize is given the share 0\.5 and the size 8; give one of them"),
        (
            {"size": (0, 3)},
            r"Resize is given the size \(0, 3\); allowed are whole numbers from 1, a pair, or None",
        ),
    ],
)
def test_resize_takes_a_share_or_a_size(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        Resize(**given)
