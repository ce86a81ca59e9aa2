"""Composites: rules by the kind of a layer, by its name and for the first layer, on networks as users have them."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests import toy
from tests.attribution.slow import back
from vital.attribution import RULES, Relevance, relevance
from vital.errors import InvalidValueError
from vital.models import Model

EPSILON = tuple(name for name in RULES if name.startswith("epsilon"))


def epsilon(weight: Tensor, bias: Tensor, x: Tensor, r: Tensor) -> Tensor:
    """x ∘ Wᵀ (r / z) for one row of inputs, z with the bias."""
    return x * (weight.T @ (r / (weight @ x + bias)))


def test_a_bias_is_one_of_the_contributions_of_epsilon() -> None:
    conv = nn.Conv2d(2, 1, 1).requires_grad_(requires_grad=False)
    conv.weight.copy_(torch.tensor([1.0, -1.0]).view(1, 2, 1, 1))
    conv.bias.fill_(1.0)
    x = torch.tensor([0.5, 0.5 - 1e-7]).view(1, 2, 1, 1)
    found = back(conv, x, conv(x), "epsilon")
    torch.testing.assert_close(found.flatten(), torch.tensor([0.5, -0.5]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(back(conv, x, conv(x), Relevance("epsilon")), found)


@pytest.mark.parametrize("way", ["linear", "added", "addmm", "batch norm"])
def test_a_bias_counts_however_it_is_written(way: str) -> None:
    draw = torch.Generator().manual_seed(0)
    w, b, x, r = (torch.randn(s, generator=draw, dtype=torch.float64) for s in ((4, 6), (4,), (6,), (4,)))
    norm = nn.BatchNorm1d(4, eps=0.0).double().eval()
    ways = {
        "linear": lambda a: F.linear(a, w, b),
        "added": lambda a: F.linear(a, w) + b,
        "addmm": lambda a: torch.addmm(b, a, w.T),
        "batch norm": lambda a: norm(F.linear(a, w)),
    }
    norm.bias.data.copy_(b)
    made = back(ways[way], x[None], r[None], replace(RULES["epsilon"], epsilon=1e-12))
    torch.testing.assert_close(made[0], epsilon(w, b, x, r), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("layer", "norm"),
    [
        (nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6)),
        (nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2), nn.BatchNorm2d(6)),
        (nn.Linear(4, 6), nn.BatchNorm1d(6)),
    ],
)
def test_a_folded_batch_norm_is_a_layer_with_merged_weights(
    layer: nn.Module, norm: nn.Module, bias: bool
) -> None:
    toy.seeded(layer), toy.seeded(norm)
    layer.bias = layer.bias if bias else None
    net = nn.Sequential(layer, norm).double().eval().requires_grad_(requires_grad=False)
    x = torch.randn((2, 4) if isinstance(layer, nn.Linear) else (2, 4, 5, 5), dtype=torch.float64)
    merged = Merged(net)
    torch.testing.assert_close(merged(x), net(x))
    for name in EPSILON:
        r = torch.randn_like(net(x))
        torch.testing.assert_close(back(net, x, r, name), back(merged, x, r, name), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["folded", *EPSILON])
def test_a_batch_norm_without_weights_has_those_that_change_nothing(name: str) -> None:
    layer, plain = toy.seeded(nn.Conv2d(4, 6, 3)), toy.seeded(nn.BatchNorm2d(6, affine=False))
    norm = nn.BatchNorm2d(6)
    norm.running_mean.copy_(plain.running_mean)
    norm.running_var.copy_(plain.running_var)
    nets = [
        nn.Sequential(layer, own).double().eval().requires_grad_(requires_grad=False) for own in (plain, norm)
    ]
    x, r = torch.randn(2, 4, 5, 5, dtype=torch.float64), torch.randn(2, 6, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(back(nets[0], x, r, name), back(nets[1], x, r, name))


class Merged(nn.Module):
    """A layer and its batch norm as one layer, by its values at unit inputs' places."""

    def __init__(self, net: nn.Sequential) -> None:
        nn.Module.__init__(self)
        self.layer, norm = net[0], net[1]
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        rest, bias = [1] * (self.layer.weight.ndim - 2), 0 if self.layer.bias is None else self.layer.bias
        self.bias = (bias - norm.running_mean) * scale + norm.bias
        if isinstance(self.layer, nn.ConvTranspose2d):
            parts = [
                w * s.view(1, -1, *rest)
                for w, s in zip(self.layer.weight.chunk(2), scale.chunk(2), strict=True)
            ]
            self.weight = torch.cat(parts)
        else:
            self.weight = self.layer.weight * scale.view(-1, 1, *rest)

    def forward(self, x: Tensor) -> Tensor:
        """The same as both."""
        if isinstance(self.layer, nn.Linear):
            return F.linear(x, self.weight, self.bias)
        if isinstance(self.layer, nn.ConvTranspose2d):
            return F.conv_transpose2d(x, self.weight, self.bias, 2, groups=2)
        return F.conv2d(x, self.weight, self.bias, groups=2)


