"""Relevance on the real GoogLeNet equals zennit's, and LRP-epsilon stays within bounds there."""

import pytest
import torch
from torch import nn

from vital.attribution import relevance
from vital.data import load_images
from vital.models import load_model

zennit = pytest.importorskip("zennit")
from zennit import composites  # noqa: E402
from zennit.attribution import Gradient  # noqa: E402
from zennit.rules import Epsilon, Pass  # noqa: E402
from zennit.types import Linear  # noqa: E402


class Modules(nn.Module):
    """GoogLeNet after its preprocessing, with modules where it calls functions, for zennit sees modules alone."""

    def __init__(self, net: nn.Module) -> None:
        nn.Module.__init__(self)
        self.net, self.mean, self.flat = net, nn.AdaptiveAvgPool2d(1), nn.Flatten()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the network makes of prepared images."""
        net = self.net
        x = net.norm(net.pool(net.conv1(x)))
        x = net.pool(net.norm(net.conv3(net.conv2(x))))
        x = net.pool(net.inception3b(net.inception3a(x)))
        x = net.inception4b(net.inception4a(x))
        x = net.pool(net.inception4e(net.inception4d(net.inception4c(x))))
        return net.fc(self.flat(self.mean(net.inception5b(net.inception5a(x)))))


def epsilon(layer_map: list) -> composites.LayerMapComposite:
    return composites.LayerMapComposite([*layer_map, *composites.layer_map_base(), (Linear, Epsilon())])


THEIRS = {
    "epsilon": epsilon,
    "epsilon-plus": composites.EpsilonPlus,
    "epsilon-plus-flat": composites.EpsilonPlusFlat,
    "epsilon-alpha2-beta1": composites.EpsilonAlpha2Beta1,
    "epsilon-gamma-box": composites.EpsilonGammaBox,
}


@pytest.fixture(scope="module")
def googlenet(shared):
    file = shared / "data/imagenet_weights/googlenet_bvlc.safetensors"
    model = load_model(f"{shared / 'nets'}/googlenet_bvlc.py:googlenet", weights=file)
    pictures = load_images(
        shared / "data/imagenet1000/images", labels=shared / "data/imagenet1000/labels.csv"
    )
    return model, next(batch for _, batch in pictures.batches(model, 2, indices=range(2)))


@pytest.mark.parametrize("rule", THEIRS)
def test_composites_equal_those_of_zennit_on_googlenet(googlenet, rule):
    model, images = googlenet
    net = model.module.eval()
    with torch.no_grad():
        logits = net(images)
        x, low, high = (net.input(v) for v in (images, torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)))
    best = int(logits[0].argmax())
    made = relevance(model, images, f"class:{best}", ["<conv1"], rule)["<conv1"]
    start = torch.zeros_like(logits)
    start[:, best] = logits[:, best]
    ends = {"low": low, "high": high} if rule.endswith("box") else {}
    theirs = THEIRS[rule](layer_map=[(nn.LocalResponseNorm, Pass())], **ends)
    with Gradient(model=Modules(net), composite=theirs) as attributor:
        _, theirs = attributor(x.requires_grad_(), start)
    torch.testing.assert_close(made, theirs, rtol=1e-4, atol=1e-5 * theirs.abs().max().item())
    assert made.sum().abs() < 2 * start.abs().sum()
