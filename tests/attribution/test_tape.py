"""The tape: every tensor keeps one value, every name is found, and what cannot be seen is refused."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests import toy
from tests.attribution.slow import back
from vital.attribution import NoRuleError, relevance, relevance_of
from vital.tracing import Redirect, Tape, Tracer


def same(f, *shape: int) -> Tape:  # type: ignore[no-untyped-def]
    """The function computes the same values and gradients under a tape as without."""
    x = torch.randn(shape, dtype=torch.float64)
    plain, taped = (x.clone().requires_grad_() for _ in range(2))
    expected = f(plain * 1.0)
    watched = taped * 1.0
    with Tape(watched) as tape:
        made = f(watched)
    made = tape.current(made)
    assert torch.equal(made, expected)
    for got, wanted in zip(
        torch.autograd.grad(made.square().sum(), taped),
        torch.autograd.grad(expected.square().sum(), plain),
        strict=True,
    ):
        assert torch.equal(got, wanted)
    return tape


def overwritten_and_returned(x: Tensor) -> Tensor:
    y = x * 2
    y.add_(x)
    return y


def overwritten_and_read_later(x: Tensor) -> Tensor:
    y = x * 2
    z = F.relu(y, inplace=True)
    return z + y


def written_into_a_buffer(x: Tensor) -> Tensor:
    buffer = torch.zeros(3, 4, dtype=x.dtype)
    buffer[:, :2] = x[:, :2]
    buffer[1] += x[0]
    buffer.mul_(2.0)
    return buffer


def overwritten_flat_and_forgotten(x: Tensor) -> Tensor:
    return (x * 1.0).view(-1).relu_().view(3, 4)


def operators_in_place(x: Tensor) -> Tensor:
    y = x + 0
    y += x
    y -= 1
    y *= x
    y /= 2.0
    return y


IN_PLACE = [
    overwritten_and_returned,
    overwritten_and_read_later,
    written_into_a_buffer,
    overwritten_flat_and_forgotten,
    operators_in_place,
]


@pytest.mark.parametrize("f", IN_PLACE)
def test_operations_in_place_compute_the_same_and_give_each_tensor_one_value(f) -> None:  # type: ignore[no-untyped-def]
    tape = same(f, 3, 4)
    for step in tape.steps:
        for made, again in zip(step.outputs, step.again(*step.inputs), strict=True):
            assert torch.equal(made, again)


def test_relevance_follows_what_was_overwritten() -> None:
    x = torch.tensor([[1.0, -2.0, 3.0]])
    r = torch.tensor([[1.0, 1.0, 1.0]])
    torch.testing.assert_close(back(overwritten_and_returned, x, r), r)
    torch.testing.assert_close(back(operators_in_place, x, r), r)


def test_a_tensor_written_to_through_a_view_is_refused_when_it_is_read() -> None:
    def f(x: Tensor) -> Tensor:
        y = x * 1.0
        y[:, :2].relu_()
        return y + 1

    def g(x: Tensor) -> Tensor:
        y = x * 1.0
        y[:, :2].relu_()
        y[:, 2:] += 1
        return y

    for function, name in ((f, "add"), (g, "getitem")):
        with pytest.raises(NoRuleError, match=f"'{name}'.*written to through a view"):
            same(function, 3, 4)


class Hidden(torch.autograd.Function):
    """Computes outside torch, where no mode sees it."""

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        """Double."""
        return torch.from_numpy(x.numpy() * 2)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        """Double."""
        return grad * 2


class Around(nn.Module):
    """A hidden branch beside a shortcut: without a check all relevance would take the shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        """Triple."""
        y: Tensor = x + Hidden.apply(x)
        return y


class Last(nn.Module):
    """A hidden operation at the end."""

    def forward(self, x: Tensor) -> Tensor:
        """Double."""
        y: Tensor = Hidden.apply(x)
        return y


def test_hidden_operations_are_refused() -> None:
    for part, message in ((Around(), "'add'.*HiddenBackward.*hidden"), (Last(), "followed to 'b'")):
        model = toy.wrap(nn.Sequential(OrderedDict(a=nn.Conv2d(3, 4, 3), b=part)))
        with pytest.raises(NoRuleError, match=message):
            relevance(model, toy.images(), "b:0", ["a"])


def doubled(x: Tensor) -> Tensor:
    """To be scripted."""
    return x + x


class Scripted(nn.Module):
    """A module around a scripted function."""

    def __init__(self, function) -> None:  # type: ignore[no-untyped-def]
        nn.Module.__init__(self)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Call it."""
        y: Tensor = self.function(x)
        return y


def test_a_scripted_part_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        part = Scripted(torch.jit.script(doubled))
    model = toy.wrap(nn.Sequential(OrderedDict(a=nn.Conv2d(3, 4, 3), b=part, c=nn.ReLU())))
    with pytest.raises(NoRuleError, match=r"'relu'.*hidden from the tape"):
        relevance(model, toy.images(), "c:0", ["a"])


class Statement(nn.Module):
    """Writes over its own convolution without using what the operation returns."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, add, rectify."""
        y = self.conv(x)
        y.add_(x)
        y.relu_()
        return y


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("redirect", [False, True])
def test_a_recorded_pass_shows_the_same_as_any_other(redirect: bool, double: bool) -> None:
    blocks = nn.Sequential(
        OrderedDict(a=Statement(), b=nn.Conv2d(3, 3, 3), r=nn.ReLU(inplace=True), c=Statement())
    )
    model = toy.wrap(toy.seeded(blocks), double=double)
    layers = ["a.conv", "a", "b", "c.conv", "c", "<c", "class"]
    found = []
    for record in (False, True):
        image = toy.images(2).to(model.dtype).requires_grad_()
        with Tracer(model, layers, record=record) as tracer:
            trace = tracer(image, redirect=Redirect() if redirect else None)
            if record:
                relevance_of(trace, "c:1", ["a.conv", "a"])
            loss = sum(trace[name].square().mean() for name in layers)
            found.append((trace, torch.autograd.grad(loss, image)[0]))
    (plain, plain_grad), (recorded, recorded_grad) = found
    for name in layers:
        assert torch.equal(plain[name], recorded[name])
    assert torch.equal(plain_grad, recorded_grad)


def test_relevance_passes_redirected_rectifiers() -> None:
    model = toy.model()
    found = []
    for redirect in (False, True):
        with Tracer(model, ["act3", "layer1"], record=True) as tracer:
            trace = tracer(toy.images(2).float().requires_grad_(), redirect=Redirect() if redirect else None)
            found.append(relevance_of(trace, "act3:4", ["layer1"])["layer1"])
    assert found[0].abs().max() > 0
    assert torch.equal(*found)