NORMS = {
    "batch": nn.BatchNorm2d(6),
    "layer": nn.LayerNorm([6, 5, 5]),
    "last axis": nn.LayerNorm(5, bias=False),
    "group": nn.GroupNorm(2, 6),
    "root mean square": nn.RMSNorm(5),
    "batch, no weights": nn.BatchNorm2d(6, eps=0.5, affine=False),
    "layer, no weights": nn.LayerNorm([5, 5], eps=0.5, elementwise_affine=False),
    "group, no weights": nn.GroupNorm(3, 6, eps=0.5, affine=False),
    "root mean square, no weights": nn.RMSNorm([5, 5], eps=0.5, elementwise_affine=False),
}


@pytest.mark.parametrize("scale", [1.0, 1e-3])
@pytest.mark.parametrize("name", NORMS)
def test_a_norm_that_stands_alone_is_a_layer_under_epsilon(name: str, scale: float) -> None:
    norm = toy.seeded(NORMS[name]).double().eval().requires_grad_(requires_grad=False)
    x = scale * torch.randn(1, 6, 5, 5, dtype=torch.float64)
    r = torch.randn_like(x)
    how = replace(RULES["epsilon"], epsilon=1e-12)
    # With the deviation a constant the norm is linear: it is what the norm makes of x without dividing by its own.
    y, flat = norm(x), x.flatten()
    by_scale = torch.autograd.functional.jacobian(lambda a: norm(a).flatten(), x).view(x.numel(), -1)
    if not name.startswith("batch"):
        by_scale = by_scale + radial(norm, x)
    expected = flat * (by_scale.T @ (r.flatten() / y.flatten()))
    torch.testing.assert_close(back(norm, x, r, how).flatten(), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(back(norm, x, r, "zplus"), r)


@pytest.mark.parametrize(
    ("norm", "same"),
    [
        (lambda a: F.layer_norm(a, [5]), nn.LayerNorm(5)),
        (lambda a: F.group_norm(a, 2), nn.GroupNorm(2, 6)),
        (lambda a: F.rms_norm(a, [5]), nn.RMSNorm(5)),
        (lambda a: torch.layer_norm(a, [5]), nn.LayerNorm(5)),
        (lambda a: torch.group_norm(a, 2), nn.GroupNorm(2, 6)),
        (lambda a: torch.rms_norm(a, [5]), nn.RMSNorm(5)),
        (lambda a: torch.layer_norm(a, [5], None, None, 0.5), nn.LayerNorm(5, 0.5)),
        (lambda a: torch.group_norm(a, 2, None, None, 0.5), nn.GroupNorm(2, 6, 0.5)),
        (lambda a: torch.rms_norm(a, [5], None, 0.5), nn.RMSNorm(5, 0.5)),
    ],
)
def test_a_norm_may_be_written_as_a_function_in_any_way(
    norm: Callable[[Tensor], Tensor], same: nn.Module
) -> None:
    x, r = 0.01 * torch.randn(2, 3, 6, 5, dtype=torch.float64)
    made = back(norm, x, r, "epsilon")
    torch.testing.assert_close(made, back(same.double(), x, r, "epsilon"))
    for one, its_r, own in zip(x, r, made, strict=True):
        torch.testing.assert_close(back(norm, one[None], its_r[None], "epsilon")[0], own)


class Written(nn.Module):
    """Norms as functions, whose weights come by their place."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.layer, self.group, self.square = nn.LayerNorm(5), nn.GroupNorm(2, 6), nn.RMSNorm(5)
        self.used = "layer"

    def forward(self, x: Tensor) -> Tensor:
        given = getattr(self, self.used)
        if self.used == "layer":
            return torch.layer_norm(x, [5], given.weight, given.bias, given.eps)
        if self.used == "group":
            return torch.group_norm(x, 2, given.weight, given.bias, given.eps)
        return torch.rms_norm(x, [5], given.weight)


@pytest.mark.parametrize("used", ["layer", "group", "square"])
def test_the_weights_of_a_norm_that_come_by_their_place_are_its_own(used: str) -> None:
    net = toy.seeded(Written()).double()
    net.used = used
    x, r = torch.randn(2, 2, 6, 5, dtype=torch.float64)
    wanted = back(getattr(net, used), x, r, "epsilon")
    torch.testing.assert_close(back(net, x, r, "epsilon"), wanted)
    found = []
    for norm, pattern in ((net, f"norm.{used}"), (getattr(net, used), "norm"), (net, "conv")):
        parts = {"conv": nn.Conv2d(3, 6, 1), "norm": norm, "flat": nn.Flatten(), "head": nn.Linear(120, 10)}
        parts = {name: part if part is norm else toy.seeded(part).double() for name, part in parts.items()}
        model = Model(nn.Sequential(OrderedDict(parts)), size=(4, 5))
        how = Relevance(batch_norm="folded", named=((pattern, "epsilon"),))
        found.append(relevance(model, toy.images(2)[..., :4, :5], "class:1", ["conv"], how)["conv"])
    torch.testing.assert_close(found[0], found[1])
    assert not torch.allclose(found[0], found[2])


def test_a_group_norm_is_a_linear_layer_where_there_are_no_places() -> None:
    how = Relevance(weighted="zplus", linear="epsilon", batch_norm="folded")
    norm = toy.seeded(nn.GroupNorm(2, 6)).double().requires_grad_(requires_grad=False)
    for shape, linear in (((2, 6), True), ((2, 6, 5), False), ((2, 6, 5, 5), False)):
        x, r = torch.randn(2, *shape, dtype=torch.float64)
        wanted = back(norm, x, r, RULES["epsilon"]) if linear else r
        torch.testing.assert_close(back(norm, x, r, how), wanted)
        assert not torch.allclose(back(norm, x, r, RULES["epsilon"]), r)


def radial(norm: nn.Module, x: Tensor) -> Tensor:
    """What the deviation's own dependence takes from a norm's derivative: (y − b) times its logarithm's gradient."""
    zero = norm(torch.zeros_like(x)).flatten()
    if isinstance(norm, nn.GroupNorm):
        shape: tuple[int, ...] = (1, norm.num_groups, -1)
    else:
        shape = (-1, math.prod(norm.normalized_shape))

    def logarithm(a: Tensor) -> Tensor:
        rows = a.reshape(shape)
        off = rows if isinstance(norm, nn.RMSNorm) else rows - rows.mean(-1, keepdim=True)
        eps = norm.eps or torch.finfo(x.dtype).eps
        return (off.square().mean(-1, keepdim=True) + eps).log().div(2).expand_as(rows).flatten()

    slopes = torch.autograd.functional.jacobian(logarithm, x).view(x.numel(), -1)
    return (norm(x).flatten() - zero)[:, None] * slopes


def test_flat_shares_equally_among_the_inputs_that_an_output_sees() -> None:
    conv = nn.Conv2d(2, 1, 3, padding=1).requires_grad_(requires_grad=False)
    r = torch.zeros(1, 1, 4, 4)
    r[0, 0, 0, 0] = 8.0
    made = back(conv, torch.randn(1, 2, 4, 4), r, Relevance("flat"))
    assert made[0, :, :2, :2].eq(1).all()
    assert made.sum() == 8


@pytest.mark.parametrize("bias", [False, True])
def test_box_is_its_formula(bias: bool) -> None:
    layer = nn.Linear(6, 3, bias=bias).double().requires_grad_(requires_grad=False)
    x, r = torch.rand(1, 6, dtype=torch.float64), torch.rand(1, 3, dtype=torch.float64)
    parts = layer.weight * x - layer.weight.clamp(max=0)
    expected = (parts / parts.sum(1, keepdim=True) * r.T).sum(0)
    torch.testing.assert_close(back(layer, x, r, Relevance("box"))[0], expected)


class Prepared(nn.Module):
    """A network with its own preprocessing, a convolution and a head."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Channels turned round, to −7 … 3."""
        return self.head(self.conv(3 - 10 * x.flip(1)).relu().mean((2, 3)))


def test_the_box_is_what_black_and_white_become_on_the_way() -> None:
    model = toy.wrap(toy.seeded(Prepared()), double=True, mean=(0.0,) * 3, std=(1.0,) * 3)
    images = toy.images(2)
    made = relevance(model, images, "class:0", ["<conv", "conv"], "epsilon-gamma-box")
    conv, x = model.module.conv, 3 - 10 * images.flip(1)
    z = conv(x) - F.conv2d(torch.full_like(x, -7), conv.weight.clamp(min=0))
    z = z - F.conv2d(torch.full_like(x, 3), conv.weight.clamp(max=0)) - conv.bias.view(1, -1, 1, 1)
    s = made["conv"] / (z + 1e-6)
    back_by = lambda w: F.conv_transpose2d(s, w)  # noqa: E731
    expected = (
        x * back_by(conv.weight)
        + 7 * back_by(conv.weight.clamp(min=0))
        - 3 * back_by(conv.weight.clamp(max=0))
    )
    torch.testing.assert_close(made["<conv"], expected)
    torch.testing.assert_close(made["<conv"].sum(), made["conv"].sum(), rtol=1e-4, atol=0)


def two_layers() -> Model:
    net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU())
    return toy.wrap(toy.seeded(net), double=True)


