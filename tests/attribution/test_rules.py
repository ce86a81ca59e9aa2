"""The rules for weighted sums, against the formulas on dense matrices."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.attribution.slow import back, matrix, shares
from vital.attribution import RULES, NoRuleError, Relevance, composite
from vital.errors import InvalidValueError, UnknownNameError

RULE_NAMES = ("zplus", "epsilon", "gamma", "alphabeta")
OPTIONS = {
    "plain": {"in_channels": 3, "out_channels": 5, "kernel_size": 3},
    "strided": {"in_channels": 8, "out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 1},
    "dilated": {"in_channels": 8, "out_channels": 4, "kernel_size": 3, "dilation": 2, "padding": 2},
    "grouped": {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "groups": 2, "padding": "same"},
    "depthwise": {"in_channels": 6, "out_channels": 6, "kernel_size": 3, "groups": 6, "padding": 1},
}


LAYERS = [
    (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (9,)),
    (nn.Conv1d(3, 4, 2, stride=2), (7,)),
    (nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)), (7, 5)),
    (nn.Conv2d(4, 8, (1, 3), padding=(0, 2), groups=4), (2, 5)),
    (nn.Conv2d(3, 5, 1, stride=(2, 3)), (5, 7)),
    (nn.Conv2d(4, 6, 1, stride=(2, 1), groups=2), (5, 3)),
    (nn.Conv2d(3, 4, 1, stride=2, padding=1), (4, 5)),
    (nn.Conv2d(16, 2, 2), (3, 2)),
    (nn.Conv3d(2, 3, (1, 2, 3), stride=(1, 2, 1), padding=(0, 1, 1)), (2, 4, 3)),
    (nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), (5,)),
    (nn.ConvTranspose2d(3, 4, (2, 3), stride=(1, 2), dilation=(2, 1)), (3, 2)),
    (nn.ConvTranspose3d(2, 3, 2, stride=(1, 2, 1)), (2, 2, 3)),
    (nn.Linear(7, 5), ()),
    (nn.Linear(63, 2), ()),
    (nn.Linear(64, 2), ()),
]
"""Layers with weights of every kind and the size of an image, which is no square."""


def draw(*shape: int, sign: str = "mixed") -> torch.Tensor:
    x = torch.randn(shape, dtype=torch.float64)
    return {"mixed": x, "positive": x.clamp(min=0), "negative": -x.abs()}[sign]


@pytest.mark.parametrize("sign", ["mixed", "positive", "negative"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_convolutions(rule: str, options: str, sign: str) -> None:
    conv = nn.Conv2d(**OPTIONS[options]).double().requires_grad_(requires_grad=False)
    x = draw(1, conv.in_channels, 6, 6, sign=sign)
    r = draw(*conv(x).shape)
    dense = matrix(
        lambda a: F.conv2d(a, conv.weight, None, conv.stride, conv.padding, conv.dilation, conv.groups), x
    )
    parts = dense * x.flatten()
    if rule == "zplus" and conv.weight[0].numel() >= 64:
        parts = F.pad(
            parts, (0, 64)
        )  # the rule counts the taps of the kernel, zeros at the border among them
    elif rule == "zplus":
        lost = (parts > 0).sum(1) == 0
        parts = torch.where(lost[:, None], -parts, parts)  # then the negative ones share it in the same ratio
        parts = F.pad(parts, (0, 64))
    bias = conv.bias.repeat_interleave(r[0, 0].numel()) if rule == "epsilon" else None
    expected = shares(parts, r.flatten(), rule, bias)[: x.numel()]
    torch.testing.assert_close(back(conv, x, r, rule).flatten(), expected)


def by_formula(
    layer: nn.Module, scale: torch.Tensor, x: torch.Tensor, r: torch.Tensor, rule: str
) -> torch.Tensor:
    """What a layer without a bias, whose outputs are scaled per channel, shares out among an image (1, …)."""
    dense = matrix(lambda a: layer(a) * scale, x)
    parts = dense * x.flatten()
    if rule == "box":  # in an image between 0 and 1
        parts, rule = parts - dense.clamp(max=0), "ratio"
    if rule == "flat":
        ones = copy.deepcopy(layer)
        nn.init.ones_(ones.weight)
        parts, rule = matrix(ones, x), "ratio"
    if rule == "ratio":
        z = parts.sum(1, keepdim=True)
        return (torch.where(z == 0, 0.0, parts / z) * r.flatten()[:, None]).sum(0)
    if rule == "zplus" and layer.weight[0].numel() < 64:
        lost = (parts > 0).sum(1) == 0
        parts = torch.where(lost[:, None], -parts, parts)
    return shares(F.pad(parts, (0, 64)), r.flatten(), rule)[: x.numel()]


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("rule", [*RULE_NAMES, "flat", "box"])
@pytest.mark.parametrize(("layer", "size"), LAYERS, ids=lambda one: str(one).partition("(")[0])
def test_every_layer_follows_the_formula_image_by_image(
    layer: nn.Module, size: tuple[int, ...], rule: str, *, folded: bool
) -> None:
    layer = copy.deepcopy(layer).double().requires_grad_(requires_grad=False)
    layer.bias = None
    x = torch.rand(2, layer.in_channels if size else layer.in_features, *size, dtype=torch.float64)
    x[1] = x[1] if rule == "box" else torch.randn_like(x[1])
    z = layer(x)
    r = torch.randn_like(z)
    net, scale = layer, torch.ones(1)
    if folded:
        norm = (
            (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[len(size)](z.shape[1])
            .double()
            .eval()
        )
        norm.running_var.uniform_(0.5, 2.0)
        nn.init.normal_(norm.weight)
        net = nn.Sequential(layer, norm).requires_grad_(requires_grad=False)
        scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).view(-1, *[1] * len(size))
    made = back(net, x, r, Relevance(rule, batch_norm="folded"))  # type: ignore[arg-type]
    for one, its_r, found in zip(x, r, made, strict=True):
        expected = by_formula(layer, scale, one[None], its_r[None], rule)
        torch.testing.assert_close(found.flatten(), expected)


WAYS = [
    lambda x, w: F.conv2d(x, w, None, 2),
    lambda x, w: F.conv2d(x, w, stride=2),
    lambda x, w: F.conv2d(x, w, stride=2, padding=0, groups=1),
    lambda x, w: F.conv2d(x, w, stride=2, padding="valid"),
    lambda x, w: F.conv2d(input=x, weight=w, stride=[2, 2], padding=[0, 0]),
    lambda x, w: torch.conv2d(x, w, None, (2, 2), (0, 0)),
    lambda x, w: F.conv2d(x[..., ::2, ::2], w),
    lambda x, w: F.conv2d(x[..., ::2, ::2], w, padding="same"),
]


@pytest.mark.parametrize("rule", [*RULE_NAMES, "flat", "box"])
def test_a_convolution_of_1_by_1_may_be_written_in_any_way(rule: str) -> None:
    layer = nn.Conv2d(3, 5, 1, 2, bias=False).double().requires_grad_(requires_grad=False)
    x, r = torch.rand(1, 3, 5, 4, dtype=torch.float64), draw(1, 5, 3, 2)
    expected = by_formula(layer, torch.ones(1), x, r, rule).view_as(x)
    for way in WAYS:
        found = back(lambda a, way=way: way(a, layer.weight), x, r, Relevance(rule))  # type: ignore[arg-type]
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("rule", [*RULE_NAMES, "flat", "box"])
def test_the_settings_of_a_convolution_may_be_named(rule: str) -> None:
    layer = nn.Conv2d(4, 6, 3, 2, 1, 2, 2, bias=False).double().requires_grad_(requires_grad=False)
    w, x = layer.weight, torch.rand(1, 4, 7, 6, dtype=torch.float64)
    r = torch.randn_like(layer(x))
    expected = by_formula(layer, torch.ones(1), x, r, rule).view_as(x)
    for f in (
        lambda a: F.conv2d(a, w, None, 2, padding=1, dilation=2, groups=2),
        lambda a: F.conv2d(weight=w, input=a, groups=2, dilation=(2, 2), padding=(1, 1), stride=(2, 2)),
    ):
        torch.testing.assert_close(back(f, x, r, Relevance(rule)), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_a_batch_norm_is_folded_into_a_transposed_convolution_without_settings(rule: str) -> None:
    w, norm = draw(4, 6, 2, 2), nn.BatchNorm2d(6).double().eval().requires_grad_(requires_grad=False)
    norm.running_var.uniform_(0.5, 2.0)
    scaled = w * (1 / (norm.running_var + norm.eps).sqrt()).view(1, -1, 1, 1)
    x, r = draw(2, 4, 3, 3), draw(2, 6, 4, 4)
    how = Relevance(rule, batch_norm="folded", bias="none")  # type: ignore[arg-type]
    found = back(lambda a: norm(F.conv_transpose2d(a, w)), x, r, how)
    torch.testing.assert_close(found, back(lambda a: F.conv_transpose2d(a, scaled), x, r, how))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("rule", ["zplus", "gamma", "alphabeta", "flat", "box"])
def test_the_stabilizer_moves_every_denominator_away_from_0(rule: str, *, signed: bool) -> None:
    layer = nn.Linear(9, 20, bias=False).double().requires_grad_(requires_grad=False)
    layer.weight[0] = -layer.weight[1].abs_()
    x, r = torch.rand(1, 9, dtype=torch.float64), draw(1, 20)
    x = x if rule == "box" or not signed else x - 0.5
    c, how = layer.weight * x, Relevance(rule, stabilizer=0.3, signed=signed)  # type: ignore[arg-type]

    def ratio(parts: torch.Tensor) -> torch.Tensor:
        z = parts.sum(1, keepdim=True)
        return parts / (z + torch.where(z < 0, -0.3, 0.3))

    plus, minus = c.clamp(min=0), c.clamp(max=0)
    up = (c.sum(1, keepdim=True) >= 0).double()
    below = minus / (minus.sum(1, keepdim=True) - 0.3)
    expected = {
        "zplus": ratio(plus),
        "gamma": ratio(c + 0.25 * (up * plus + (1 - up) * minus)),
        "alphabeta": 2 * ratio(plus) - below,
        "flat": ratio(torch.ones_like(c)),
        "box": ratio(c - layer.weight.clamp(max=0)),
    }[rule]
    torch.testing.assert_close(back(layer, x, r, how), r @ expected)


def test_a_sum_of_64_terms_shares_nothing_where_none_is_positive() -> None:
    for terms, arrives in ((63, 1.0), (64, 0.0)):
        layer = nn.Linear(terms, 1, bias=False).double().requires_grad_(requires_grad=False)
        layer.weight.copy_(-layer.weight.abs())
        made = back(layer, draw(1, terms, sign="negative").abs(), torch.ones(1, 1, dtype=torch.float64))
        assert made.sum().item() == pytest.approx(arrives)


def test_a_batch_norm_is_folded_however_its_arguments_are_given() -> None:
    conv = nn.Conv2d(3, 5, 3, bias=False).double().requires_grad_(requires_grad=False)
    mean, variance, weight = draw(5), draw(5).exp(), draw(5)
    ways = {
        lambda z: F.batch_norm(z, mean, variance): torch.rsqrt(variance + 1e-5),
        lambda z: F.batch_norm(z, mean, variance, weight, None, False, 0.1, 0.5): weight
        * torch.rsqrt(variance + 0.5),
        lambda z: torch.batch_norm(z, weight, None, mean, variance, False, 0.1, 3.0, False): weight
        * torch.rsqrt(variance + 3.0),
        lambda z: F.batch_norm(z, running_mean=mean, running_var=variance, weight=weight, eps=2.0): weight
        * torch.rsqrt(variance + 2.0),
    }
    x, r = draw(2, 3, 5, 4), draw(2, 5, 3, 2)
    for norm, scale in ways.items():
        scaled = copy.deepcopy(conv)
        scaled.weight *= scale.view(-1, 1, 1, 1)
        for rule in RULE_NAMES:
            how = Relevance(rule, batch_norm="folded", bias="none")  # type: ignore[arg-type]
            found = back(lambda a, norm=norm: norm(conv(a)), x, r, how)
            torch.testing.assert_close(found, back(scaled, x, r, how))


@pytest.mark.parametrize("sign", ["mixed", "positive"])
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_a_bias_that_shares_takes_its_part(rule: str, sign: str) -> None:
    layer = nn.Linear(70, 9).double().requires_grad_(requires_grad=False)
    x, r = draw(1, 70, sign=sign), draw(1, 9)
    how = Relevance(rule, bias="share")  # type: ignore[arg-type]
    expected = shares(layer.weight * x, r[0], rule, layer.bias, how)
    torch.testing.assert_close(back(layer, x, r, how)[0], expected)
    without = shares(layer.weight * x, r[0], rule)
    none = Relevance(rule, bias="none")  # type: ignore[arg-type]
    torch.testing.assert_close(back(layer, x, r, none)[0], without)
    own = Relevance(rule)  # type: ignore[arg-type]
    torch.testing.assert_close(back(layer, x, r, own)[0], expected if rule == "epsilon" else without)
    alone = Relevance(rule, bias="convolutions")  # type: ignore[arg-type]
    torch.testing.assert_close(back(layer, x, r, alone)[0], without)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_way_to_write_a_constant_matrix(rule: str) -> None:
    w, x, r = draw(70, 9), draw(1, 4, 70), draw(1, 4, 9)
    expected = torch.stack([shares(w.T * a, b, rule) for a, b in zip(x[0], r[0], strict=True)])[None]
    ways = (
        lambda a: a @ w,
        lambda a: torch.matmul(a, w),
        lambda a: torch.einsum("btc,cd->btd", a, w),
        lambda a: torch.einsum("btc,cd->btd", [a, w]),
        lambda a: (w.T @ a.transpose(1, 2)).transpose(1, 2),
        lambda a: F.linear(a, w.T),
        lambda a: torch.bmm(a, w[None]),
        lambda a: torch.addmm(torch.zeros(9, dtype=a.dtype), a[0], w)[None],
    )
    for way in ways:
        torch.testing.assert_close(back(way, x, r, rule), expected)
        own = Relevance("flat", linear=rule)  # type: ignore[arg-type]
        torch.testing.assert_close(back(way, x, r, own), expected)


@pytest.mark.parametrize("kernel", [2, 1])
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_a_transposed_convolution(rule: str, kernel: int) -> None:
    conv = (
        nn.ConvTranspose2d(18, 5, kernel, stride=2, bias=False).double().requires_grad_(requires_grad=False)
    )
    x = draw(1, 18, 3, 3)
    r = draw(*conv(x).shape)
    parts = matrix(conv, x) * x.flatten()
    parts = torch.where((parts > 0).sum(1, keepdim=True) == 0, -parts, parts) if rule == "zplus" else parts
    expected = shares(F.pad(parts, (0, 64)), r.flatten(), rule)[: x.numel()]
    torch.testing.assert_close(back(conv, x, r, rule).flatten(), expected)


BETWEEN = [
    lambda x: x * 1.0,
    torch.relu,
    torch.tanh,
    lambda x: F.max_pool2d(x, 2),
    lambda x: F.dropout(torch.relu(x), 0.0),
    lambda x: F.max_pool2d(torch.relu(x), 2),
    lambda x: F.avg_pool2d(F.leaky_relu(x), 2),
    lambda x: F.avg_pool2d(torch.sigmoid(x), 2),
]


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("f", BETWEEN)
def test_a_sweep_over_several_operations_is_one_over_each_in_turn(
    f: Callable[[torch.Tensor], torch.Tensor], rule: str
) -> None:
    one, two = (nn.Conv2d(c, 8, 3, padding=1).double().requires_grad_(requires_grad=False) for c in (3, 8))
    x = draw(2, 3, 4, 4)
    inner, outer = one(x), f(one(x))
    r = torch.randn_like(two(outer))
    expected = back(one, x, back(f, inner, back(two, outer, r, rule), rule), rule)
    torch.testing.assert_close(back(lambda a: two(f(one(a))), x, r, rule), expected)


def test_a_folded_batch_norm_is_a_convolution_with_scaled_weights() -> None:
    conv, norm = nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5)
    norm.running_var.uniform_(0.5, 2.0)
    nn.init.normal_(norm.weight)
    net = nn.Sequential(conv, norm).double().eval().requires_grad_(requires_grad=False)
    x, r = draw(1, 3, 6, 6), draw(1, 5, 4, 4)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    scaled = nn.Conv2d(3, 5, 3, bias=False).double().requires_grad_(requires_grad=False)
    scaled.weight.copy_(conv.weight * scale.view(-1, 1, 1, 1))
    for rule in RULE_NAMES:
        how = Relevance(rule, batch_norm="folded")  # type: ignore[arg-type]
        torch.testing.assert_close(back(net, x, r, how), back(scaled, x, r, rule))
    torch.testing.assert_close(back(net, x, r, "zplus"), back(conv, x, r, "zplus"))
    assert not torch.allclose(back(net, x, r, "zplus"), back(net, x, r, "folded"))


@pytest.mark.parametrize("places", [(), (7,), (3, 2)])
def test_a_batch_norm_by_itself_is_a_linear_layer_where_there_are_no_places(places: tuple[int, ...]) -> None:
    x = draw(3, 4, *places)
    mean, deviation = draw(4), draw(4).exp()
    y = F.batch_norm(x, mean, deviation.square(), eps=0.0)
    r = torch.randn_like(x)
    scaled = x / deviation.view(1, 4, *[1] * len(places))
    wanted = scaled / (y + torch.where(y < 0, -0.1, 0.1)) * r
    for weighted, linear in (("zplus", "epsilon"), ("epsilon", "zplus")):
        how = Relevance(weighted, linear=linear, batch_norm="folded", epsilon=0.1)  # type: ignore[arg-type]
        made = back(lambda a: F.batch_norm(a, mean, deviation.square(), eps=0.0), x, r, how)
        apart = (weighted if places else linear) == "epsilon"
        torch.testing.assert_close(made, wanted if apart else r)


@pytest.mark.parametrize("rule", ["folded", "epsilon"])
def test_a_batch_norm_by_the_statistics_of_the_batch_passes_all(rule: str) -> None:
    conv, mean, variance = (
        nn.Conv2d(3, 5, 3).double().requires_grad_(requires_grad=False),
        draw(5),
        draw(5).exp(),
    )
    norms = (
        lambda z: F.batch_norm(z, mean.clone(), variance.clone(), training=True),
        lambda z: F.batch_norm(z, None, None, training=True),
        lambda z: F.batch_norm(z, mean.clone(), variance.clone(), None, None, True),
        lambda z: torch.batch_norm(z, None, None, mean.clone(), variance.clone(), True, 0.1, 1e-5, False),
        lambda z: torch.batch_norm(z, None, None, None, None, True, 0.1, 1e-5, False),
    )
    x, r = draw(2, 3, 5, 4), draw(2, 5, 3, 2)
    for norm in norms:
        found = back(lambda a, norm=norm: norm(conv(a)), x, r, rule)
        torch.testing.assert_close(found, back(conv, x, r, rule))


@pytest.mark.parametrize("weighted", ["epsilon", "zplus"])
def test_a_batch_norm_is_not_folded_into_what_has_no_weights_for_its_channels(weighted: str) -> None:
    w, mean, variance, weight = draw(6, 5), draw(5), draw(5).exp(), draw(5)
    how = Relevance(weighted, batch_norm="folded", epsilon=1e-12)  # type: ignore[arg-type]
    for f, x in ((lambda a: F.linear(a, w.T), draw(2, 5, 6)), (lambda a: a @ w, draw(2, 6))):
        z = f(x)
        y, r = F.batch_norm(z, mean, variance, weight), torch.randn_like(z)
        scale = (weight / (variance + 1e-5).sqrt()).view(1, 5, *[1] * (z.ndim - 2))
        expected = back(f, x, z * scale * r / y if weighted == "epsilon" else r, how)
        found = back(lambda a, f=f: F.batch_norm(f(a), mean, variance, weight), x, r, how)
        torch.testing.assert_close(found, expected)


def test_a_batch_norm_is_not_folded_where_something_else_reads_the_convolution() -> None:
    conv, norm = nn.Conv2d(3, 5, 3, bias=False).double(), nn.BatchNorm2d(5).double().eval()
    nn.init.normal_(norm.weight)
    x, r = draw(1, 3, 6, 6), draw(1, 10, 4, 4)

    def both(a: torch.Tensor) -> torch.Tensor:
        return torch.cat([norm(y := conv(a)), y], 1)

    torch.testing.assert_close(back(both, x, r, "folded"), back(both, x, r, "zplus"))


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_nothing_is_divided_by_zero(rule: str) -> None:
    conv = nn.Conv2d(3, 4, 3, bias=False)
    for scale in (0.0, *(10.0**-power for power in range(30, 40)), 1e-20):
        made = back(conv, scale * torch.rand(1, 3, 5, 5), 1e4 * torch.rand(1, 4, 3, 3), rule)
        assert torch.isfinite(made).all()


@pytest.mark.parametrize("alpha", [1.0, 1.5, 3.0])
def test_alpha_and_beta_may_have_any_size(alpha: float) -> None:
    for terms in (70, 9):
        layer = nn.Linear(terms, 8, bias=False).double().requires_grad_(requires_grad=False)
        layer.weight[0].abs_()
        layer.weight[1] = -layer.weight[0]
        x, r = draw(1, terms, sign="positive"), draw(1, 8)
        how = Relevance("alphabeta", alpha=alpha, beta=alpha - 1)
        expected = shares(layer.weight * x, r[0], "alphabeta", how=how)
        torch.testing.assert_close(back(layer, x, r, how)[0], expected)


@pytest.mark.parametrize("rule", ["gamma", "epsilon", "alphabeta"])
def test_a_sum_of_exactly_0_counts_as_positive(rule: str) -> None:
    layer = nn.Linear(3, 1, bias=False).double().requires_grad_(requires_grad=False)
    layer.weight.copy_(torch.tensor([[1.0, 2.0, -1.0]]))
    x, r = torch.tensor([[1.0, 1.0, 3.0]], dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    assert layer(x) == 0
    torch.testing.assert_close(back(layer, x, r, rule)[0], shares(layer.weight * x, r[0], rule))


def test_a_sum_of_exactly_0_is_moved_upwards_by_epsilon() -> None:
    layer = nn.Linear(2, 1, bias=False).double().requires_grad_(requires_grad=False)
    layer.weight.copy_(torch.tensor([[1.0, -1.0]]))
    x, r = torch.full((1, 2), 3.0, dtype=torch.float64), torch.full((1, 1), 2.0, dtype=torch.float64)
    made = back(layer, x, r, Relevance("epsilon", epsilon=0.5))
    assert made.tolist() == [[12.0, -12.0]]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(kind: torch.dtype) -> None:
    conv = nn.Conv2d(3, 4, 3, bias=False)
    x, r = torch.rand(1, 3, 5, 5).to(kind), torch.rand(1, 4, 3, 3).to(kind)
    conv.weight.data = conv.weight.data.to(kind).float()
    expected = back(conv, x.float(), r.float())
    made = back(conv.to(kind), x, r)
    assert made.dtype == kind
    torch.testing.assert_close(made.float(), expected, rtol=2e-2, atol=1e-3)


def test_weights_that_depend_on_the_image_are_refused() -> None:
    x = torch.rand(2, 2)
    with pytest.raises(NoRuleError, match="'linear' with weights that depend on the image"):
        back(lambda a: F.linear(torch.ones(1, 2), a), x, torch.ones(1, 2))
    with pytest.raises(NoRuleError, match="'linear' with weights that depend on the image"):
        back(lambda a: F.linear(a, a + 1.0), x, torch.ones(2, 2))


def test_composites_have_names_and_bounds() -> None:
    assert composite("zplus") == RULES["zplus"] == Relevance()
    with pytest.raises(UnknownNameError, match="did you mean 'zplus'"):
        composite("z-plus")
    with pytest.raises(InvalidValueError, match="weighted is 'zplux'; allowed are zplus, epsilon"):
        Relevance("zplux")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="epsilon is -1"):
        Relevance(epsilon=-1.0)
    with pytest.raises(InvalidValueError, match="must be 1"):
        Relevance(alpha=3.0)


def test_the_composites_with_names_have_the_published_settings() -> None:
    signed = {"bias": "share", "batch_norm": "folded", "average": "epsilon", "sums": "epsilon"}
    wanted = {
        "zplus": Relevance(),
        "epsilon": Relevance("epsilon", **signed),  # type: ignore[arg-type]
        "gamma": Relevance("gamma", gamma=0.25),
        "alphabeta": Relevance("alphabeta", alpha=2.0, beta=1.0),
        "folded": Relevance(batch_norm="folded"),
        "reference": Relevance(
            bias="convolutions", max_pool="halving", stabilizer=1e-5, signed=False, floor="absolute"
        ),
    }
    for name, rule in (("plus", "zplus"), ("gamma", "gamma"), ("alpha2-beta1", "alphabeta")):
        for end, first in (("", "same"), ("-flat", "flat"), ("-box", "box")):
            own = Relevance(rule, linear="epsilon", first=first, stabilizer=1e-6, epsilon=1e-6, **signed)  # type: ignore[arg-type]
            wanted[f"epsilon-{name}{end}"] = own
    assert {name: RULES[name] for name in RULES} == wanted
