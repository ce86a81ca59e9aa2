"""On plain convolutional networks the rules equal those of zennit, the reference implementation of LRP."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests import toy
from vital.attribution import RULES, Relevance, relevance
from vital.attribution.propagation import propagate
from vital.tracing import Tracer

zennit = pytest.importorskip("zennit")
from zennit import composites  # noqa: E402
from zennit.attribution import Gradient  # noqa: E402
from zennit.composites import LayerMapComposite  # noqa: E402
from zennit.rules import AlphaBeta, Epsilon, Gamma, Norm, Pass, ZPlus  # noqa: E402
from zennit.torchvision import ResNetCanonizer, VGGCanonizer  # noqa: E402
from zennit.types import Activation, AvgPool, BatchNorm, Linear  # noqa: E402

THEIRS = {
    "zplus": ZPlus(stabilizer=1e-12, zero_params="bias"),
    "epsilon": Epsilon(epsilon=1e-6, zero_params="bias"),
    "gamma": Gamma(gamma=0.25, stabilizer=1e-12, zero_params="bias"),
    "alphabeta": AlphaBeta(2, 1, stabilizer=1e-12, zero_params="bias"),
}


def plain(*, batch_norm: bool, pool: type[nn.Module]) -> nn.Sequential:
    """Wide enough for every sum to have terms of both signs."""
    norm = nn.BatchNorm2d if batch_norm else nn.Identity
    parts = [nn.Conv2d(3, 70, 5, padding=1), norm(70), nn.ReLU(), pool(2), nn.Conv2d(70, 80, 3, 2), norm(80)]
    parts += [
        nn.ReLU(),
        nn.Conv2d(80, 90, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(90, 10),
    ]
    return toy.seeded(nn.Sequential(*parts)).double().eval()


@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("rule", THEIRS)
def test_rules_equal_those_of_zennit(rule: str, batch_norm: bool, pool: type[nn.Module]) -> None:
    net = plain(batch_norm=batch_norm, pool=pool)
    if rule == "gamma":  # zennit reads the sign of z with the bias, whatever takes part in the sums
        for part in net.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                nn.init.zeros_(part.bias)
    model = toy.wrap(net, double=True)
    images = toy.images(2)
    how = Relevance(rule, bias="none", average="epsilon", epsilon=1e-6)  # type: ignore[arg-type]
    made = relevance(model, images, "class:3", ["<0", "2"], how)
    composite = LayerMapComposite(
        [(Activation, Pass()), (BatchNorm, Pass()), (AvgPool, Norm(stabilizer=1e-6)), (Linear, THEIRS[rule])]
    )
    start = torch.zeros(2, 10, dtype=torch.float64)
    with torch.no_grad():
        x = model.normalize(images)
        start[:, 3] = net(x)[:, 3]
    with Gradient(model=net, composite=composite) as attributor:
        _, theirs = attributor(x.requires_grad_(), start)
    assert theirs.abs().max() > 0
    torch.testing.assert_close(made["<0"], theirs, rtol=1e-4, atol=1e-7 * theirs.abs().max().item())


def test_any_start_equals_that_of_zennit() -> None:
    net = plain(batch_norm=False, pool=nn.MaxPool2d)
    model = toy.wrap(net, double=True)
    start = torch.randn(2, 10, dtype=torch.float64)
    with Tracer(model, ["<0", "class"], record=True) as tracer:
        trace = tracer(toy.images(2).requires_grad_())
        made = propagate(trace, {"class": start}, ["<0"])["<0"]
    composite = LayerMapComposite(
        [(Activation, Pass()), (AvgPool, Norm(stabilizer=1e-12)), (Linear, THEIRS["zplus"])]
    )
    with Gradient(model=net, composite=composite) as attributor:
        _, theirs = attributor(trace.input.detach().requires_grad_(), start)
    torch.testing.assert_close(made, theirs, rtol=1e-6, atol=1e-9)


COMPOSITES = {
    "epsilon-plus": composites.EpsilonPlus,
    "epsilon-plus-flat": composites.EpsilonPlusFlat,
    "epsilon-alpha2-beta1": composites.EpsilonAlpha2Beta1,
    "epsilon-alpha2-beta1-flat": composites.EpsilonAlpha2Beta1Flat,
    "epsilon-gamma-box": composites.EpsilonGammaBox,
}


def drawn(net: nn.Module) -> nn.Module:
    """With biases and running statistics that are not 0 and 1."""
    draw = torch.Generator().manual_seed(0)
    for name, value in [*net.named_parameters(), *net.named_buffers()]:
        if name.endswith(("bias", "running_mean")):
            value.data = 0.1 * torch.randn(value.shape, generator=draw)
        elif name.endswith("running_var"):
            value.data = 0.5 + torch.rand(value.shape, generator=draw)
    return net.eval()


@pytest.mark.parametrize(
    ("network", "first", "canonizer"),
    [
        ("resnet18", "<conv1", ResNetCanonizer),
        pytest.param("vgg11", "<features.0", VGGCanonizer, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("rule", COMPOSITES)
def test_composites_equal_those_of_zennit(rule: str, network: str, first: str, canonizer: type) -> None:
    net = drawn(pytest.importorskip("torchvision").models.get_model(network, weights=None, num_classes=10))
    model, images = toy.wrap(net, double=True, size=64), toy.images(2, size=64)
    made = relevance(model, images, "class:3", [first], rule)[first]
    black, white = (model.normalize(torch.full((1, 3, 1, 1), end, dtype=torch.float64)) for end in (0.0, 1.0))
    ends = {"low": black, "high": white} if rule.endswith("box") else {}
    x = model.normalize(images)
    start = torch.zeros(2, 10, dtype=torch.float64)
    start[:, 3] = net(x)[:, 3].detach()
    with Gradient(model=net, composite=COMPOSITES[rule](canonizers=[canonizer()], **ends)) as attributor:
        _, theirs = attributor(x.requires_grad_(), start)
    # A batch norm that zennit has merged still divides by the root of 1 + 1e-5.
    torch.testing.assert_close(made, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())


def test_each_composite_has_a_flat_and_a_box_form() -> None:
    for name in ("epsilon-plus", "epsilon-gamma", "epsilon-alpha2-beta1"):
        assert [RULES[f"{name}-{first}"].first for first in ("flat", "box")] == ["flat", "box"]
