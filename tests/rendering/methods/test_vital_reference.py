"""The published method, step by step, against a slow loop written from its description.

In double precision: Adam divides by the gradient's size, so single-precision rounding flips whole pixels.
"""

import math

import pytest
import torch
import torchvision
from torch import Tensor, nn

import vital
from vital.rendering import VitalReference
from vital.utils.random import Random, generator, seed_of

NODES = ("conv1", "layer1", "layer2", "layer3", "layer4")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STEPS, TOTAL, WARMUP = 4, 7, 3


def learning_rate(e: int) -> float:
    return (e + 1) / WARMUP if e < WARMUP else 0.5 * (1 + math.cos(math.pi * (e - WARMUP) / (TOTAL - WARMUP)))


def column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1)


def features(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    found = {"conv1": net.conv1(x)}
    x = net.maxpool(net.relu(net.bn1(found["conv1"])))
    for name in NODES[1:]:
        x = found[name] = getattr(net, name)(x)
    return {k: v.flatten(2) for k, v in found.items()}


def sort_loss(synthetic: Tensor, references: Tensor) -> Tensor:
    target = references.sort(dim=2).values.mean(0)
    ranks = synthetic[0].argsort(dim=1, stable=True).argsort(dim=1)
    return (synthetic[0] - target.gather(1, ranks)).square().mean()


def priors(x: Tensor, tv: float, l2: float) -> Tensor:
    right, down = x[:, :, :, :-1] - x[:, :, :, 1:], x[:, :, :-1] - x[:, :, 1:]
    one, other = x[:, :, 1:, :-1] - x[:, :, :-1, 1:], x[:, :, :-1, :-1] - x[:, :, 1:, 1:]
    return tv * (right.norm() + down.norm() + one.norm() + other.norm()) + l2 * x.norm()


def published(
    net: nn.Module, references: Tensor, draw: torch.Generator, random: Random, tv: float, l2: float
) -> list[Tensor]:
    """The pictures after each step, in normalized space."""
    mean, std = column(MEAN), column(STD)
    with torch.no_grad():
        held = features(net, (references.double() - mean) / std)
    x = torch.randn(1, 3, 64, 64, generator=draw).double().requires_grad_()
    adam = torch.optim.Adam([x], lr=1.0, betas=(0.5, 0.9), eps=1e-8)
    pictures = []
    for e in range(STEPS):
        adam.param_groups[0]["lr"] = learning_rate(e)
        shift = random.at(e).integers(-30, 30, 2)[0].tolist()
        seen = torch.roll(x, shift, (2, 3))
        found = features(net, seen)
        loss = sum(sort_loss(found[n], held[n]) for n in NODES) + priors(seen, tv, l2)
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            x.copy_(torch.minimum(torch.maximum(x, -mean / std), (1 - mean) / std))
        pictures.append(x.detach().clone())
    return pictures


@pytest.mark.parametrize(("tv", "l2"), [(0.0, 0.0), (3e-3, 3e-3)])
def test_pictures_equal_the_published_loop_step_by_step(resnet: nn.Module, tv: float, l2: float) -> None:
    model = vital.Model(resnet, size=(64, 64), mean=MEAN, std=STD)
    references = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    bank = vital.build_bank(model, [], vital.load_images(references, labels=[7, 7, 7]), disk=False)
    random = Random([seed_of(0, "class:7", 0, 0)])
    expected = published(resnet, references, generator(0, "class:7"), random, tv, l2)
    method = VitalReference(steps=TOTAL, warmup=WARMUP, tv=tv, l2=l2, n_references=3)
    plan = method.plan(model, model.units("class:7"), bank, 0)
    made = vital.optimize(
        model, plan.terms, plan.parameterization, plan.transforms, steps=TOTAL, optimizer=plan.optimizer, seed=0,
        keys=["class:7"], redirect=0, frames=range(1, STEPS + 1),
    )  # fmt: skip
    mean, std = column(MEAN), column(STD)
    for step, (number, picture) in enumerate(made.frames):
        assert number == step + 1
        torch.testing.assert_close(picture, expected[step] * std + mean, atol=1e-6, rtol=0)


def test_defaults_are_the_published_numbers() -> None:
    given = VitalReference()
    assert (given.steps, given.lr, given.warmup, given.n_references) == (2000, 1.0, 100, 50)
    assert (given.size, given.layers, given.layer_weights, given.roll, given.tv, given.l2) == (None,) * 6


@pytest.mark.parametrize(("patch", "last", "prior"), [(16, 1.0, 3e-3), (32, 0.1, 3e-4), (14, 1.0, 0.0)])
def test_a_large_vision_transformer_has_its_published_priors(patch: int, last: float, prior: float) -> None:
    torch.manual_seed(0)
    size = 2 * patch
    net = torchvision.models.VisionTransformer(size, patch, 24, 2, 8, 8, num_classes=8)
    model = vital.Model(net.eval(), size=(size, size))
    bank = vital.build_bank(model, [], vital.load_images(torch.rand(3, 3, size, size)), disk=False)
    (term,) = VitalReference(n_references=2).plan(model, model.units("class:1"), bank, 0).terms
    (_, aligned), *priors = term.parts  # type: ignore[attr-defined]
    assert list(aligned.weights.values()) == [1, 1, 1, 1, last]
    assert [weight for weight, _ in priors] == [prior] * (2 if prior else 0)
    (term,) = VitalReference(n_references=2, tv=0, l2=5).plan(model, model.units("class:1"), bank, 0).terms
    assert [weight for weight, _ in term.parts] == [1, 5]  # type: ignore[attr-defined]


def test_published_layers_and_weights_are_taken_where_the_network_has_them(resnet: nn.Module) -> None:
    from vital.rendering.methods.vital_reference import layers_and_weights

    model = vital.Model(resnet, size=(64, 64))
    assert layers_and_weights(model, None, None) == (NODES, (1.0,) * 5)