def test_a_rule_by_name_holds_for_that_layer() -> None:
    model, images = two_layers(), toy.images(2)
    flat = replace(RULES["epsilon-plus"], first="flat")
    for named in ((("0", "flat"),), (("[0]", flat), ("*", "gamma"))):
        own = replace(RULES["epsilon-plus" if len(named) == 1 else "epsilon-gamma"], named=named)
        whole = "epsilon-plus-flat" if len(named) == 1 else "epsilon-gamma-flat"
        made, wanted = (relevance(model, images, "3:2", ["<0"], how)["<0"] for how in (own, whole))
        torch.testing.assert_close(made, wanted)


def test_the_box_of_a_product_with_a_constant_matrix_is_that_of_a_linear_layer() -> None:
    x, w, r = (torch.randn(*shape, dtype=torch.float64) for shape in ((2, 6), (6, 4), (2, 4)))
    x = x.sigmoid()
    parts = (2 * x - 1)[:, :, None] * w + w.abs()  # black and white are -1 and 1 there
    wanted = (parts / parts.sum(1, keepdim=True) * r[:, None]).sum(2)
    for f in (
        lambda a: (2 * a - 1) @ w,
        lambda a: F.linear(2 * a - 1, w.T),
        lambda a: torch.mm(2 * a - 1, w),
    ):
        torch.testing.assert_close(back(f, x, r, Relevance("box")), wanted)


