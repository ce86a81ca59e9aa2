from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vital.activations.crops import (
    _grid,
    apart,
    attention,
    attention_boxes,
    blobs,
    boxes,
    crop,
    iou,
    levels,
    otsu,
)
from vital.attribution.receptive_field import Box, effective_field
from vital.errors import InvalidValueError
from vital.models import Model
from vital.types import Layer
from vital.units import Unit


def slow_otsu(grey: list[int]) -> int:
    """The cut with the least variance within the two parts, by its definition."""
    best, at = float("inf"), 0
    for cut in range(256):
        within = 0.0
        for part in ([g for g in grey if g <= cut], [g for g in grey if g > cut]):
            if part:
                mean = sum(part) / len(part)
                within += sum((g - mean) ** 2 for g in part)
        if within < best - 1e-6:
            best, at = within, cut
    return at


def slow_boxes(front: list[list[bool]]) -> set[Box]:
    """Flood fill of the background from outside, then of what is left, corner to corner."""
    height, width = len(front), len(front[0])
    outside, edge = set(), [(r, c) for r in range(-1, height + 1) for c in (-1, width)]
    while edge:
        r, c = edge.pop()
        inside = 0 <= r < height and 0 <= c < width
        if (r, c) in outside or not (-1 <= r <= height and -1 <= c <= width) or (inside and front[r][c]):
            continue
        outside.add((r, c))
        edge += [(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)]
    left = {(r, c) for r in range(height) for c in range(width)} - outside
    found = set()
    while left:
        blob, todo = set(), [next(iter(left))]
        while todo:
            place = todo.pop()
            if place in left:
                left.discard(place)
                blob.add(place)
                todo += [(place[0] + a, place[1] + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        rows, columns = [r for r, _ in blob], [c for _, c in blob]
        found.add(Box(min(rows), min(columns), max(rows) + 1, max(columns) + 1))
    return found


def bump(peak: float) -> torch.Tensor:
    line = (torch.arange(14.0) - 7) ** 2
    return peak * torch.exp(-(line[:, None] + line[None]) / 3.5**2)


@pytest.mark.parametrize("peak", [0.5, 1.0, 3.0, 300.0])
def test_a_bump_is_as_large_whatever_its_peak(peak):
    grey = levels(bump(peak))
    assert int((grey > otsu(grey)).sum()) == 37


def test_a_map_that_wraps_around_is_cut_elsewhere():
    """What the release does: ×255 and 8 bits, so that 1.1 becomes 24; 45 places instead of 37."""
    wrapped = (bump(3.0) * 255).long() % 256
    assert int((wrapped > otsu(wrapped)).sum()) == 45


@pytest.mark.parametrize("seed", range(6))
def test_otsu_is_the_cut_with_the_least_variance_within(seed):
    torch.manual_seed(seed)
    grey = torch.cat([torch.randint(0, 120, (40,)), torch.randint(60 + 20 * seed, 256, (25,))])
    assert otsu(grey) == slow_otsu(grey.tolist())


def test_levels_run_from_0_to_255_and_a_flat_map_is_none():
    grey = levels(torch.tensor([[-5.0, 0.0], [2.5, 5.0]]))
    assert grey.tolist() == [[0, 128], [191, 255]]
    assert levels(torch.full((3, 3), 7.0)).sum() == 0
    assert blobs(torch.full((3, 3), 7.0))[1] == []
    assert boxes(torch.full((3, 3), 7.0), (9, 9)) == []


@pytest.mark.parametrize("seed", range(8))
def test_blobs_are_those_of_a_flood(seed):
    front = torch.rand(12, 15, generator=torch.Generator().manual_seed(seed)) < 0.42
    assert set(blobs(front.float())[1]) == slow_boxes(front.tolist())


@pytest.mark.parametrize("scale", [0.0, 2.0**-30, 1.0, 2.0**30])
def test_levels_do_not_depend_on_the_scale_of_a_map(scale):
    heat = torch.rand(5, 7, generator=torch.Generator().manual_seed(0)) - 0.3
    assert torch.equal(levels(heat * scale), levels(heat) * (scale > 0))
    nearly = torch.full((3, 3), 1.0)
    nearly[1, 1] += 1e-6
    assert not levels(nearly * scale).any()


def test_a_box_of_four_fifths_of_the_picture_is_the_picture_again():
    for width, kept in ((9, 0), (8, 1)):
        heat = torch.zeros(10, 10)
        heat[:9, :width] = 5.0
        assert len(boxes(heat, (10, 10))) == kept


def test_a_hole_belongs_to_its_blob_and_corners_join():
    ring = torch.zeros(9, 9)
    ring[1:8, 1:8], ring[2:7, 2:7], ring[4, 4] = 1, 0, 1
    assert blobs(ring)[1] == [Box(1, 1, 8, 8)]
    assert blobs(torch.eye(4))[1] == [Box(0, 0, 4, 4)]


def test_iou_is_that_of_sets_of_pixels():
    sample_class = torch.randint(0, 8, (200, 8), generator=torch.Generator().manual_seed(0)).tolist()
    for a, b, c, d, e, f, g, h in sample_class:
        one = Box(min(a, b), min(c, d), max(a, b) + 1, max(c, d) + 1)
        two = Box(min(e, f), min(g, h), max(e, f) + 1, max(g, h) + 1)
        first, second = (
            {(r, k) for r in range(x.top, x.bottom) for k in range(x.left, x.right)} for x in (one, two)
        )
        assert iou(one, two) == pytest.approx(len(first & second) / len(first | second))


def test_the_largest_boxes_that_differ_are_kept():
    whole, large, half = Box(0, 0, 10, 10), Box(0, 0, 8, 8), Box(0, 0, 4, 8)
    most_of_it, small = Box(0, 0, 5, 8), Box(8, 8, 10, 10)
    assert iou(half, large) == 0.5
    assert iou(most_of_it, large) > 0.5
    found = [small, half, most_of_it, whole, large]
    assert apart(found, (10, 10), 4, 0.5, 0.8) == [large, half, small]
    assert apart(found, (10, 10), 2, 0.5, 0.8) == [large, half]
    assert apart([Box(0, 0, 8, 10)], (10, 10), 4, 0.5, 0.8) == []


def test_boxes_are_of_the_enlarged_map():
    heat = torch.zeros(4, 4)
    heat[0, 0], heat[3, 3] = 2.0, 2.0
    found = boxes(heat, (32, 16))
    assert [b.top < 16 and b.left < 8 for b in found].count(True) == 1
    assert all(b.height > b.width for b in found)
    assert len(boxes(heat, (32, 16), 1)) == 1
    with pytest.raises(InvalidValueError, match="from 0"):
        boxes(heat, (32, 16), -1)


class Tokens(nn.Module):
    """Means of patches of 4 × 4 behind one class token: (B, 1 + patches, 3)."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.blocks = nn.Identity()
        self.head = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = nn.functional.avg_pool2d(x, 4).flatten(2).transpose(1, 2)
        tokens = self.blocks(torch.cat([torch.zeros_like(patches[:, :1]), patches], 1))
        return self.head(tokens[:, 0])


def spotted() -> torch.Tensor:
    pictures = torch.zeros(2, 3, 16, 16)
    pictures[0, 1, 4:8, 8:12] = 1
    pictures[1, 1, 12:, :4] = 1
    return pictures


def test_maps_of_channels_and_of_tokens_are_laid_out_alike():
    pictures = spotted()
    plain = Model(nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(48, 2)), size=(16, 16))
    tokens = Model(Tokens(), size=(16, 16))
    one = attention(plain, Unit.parse("0:1"), pictures)
    two = attention(tokens, Unit.parse("blocks:1#patches"), pictures)
    three = attention(tokens, Unit.parse("blocks:1#all"), pictures)
    assert one.shape == (2, 4, 4)
    assert one[0, 1, 2] == 1
    assert one[1, 3, 0] == 1
    torch.testing.assert_close(one, two)
    torch.testing.assert_close(one, three)
    for model, unit in ((plain, "class:0"), (plain, "0:1@2,2"), (tokens, "blocks:1#cls")):
        assert attention(model, Unit.parse(unit), pictures) is None
        assert attention_boxes(model, Unit.parse(unit), pictures) == [[], []]


@pytest.mark.parametrize(("size", "grid"), [((8, 16), (2, 4)), ((16, 8), (4, 2)), ((4, 8), (1, 2))])
def test_tokens_lie_in_the_shape_of_the_picture(size, grid):
    pictures = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    found = attention(Model(Tokens(), size=size), Unit.parse("blocks:2#patches"), pictures)
    torch.testing.assert_close(found, nn.functional.avg_pool2d(pictures, 4)[:, 2])
    assert found.shape == (2, *grid)


def test_a_single_place_is_no_map():
    tokens = Model(Tokens(), size=(4, 4))
    plain = Model(nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(3, 2)), size=(4, 4))
    for model, unit in ((tokens, "blocks:1#patches"), (plain, "0:1")):
        assert attention(model, Unit.parse(unit), torch.rand(2, 3, 4, 4)) is None


def test_a_box_lies_around_what_excites_the_unit():
    model = Model(nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(48, 2)), size=(16, 16))
    for own, (row, column) in zip(
        attention_boxes(model, Unit.parse("0:1"), spotted()), ((6, 10), (14, 2)), strict=True
    ):
        assert len(own) == 1
        assert own[0].top <= row < own[0].bottom
        assert own[0].left <= column < own[0].right
    assert attention_boxes(model, Unit.parse("0:1"), spotted(), 0) == [[], []]


def test_a_field_is_what_the_strongest_place_sees():
    network = nn.Sequential(nn.Conv2d(3, 2, 5, 2, 2), nn.ReLU(), nn.Conv2d(2, 2, 3, 2, 1))
    model, unit = Model(network, size=(16, 16)), Unit.parse("0:1")
    with torch.no_grad():
        network[0].weight.fill_(0.1)
    (found, _) = attention_boxes(model, unit, spotted(), field=0.9)
    heat = attention(model, unit, spotted())[0]
    place = divmod(int(heat.argmax()), heat.shape[1])
    assert found == [effective_field(model, unit, spotted()[0], place, 0.9)]
    with pytest.raises(InvalidValueError, match="share"):
        attention_boxes(model, unit, spotted(), field=2.0)


def test_the_field_of_a_token_is_its_patch():
    model, unit = Model(Tokens(), size=(16, 16)), Unit.parse("blocks:1#patches")
    assert attention_boxes(model, unit, spotted(), field=1.0) == [[Box(4, 8, 8, 12)], [Box(12, 0, 16, 4)]]


def test_four_parts_are_found_where_no_number_is_named():
    heat = torch.zeros(3, 20)
    for i in range(6):
        heat[1, 1 + 3 * i : 3 + 3 * i] = 6.0 - 0.2 * i
    assert boxes(heat, (3, 20)) == [Box(1, 1 + 3 * i, 2, 3 + 3 * i) for i in range(4)]
    assert boxes(heat, (3, 20), 6) == [Box(1, 1 + 3 * i, 2, 3 + 3 * i) for i in range(6)]
    assert boxes(heat, (3, 20), 0) == []
    model = Model(nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(120, 2)), size=(3, 20))
    model.module[0].weight.data.fill_(1.0)
    found = attention_boxes(model, "0:1", (heat / 6).expand(2, 3, 3, 20))
    assert found == [boxes(heat, (3, 20))] * 2
    assert attention_boxes(model, "0:1", (heat / 6).expand(1, 3, 3, 20), 5) == [boxes(heat, (3, 20), 5)]


@pytest.mark.parametrize("unit", ["0:1", "blocks:1#patches"])
def test_the_fields_of_all_blobs_are_those_of_their_strongest_places(unit):
    if unit == "0:1":
        model = Model(nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(120, 2)), size=(16, 40))
    else:
        model = Model(Tokens(), size=(16, 40))
    picture = torch.zeros(3, 16, 40)
    for strength, (row, column) in (
        (0.7, (1, 1)),
        (0.6, (1, 2)),
        (0.9, (3, 5)),
        (1.0, (2, 8)),
        (0.8, (0, 5)),
    ):
        picture[1, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = strength
    (found,) = attention_boxes(model, unit, picture[None], field=1.0)
    places = [(0, 5), (1, 1), (2, 8), (3, 5)]
    assert found == [Box(4 * r, 4 * c, 4 * r + 4, 4 * c + 4) for r, c in places]
    assert attention_boxes(model, unit, picture[None], 2, field=1.0) == [found[:2]]


def test_fields_that_are_nearly_one_or_nearly_the_picture_are_one_box_or_none():
    model = Model(nn.Sequential(nn.Conv2d(3, 2, 7), nn.Flatten(), nn.Linear(364, 2)), size=(13, 32))
    with torch.no_grad():
        model.module[0].weight.zero_()
        model.module[0].weight[:, :, 3, 3] = 1.0
    for other, kept in ((4, 1), (5, 2), (12, 2)):
        picture = torch.zeros(3, 13, 32)
        picture[:, 5, 8], picture[:, 5, 8 + other - 2] = 1.0, 0.9
        (found,) = attention_boxes(model, "0:1", picture[None], field=1.0)
        assert len(found) == kept
        assert iou(found[0], found[-1]) <= 0.5 or kept == 1
    for size, kept in (((8, 9), 1), ((7, 8), 0)):
        places = 2 * (size[0] - 6) * (size[1] - 6)
        near = Model(nn.Sequential(nn.Conv2d(3, 2, 7), nn.Flatten(), nn.Linear(places, 2)), size=size)
        near.module[0].weight.data.copy_(model.module[0].weight.data)
        picture = torch.zeros(1, 3, *size)
        picture[..., 3, 3] = 1.0
        assert [len(one) for one in attention_boxes(near, "0:1", picture, field=1.0)] == [kept]


@pytest.mark.parametrize("seed", range(4))
def test_a_map_is_enlarged_as_pillow_does(seed):
    heat = torch.rand(4, 5, generator=torch.Generator().manual_seed(seed))
    large = Image.fromarray(heat.numpy()).resize((31, 22), Image.Resampling.BILINEAR)
    wanted = blobs(torch.from_numpy(np.array(large)))[1]
    assert sorted(boxes(heat, (22, 31), 99, same=1.0, frame=2.0)) == sorted(wanted)


@pytest.mark.parametrize(
    ("size", "patches", "grid"),
    [((4, 64), 3, None), ((8, 24), 3, (1, 3)), ((64, 4), 3, None), ((24, 8), 3, (3, 1)), ((8, 8), 2, (1, 2))],
)
def test_tokens_that_cannot_lie_in_the_shape_of_the_picture_are_no_map(size, patches, grid):
    model = Model(nn.Identity(), size=size)
    layout = Layer("blocks", "tokens", (5, 1 + patches), prefix=1)
    assert _grid(model, Unit("blocks", 1, tokens="patches", layout=layout)) == grid


@pytest.mark.parametrize("size", [(4, 8), (8, 4)])
def test_a_map_of_two_places_is_one(size):
    model = Model(nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(6, 2)), size=size)
    assert attention(model, "0:1", torch.rand(3, 3, *size)).shape == (3, size[0] // 4, size[1] // 4)


@pytest.mark.parametrize("box", [Box(2, 1, 9, 7), Box(0, 0, 3, 11), Box(5, 4, 6, 5), Box(0, 0, 12, 11)])
def test_a_crop_is_what_pillow_makes_of_it(box):
    picture = torch.rand(3, 12, 11, generator=torch.Generator().manual_seed(0))
    for plane, seen in zip(picture, crop(picture, box), strict=True):
        part = Image.fromarray(plane[box.top : box.bottom, box.left : box.right].numpy())
        wanted = torch.from_numpy(np.array(part.resize((11, 12), Image.Resampling.BICUBIC)))
        assert wanted.min() < 0 or wanted.max() > 1 or box.height in (1, 12)
        torch.testing.assert_close(seen, wanted.clamp(0, 1), rtol=0, atol=1e-5)


def test_a_crop_has_the_size_of_its_picture():
    picture = torch.rand(3, 12, 8)
    assert crop(picture, Box(2, 1, 5, 7)).shape == (3, 12, 8)
    torch.testing.assert_close(crop(picture, Box(0, 0, 12, 8)), picture)
    flat = torch.zeros(3, 8, 8)
    flat[:, 2:4, 4:8] = 0.5
    torch.testing.assert_close(crop(flat, Box(2, 4, 4, 8)), torch.full((3, 8, 8), 0.5))
