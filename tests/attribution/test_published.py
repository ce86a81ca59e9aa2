"""The `reference` preset against a slow oracle, written from the description of the published code."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests import toy
from tests.attribution.slow import matrix
from vital.attribution import relevance
from vital.models import Model

torchvision = pytest.importorskip("torchvision")
from torchvision.models.resnet import BasicBlock, Bottleneck  # noqa: E402

LAYERS = ["conv1", "layer1", "layer2"]


class Small(nn.Module):
    """torchvision's ResNet with few channels and two blocks a stage."""

    def __init__(self, block: type[nn.Module]) -> None:
        nn.Module.__init__(self)
        self.conv1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False)
        self.bn1, self.relu, self.maxpool = nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        self.before = 4
        planes = (2, 3, 4) if block is Bottleneck else (4, 8, 12)
        self.layer1 = self.stage(block, planes[0], 1)
        self.layer2 = self.stage(block, planes[1], 2)
        self.layer3 = self.stage(block, planes[2], 2)

    def stage(self, block: type[nn.Module], planes: int, stride: int) -> nn.Sequential:
        """Two blocks, the first with a downsampling shortcut where it needs one."""
        after, down = planes * block.expansion, None
        if stride > 1 or self.before != after:
            down = nn.Sequential(nn.Conv2d(self.before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        first = block(self.before, planes, stride, down)
        self.before = after
        return nn.Sequential(first, block(after, planes))

    def forward(self, x: Tensor) -> Tensor:
        """Images to maps."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer3(self.layer2(self.layer1(x)))


def small(block: type[nn.Module], *, conv_bias: bool = False) -> Model:
    """With random weights, and with biases in the convolutions where they are asked for."""
    net = toy.seeded(Small(block))
    if conv_bias:
        for part in net.modules():
            if isinstance(part, nn.Conv2d):
                part.bias = nn.Parameter(0.3 * torch.randn(part.out_channels))
    return toy.wrap(net, double=True, size=64)


def conv_back(conv: nn.Conv2d, a: Tensor, r: Tensor) -> Tensor:
    """z⁺ with the weights clamped and the bias kept: z = conv(a) + 1e-5, s = r / z, a · wᵀ s."""
    dense = matrix(lambda x: F.conv2d(x, conv.weight, None, conv.stride, conv.padding), a).clamp(min=0)
    z = dense @ a.flatten() + 1e-5
    if conv.bias is not None:
        z += conv.bias.repeat_interleave(r[0, 0].numel())
    return (a.flatten() * (dense.T @ (r.flatten() / z))).view_as(a)


def block_back(block: nn.Module, a: Tensor, r: Tensor) -> Tensor:
    """Batch norm and ReLU pass; the sum splits by ρ; the final ReLU is ignored."""
    convs = [getattr(block, f"conv{i}") for i in (1, 2, 3) if hasattr(block, f"conv{i}")]
    norms = [getattr(block, f"bn{i}") for i in (1, 2, 3) if hasattr(block, f"bn{i}")]
    inputs, x = [], a
    for i, (conv, norm) in enumerate(zip(convs, norms, strict=True)):
        inputs.append(x)
        x = norm(conv(x))
        x = F.relu(x) if i + 1 < len(convs) else x
    shortcut = a if block.downsample is None else block.downsample(a)
    rho = x.abs() / (x.abs() + shortcut.abs())
    main = rho * r
    for conv, before in zip(reversed(convs), reversed(inputs), strict=True):
        main = conv_back(conv, before, main)
    around = (1 - rho) * r
    return main + (around if block.downsample is None else conv_back(block.downsample[0], a, around))


def oracle(net: Small, image: Tensor, channel: int) -> dict[str, Tensor]:
    """Relevance at each stage's output, for one image."""
    x = F.relu(net.bn1(net.conv1(image)))
    before_pool, acts = x, []
    x = net.maxpool(x)
    blocks = [block for stage in (net.layer1, net.layer2, net.layer3) for block in stage]
    for block in blocks:
        acts.append(x)
        x = block(x)
    r = torch.zeros_like(x)
    r[:, channel] = x[:, channel]
    found = {}
    for i in reversed(range(len(blocks))):
        r = block_back(blocks[i], acts[i], r)
        if i in {4, 2}:
            found[f"layer{i // 2}"] = r
    pool = matrix(lambda t: F.avg_pool2d(t, 2, 2), before_pool)
    z, a = pool @ before_pool.flatten(), before_pool.flatten()
    found["conv1"] = (a * (pool.T @ (r.flatten() / (z + 1e-5)))).view_as(before_pool)
    return found


def strongest(model: Model, images: Tensor) -> int:
    """The channel of the last stage that is most active on all images; with so few of them, some are dead."""
    with torch.no_grad():
        return int(model.module.eval()(model.normalize(images)).mean((2, 3)).amin(0).argmax())


@pytest.mark.parametrize("conv_bias", [False, True])
@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_the_reference_preset_is_the_published_procedure(block: type[nn.Module], conv_bias: bool) -> None:
    model = small(block, conv_bias=conv_bias)
    images = toy.images(2, size=64)
    channel = strongest(model, images)
    made = relevance(model, images, f"layer3:{channel}", LAYERS, "reference")
    with torch.no_grad():
        expected = [oracle(model.module.eval(), model.normalize(image[None]), channel) for image in images]
    for layer in LAYERS:
        wanted = torch.cat([found[layer] for found in expected])
        assert wanted.abs().max() > 0
        torch.testing.assert_close(made[layer], wanted, rtol=1e-9, atol=1e-12)


def test_the_reference_preset_is_not_the_default() -> None:
    model, images = small(BasicBlock), toy.images(1, size=64)
    unit = f"layer3:{strongest(model, images)}"
    ours, theirs = (relevance(model, images, unit, ["conv1"], r)["conv1"] for r in ("zplus", "reference"))
    assert (ours - theirs).abs().max() > 1e-3 * theirs.abs().max()


def test_a_linear_layer_has_no_bias_in_the_reference_preset() -> None:
    head = nn.Linear(70, 3)
    model = toy.wrap(
        nn.Sequential(nn.Conv2d(3, 70, 8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    )
    before = relevance(model, toy.images(1), "class:0", ["3"], "reference")["3"]
    with torch.no_grad():
        logit = model.module(model.normalize(toy.images(1).float()))[0, 0].item()
        head.bias[0] += 5.0
    after = relevance(model, toy.images(1), "class:0", ["3"], "reference")["3"]
    torch.testing.assert_close(after / (logit + 5.0), before / logit)