def test_a_rule_by_a_name_that_no_layer_has_is_refused() -> None:
    how = Relevance(named=(("features", "flat"),))
    with pytest.raises(
        InvalidValueError, match="the rules name 'features', which toy has not; 'vital layers' lists"
    ):
        relevance(two_layers(), toy.images(1), "3:2", ["<0"], how)
    with pytest.raises(InvalidValueError, match="the rule of '0' is 'flatt'; allowed are zplus, epsilon"):
        Relevance(named=(("0", "flatt"),))  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="first is 'none'; allowed are same, zplus"):
        Relevance(first="none")  # type: ignore[arg-type]


def test_first_are_all_layers_that_no_other_is_before() -> None:
    one, two, after = (
        nn.Linear(6, 6, bias=False).double().requires_grad_(requires_grad=False) for _ in range(3)
    )
    x, r = torch.rand(1, 6, dtype=torch.float64), torch.rand(1, 12, dtype=torch.float64)

    def forward(a: Tensor) -> Tensor:
        return torch.cat([one(a), after(two(a).relu())], 1)

    later = back(after, two(x).relu(), r[:, 6:], "epsilon")
    expected = (r[:, :6].sum() + later.sum()) / 6
    made = back(forward, x, r, replace(RULES["epsilon"], first="flat"))
    torch.testing.assert_close(made, expected.expand_as(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", EPSILON)
def test_without_biases_composites_conserve(name: str) -> None:
    net = toy.network()
    for key, value in [*net.named_parameters(), *net.named_buffers()]:
        if "bias" in key or "running_mean" in key:
            value.data.zero_()
    model = toy.wrap(net, double=True)
    made = relevance(model, toy.images(2), "class:3", ["<layer1", "class"], name)
    shift = model.normalize(torch.zeros(1, 3, 1, 1)).abs().sum()
    assert shift > 0
    torch.testing.assert_close(made["<layer1"].sum((1, 2, 3)), made["class"].sum(1), rtol=2e-2, atol=1e-6)


@pytest.mark.parametrize("name", EPSILON)
def test_token_networks_stay_within_bounds(name: str) -> None:
    model = toy.token_model(double=True)
    made = relevance(model, toy.images(2), "class:3", ["<patches", "class"], name)
    assert made["<patches"].abs().sum() < 100 * made["class"].abs().sum()
