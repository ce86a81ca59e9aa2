"""Networks by name, from a file, or as they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from vital.errors import InvalidValueError, UsageError, WeightsError, nearest, said
from vital.models.factory import from_factory, from_module, parse_factory
from vital.models.model import HALF, LARGEST, Model, Output, usable_device
from vital.models.modules import check_inputs, copied, ready
from vital.models.outputs import count_outputs, fitting_heads
from vital.models.published import SOURCES, image_tower
from vital.models.scores import check_softmax
from vital.models.weights import fit, read_state
from vital.utils.class_names import names_of_outputs, read_classes
from vital.utils.logs import busy, logger
from vital.utils.options import check_seed
from vital.utils.public import public

RANDOM = "random"
HELP = (
    "write world, torchvision:NAME[/WEIGHTS], timm:NAME, hf:NAME, open_clip:NAME/PRETRAINED "
    "or path/to/file.py:FUNCTION"
)
DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
DTYPES |= {"bf16": torch.bfloat16, "fp16": torch.float16}
Size = tuple[int, int]


@public
def load_model(
    spec: str | nn.Module | Model,
    *,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
    size: int | Size | None = None,
    dtype: torch.dtype | str | None = None,
    channels_last: bool = False,
    classes: str | Path | Sequence[str] | Mapping[int, str] | None = None,
    bands: Sequence[int] | None = None,
    output: Output | None = None,
    head: int | str | None = None,
    seed: int = 0,
) -> Model:
    """Load a network together with its preprocessing and class names.

    Class names that do not match the outputs in number are dropped with a warning, unless they match one alone of
    several tensors that the network returns. A network is named by one of

    - `world`, the classifier of the known-answer world, or `world:NAME`, another of its networks: `judge`,
      `competing`, `captioner`, `encoder` (image tower), `twin-solid`, `twin-material`, `twin-background`;
    - `lwta:U/MODEL`, a network by any of these names whose units compete in blocks of U (`vital.lwta.convert`);
    - `torchvision:NAME[/WEIGHTS]`; without WEIGHTS, torchvision's default ones;
    - `timm:NAME` (extra `timm`), also `timm:hf-hub:OWNER/NAME` and `timm:local-dir:FOLDER`;
    - `hf:NAME` (extra `caption`): a vision network of transformers, by the name of its folder or of its place on the
      hub;
    - `open_clip:NAME[/PRETRAINED]` (extra `clip`): the image tower, which has no classes;
    - `path/to/file.py:FUNCTION`: the function is called without arguments and returns a module or a `Model`. This
      runs the file. Beside a bare module the constants MEAN, STD, SIZE, RESIZE, CLASSES, CHANNELS, BANDS and OUTPUT of
      the file count; without them nothing is guessed: mean 0, std 1, 224 pixels, the first convolution's channels;
    - a module or a `Model`, taken as it is.

    Parameters
    ----------
    spec
        The network: a name, a module or a `Model`.
    weights
        A file with a state dict (`.safetensors`, `.pt`, `.pth`, `.pth.tar`, `.ckpt` or `.bin`; `FILE!PART` takes one of
        several sets in it), or "random" for random weights (a control); by default the published weights, which are
        downloaded where they are not cached.
    device
        Where to compute.
    size
        The size of the images, (height, width) in pixels or both in one number; by default the network's own. The
        resize before the crop scales along.
    dtype
        In what to compute: "float32", "float64", or "bfloat16" and "float16" (also "bf16" and "fp16") where that is
        safe, with the weights as they are (`torch.autocast`); by default what the weights are in. Float16 overflows
        above 65504; bfloat16 does not.
    channels_last
        Whether the network's weights, and the images that it is shown, lie in memory in torch.channels_last: on some
        devices convolutions are faster so. Numbers differ in their last bits. A network that uses `Tensor.view` on
        activations may refuse it.
    classes
        The names of the classes: one for each output, by index, or a file with a name on each line or the columns index
        and name; by default the network's own.
    bands
        Of a network with more channels than colors: those that pictures show as red, green and blue, or one; by default
        the first three.
    output
        What the outputs are: "softmax" (the logits of one distribution over classes), "sigmoid" (logits that are
        independent of each other), "regression" or "embedding" (plain values); by default what is published of the
        network, or what its last operation says.
    head
        Which tensor is the layer `class`, by its index, or by the key that leads to it, such as "logits" or "maps.2",
        in a network that returns several; by default the first.
    seed
        What random weights go by.

    Returns
    -------
    Model
        The network, in eval mode.

    Raises
    ------
    UsageError
        For a request that cannot be read.
    WeightsError
        For weights that cannot be had or do not fit.
    ModelError
        For a network that cannot be built.
    MissingDependencyError
        For a package that is not there.

    Examples
    --------
    >>> model = load_model(nn.Conv2d(1, 4, 3), size=28)
    >>> model.name, model.size, model.channels
    ('Conv2d', (28, 28), 1)

    """
    where = None if device is None else usable_device(device)
    kind = None if dtype is None else _floating(dtype)
    extent = None if size is None else _extent(size)
    control, file = str(weights) == RANDOM, weights not in (None, RANDOM)
    state = read_state(str(weights)) if file else {}
    with seeded(seed), busy(f"loading the network {spec if isinstance(spec, str) else type(spec).__name__}"):
        if isinstance(spec, str):
            model = _named(spec, extent, pretrained=weights is None, control=control)
        else:
            model = _given(spec, extent, private=file, control=control)
        model = _answering(model, output, head, published=isinstance(spec, str) and not parse_factory(spec))
    if file:
        tower = isinstance(spec, str) and spec.startswith("open_clip:")
        taken, note = fit(model.module, image_tower(state) if tower else state, str(weights))
        part = taken.prefix[:-1]
        if not note:  # else a warning has said it
            logger.info(
                "weights: %d tensors of %s%s",
                len(taken.tensors),
                weights,
                f", under {part!r}" if part else "",
            )
        model = replace(model, weights=Path(str(weights)).name + (f"!{part}" if part and note else ""))
    model = model if where is None else model.to(where)
    if kind is not None:
        half = kind in HALF
        if not half or model.dtype == torch.float64:
            model.module.to(torch.float32 if half else kind)
        model = replace(model, autocast=kind if half else None)
        _check_range(model.module, kind)
    if channels_last:
        model.module.to(memory_format=torch.channels_last)
        model = replace(model, channels_last=True)
    if classes is not None:
        model = with_classes(model, classes)
    return model if bands is None else replace(model, bands=tuple(bands))


def with_classes(model: Model, classes: str | Path | Sequence[str] | Mapping[int, str]) -> Model:
    """Give a network class names, of which a file may hold them. Raises `InvalidValueError` for names that do not fit.

    >>> with_classes(Model(nn.Conv2d(3, 2, 1), size=(4, 4)), ["cat", "dog"]).classes
    ('cat', 'dog')
    """
    found = read_classes(classes) if isinstance(classes, str | Path) else classes
    return replace(model, classes=names_of_outputs(found, count_outputs(model), model.name))


def named_by(model: Model, labels: Path) -> Model:
    """Give a network without class names those in a file with the labels of images, where these fit its outputs."""
    found = read_classes(labels)
    fits = found if isinstance(found, Mapping) else len(found) == count_outputs(model)
    return with_classes(model, found) if found and fits else model


def _floating(given: torch.dtype | str) -> torch.dtype:
    """Read the name of a floating type; raises `InvalidValueError` with those that there are.

    >>> _floating("bf16"), _floating(torch.float64)
    (torch.bfloat16, torch.float64)
    """
    name = str(given).removeprefix("torch.")
    if name not in DTYPES:
        raise InvalidValueError(f"dtype is {given!r}; allowed are {', '.join(DTYPES)}")
    return DTYPES[name]


def _named(spec: str, size: Size | None, *, pretrained: bool, control: bool) -> Model:
    kind, _, name = spec.partition(":")
    if kind in SOURCES:
        model = resized(SOURCES[kind](name, pretrained, size), size)
    elif found := parse_factory(spec):
        model = resized(from_factory(*found), size)
        if control:
            _check_random(spec, model, from_factory(*found))
            model = replace(model, weights="random")
    else:
        raise UsageError(f"unknown model {spec!r}; {_hint(kind, name, spec)}")
    model.module.eval()
    return model


def _hint(kind: str, name: str, spec: str) -> str:
    if spec.endswith(".py"):
        return f"name the function that makes it: {spec}:FUNCTION"
    close = nearest(kind, SOURCES) if name else []
    return f"did you mean '{close[0]}:{name}'?" if close else HELP


def _given(spec: nn.Module | Model, size: Size | None, *, private: bool, control: bool) -> Model:
    if control:
        raise InvalidValueError(
            "weights 'random' needs a model named by a string; a module that exists keeps its weights"
        )
    if not isinstance(spec, Model):
        spec = ready(spec)
        spec = from_module(spec, type(spec).__name__)
    model = spec
    if private:
        model = replace(model, module=copied(model.module))
    return resized(model, size)


def _check_range(module: nn.Module, kind: torch.dtype) -> None:
    """Raise `WeightsError` for weights that are too large for a type of floats, and would be infinite in it."""
    most = torch.finfo(kind).max
    for name, weights in module.named_parameters():
        large = float(weights.detach().abs().max()) if weights.numel() else 0.0
        if most < large < float("inf"):
            told = str(kind).removeprefix("torch.")
            raise WeightsError(
                f"the weights {name!r} reach {large:.3g}, and {told} ends at {most:.3g}; compute in float32"
            )


def _check_random(spec: str, one: Model, other: Model) -> None:
    pairs = zip(one.module.parameters(), other.module.parameters(), strict=True)
    if all(torch.equal(a, b) for a, b in pairs):
        raise WeightsError(
            f"{spec} makes the same weights each time, so weights 'random' gives no random ones"
        )


def _answering(model: Model, output: Output | None, head: int | str | None, *, published: bool) -> Model:
    """The model with what was said of its outputs, held against what it returns."""
    if output is not None or head is not None:
        model = replace(model, output=output or model.output, head=model.head if head is None else head)
        check_softmax(model, count_outputs(model))
    return model if published and head is None else _with_fitting_names(model)


def _with_fitting_names(model: Model) -> Model:
    check_inputs(model.module, model.name)
    if not model.classes or len(model.classes) == (outputs := count_outputs(model)):
        return model
    if model.head is None and len(fits := fitting_heads(model)) == 1:
        count = len(model.classes)
        warnings.warn(
            f"{model.name} returns several tensors; class is {fits[0]!r}, the one with {count} outputs for {count} "
            f"class names; say head={fits[0]!r} (--head {fits[0]}), or another",
            stacklevel=5,
        )
        return replace(model, head=fits[0])
    warnings.warn(
        f"{model.name}: {len(model.classes)} class names for {outputs} outputs, so the names are dropped",
        stacklevel=5,
    )
    return replace(model, classes=())


def _extent(size: int | Size) -> Size:
    pair = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2 or not all(isinstance(side, int) and 0 < side <= LARGEST for side in pair):
        raise InvalidValueError(
            f"the size is {said(size)}; allowed are a whole number from 1 or (height, width)"
            + (
                f", none above {LARGEST}"
                if any(isinstance(side, int) and side > LARGEST for side in pair)
                else ""
            )
        )
    return pair


def resized(model: Model, size: Size | None) -> Model:
    """Give the model another input size; the resize before the crop grows in proportion.

    >>> resized(Model(nn.Identity(), size=(224, 224), resize=256), (112, 112)).resize
    128
    """
    if size is None or size == model.size:
        return model
    grown = None if model.resize is None else round(model.resize * min(size) / min(model.size))
    return replace(model, size=size, resize=grown)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw initial weights from a seed, and leave torch's own random state as it was.

    >>> with seeded(0):
    ...     first = torch.rand(1)
    >>> with seeded(0):
    ...     print(bool(torch.rand(1) == first))
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(check_seed(seed))
        yield
