"""What the benchmarks of cost run on: networks without a download, images from a seed, and methods with their units."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import vital
from vital.data import ImageSet
from vital.rendering import Plan, stages
from vital.rendering.methods.base import plan_for
from vital.units import OUTPUT, Unit
from vital.world.networks.architectures import Block

TORCHVISION = ("resnet50", "vit_b_16", "convnext_tiny", "mobilenet_v3_large")
INNER = "inner"
MASKS = {("vital", "class"), ("vital", INNER), ("vital-reference", INNER)}
"""The methods, by the kind of unit, that align under masks of relevance."""


@dataclass(frozen=True)
class Case:
    """A method, and the kind of the units that it renders: "class" or "inner"."""

    method: str
    kind: str

    def __str__(self) -> str:
        return f"{self.method}, {self.kind}"

    @property
    def masks(self) -> bool:
        """Whether relevance is followed back through the network in every step."""
        return (self.method, self.kind) in MASKS


METHODS = ("vital", "vital-scene", "vital-reference", "fourier", "pixels", "maco", "deep-inversion")
UNIT_KINDS = ("class", INNER)
OPTIONS: dict[str, dict[str, Any]] = {"maco": {"n_transforms": 2}, "vital-reference": {"n_references": 4}}
"""Options that make a step or the references smaller than the preset's, not other operations."""


def cifar_resnet(blocks: int = 3, width: int = 16, classes: int = 10) -> nn.Module:
    """Make a residual network of three stages for 32 pixels, as He et al. (2016) have it: 20 layers by default."""
    first, last = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.Linear(4 * width, classes)
    made: OrderedDict[str, nn.Module] = OrderedDict(
        stem=nn.Sequential(first, nn.BatchNorm2d(width), nn.ReLU())
    )
    before = width
    for stage in range(3):
        after = width * 2**stage
        parts = [
            Block(before if i == 0 else after, after, 2 if stage and not i else 1) for i in range(blocks)
        ]
        made[f"layer{stage + 1}"], before = nn.Sequential(*parts), after
    return nn.Sequential(made | {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": last})


def _small_vit() -> nn.Module:
    from torchvision.models import VisionTransformer

    return VisionTransformer(64, 8, num_layers=4, num_heads=4, hidden_dim=64, mlp_dim=128, num_classes=64)


SMALL: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "cifar-resnet20": (cifar_resnet, 32),
    "small-vit": (_small_vit, 64),
    "tiny": (lambda: cifar_resnet(1, 8, 40), 32),
}
"""Networks that are made here, with the side of their images."""
NETWORKS = (*TORCHVISION, "world", *SMALL)
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


def network(
    name: str,
    *,
    size: int | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    published: bool = False,
) -> vital.Model:
    """Load a network: the world's as it is shipped, the others with weights from a seed unless published are asked."""
    more: dict[str, Any] = {"size": size, "device": device}
    more |= {} if dtype == "float32" else {"dtype": DTYPES[dtype]}
    if name in SMALL:
        make, side = SMALL[name]
        torch.manual_seed(0)
        model = vital.load_model(vital.Model(make(), name=name, size=(side, side)), **more)
    elif name == "world":
        model = vital.load_model(name, **more)
    else:
        model = vital.load_model(f"torchvision:{name}", weights=None if published else "random", **more)
    model.module.requires_grad_(False).eval()
    return model


def images(count: int = 64, side: int = 224) -> ImageSet:
    """Colored clouds: pictures of the right kind of spectrum, from a seed."""
    few = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return vital.load_images(nn.functional.interpolate(few, (side, side), mode="bicubic").clamp(0, 1))


def inner_layer(model: vital.Model) -> str:
    """The layer of the inner units: the last stage but one."""
    return stages(model)[-2]


def bank_of(model: vital.Model, pictures: ImageSet | None = None) -> vital.ReferenceBank:
    """A bank that is kept nowhere, for class units and for those of `inner_layer`."""
    pictures = images(side=model.size[0]) if pictures is None else pictures
    return vital.build_bank(model, [inner_layer(model)], pictures, progress=False, disk=False)


def units_of(model: vital.Model, kind: str, count: int) -> list[Unit]:
    """So many units of a kind, from the first; where the network has fewer they come again. Of tokens, the patches."""
    layer = vital.list_layers(model)[OUTPUT if kind == "class" else inner_layer(model)]
    tokens = "#patches" if layer.kind == "tokens" else ""
    return model.units([f"{layer.name}:{i % layer.channels}{tokens}" for i in range(count)])


def keys_of(units: list[Unit]) -> list[str]:
    """A key for each unit; one that comes again has another."""
    return [f"{unit} {i}" for i, unit in enumerate(units)]


def planned(model: vital.Model, bank: vital.ReferenceBank, case: Case, units: list[Unit]) -> Plan:
    """What a method plans; raises a `VitalError` where it has no use for this network."""
    return plan_for(vital.make_method(case.method, **OPTIONS.get(case.method, {})), model, units, bank, 0)
