import gc
import math
import weakref

import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital.activations import Box, effective_field, receptive_field
from vital.attribution.field_scan import Line
from vital.attribution.receptive_field import position_of
from vital.errors import InvalidValueError, UnitError

SIZE = 40


def of(*parts: nn.Module, size: tuple[int, int] = (SIZE, SIZE)) -> vital.Model:
    return vital.Model(toy.seeded(nn.Sequential(*parts)), size=size)


def arithmetic(steps: list[tuple[int, int, int, int]], place: int, size: int) -> tuple[int, int]:
    """First and one past the last row that a place behind (kernel, stride, padding, dilation) layers reads."""
    sizes = [size]
    for kernel, stride, padding, dilation in steps:
        sizes.append((sizes[-1] + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
    rows = {place}
    for (kernel, stride, padding, dilation), limit in zip(reversed(steps), sizes[-2::-1], strict=True):
        read = {i * stride - padding + k * dilation for i in rows for k in range(kernel)}
        rows = {i for i in read if 0 <= i < limit}
    return min(rows), max(rows) + 1


STACKS = {
    "plain": [(3, 1, 0, 1), (3, 1, 0, 1)],
    "padded": [(3, 1, 1, 1), (5, 1, 2, 1)],
    "strided": [(7, 2, 3, 1), (3, 2, 1, 1), (3, 1, 1, 1)],
    "lopsided": [(4, 3, 1, 1), (2, 2, 0, 1)],
    "deep": [(3, 2, 1, 1)] * 4,
    "single": [(1, 1, 0, 1)],
}


@pytest.mark.parametrize("steps", STACKS.values(), ids=STACKS)
def test_every_field_of_a_stack_is_that_of_the_formula(steps: list[tuple[int, int, int, int]]) -> None:
    parts: list[nn.Module] = []
    for i, (kernel, stride, padding, dilation) in enumerate(steps):
        parts += [nn.Conv2d(3 if i == 0 else 4, 4, kernel, stride, padding, dilation), nn.ReLU()]
    model = of(*parts, size=(SIZE, 33))
    layer = str(len(parts) - 1)
    _, rows, columns = vital.list_layers(model)[layer].shape
    for row in range(rows):
        for column in range(columns):
            (top, bottom), (left, right) = arithmetic(steps, row, SIZE), arithmetic(steps, column, 33)
            assert receptive_field(model, layer, (row, column)) == Box(top, left, bottom, right)


def test_a_dilated_field_is_that_of_the_formula_but_for_gaps_at_the_edge() -> None:
    steps = [(3, 1, 2, 2), (3, 2, 3, 3)]
    model = of(nn.Conv2d(3, 4, 3, 1, 2, 2), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 3, 3))
    for i in range(20):
        top, bottom = arithmetic(steps, i, SIZE)
        box = receptive_field(model, "2", (i, 10))
        if 5 <= 2 * i < SIZE - 5:
            assert (box.top, box.bottom) == (top, bottom)
        assert 0 <= top - box.top < 3
        assert 0 <= box.bottom - bottom < 3


def test_axes_are_apart() -> None:
    model = of(nn.Conv2d(3, 4, (3, 5), stride=(1, 2)), nn.Conv2d(4, 4, (1, 3)), size=(12, 30))
    assert receptive_field(model, "1", (2, 4)) == Box(2, 8, 5, 17)


@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
def test_pooling_widens_the_field(pool: type[nn.Module]) -> None:
    model = of(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), pool(2), nn.Conv2d(4, 4, 3, padding=1))  # type: ignore[call-arg]
    (top, bottom) = arithmetic([(3, 1, 1, 1), (2, 2, 0, 1), (3, 1, 1, 1)], 9, SIZE)
    assert receptive_field(model, "3", (9, 9)) == Box(top, top, bottom, bottom)


class Residual(nn.Module):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.one, self.two = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.two(torch.relu(self.one(x))))


def test_a_shortcut_leaves_the_field_of_the_longer_path() -> None:
    assert receptive_field(of(Residual(), Residual()), "1", (20, 11)) == Box(16, 7, 25, 16)


