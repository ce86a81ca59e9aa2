"""Which layers to align, for networks that no table knows: the first one, and the last one of every resolution."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import nn

from vital.errors import ModelError
from vital.models import Model
from vital.trace import survey
from vital.types import Layer
from vital.units import OUTPUT


def stages(model: Model) -> tuple[str, ...]:
    """The layers that `vital` aligns by default, from the input to the output.

    A network of maps gives its first convolution and the last layer before each drop in resolution; a network of
    tokens gives its patch projection and four evenly spread blocks. On a ResNet these are conv1 and layer1 to
    layer4, as VITAL chose them; on a ViT the projection and blocks such as 5, 11, 17 and 23 of 24.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.ReLU())
    >>> stages(Model(net, size=(16, 16)))
    ('0', '4')
    """
    usable = {n: la for n, la in survey(model).items() if not la.problem and n != OUTPUT}
    convolutions = [n for n in usable if isinstance(model.module.get_submodule(n), nn.Conv2d)]
    maps = {n: la for n, la in usable.items() if la.kind == "map" and la.shape[1] * la.shape[2] > 1}
    blocks = _trunk(usable)
    if blocks:
        found = [*convolutions[:1], *_spread(blocks, 4)]
    elif maps:
        found = _by_resolution(model, maps, convolutions)
    else:
        raise ModelError(f"{model.name} has no layer with places to align; name the layers")
    return tuple(dict.fromkeys(found))


def _by_resolution(model: Model, maps: Mapping[str, Layer], convolutions: Sequence[str]) -> list[str]:
    outputs = survey(model)[OUTPUT].shape[0]
    ordered = sorted((la for la in maps.values() if la.channels != outputs), key=lambda la: la.order)
    first = next((la for la in ordered if la.name in convolutions), ordered[0])
    last: dict[tuple[int, ...], Layer] = {}
    for layer in ordered:
        last[layer.shape[1:]] = layer
    found = [first]
    for layer in sorted(last.values(), key=lambda la: la.order):
        between = [c for c in convolutions if first.order < maps[c].order <= layer.order]
        if between:
            found.append(layer)
    return [la.name for la in found]


def _trunk(layers: Mapping[str, Layer]) -> list[str]:
    """The token blocks: the longest run of numbered siblings that put out tokens."""
    families: dict[str, list[str]] = {}
    for name, layer in layers.items():
        if layer.kind == "tokens" and (match := re.fullmatch(r"(.*?)(\d+)", name)):
            families.setdefault(match[1], []).append(name)
    longest = max(families.values(), key=len, default=[])
    return longest if len(longest) > 1 else []


def _spread(names: Sequence[str], count: int) -> list[str]:
    """`count` names, evenly spread, the last among them."""
    count = min(count, len(names))
    return [names[round((i + 1) * len(names) / count) - 1] for i in range(count)]
