"""Every kind of operation but weighted sums and those of several parts: what it does with relevance, by definition."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.attribution.slow import back, matrix
from vital.attribution import OPERATIONS, Context, NoRuleError, Relevance
from vital.attribution.sweep import sweep
from vital.tracing import Tape


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def two(
    f: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor, r: Tensor, rule: str = "zplus"
) -> list[Tensor]:
    """Relevance of both inputs."""
    with Tape(a, b) as tape:
        y = f(a, b)
    how = Relevance() if rule == "zplus" else Relevance(rule)  # type: ignore[arg-type]
    return sweep(Context(how, tape), [(tape.current(y), r)], [a, b])


PASSING = [
    torch.relu,
    F.gelu,
    F.silu,
    F.hardswish,
    torch.sigmoid,
    torch.tanh,
    nn.ReLU6(),
    nn.ELU(inplace=True),
    nn.Dropout(0.5).eval(),
    nn.Dropout(0.5),
    nn.LayerNorm(6).double(),
    nn.GroupNorm(2, 4).double(),
    nn.BatchNorm1d(4).double().eval(),
    nn.RMSNorm(6).double(),
    lambda x: x * 3.0 - 1.0,
    lambda x: 2.0 - x,
    lambda x: x / torch.tensor(2.0),
    lambda x: x + torch.ones(6, dtype=x.dtype),
    lambda x: torch.ones(6, dtype=x.dtype) * x,
    lambda x: x.clone().contiguous().to(torch.float64),
    lambda x: x.clamp(-1, 1).softmax(-1),
    lambda x: torch.clamp(torch.ones(2, 4, 6, dtype=x.dtype), max=x),
    lambda x: x * torch.sigmoid(x.mean(-1, keepdim=True)),
    lambda x: x * F.hardsigmoid(x),
    lambda x: x * (F.relu6(x + 3) / 6),
    lambda x: x / (1 + x.norm(dim=1, keepdim=True)),
    lambda x: x * (x.mean((1, 2), keepdim=True) + 1),
    lambda x: x.mul_(2.0).relu_(),
]


@pytest.mark.parametrize("f", PASSING)
def test_functions_of_one_value_norms_constants_and_gates_pass_all_relevance(
    f: Callable[[Tensor], Tensor],
) -> None:
    x, r = draw(2, 4, 6), draw(2, 4, 6)
    torch.testing.assert_close(back(f, x, r), r)


def test_of_two_activations_the_first_argument_takes_all_however_it_is_given() -> None:
    a, b, r = draw(2, 4, 6), draw(2, 4, 6).abs(), draw(2, 4, 6)
    for f in (
        lambda x, y: torch.clamp(x, max=y),
        lambda x, y: torch.clamp(max=y, input=x),
        lambda x, y: torch.pow(x, y.round()),
        lambda x, y: F.prelu(weight=y[0, :, 0], input=x),
        lambda x, y: x.type_as(y),
    ):
        to_a, to_b = two(f, a, b, r)
        torch.testing.assert_close(to_a, r)
        assert not to_b.any()


MOVING = [
    lambda x: x.permute(0, 2, 1).reshape(2, -1),
    lambda x: x.flatten(1).view(2, 4, 6)[:, 1:3],
    lambda x: torch.cat([a.transpose(1, 2) for a in x.split([1, 3], 1)], 2),
    lambda x: torch.stack(x.chunk(2, 1)[::-1]).unsqueeze(0).squeeze(0),
    lambda x: torch.cat(x.unbind(1)[1:], -1),
    lambda x: F.pad(x, (1, 2), value=3.0).roll((1, 2), (1, 2)).flip(1),
    lambda x: x[:, torch.tensor([0, 0, 3])],
    lambda x: x.repeat(1, 2, 1),
    lambda x: x[:, :1].expand(-1, 4, -1).contiguous(),
    lambda x: x.mT + 0.0,
    lambda x: x.masked_fill(torch.eye(4, 6, dtype=torch.bool), 0.0),
    lambda x: torch.where(torch.eye(4, 6, dtype=torch.bool), x, 1.0),
    lambda x: F.pixel_shuffle(x.view(2, 4, 2, 3), 2),
    lambda x: F.unfold(x[:, None], 2),
    lambda x: x.index_select(1, torch.tensor([2, 1])),
]


@pytest.mark.parametrize("f", MOVING)
def test_rearrangements_send_relevance_back_to_where_values_came_from(f: Callable[[Tensor], Tensor]) -> None:
    x = draw(2, 4, 6)
    r = torch.randn_like(f(x))
    inner = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(f(inner), inner, r)
    torch.testing.assert_close(back(f, x, r), expected)


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(
    "f",
    [Tensor.reshape_as, Tensor.view_as, lambda a, b: a.expand_as(b), lambda a, b: torch.where(b > 9, b, a)],
)
def test_what_gives_its_shape_alone_takes_nothing(
    f: Callable[[Tensor, Tensor], Tensor], *, recorded: bool
) -> None:
    a, b, r = (draw(2, 5).requires_grad_(recorded) for _ in range(3))
    to_a, to_b = two(f, a, b, r.detach())
    torch.testing.assert_close(to_a, r.detach())
    assert not to_b.any()


@pytest.mark.parametrize("f", MOVING)
def test_the_pass_of_the_caller_can_still_be_differentiated(f: Callable[[Tensor], Tensor]) -> None:
    x = draw(2, 4, 6).requires_grad_()
    with Tape(x) as tape:
        y = f(x * 2.0).square()
    first = sweep(Context(Relevance(), tape), [(y, y.detach())], [x])[0]
    torch.testing.assert_close(sweep(Context(Relevance(), tape), [(y, y.detach())], [x])[0], first)
    (slope,) = torch.autograd.grad(y.sum(), x)
    inner = x.detach().requires_grad_()
    torch.testing.assert_close(slope, torch.autograd.grad(f(inner * 2.0).square().sum(), inner)[0])


def test_joined_parts_may_be_empty_or_a_single_value() -> None:
    x, r = draw(2, 3), draw(2, 4)
    made = back(lambda a: torch.cat([torch.zeros(0, dtype=a.dtype), a, a[:, :1]], 1), x, r)
    torch.testing.assert_close(made, torch.cat([r[:, :1] + r[:, 3:], r[:, 1:3]], 1))
    y, s = draw(3), draw(4)
    made = back(lambda a: torch.cat([a, a[:1]]), y, s)
    torch.testing.assert_close(made, torch.stack([s[0] + s[3], s[1], s[2]]))


def test_a_list_that_grows_after_it_was_joined_is_remembered_as_it_was() -> None:
    def f(x: Tensor) -> Tensor:
        parts = [x * 2.0]
        y = torch.cat(parts, 1)
        parts.append(y)
        return torch.cat(parts, 1)

    x, r = draw(2, 3), draw(2, 6)
    torch.testing.assert_close(back(f, x, r), r[:, :3] + r[:, 3:])


def test_an_assignment_in_place_takes_the_relevance_of_what_it_overwrites() -> None:
    def f(a: Tensor, b: Tensor) -> Tensor:
        a = a * 1.0
        a[:, 1] = b
        return a

    r = draw(2, 3)
    to_a, to_b = two(f, draw(2, 3), draw(2), r)
    torch.testing.assert_close(to_a, torch.stack([r[:, 0], torch.zeros(2, dtype=r.dtype), r[:, 2]], 1))
    torch.testing.assert_close(to_b, r[:, 1])


@pytest.mark.parametrize(
    "f", [torch.add, torch.sub, lambda a, b: a.add(b, alpha=3.0), lambda a, b: a.clone().add_(b)]
)
def test_a_sum_splits_by_magnitudes(f: Callable[[Tensor, Tensor], Tensor]) -> None:
    a, b, r = draw(2, 5), draw(2, 5), draw(2, 5)
    a[0, :2], b[0, :1] = 0.0, 0.0
    scaled = 3.0 * b if torch.equal(f(a, b), a + 3 * b) else b
    to_a, to_b = two(f, a, b, r)
    share = a.abs() / (a.abs() + scaled.abs())
    share[0, 0] = 0.5
    assert share[0, 1] == 0
    torch.testing.assert_close(to_a, r * share)
    torch.testing.assert_close(to_b, r * (1 - share))


def test_a_sum_over_spread_axes_collects() -> None:
    a, b, r = draw(2, 5), draw(1, 5), draw(2, 5)
    share = a.abs() / (a.abs() + b.abs())
    to_a, to_b = two(torch.add, a, b, r)
    torch.testing.assert_close(to_a, r * share)
    torch.testing.assert_close(to_b, (r * (1 - share)).sum(0, keepdim=True))


def test_by_epsilon_a_sum_of_two_activations_splits_by_values_wherever_it_is() -> None:
    for before in (lambda a: a * 1.0, lambda a: F.linear(a, torch.eye(5, dtype=a.dtype))):
        for f, sign in ((torch.add, 1), (torch.sub, -1)):
            a, b, r = draw(2, 5), draw(2, 5), draw(2, 5)
            with Tape(a, b) as tape:
                y = f(before(a), before(b))
            how = Relevance("epsilon", sums="epsilon", epsilon=0.1)
            made = sweep(Context(how, tape), [(y, r)], [a, b])
            for found, part in zip(made, (a, sign * b), strict=True):
                wanted = part / (y + torch.where(y < 0, -0.1, 0.1)) * r
                if tape.steps[0].name == "linear":
                    wanted = wanted * part / (part + torch.where(part < 0, -0.1, 0.1))
                torch.testing.assert_close(found, wanted)


def test_a_tensor_added_to_itself_gets_all() -> None:
    x, r = draw(2, 5), draw(2, 5)
    torch.testing.assert_close(back(lambda a: a + a, x, r), r)
    torch.testing.assert_close(back(lambda a: a * a, x, r), r)


POOLS = [
    nn.AvgPool2d(2),
    nn.AvgPool2d(3, 2, 1),
    nn.AdaptiveAvgPool2d((2, 3)),
    lambda x: x.mean((2, 3)),
    lambda x: x.sum(1),
    lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear"),
    lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
]


@pytest.mark.parametrize("f", POOLS)
def test_averages_share_by_what_each_part_contributed(f: Callable[[Tensor], Tensor]) -> None:
    x = draw(1, 3, 6, 6)
    x[0, 0, :4, :4] = 0.0
    r = torch.randn_like(f(x))
    dense = matrix(f, x)
    c = dense * x.flatten()
    by_size = c.abs() / c.abs().sum(1, keepdim=True)
    even = dense / dense.sum(1, keepdim=True)
    shares = torch.where(c.abs().sum(1, keepdim=True) == 0, even, by_size)
    torch.testing.assert_close(back(f, x, r).flatten(), r.flatten() @ shares)
    z = c.sum(1)
    z = z + torch.where(z < 0, -1e-6, 1e-6)
    signed = (c / z[:, None] * r.flatten()[:, None]).sum(0)
    torch.testing.assert_close(back(f, x, r, "epsilon").flatten(), signed)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("rule", ["zplus", "epsilon"])
@pytest.mark.parametrize("f", POOLS)
def test_averages_in_half_precision_are_near_those_in_single(
    f: Callable[[Tensor], Tensor], rule: str, kind: torch.dtype
) -> None:
    x = torch.rand(1, 3, 6, 6).to(kind)
    r = torch.rand_like(f(x))
    made = back(f, x, r, rule)
    assert made.dtype == kind
    torch.testing.assert_close(made.float(), back(f, x.float(), r.float(), rule), rtol=0.05, atol=0.01)


def test_a_max_pool_gives_all_to_the_winner_or_is_an_average_pool() -> None:
    x = torch.tensor([[[[1.0, 3.0, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0]]]])
    r = torch.tensor([[[[8.0, 5.0]]]])
    winner = back(nn.MaxPool2d(2), x, r)
    assert winner[..., :2].tolist() == [[[[0.0, 8.0], [0.0, 0.0]]]]
    average = back(nn.MaxPool2d(2), x, r, Relevance(max_pool="average"))
    assert average.tolist() == [[[[1.0, 3.0, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0]]]]


def test_a_max_pool_without_settings_leaves_out_what_no_window_fills() -> None:
    x, r = torch.rand(1, 2, 5, 5, dtype=torch.float64), draw(1, 2, 2, 2)
    found = back(lambda a: torch.max_pool2d(a, 2), x, r, Relevance(max_pool="average"))
    wanted = back(nn.AvgPool2d(2), x, r)
    torch.testing.assert_close(found, wanted)


def test_the_window_of_a_max_pool_counts_however_it_is_given() -> None:
    x, r = torch.rand(1, 2, 6, 8, dtype=torch.float64), draw(1, 2, 3, 4)
    wanted = back(nn.AvgPool2d(3, 2, 1), x, r)
    for f in (
        nn.MaxPool2d(3, 2, 1),
        lambda a: torch.max_pool2d(a, 3, 2, 1),
        lambda a: torch.max_pool2d(a, (3, 3), (2, 2), (1, 1), (1, 1), False),
        lambda a: F.max_pool2d(a, stride=2, padding=1, kernel_size=3),
    ):
        torch.testing.assert_close(back(f, x, r, Relevance(max_pool="average")), wanted)
    r = draw(1, 2, 4, 5)
    found = back(lambda a: torch.max_pool2d(a, 3, 2, 1, 1, True), x, r, Relevance(max_pool="average"))
    torch.testing.assert_close(found, back(nn.AvgPool2d(3, 2, 1, ceil_mode=True), x, r))


@pytest.mark.parametrize("dilation", [1, (1, 1), [1, 1]])
@pytest.mark.parametrize("way", ["average", "halving"])
def test_a_max_pool_without_dilation_may_say_so_in_any_way(way: str, dilation: object) -> None:
    x, r = torch.rand(1, 2, 4, 6, dtype=torch.float64), draw(1, 2, 2, 3)
    found = back(lambda a: F.max_pool2d(a, 2, dilation=dilation), x, r, Relevance(max_pool=way))  # type: ignore[arg-type]
    torch.testing.assert_close(found, back(nn.AvgPool2d(2), x, r))


@pytest.mark.parametrize("dilation", [2, (2, 1), (1, 2)])
def test_a_dilated_max_pool_is_no_average_pool(dilation: object) -> None:
    def pool(a: Tensor) -> Tensor:
        return F.max_pool2d(a, 2, 2, dilation=dilation)  # type: ignore[arg-type]

    x = torch.rand(1, 2, 5, 5, dtype=torch.float64)
    assert pool(x).shape == F.avg_pool2d(x, 2).shape
    with pytest.raises(NoRuleError, match="has no average pool"):
        back(pool, x, torch.ones_like(pool(x)), Relevance(max_pool="average"))


def test_a_max_pool_that_does_not_halve_has_no_halving() -> None:
    with pytest.raises(NoRuleError, match=r"from \(1, 1, 7, 7\) to \(1, 1, 4, 4\).*'halving'"):
        back(nn.MaxPool2d(3, 2, 1), torch.rand(1, 1, 7, 7), torch.ones(1, 1, 4, 4), "reference")


def test_a_maximum_goes_to_the_larger() -> None:
    a, b, r = draw(2, 5), draw(2, 5), draw(2, 5)
    to_a, to_b = two(torch.maximum, a, b, r)
    torch.testing.assert_close(to_a, torch.where(a > b, r, 0.0))
    torch.testing.assert_close(to_b, torch.where(a > b, 0.0, r))
    x, r = draw(2, 5), draw(2)
    torch.testing.assert_close(back(lambda a: a.max(1)[0], x, r), F.one_hot(x.argmax(1), 5) * r[:, None])


def test_a_gate_takes_nothing() -> None:
    a, r = draw(2, 4, 3, 3), draw(2, 4, 3, 3)
    gates = (
        lambda x, s: x * torch.sigmoid(s),
        lambda x, s: s.softmax(1) * x,
        lambda x, s: x * F.hardsigmoid(s),
        lambda x, s: (F.relu6(s + 3) / 6) * x,
        lambda x, s: x * (1.0 - torch.sigmoid(s)),
        lambda x, s: x * (torch.tanh(s) * 0.5).clone().permute(0, 1, 3, 2).permute(0, 1, 3, 2),
    )
    for gated in gates:
        to_a, to_gate = two(gated, a, draw(2, 4, 3, 3), r)
        torch.testing.assert_close(to_a, r)
        assert not to_gate.any()
    to_a, to_gate = two(torch.mul, a, draw(2, 4, 1, 1), r)
    torch.testing.assert_close(to_a, r)
    assert not to_gate.any()


def test_two_factors_without_a_gate_get_half_each() -> None:
    r = draw(2, 5)
    for f in (
        torch.mul,
        lambda a, b: a * F.relu(b),
        lambda a, b: a * (torch.sigmoid(b) + b),
        lambda a, b: torch.sigmoid(a) * torch.tanh(b),
    ):
        to_a, to_b = two(f, draw(2, 5), draw(2, 5), r)
        torch.testing.assert_close(to_a, r / 2)
        torch.testing.assert_close(to_b, r / 2)


def test_a_gated_linear_unit_keeps_its_values() -> None:
    x, r = draw(2, 6), draw(2, 3)
    torch.testing.assert_close(back(lambda a: F.glu(a, 1), x, r), torch.cat([r, torch.zeros_like(r)], 1))


def test_what_no_operation_made_has_no_maker() -> None:
    x = draw(2, 3)
    with Tape(x) as tape:
        y = (x + 1.0) * 2.0
    context = Context(Relevance(), tape)
    assert context.maker(x) is None
    assert context.maker(draw(2, 3)) is None
    assert context.maker(y) is tape.steps[-1]


def test_an_operation_without_a_rule_is_named_and_can_be_given_one() -> None:
    def f(x: Tensor) -> Tensor:
        return torch.logcumsumexp(x, 1)

    x = draw(2, 3)
    with pytest.raises(
        NoRuleError, match=r"no rule for the operation 'logcumsumexp'.*register\('logcumsumexp'\)"
    ):
        back(f, x, x)
    OPERATIONS.register("logcumsumexp")(lambda step, r, context: [(step.inputs[0], 2 * r[0])])
    try:
        torch.testing.assert_close(back(f, x, x), 2 * x)
    finally:
        del OPERATIONS.entries["logcumsumexp"]


def test_products_of_two_activations_are_refused() -> None:
    for f in (
        lambda a: a @ a.mT,
        lambda a: a @ a,
        lambda a: torch.einsum("ij,kj,kl->il", a, a * 2, a + 1),
        lambda a: (a + 1) @ (a * 2).mT,
        lambda a: torch.einsum("ij,kj,kj->ik", a, a, a),
        lambda a: torch.einsum("ij,kj,kj->ik", [a, a, a]),
    ):
        with pytest.raises(NoRuleError, match=r"no rule for ('matmul'|'einsum'|a matrix product) of"):
            back(f, draw(3, 3), draw(3, 3))


def test_an_operation_that_nothing_wanted_depends_on_needs_no_rule() -> None:
    a, b = draw(3, 3), draw(3, 3)
    with Tape(a, b) as tape:
        y = a + torch.logcumsumexp(b, 0)
    (made,) = sweep(Context(Relevance(), tape), [(y, y)], [a])
    share = a.abs() / (a.abs() + torch.logcumsumexp(b, 0).abs())
    torch.testing.assert_close(made, y * share)
