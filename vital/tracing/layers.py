"""How a network's layers are laid out, and which can be used, learned once from passes over two images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from vital.errors import ModelError
from vital.models import Model
from vital.models.modules import check_inputs, wrapping_hint
from vital.models.outputs import NO_TENSOR
from vital.tracing.batch_law import again, faults
from vital.tracing.passes import Call, Shape, record, record_some, unseen
from vital.types import Layer
from vital.units import OUTPUT
from vital.utils.public import public

_SURVEYS: WeakKeyDictionary[Model, dict[str, Layer]] = WeakKeyDictionary()

_CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.MultiheadAttention, nn.Embedding, nn.RNNBase)
_CHANNELS_SECOND = (
    nn.Conv1d, nn.ConvTranspose1d, nn.BatchNorm1d, nn.InstanceNorm1d, nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d,
    nn.AvgPool1d, nn.MaxPool1d,
)  # fmt: skip


@public
def list_layers(model: Model) -> dict[str, Layer]:
    """Every layer of the network by name, in the order in which it finishes, from passes over two images.

    The network's output is the layer `"class"`. A layer whose numbers for an image change from pass to pass, or with
    the images beside it, cannot be used. The answer is kept as long as the model lives.

    Parameters
    ----------
    model
        The network.

    Returns
    -------
    dict of Layer
        The layers by name, each with its kind, its shape and, where it cannot be used, its problem.

    Raises
    ------
    ModelError
        For a network that does not run.

    Examples
    --------
    >>> net = Model(nn.Sequential(nn.Conv2d(3, 4, 3)), size=(8, 8))
    >>> list(list_layers(net)), list_layers(net)["0"].shape
    (['0', 'class'], (4, 6, 6))

    """
    if model not in _SURVEYS:
        with unseen():
            _SURVEYS[model] = _survey(model)
    return _SURVEYS[model]


def _survey(model: Model) -> dict[str, Layer]:
    check_inputs(model.module, model.name)
    images = _images(model)
    try:
        together = record(model, images)
    except ModelError as error:
        hint = wrapping_hint(model.module)
        if not hint:
            raise
        raise ModelError(f"{error}; {hint}") from error
    shapes = _by_name(together)
    prefix_hint = _prefix_hint(model.module)
    layers = {n: _layout(n, c, i, model.size) for i, (n, c) in enumerate(shapes.items())}
    if any(layer.channel_axis < 0 for layer in layers.values()):
        some, _ = record_some(model, images.repeat(1, 1, 1, 2))
        wider = {name: found[-1] for name, found in _by_name(some).items()}
        parts = {call.name: model.module.get_submodule(call.part) for call in together if call.part}
        axes = _token_axes(parts | {OUTPUT: model.module}, layers, shapes, wider, prefix_hint)
        layers = {
            n: _settle(layer, shapes[n][-1] or (), wider.get(n), axes.get(n), prefix_hint, model.size)
            for n, layer in layers.items()
        }
    (alone, ended), second = record_some(model, images[:1]), again(model, images, together)
    single = {name: found[-1] for name, found in _by_name(alone).items()}
    problems = {n: _no_image(layer, shapes[n][-1] or (), single.get(n)) for n, layer in layers.items()}
    problems |= {name or OUTPUT: why for name, why in faults(model, together, second, alone, ended).items()}
    problems = {call.name or OUTPUT: _no_float(call) for call in together if _no_float(call)} | {
        name: why for name, why in problems.items() if why
    }
    layers = {
        n: _unusable(n, layer.order, problems[n]) if n in problems and not layer.problem else layer
        for n, layer in layers.items()
    }
    layers |= {name: _among(layers[name], same) for same in _together(together) for name in same}
    layers = {name: _with_step(layer, layers) for name, layer in layers.items()}
    return _hidden(model.module, layers) | layers


def _images(model: Model) -> Tensor:
    """Two different images: noise, and darker noise."""
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(2, model.channels, *model.size, generator=draw)
    images[1] *= 0.5
    return images.to(model.device, model.dtype)


def _by_name(found: Sequence[Call]) -> dict[str, list[Shape | None]]:
    """The output shapes of every call of every module, in the order of the last calls."""
    shapes: dict[str, list[Shape | None]] = {}
    for call in found:
        name = call.name or OUTPUT
        shapes[name] = [*shapes.pop(name, []), call.shape]
    return shapes


def _layout(name: str, calls: list[Shape | None], order: int, size: tuple[int, int]) -> Layer:
    """What one recorded shape says; a `channel_axis` of −1 means that it does not say enough."""
    shape = calls[-1]
    if shape is None or len(calls) > 1:
        none = f"it returns {NO_TENSOR}" if name == OUTPUT else "it returns no tensor; name a layer before it"
        return _unusable(name, order, none if shape is None else f"it runs {len(calls)} times in one pass")
    match shape:
        case (2, channels):
            return Layer(name, "vector", (channels,), order=order)
        case (2, _, _) | (_, 2, _):
            return Layer(name, "tokens", shape, channel_axis=-1, order=order)
        case (2, a, b, c):  # two equal sides are those of a map where the image has two equal sides
            axis = -1 if size[0] != size[1] else 1 if b == c != a else 3 if a == b != c else -1
            return _map(name, shape, axis, order)
    many = (
        f"has {len(shape)} axes; name a layer with 4 or fewer, or let an nn.Identity see it as (B, C, H, W)"
    )
    axes = many if shape[:1] == (2,) else "for two images has no axis for the image"
    return _unusable(name, order, f"its output {shape} {axes}")


def _settle(
    layer: Layer,
    shape: Shape,
    wider: Shape | None,
    token_axis: int | None,
    hint: int | None,
    size: tuple[int, int],
) -> Layer:
    """Tell space from channels by which axis grew when the image did."""
    if layer.channel_axis >= 0:
        return layer
    unsaid = f"its output {shape} does not say which axis holds the channels"
    if layer.kind == "tokens":
        if token_axis is None:
            next_step = "name another layer, or let an nn.Identity behind it see it as (B, C, H, W)"
            return _unusable(layer.name, layer.order, f"{unsaid}; {next_step}")
        return _tokens(layer, shape, wider, token_axis, hint, size)
    if shape[2:] == (1, 1):
        return _map(layer.name, shape, 1, layer.order)
    grown = _grown(shape, wider)
    axis = 1 if grown == [3] else 3 if grown == [2] else -1
    return (
        _unusable(layer.name, layer.order, unsaid) if axis < 0 else _map(layer.name, shape, axis, layer.order)
    )


def _grown(shape: Shape, wider: Shape | None) -> list[int]:
    """The axes that changed when the image became wider."""
    if wider is None or len(wider) != len(shape):
        return []
    return [axis for axis, (a, b) in enumerate(zip(shape, wider, strict=True)) if a != b]


def _token_axes(
    parts: Mapping[str, nn.Module],
    layers: Mapping[str, Layer],
    shapes: Mapping[str, list[Shape | None]],
    wider: Mapping[str, Shape | None],
    hint: int | None,
) -> dict[str, int]:
    """Along which axis the places of the layers of three axes lie, where something says so.

    That is the axis that grew with the image; else the one that is not the channels of the layer's own operation, or
    of all layers of the same shape, or of a network that says how many class tokens stand in front.
    """
    found: dict[str, int] = {}
    unclear = {
        n: shapes[n][-1] or () for n, layer in layers.items() if layer.kind == "tokens" and layer.shape
    }
    for name, shape in unclear.items():
        images = 0 if shape[0] == 2 else 1
        if len(grown := _grown(shape, wider.get(name))) == 1:
            found[name] = grown[0]
        elif (own := _own_axis(parts[name], images)) is not None:
            found[name] = own
    known = {shape: {found[n] for n in found if unclear[n] == shape} for shape in unclear.values()}
    for name, shape in unclear.items():
        images = 0 if shape[0] == 2 else 1
        if name in found:
            continue
        if len(known[shape]) == 1:
            found[name] = next(iter(known[shape]))
        elif images == 1:
            found[name] = 0
        elif 1 in shape[1:] or hint is not None:
            found[name] = 2 if shape[2] == 1 != shape[1] else 1
    return found


def _own_axis(part: nn.Module, images: int) -> int | None:
    """The axis of the places in what an operation returns that is known to put its channels last, or second."""
    if isinstance(part, _CHANNELS_LAST):
        return 1 - images
    return 2 if isinstance(part, _CHANNELS_SECOND) else None


def _map(name: str, shape: Shape, axis: int, order: int) -> Layer:
    _, a, b, c = shape
    return Layer(name, "map", (c, a, b) if axis == 3 else (a, b, c), channel_axis=axis, order=order)


def _tokens(
    layer: Layer, shape: Shape, wider: Shape | None, places: int, hint: int | None, size: tuple[int, int]
) -> Layer:
    images = 0 if shape[0] == 2 and places != 0 else 1
    channels = 3 - places - images
    count = shape[places]
    if hint is not None:
        guesses = [hint]
    elif channels == 1:
        guesses = []  # the padding of a convolution is no class token
    elif wider is not None and _grown(shape, wider) == [places]:
        guesses = [2 * count - wider[places]]  # the image is twice as wide, what stands in front is not
    else:
        guesses = [0, 1]
    prefix = next((p for p in guesses if p >= 0 and _is_grid(count - p, size)), 0)
    return Layer(layer.name, "tokens", (shape[channels], count), images, channels, prefix, layer.order)


def _no_image(layer: Layer, two: Shape, one: Shape | None) -> str:
    """Why a layer has no axis for the image, though one of its axes was as long as there were images."""
    if layer.problem or one is None or len(one) != len(two) or one[layer.batch_axis] == 1:
        return ""
    return f"its output {two} for two images, {one} for one, has no axis for the image"


def _no_float(call: Call) -> str:
    """Why a layer has no activations, though it returns a tensor."""
    if call.made is None or call.made.kind.is_floating_point:
        return ""
    return f"it returns {str(call.made.kind).removeprefix('torch.')} and no floats; name a layer before it"


def _unusable(name: str, order: int, problem: str) -> Layer:
    return Layer(name, "vector", (0,), order=order, problem=problem)


def _together(calls: Sequence[Call]) -> list[dict[str, str]]:
    """The layers that one part returns together, with their keys, of each part that returns several tensors."""
    found: dict[str, dict[str, str]] = {}
    for call in calls:
        found.setdefault(call.part, {})[call.name or OUTPUT] = call.key
    return [same for same in found.values() if len(same) > 1]


def _among(layer: Layer, same: Mapping[str, str]) -> Layer:
    """A layer that is one of several tensors of its part."""
    return replace(layer, tensor=same[layer.name], others=tuple(name for name in same if name != layer.name))


def _with_step(layer: Layer, layers: Mapping[str, Layer]) -> Layer:
    """A layer that cannot be used, with what can be: another tensor of its part, or the block around it."""
    problem = layer.problem
    if fits := [repr(name) for name in layer.others if problem and not layers[name].problem]:
        what = f"the first of the {1 + len(layer.others)} tensors that it returns cannot be used"
        what = what if layer.name == layer.module else "it is one of several tensors"
        return replace(layer, problem=f"{what}: {problem.partition('; ')[0]}; name {' or '.join(fits)}")
    if not problem or "; " in problem:
        return layer
    around = next((name for name in _above(layer.module) if name in layers and not layers[name].problem), "")
    instead = f"the block around it, {around!r}" if around else "a layer before or after it"
    return replace(layer, problem=f"{problem}; name {instead}")


def _above(name: str) -> Iterator[str]:
    """The modules around one, from the inside.

    >>> list(_above("layer1.0.relu"))
    ['layer1.0', 'layer1']
    """
    while name := name.rpartition(".")[0]:
        yield name


def _hidden(module: nn.Module, layers: Mapping[str, Layer]) -> dict[str, Layer]:
    """The layers inside TorchScript, which runs without hooks."""
    why = "it is inside TorchScript, which shows its output alone; give the network as Python code"
    scripts = [name for name, part in module.named_modules() if isinstance(part, torch.jit.ScriptModule)]
    return {name: _unusable(name, -1, why) for name in scripts if name and name not in layers}


def _is_grid(n: int, size: tuple[int, int]) -> bool:
    """Whether n square patches can tile an image: n = (H / s)(W / s) makes n · H · W a square."""
    area = n * size[0] * size[1]
    return n > 0 and math.isqrt(area) ** 2 == area


def _prefix_hint(module: nn.Module) -> int | None:
    """How many class and register tokens the network says that it puts in front: as timm and others name them."""
    for part in module.modules():
        if isinstance(count := getattr(part, "num_prefix_tokens", None), int):
            return count
        if isinstance(getattr(part, "class_token", None), Tensor):
            return 1
        if isinstance(getattr(part, "class_embedding", None), Tensor):
            return 1
        if isinstance(getattr(part, "cls_token", None), Tensor):
            more = (getattr(part, name, None) for name in ("distillation_token", "register_tokens"))
            return 1 + sum(tokens.shape[1] for tokens in more if isinstance(tokens, Tensor))
    return None