def test_silent_rectifiers_and_dead_weights_do_not_narrow_the_field() -> None:
    model = of(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    with torch.no_grad():
        model.module[0].bias.fill_(-1e6)
        model.module[2].weight.zero_()
    assert receptive_field(model, "2", (5, 6)) == Box(5, 6, 10, 11)


def test_uneven_steps_are_looked_at_place_by_place() -> None:
    model = of(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(7))
    ends = [(i * SIZE // 7, -(-(i + 1) * SIZE // 7)) for i in range(7)]
    for i, (first, end) in enumerate(ends):
        assert receptive_field(model, "1", (i, 6 - i)) == Box(first, ends[6 - i][0], end, ends[6 - i][1])


def test_an_enlarged_map_is_looked_at_place_by_place() -> None:
    model = of(nn.Conv2d(3, 4, 4, stride=4), nn.Upsample(scale_factor=2))
    assert receptive_field(model, "1", (4, 7)) == Box(8, 12, 12, 16)


@pytest.mark.parametrize("layer", ["flat", "head", "class"])
def test_layers_without_places_see_everything(layer: str) -> None:
    assert receptive_field(toy.model(), layer, None) == Box(0, 0, 32, 32)
    picture = toy.images()[0].float()
    assert effective_field(toy.model(), f"{layer}:2", picture, None, 0.5) == Box(0, 0, 32, 32)


def test_a_place_that_sees_nothing_has_the_whole_image() -> None:
    model = of(nn.Conv2d(3, 4, 1, padding=2), size=(6, 7))
    for place in ((0, 0), (1, 5), (9, 10), (4, 0), (0, 4)):
        assert receptive_field(model, "0", place) == Box(0, 0, 6, 7)
    assert receptive_field(model, "0", (2, 8)) == Box(0, 6, 1, 7)


def test_behind_a_global_mean_everything_is_seen() -> None:
    assert receptive_field(toy.model(), "pool", (0, 0)) == Box(0, 0, 32, 32)
    gate = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(1, 4))
    assert receptive_field(of(*gate), "1", (3, 4)) == Box(0, 0, SIZE, SIZE)


class Patchwise(nn.Module):
    """Patches as tokens behind a class token, which nothing mixes."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.patches, self.tokens = nn.Conv2d(3, 12, 8, stride=8), nn.Identity()
        self.class_token = nn.Parameter(torch.zeros(1, 1, 12))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.tokens(torch.cat([self.class_token.expand(len(x), -1, -1), tokens], 1)).mean(1)


def test_a_token_sees_its_patch_and_the_class_token_everything() -> None:
    model = toy.wrap(toy.seeded(Patchwise()))
    assert receptive_field(model, "tokens", 1 + 4 * 1 + 2) == Box(8, 16, 16, 24)
    assert receptive_field(model, "tokens", 0) == Box(0, 0, 32, 32)


def test_the_effective_field_of_a_token_lies_in_the_middle_of_its_patch() -> None:
    model = toy.wrap(toy.seeded(Patchwise()))
    box = effective_field(model, "tokens:3#patches", torch.ones(3, 32, 32), 1 + 4 * 1 + 2, 1e-9)
    assert box == Box(11, 19, 13, 21)


class Reading(Patchwise):
    """The same, whose class token has read the first patch."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.tokens(torch.cat([self.class_token + tokens[:, :1], tokens], 1)).mean(1)


def test_a_class_token_has_no_place_whatever_it_has_read() -> None:
    model = toy.wrap(toy.seeded(Reading()))
    assert receptive_field(model, "tokens", 0) == Box(0, 0, 32, 32)
    assert receptive_field(model, "tokens", 1) == Box(0, 0, 8, 8)


def test_attention_sees_everything() -> None:
    assert receptive_field(toy.token_model(), "block1", 5) == Box(0, 0, 32, 32)


def test_fifty_places_cost_no_more_passes_than_one() -> None:
    model = of(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU())
    calls: list[int] = []
    model.module[0].register_forward_hook(lambda *_: calls.append(1))
    receptive_field(model, "1", (9, 9))
    first = len(calls)
    for i in range(19):
        receptive_field(model, "1", (i, 18 - i))
    assert len(calls) == first < 25


def test_what_was_found_does_not_keep_the_network_alive() -> None:
    model = of(nn.Conv2d(3, 4, 3))
    receptive_field(model, "0", (3, 3))
    watched = weakref.ref(model)
    del model
    gc.collect()
    assert watched() is None


def test_the_network_comes_back_as_it_was() -> None:
    model = toy.model()
    model.module.train()
    before = {k: v.clone() for k, v in model.module.state_dict().items()}
    effective_field(model, "act2:3", toy.images()[0].float(), (2, 2), 0.5)
    assert model.module.training
    assert all(p.requires_grad and p.grad is None for p in model.module.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.module.state_dict().items())
    assert not any(part._forward_hooks for part in model.module.modules())


@pytest.mark.parametrize(
    ("layer", "position"),
    [
        *[("act2", place) for place in [(8, 0), (0, 8), (-1, 0), (0, -1), 3, None]],
        *[("class", place) for place in [(0, 0), 0]],
        *[("block1", place) for place in [17, -1, (0, 0), None]],
    ],
)
def test_places_that_are_not_there_are_one_sentence(layer: str, position: object) -> None:
    model = toy.token_model() if layer == "block1" else toy.model()
    with pytest.raises(UnitError, match=rf"^layer '{layer}' has no place .*, where a place is .*[^.]$"):
        receptive_field(model, layer, position)  # type: ignore[arg-type]


def mass_in(weight: Tensor, picture: Tensor, at: int, box: Box) -> float:
    whole = (weight * picture[:, at : at + 9, at : at + 9]).abs().sum(0)
    inside = whole[max(0, box.top - at) : box.bottom - at, max(0, box.left - at) : box.right - at]
    return float(inside.sum() / whole.sum())


def test_the_effective_field_holds_nine_tenths_where_no_share_is_named() -> None:
    conv = nn.Conv2d(3, 1, 9, bias=False)
    conv.weight.data.fill_(1.0)
    model = vital.Model(nn.Sequential(conv), size=(9, 9))
    conv.weight.data[..., 1:-1, 1:-1] = 3.0  # 32 of 179 lie on the rim
    assert effective_field(model, "0:0", torch.ones(3, 9, 9), (0, 0)) == Box(0, 0, 9, 9)
    conv.weight.data[..., 1:-1, 1:-1] = 6.0  # 32 of 326
    assert effective_field(model, "0:0", torch.ones(3, 9, 9), (0, 0)) == Box(1, 1, 8, 8)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_the_effective_field_is_the_smallest_box_that_holds_the_share(share: float) -> None:
    model = of(nn.Conv2d(3, 4, 9))
    picture = toy.images(size=SIZE)[0].float()
    box = effective_field(model, "0:2", picture, (11, 11), share)
    weight = model.module[0].weight[2].detach()
    assert (box.top, box.bottom) == (box.left, box.right)
    assert (box.top + box.bottom) / 2 == 15.5  # the middle of rows 11 to 19
    assert mass_in(weight, picture, 11, box) >= share
    smaller = Box(box.top + 1, box.left + 1, box.bottom - 1, box.right - 1)
    assert mass_in(weight, picture, 11, smaller) < share


def test_the_effective_field_grows_with_the_share_up_to_the_receptive_field() -> None:
    model, picture = toy.model(), toy.images()[0].float()
    boxes = [effective_field(model, "layer3:5", picture, (1, 2), share) for share in (0.2, 0.5, 0.9, 1)]
    areas = [box.height * box.width for box in boxes]
    assert areas == sorted(areas)
    assert areas[0] < areas[-1]
    field = receptive_field(model, "layer3", (1, 2))
    assert boxes[-1] == field
    assert all(b.top >= field.top and b.right <= field.right for b in boxes)


def test_a_share_of_1_gives_also_what_is_seen_without_a_gradient() -> None:
    model = of(nn.Conv2d(3, 4, 9))
    with torch.no_grad():
        model.module[0].weight[..., :3, :] = model.module[0].weight[..., 6:, :] = 0
        model.module[0].weight[..., :3] = model.module[0].weight[..., 6:] = 0
    picture = 0.1 + toy.images(size=SIZE)[0].float()
    assert effective_field(model, "0:2", picture, (11, 5), 1) == Box(11, 5, 20, 14)
    assert effective_field(model, "0:2", picture, (11, 5), 1 - 2.0**-53) == Box(14, 8, 17, 11)


def test_the_middle_of_a_field_is_known_where_one_place_alone_is_away_from_each_edge() -> None:
    model = of(nn.Conv2d(3, 4, 3), size=(5, 6))
    for row in range(3):
        for column in range(4):
            box = effective_field(model, "0:0", torch.ones(3, 5, 6), (row, column), 1e-9)
            assert box == Box(row + 1, column + 1, row + 2, column + 2)


@pytest.mark.parametrize("before", [0, 1, 4])
def test_margins_of_a_line_follow_from_its_last_two(before: int) -> None:
    line = Line(5, before + 2, before, even=True)
    rest = [max(0, before - 2 * i) if before else 0 for i in (3, 2, 1, 0)]
    assert [line.at(i) for i in range(5)] == [*rest, before + 2]
    known = [before - 2 * i for i in (3, 2, 1, 0, -1)]
    assert [line.beyond(i) for i in range(5)] == (known if before else [None] * 5)


@pytest.mark.parametrize("layer", ["act2", "block1"])
def test_places_are_numbered_row_by_row(layer: str) -> None:
    model = toy.token_model() if layer == "block1" else toy.model()
    info = vital.list_layers(model)[layer]
    found = [position_of(info, place) for place in range(math.prod(info.shape[1:]))]
    wanted = (
        list(range(17)) if layer == "block1" else [(row, column) for row in range(8) for column in range(8)]
    )
    assert found == wanted


def test_a_share_just_below_1_gives_all_that_has_a_gradient() -> None:
    model = of(nn.Conv2d(3, 4, 9).double())
    for seed in range(20):
        picture = 0.1 + toy.images(seed=seed, size=SIZE)[0]
        assert effective_field(model, "0:2", picture, (11, 5), 1 - 2.0**-53) == Box(11, 5, 20, 14)


@pytest.mark.parametrize("scale", [2.0**-40, 1.0, 2.0**40])
def test_the_effective_field_does_not_depend_on_the_scale_of_the_unit(scale: float) -> None:
    model, picture = of(nn.Conv2d(3, 4, 9)), toy.images(size=SIZE)[0].float()
    before = effective_field(model, "0:2", picture, (11, 12), 0.5)
    with torch.no_grad():
        model.module[0].weight *= scale
    assert effective_field(model, "0:2", picture, (11, 12), 0.5) == before != Box(11, 12, 20, 21)


def test_the_effective_field_of_uneven_steps_lies_where_the_place_lies_in_the_map() -> None:
    model = of(nn.Conv2d(3, 4, 4, stride=4), nn.Upsample(scale_factor=2), size=(SIZE, 24))
    for row in range(0, 20, 3):
        for column in range(0, 12, 3):
            box = effective_field(model, "1:0", torch.ones(3, SIZE, 24), (row, column), 1e-9)
            assert box == Box(2 * row, 2 * column, 2 * row + 2, 2 * column + 2)


@pytest.mark.parametrize("padding", [(0, 0, 8, 0), (0, 0, 0, 8), (8, 0, 0, 0), (0, 8, 0, 0)])
def test_where_the_steps_cannot_be_known_at_one_side_the_place_in_the_map_counts(
    padding: tuple[int, int, int, int],
) -> None:
    kernel = (1, 9) if any(padding[:2]) else (9, 1)
    model = of(nn.ZeroPad2d(padding), nn.Conv2d(3, 4, kernel), size=(9, 9))
    for row, column in ((1, 4), (4, 2), (5, 6)):
        box = effective_field(model, "1:0", torch.ones(3, 9, 9), (row, column), 1e-9)
        assert box == Box(row, column, row + 1, column + 1)


def test_at_the_edge_the_box_is_cut_and_its_middle_stays() -> None:
    model = of(nn.Conv2d(3, 4, 9, padding=4))
    box = effective_field(model, "0:2", toy.images(size=SIZE)[0].float(), (0, 20), 0.4)
    assert box.top == 0
    assert box.bottom - 0.5 == pytest.approx((box.right - box.left) / 2)


def test_where_there_is_no_gradient_the_whole_field_is_given() -> None:
    model = of(nn.Conv2d(3, 4, 3), nn.ReLU())
    with torch.no_grad():
        model.module[0].bias.fill_(-1e6)
    assert effective_field(model, "1:0", toy.images(size=SIZE)[0].float(), (4, 4), 0.5) == Box(4, 4, 7, 7)


def test_where_the_gradient_is_not_finite_the_whole_field_is_given() -> None:
    model = of(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    with torch.no_grad():
        for layer in model.module:
            layer.weight.fill_(1e30)
    assert effective_field(model, "1:0", torch.ones(3, SIZE, SIZE), (4, 4), 0.5) == Box(4, 4, 9, 9)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.2, float("nan")])
def test_a_share_outside_its_range_is_one_sentence(share: float) -> None:
    with pytest.raises(InvalidValueError, match=r"^share is .*; allowed are numbers above 0 and up to 1$"):
        effective_field(toy.model(), "act2:3", toy.images()[0], (2, 2), share)
