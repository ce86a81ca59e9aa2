"""One step of the published method for an inner unit, against a slow oracle written from its description.

A seeded ResNet-50 in double precision: relevance at every layer, the loss, and its gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import vital
from vital.attribution import followed
from vital.rendering import VitalReference
from vital.tracing import Tracer

LAYERS = ("conv1", "layer1", "layer2", "layer3")
WEIGHTS = (0.1, 1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def model(resnet: nn.Module) -> vital.Model:
    return vital.Model(resnet, size=(64, 64), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def pictures(count: int, seed: int) -> Tensor:
    return torch.rand(count, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def conv_back(conv: nn.Conv2d, a: Tensor, r: Tensor) -> Tensor:
    """z = conv⁺(a) + 1e-5, s = r / z, a · ∂(z · s)/∂a."""
    with torch.enable_grad():
        a = a.detach().requires_grad_()
        z = F.conv2d(a, conv.weight.clamp(min=0), None, conv.stride, conv.padding) + 1e-5
        (z * (r / z).detach()).sum().backward()
    return a.detach() * a.grad


def block_back(block: nn.Module, a: Tensor, r: Tensor) -> Tensor:
    """Batch norm and ReLU pass; the sum splits by |F| / (|F| + |shortcut|); the final ReLU is ignored."""
    first = F.relu(block.bn1(block.conv1(a)))
    second = F.relu(block.bn2(block.conv2(first)))
    main = block.bn3(block.conv3(second))
    around = a if block.downsample is None else block.downsample(a)
    rho = main.abs() / (main.abs() + around.abs())
    back = conv_back(block.conv3, second, rho * r)
    back = conv_back(block.conv1, a, conv_back(block.conv2, first, back))
    rest = (1 - rho) * r
    return back + (rest if block.downsample is None else conv_back(block.downsample[0], a, rest))


def pooled_back(a: Tensor, r: Tensor) -> Tensor:
    """The max pool as an average pool of 2 × 2, with 1e-5 in the denominator."""
    with torch.enable_grad():
        a = a.detach().requires_grad_()
        z = F.avg_pool2d(a, 2, 2)
        (z * (r / (z + 1e-5)).detach()).sum().backward()
    return a.detach() * a.grad


def blocks(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name in ("layer1", "layer2", "layer3", "layer4"):
        for block in getattr(net, name):
            yield name, block


@torch.no_grad()
def traced(net: nn.Module, x: Tensor, channel: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Activations and relevance at the aligned layers, each (B, C, H, W)."""
    conv1 = net.conv1(x)
    before_pool = F.relu(net.bn1(conv1))
    acts, inputs, y = {"conv1": conv1}, [], net.maxpool(before_pool)
    for name, block in blocks(net):
        inputs.append(y)
        y = block(y)
        acts[name] = y
    r = torch.zeros_like(y)
    r[:, channel] = y[:, channel]
    found = {}
    names = [name for name, _ in blocks(net)]
    for i, (name, block) in reversed(list(enumerate(blocks(net)))):
        r = block_back(block, inputs[i], r)
        if i and names[i - 1] != name:
            found[names[i - 1]] = r
    found["conv1"] = pooled_back(before_pool, r)
    return acts, found


def normed(r: Tensor) -> Tensor:
    low, high = r.amin(2, keepdim=True), r.amax(2, keepdim=True)
    return (r - low) / (high - low + 1e-6)


def loss(net: nn.Module, x: Tensor, references: Tensor, channel: int) -> Tensor:
    """Σ_l w_l mean_{n,c,i} g_{n,c} (f_{c,i} − q_{c,rank(i)})², and the priors."""
    r = traced(net, x.detach(), channel)[1]
    seen, y = {"conv1": net.conv1(x)}, net.maxpool(F.relu(net.bn1(net.conv1(x))))
    for name in LAYERS[1:]:
        y = seen[name] = getattr(net, name)(y)
    held, held_r = traced(net, references, channel)
    total = torch.zeros((), dtype=torch.float64)
    for layer, weight in zip(LAYERS, WEIGHTS, strict=True):
        target = (held[layer].flatten(2) * normed(held_r[layer].flatten(2))).sort(2).values.mean(0)
        f = (seen[layer].flatten(2) * normed(r[layer].flatten(2)))[0]
        ranks = f.detach().argsort(dim=1, stable=True).argsort(1)
        peak = held_r[layer].flatten(2).amax(2)
        low, high = peak.amin(1, keepdim=True), peak.amax(1, keepdim=True)
        g = (peak - low) / (high - low + 1e-6)
        squares = (f - target.gather(1, ranks)).square()
        total = total + weight * (squares[None] * g[:, :, None]).mean()
    right, down = x[..., :-1] - x[..., 1:], x[..., :-1, :] - x[..., 1:, :]
    one, other = x[..., 1:, :-1] - x[..., :-1, 1:], x[..., :-1, :-1] - x[..., 1:, 1:]
    return total + 3e-7 * (right.norm() + down.norm() + one.norm() + other.norm() + x.norm())


def test_relevance_loss_and_gradient_are_the_published_ones(resnet: nn.Module, model: vital.Model) -> None:
    references, image = pictures(3, 1), pictures(1, 2)
    bank = vital.build_bank(model, ["layer4"], vital.load_images(references.float()), disk=False)
    with torch.no_grad():
        everywhere = model.normalize(torch.cat([references, image]))
        values = traced(resnet, everywhere, 0)[0]["layer4"].mean((2, 3))
    channel = int(values.amin(0).argmax())
    assert values[:, channel].amin() > 0
    method = VitalReference(n_references=3)
    (term,) = method.plan(model, model.units(f"layer4:{channel}"), bank, 0).terms
    assert tuple(term.layers) == LAYERS

    with Tracer(model, [*LAYERS, "layer4"], record=True) as tracer:
        shown = image.clone().requires_grad_()
        trace = tracer(shown)
        assert term.relevance_request
        found = followed(trace, [term.relevance_request])
        got = term(replace(trace, relevance=found))
        got.sum().backward()
    expected_r = traced(resnet, model.normalize(image), channel)[1]
    for layer in LAYERS:
        torch.testing.assert_close(found[layer], expected_r[layer], rtol=1e-8, atol=1e-12)

    slow = image.clone().requires_grad_()
    expected = loss(resnet, model.normalize(slow), model.normalize(references.float().double()), channel)
    expected.backward()
    assert float(got.detach()) == pytest.approx(float(expected.detach()), rel=1e-9)
    assert slow.grad is not None
    torch.testing.assert_close(shown.grad, slow.grad, rtol=1e-6, atol=1e-9 * float(slow.grad.abs().max()))
