"""Networks in torch.channels_last: every method, relevance, and the pictures of the default layout but for rounding."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from tests.attribution.test_conservation import FAST, Case, without_biases
from vital.attribution import relevance
from vital.errors import ModelError
from vital.models import Model
from vital.models.identity import identity, network
from vital.tracing import Tracer

UNITS = ["class:1", "act2:3", "layer2:5"]


def model(*, channels_last: bool, double: bool = True) -> Model:
    """The toy network in one of the layouts."""
    return vital.load_model(toy.model(double=double), channels_last=channels_last)


@dataclass
class Layouts:
    """Notes whether what each convolution gets and gives lies in channels_last."""

    found: set[bool] = field(default_factory=set)

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.found |= {x.is_contiguous(memory_format=torch.channels_last) for x in (*inputs, output)}


def test_weights_and_images_lie_in_channels_last() -> None:
    model_ = model(channels_last=True)
    convolutions = [part for part in model_.module.modules() if isinstance(part, nn.Conv2d)]
    assert all(c.weight.is_contiguous(memory_format=torch.channels_last) for c in convolutions)
    seen = Layouts()
    hooks = [c.register_forward_hook(seen) for c in convolutions]
    vital.render(model_, UNITS[:2], method="fourier", steps=2, progress=False)
    assert seen.found == {True}
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("autocast", [None, "bf16"])
@pytest.mark.parametrize("method", list(vital.METHODS))
def test_every_method_renders(method: str, autocast: str | None) -> None:
    net = vital.load_model(toy.model(), dtype=autocast, channels_last=True)
    images = vital.load_images(toy.images(12).float(), labels=[i % 3 for i in range(12)])
    made = vital.render(net, UNITS[:2], method=method, images=images, steps=3, progress=False)
    assert all(p.status == "done" or p.status.startswith("silent") for p in made)
    assert all(bool(torch.isfinite(p.image).all()) for p in made)


@pytest.mark.parametrize("method", list(vital.METHODS))
def test_pictures_are_those_of_the_default_layout_but_for_rounding(method: str) -> None:
    images = vital.load_images(toy.images(12).float(), labels=[i % 3 for i in range(12)])
    first, second = (
        vital.render(
            model(channels_last=last), UNITS, method=method, images=images, steps=4, progress=False, seed=1
        )
        for last in (False, True)
    )
    for one, other in zip(first, second, strict=True):
        assert torch.allclose(one.image, other.image, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rule", ["zplus", "gamma", "epsilon"])
@pytest.mark.parametrize("name", ["toy", *FAST])
def test_relevance_is_that_of_the_default_layout(name: str, rule: str) -> None:
    case = Case(toy.network, 32, "act3:8", ("<layer1", "norm1", "layer2")) if name == "toy" else FAST[name]
    module = toy.network() if name == "toy" else without_biases(case.make())
    images = toy.images(2, size=case.size)
    given = {"size": case.size, "dtype": "float64"}
    made = [
        relevance(vital.load_model(module, channels_last=last, **given), images, case.unit, case.layers, rule)
        for last in (False, True)
    ]
    for layer, own in made[0].items():
        assert own.abs().max() > 0
        assert torch.allclose(own, made[1][layer], rtol=1e-5, atol=1e-5 * float(own.abs().max()))


def test_the_layout_is_recorded_and_tells_networks_apart() -> None:
    plain, last = (model(channels_last=value) for value in (False, True))
    assert (identity(plain)["channels_last"], identity(last)["channels_last"]) == (False, True)
    assert plain.weights_hash() == last.weights_hash()
    assert network(plain) != network(last)


def test_a_network_that_cannot_be_shown_such_images_is_one_sentence() -> None:
    class Viewing(nn.Module):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.conv(x)
            return y.view(len(y), -1)

    net = vital.load_model(Viewing(), size=8, channels_last=True)
    with pytest.raises(ModelError, match="view"), Tracer(net, ["class"]) as tracer:
        tracer(torch.rand(2, 3, 8, 8))
