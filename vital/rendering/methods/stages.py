"""Which layers to align, for networks that no table knows: the first one, and the last one of every resolution."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import nn

from vital.errors import ModelError
from vital.models import Model
from vital.tracing import list_layers
from vital.types import Layer
from vital.units import OUTPUT


def stages(model: Model) -> tuple[str, ...]:
    """The layers that `vital` aligns by default, from the input to the output.

    A network of maps gives its first convolution and the last layer before each drop in resolution, and beside a side
    branch that ends there the wider trunk that it leaves; a network of
    tokens gives its patch projection and four evenly spread blocks. On a ResNet these are conv1 and layer1 to
    layer4, as VITAL chose them; on a ViT the projection and blocks such as 5, 11, 17 and 23 of 24.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.ReLU())
    >>> stages(Model(net, size=(16, 16)))
    ('0', '4')
    """
    known = list_layers(model)
    usable = {n: la for n, la in known.items() if not la.problem and n == la.module != OUTPUT}
    maps = [la for la in usable.values() if la.kind == "map" and la.shape[1] * la.shape[2] > 1]
    weighted = [la for la in usable.values() if _has_matrix(model.module.get_submodule(la.name))]
    first = next((la for la in weighted if la in maps), None)
    if blocks := _trunk(usable):
        return tuple(dict.fromkeys([*([first.name] if first else []), *_spread(blocks, 4)]))
    if not maps:
        raise ModelError(f"{model.name} has no layer with places to align; name the layers")
    return tuple(dict.fromkeys(_by_resolution(model, maps, weighted, first or maps[0])))


def _has_matrix(module: nn.Module) -> bool:
    """Whether the module itself holds weights that mix channels: convolutions, linear maps, attention."""
    return any(p.ndim > 1 for p in module.parameters(recurse=False))


def _by_resolution(model: Model, maps: Sequence[Layer], weighted: Sequence[Layer], first: Layer) -> list[str]:
    """The first layer, and the last one of each resolution after which something was learned."""
    output = list_layers(model)[OUTPUT]
    fit = [la for la in maps if output.kind == "map" or la.channels != output.channels]
    blocks = _narrowing(maps)
    last = {la.shape[1:]: la for la in fit}
    last |= {la.shape[1:]: la for la in fit if not _within(la, blocks)}  # where any lies outside such blocks
    trunks = [_left(la, fit) for la in last.values()]
    found = [la for la in (*last.values(), *filter(None, trunks)) if _learned(la, first, weighted)]
    return [first.name, *(la.name for la in sorted(found, key=lambda la: la.order))]


def _narrowing(maps: Sequence[Layer]) -> dict[str, tuple[int, ...]]:
    """The modules that begin at one resolution and end at another, with that at which they end.

    Those that hold layers of three and more are whole networks, and no blocks.
    """
    return {
        la.name: la.shape[1:]
        for la in maps
        if len({inner.shape[1:] for inner in maps if _below(inner.name, la.name)} | {la.shape[1:]}) == 2
    }


def _within(la: Layer, blocks: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a layer lies in one of the blocks, at a resolution that the block leaves."""
    return any(_below(la.name, name) and la.shape[1:] != end for name, end in blocks.items())


def _left(la: Layer, maps: Sequence[Layer]) -> Layer | None:
    """The wider trunk that a side branch leaves: the last layer before it, as deep in the tree, with more channels."""
    depth = la.name.count(".")
    wider = [
        other
        for other in maps
        if other.shape[1:] == la.shape[1:]
        and other.order < la.order
        and other.channels > la.channels
        and other.name.count(".") <= depth
    ]
    return wider[-1] if wider else None


def _below(name: str, module: str) -> bool:
    return name.startswith(f"{module}.")


def _learned(la: Layer, first: Layer, weighted: Sequence[Layer]) -> bool:
    """Whether weights lie between the first layer and this one."""
    return any(first.order < w.order <= la.order for w in weighted)


def _trunk(layers: Mapping[str, Layer]) -> list[str]:
    """The token blocks: the longest run of numbered siblings that put out tokens.

    The parts of a block are no blocks: they lie in one of another run, and differ in their numbers of channels.
    """
    families: dict[str, list[str]] = {}
    for name, layer in layers.items():
        if layer.kind == "tokens" and (match := re.fullmatch(r"(.*?)(\d+)", name)):
            families.setdefault(match[1], []).append(name)
    runs = [run for run in families.values() if len(run) > 1]
    inner = {name for run in runs for name in layers if any(_below(name, block) for block in run)}
    runs = [run for run in runs if run[0] not in inner or len({layers[name].channels for name in run}) == 1]
    return max(runs, key=len, default=[])


def _spread(names: Sequence[str], count: int) -> list[str]:
    """`count` names, evenly spread, the last among them."""
    count = min(count, len(names))
    return [names[round((i + 1) * len(names) / count) - 1] for i in range(count)]
