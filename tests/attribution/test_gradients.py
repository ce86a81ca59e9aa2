"""Gradient × activation and guided backpropagation, against gradients written out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import vital
from tests import toy
from tests.attribution.test_tape import Last
from vital.attribution import gradient_times_activation, gradient_times_activation_of, guided_backpropagation
from vital.errors import InvalidValueError


@pytest.mark.parametrize("double", [False, True])
def test_gradient_times_activation_is_what_it_says(double: bool) -> None:
    model = toy.model(double=double)
    made = gradient_times_activation(model, toy.images(2), "act3:8", ["act1", "<norm2"])
    net = model.module.eval()
    x = model.normalize(toy.images(2).to(model.dtype))
    act = net.act1(net.norm1(net.layer1(x))).detach().requires_grad_()
    inner = net.layer2(act)
    deep = net.act3(net.norm3(net.layer3(net.act2(net.norm2(inner)))))
    grads = torch.autograd.grad(deep[:, 8].mean((1, 2)).sum(), [act, inner])
    torch.testing.assert_close(made["act1"], (act * grads[0]).detach())
    torch.testing.assert_close(made["<norm2"], (inner * grads[1]).detach())


def test_gradient_times_activation_of_tokens_and_rows_keeps_the_graph() -> None:
    model = toy.token_model()
    image = toy.images(3).float().requires_grad_()
    trace = toy.trace(model, ["block1", "block2", "patches"], image)
    made = gradient_times_activation_of(trace, "block2:1#patches", ["block1", "patches"])
    part = gradient_times_activation_of(trace.rows(1, 3), "block2:1#patches", ["block1", "patches"])
    for name in made:
        assert made[name].shape == trace[name].shape
        assert torch.equal(made[name][1:3], part[name])
        assert made[name].abs().max() > 0
    assert torch.autograd.grad(trace["block2"].sum(), image)[0].abs().max() > 0


def test_gradient_times_activation_works_where_relevance_cannot_be_followed() -> None:
    model = toy.wrap(nn.Sequential(OrderedDict(a=nn.Conv2d(3, 4, 3), b=Last())))
    made = gradient_times_activation(model, toy.images(), "b:1", ["a"])["a"]
    act = toy.trace(model, ["a"], toy.images())["a"]
    torch.testing.assert_close(made[:, 1], act[:, 1] * 2 / act[0, 0].numel())
    assert not made[:, [0, 2, 3]].any()


def rectified(net: nn.Sequential, start: int, stop: int, x: Tensor, grad: Tensor) -> Tensor:
    """Layer by layer: a ReLU passes the positive gradient where it is on."""
    inputs = []
    for part in net[start:stop]:
        inputs.append(x)
        x = part(x)
    for part, before in reversed(list(zip(net[start:stop], inputs, strict=True))):
        inner = before.detach().requires_grad_()
        (grad,) = torch.autograd.grad(part(inner), inner, grad)
        grad = grad.clamp(min=0) if isinstance(part, nn.ReLU | nn.Hardtanh) else grad
    return grad.clamp(min=0)


@pytest.mark.parametrize("act", [nn.ReLU, nn.ReLU6, lambda: nn.Hardtanh(0.0, 4.0)])
@pytest.mark.parametrize("inplace", [False, True])
def test_guided_backpropagation_layer_by_layer(act: Callable[[], nn.Module], inplace: bool) -> None:
    parts = [nn.Conv2d(3, 8, 3), act(), nn.Conv2d(8, 9, 3), act(), nn.Conv2d(9, 5, 3), act()]
    net = toy.seeded(nn.Sequential(*parts))
    model = toy.wrap(net, double=True)
    x = model.normalize(toy.images(2))
    first = net[0](x)
    y = net(x)
    grad = torch.zeros_like(y)
    grad[:, 3] = 1 / y[0, 0].numel()
    expected = rectified(net, 1, 6, first.detach(), grad)
    for part in net:
        part.inplace = inplace
    made = guided_backpropagation(model, toy.images(2), "5:3", ["0"])["0"]
    assert expected.abs().max() > 0
    torch.testing.assert_close(made, expected)


class Cut(nn.Module):
    """Its two branches are summed at the end; one is cut off from the image, the other can be."""

    def __init__(self, *, whole: bool) -> None:
        nn.Module.__init__(self)
        self.cut, self.open, self.end = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Identity()
        self.whole = whole

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            apart = self.cut(x)
        y = self.open(x)
        return self.end(apart + (y.detach() if self.whole else y)).mean((2, 3))


@pytest.mark.parametrize("whole", [False, True])
def test_where_no_gradient_passes_it_is_0(whole: bool) -> None:
    model = toy.wrap(toy.seeded(Cut(whole=whole)))
    made = gradient_times_activation(model, toy.images(2), "end:1", ["cut", "open"])
    assert made["cut"].shape == (2, 4, 30, 30)
    assert not made["cut"].any()
    assert bool(made["open"].any()) is not whole


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        nn.Module.__init__(self)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


RECTIFIERS = [F.relu, torch.relu, Tensor.relu, lambda x: F.relu(input=x), F.relu6]


@pytest.mark.parametrize(
    "act", [nn.ReLU(), nn.ReLU6(), nn.Hardtanh(0.0, 6.0), *(Function(function) for function in RECTIFIERS)]
)
def test_at_its_borders_a_rectifier_is_off(act: nn.Module) -> None:
    model = vital.Model(nn.Sequential(OrderedDict(low=nn.Conv2d(3, 3, 1), act=act)), size=(4, 4))
    model.module.low.weight.data = torch.eye(3)[:, :, None, None]
    model.module.low.bias.data.zero_()
    values = torch.tensor([0.0, 5.5, 6.0, 7.0])
    model.module.low.register_forward_hook(lambda _, __, made: made * 0 + values)
    made = guided_backpropagation(model, torch.zeros(1, 3, 4, 4), "act:1", ["low"])["low"]
    above = float(act(torch.tensor(7.0)) == 7) / 16
    assert made[0, 1, 0].tolist() == [0.0, 1 / 16, above, above]


def test_guided_backpropagation_needs_a_relu() -> None:
    with pytest.raises(InvalidValueError, match="no ReLU before act3:4"):
        guided_backpropagation(toy.model(smooth=True), toy.images(), "act3:4", ["layer1"])
    capped = toy.wrap(nn.Sequential(OrderedDict(low=nn.Conv2d(3, 4, 3), act=nn.Hardtanh(-1.0, 1.0))))
    with pytest.raises(InvalidValueError, match="no ReLU before act:1"):
        guided_backpropagation(capped, toy.images(), "act:1", ["low"])


@pytest.mark.parametrize("method", [gradient_times_activation, guided_backpropagation])
def test_a_layer_that_comes_later_is_refused(method) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidValueError, match="'act3' is not before act2"):
        method(toy.model(), toy.images(), "act2:1", ["act3"])
