"""With biases at zero, what arrives at a layer is what started at the unit: networks of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import nn

from vital.attribution import Relevance, propagate, start_at
from vital.models import Model
from vital.tracing import Tracer

TOLERANCE = 0.01


class Case(NamedTuple):
    """A network, a size, a unit, and layers before it."""

    make: Callable[[], nn.Module]
    size: int
    unit: str
    layers: tuple[str, ...]


def tv(name: str, **settings: object) -> Callable[[], nn.Module]:
    return lambda: pytest.importorskip("torchvision").models.get_model(name, weights=None, **settings)


def timm(name: str, **settings: object) -> Callable[[], nn.Module]:
    return lambda: pytest.importorskip("timm").create_model(name, pretrained=False, **settings)


def clip_resnet() -> nn.Module:
    pytest.importorskip("open_clip")
    from open_clip.modified_resnet import ModifiedResNet

    return ModifiedResNet([1, 1, 1, 1], 32, 4, image_size=64, width=8)


def clip_vit() -> nn.Module:
    pytest.importorskip("open_clip")
    from open_clip.transformer import VisionTransformer

    return VisionTransformer(64, 16, 32, 3, 4, 2.0, output_dim=16)


def world(name: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from vital.world.networks import architectures as networks

        return getattr(networks, name)()

    return make


VIT = "encoder.layers.encoder_layer_"
FAST = {
    "resnet18": Case(tv("resnet18"), 64, "layer4:5", ("<conv1", "conv1", "layer1", "layer3")),
    "squeezenet": Case(tv("squeezenet1_1"), 64, "features.12:8", ("features.0", "features.3", "features.7")),
    "mobilenet_v3": Case(tv("mobilenet_v3_small"), 64, "features.12:5", ("features.0", "features.3")),
    "vit cls": Case(tv("vit_b_32", image_size=64), 64, f"{VIT}3:5#cls", (f"{VIT}0", f"<{VIT}2")),
    "clip resnet": Case(clip_resnet, 64, "class:3", ("conv1", "layer2", "layer4")),
    "clip vit": Case(clip_vit, 64, "class:3", ("transformer.resblocks.0", "<transformer.resblocks.2")),
    "world classifier": Case(world("Classifier"), 64, "planted:3", ("stem", "layer1", "layer2")),
    "world judge": Case(world("Judge"), 64, "stage3:3", ("patches", "stage1", "stage2")),
    "timm vit": Case(
        timm("vit_tiny_patch16_224", img_size=64), 64, "blocks.4:3#cls", ("blocks.0", "blocks.3")
    ),
    "timm convnext": Case(timm("convnext_atto"), 64, "stages.3:3", ("stem", "stages.1")),
}
SLOW = {
    "resnet50": Case(tv("resnet50"), 96, "layer4:5", ("conv1", "layer1", "layer3")),
    "densenet121": Case(
        tv("densenet121"),
        96,
        "features:5",
        ("features.conv0", "features.denseblock1", "features.transition2"),
    ),
    "googlenet": Case(
        tv("googlenet", init_weights=False, aux_logits=False), 96, "inception5a:5", ("conv1", "inception3b")
    ),
    "inception": Case(
        tv("inception_v3", init_weights=False, aux_logits=False), 96, "class:5", ("Conv2d_1a_3x3", "Mixed_5b")
    ),
    "mobilenet_v2": Case(tv("mobilenet_v2"), 96, "features.18:5", ("features.0", "features.3", "features.7")),
    "efficientnet": Case(
        tv("efficientnet_b0"), 96, "features.8:5", ("features.0", "features.3", "features.6")
    ),
    "vgg11": Case(tv("vgg11"), 64, "class:5", ("features.0", "features.3", "features.12")),
    "convnext": Case(tv("convnext_tiny"), 64, "features.7:5", ("features.0", "features.3", "features.5")),
    "vit patches": Case(tv("vit_b_32", image_size=96), 96, f"{VIT}5:5#patches", (f"{VIT}0", f"{VIT}3")),
    "vit large cls": Case(tv("vit_l_32", image_size=64), 64, f"{VIT}12:5#cls", (f"{VIT}0", f"{VIT}8")),
    "vit large patches": Case(
        tv("vit_l_32", image_size=64), 64, f"{VIT}12:5#patches", (f"{VIT}0", f"{VIT}8")
    ),
    "mobilenet_v3 large": Case(tv("mobilenet_v3_large"), 64, "features.15:5", ("features.0", "features.6")),
    "vgg16 bn": Case(tv("vgg16_bn"), 64, "features.42:5", ("features.0", "features.13", "features.33")),
    "swin": Case(tv("swin_t"), 64, "features.7:5", ("features.0", "features.3", "features.5")),
    "swin v2": Case(tv("swin_v2_t"), 64, "features.7:5", ("features.0", "features.3", "features.5")),
    "regnet": Case(tv("regnet_y_400mf"), 64, "class:5", ("stem", "trunk_output.block2")),
    "shufflenet": Case(tv("shufflenet_v2_x1_0"), 64, "class:5", ("conv1", "stage2")),
    "timm resnet": Case(timm("resnet18"), 64, "layer4:3", ("conv1", "layer2")),
    "timm seresnet": Case(timm("seresnet18"), 64, "layer4:3", ("conv1", "layer2")),
    "timm convnextv2": Case(timm("convnextv2_atto"), 64, "stages.3:3", ("stem", "stages.1")),
    "timm efficientnetv2": Case(timm("tf_efficientnetv2_b0"), 64, "blocks.4:3", ("conv_stem", "blocks.1")),
    "timm swin": Case(
        timm("swin_tiny_patch4_window7_224", img_size=64, window_size=4),
        64,
        "layers.2:3",
        ("patch_embed", "layers.0"),
    ),
    "timm mixer": Case(timm("mixer_s32_224", img_size=64), 64, "blocks.3:3#all", ("stem", "blocks.0")),
    "timm cait": Case(timm("cait_xxs24_224", img_size=64), 64, "blocks.3:3#all", ("patch_embed", "blocks.0")),
    "timm eva02": Case(
        timm("eva02_tiny_patch14_224", img_size=56), 56, "blocks.3:3#cls", ("blocks.0", "blocks.2")
    ),
    "timm efficientvit": Case(timm("efficientvit_b0"), 64, "stages.3:3", ("stem", "stages.1")),
    "timm coatnet": Case(timm("coatnet_nano_rw_224", img_size=64), 64, "stages.3:3", ("stem", "stages.1")),
}
CASES = [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


def without_biases(module: nn.Module) -> nn.Module:
    """Weights from a seed, at a scale that keeps activations alive; biases zero."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in module.named_parameters():
            if "bias" in name:
                p.zero_()
            elif p.ndim > 1:
                fan = p[0].numel() if p.shape[0] > 1 else p.numel()
                p.copy_(torch.randn(p.shape, generator=draw) * (2 / fan) ** 0.5)
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_relevance_is_conserved(name: str) -> None:
    case = (FAST | SLOW)[name]
    model = Model(without_biases(case.make()), size=(case.size, case.size))
    draw = torch.Generator().manual_seed(1)
    images = torch.rand(2, 3, case.size, case.size, generator=draw).requires_grad_()
    with Tracer(model, [case.unit.rpartition(":")[0], *case.layers], record=True) as tracer:
        trace = tracer(images)
        start = start_at(trace, case.unit).abs()  # without signs, which could cancel in the sum
        assert (start.flatten(1).sum(1) > 0).all()
        for rule in ("zplus", "gamma"):
            made = propagate(trace, {case.unit.rpartition(":")[0]: start}, case.layers, Relevance(rule))  # type: ignore[arg-type]
            for layer, r in made.items():
                share = r.flatten(1).sum(1) / start.flatten(1).sum(1)
                assert (share - 1).abs().max() < TOLERANCE, f"{rule}, {layer}: {share.tolist()}"
