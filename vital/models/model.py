"""A network with all that is needed to show it an image: preprocessing, input size, class names."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from vital.errors import InvalidValueError, said
from vital.models import pixels
from vital.models.modules import ready
from vital.models.weights_hash import weights_hash
from vital.types import Images
from vital.units import Unit, only, resolve
from vital.utils.devices import constants
from vital.utils.hashing import is_plain, sha256, tensor_hash
from vital.utils.public import public

HALF = (torch.bfloat16, torch.float16)
"""The floating types of two bytes."""
LARGEST = 2**14
"""The most pixels along a side of an image that a network is shown."""
BROAD = 5.0
"""A std that no channel of an image in [0, 1] has."""
Output = Literal["softmax", "sigmoid", "regression", "embedding"]
OUTPUTS: tuple[Output, ...] = get_args(Output)


@public
@dataclass(frozen=True, eq=False)
class Model:
    """A network and its preprocessing.

    `size` is (height, width) of the input, `channels` its color channels, `mean` and `std` the normalization of
    an image in [0, 1], `resize` the short side before the center crop (None: resize to `size` itself, which may
    change the aspect ratio). `classes` names the outputs, where they have names. `weights` says where the weights
    come from: "random", a file, or the name of a published set. `autocast` is bfloat16 or float16 for a network that
    computes in it where that is safe (`torch.autocast`). `channels_last` says that it is shown images in that memory
    layout. `bands` are the channels that pictures show as red, green and blue (or one as grey), where the network has
    more than these; by default the first three. `output` says what the outputs are: the
    logits of one "softmax", of a "sigmoid" each, or plain values of a "regression" or an "embedding"; None where nobody
    said (`vital.models.scores`). `head` is the index or name of the tensor that is the layer `class`, in a network that
    returns several; None takes the first. Raises `InvalidValueError` for what cannot be.

    >>> model = Model(nn.Conv2d(3, 4, 1), name="tiny", size=(8, 8))
    >>> model.normalize(torch.full((1, 3, 8, 8), 0.5)).unique().tolist()
    [0.5]
    """

    module: nn.Module
    name: str = "model"
    size: tuple[int, int] = (224, 224)
    channels: int = 3
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    resize: int | None = None
    interpolation: str = "bilinear"
    classes: tuple[str, ...] = ()
    weights: str = "as given"
    autocast: torch.dtype | None = None
    channels_last: bool = False
    bands: tuple[int, ...] = ()
    output: Output | None = None
    head: int | str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "module", ready(self.module))
        for name, count in (("size", 2), ("mean", 1), ("std", 1)):
            object.__setattr__(self, name, _row(getattr(self, name), count))
        if len(self.size) != 2 or min(self.size) < 1 or max(self.size) > LARGEST:
            raise InvalidValueError(
                f"{self.name}: the size is {said(self.size)}; allowed are (height, width) from 1 to {LARGEST}"
            )
        if self.autocast not in (None, *HALF):
            raise InvalidValueError(
                f"{self.name}: autocast is {self.autocast}; allowed are torch.bfloat16, torch.float16 and None"
            )
        if self.channels < 1:
            raise InvalidValueError(
                f"{self.name}: {self.channels} channels; allowed are whole numbers from 1"
            )
        if self.resize is not None and self.resize < min(self.size):
            raise InvalidValueError(
                f"{self.name}: resize is {self.resize}, below the crop of {min(self.size)}"
            )
        for what, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels) or not all(map(math.isfinite, values)):
                allowed = f"allowed is one finite number, or one for each of the {self.channels} channels"
                raise InvalidValueError(f"{self.name}: {what} is {values}; {allowed}")
        if min(self.std) <= 0:
            raise InvalidValueError(f"{self.name}: std is {self.std}; allowed are numbers above 0")
        _warn_of_range(self)
        check_bands(self.bands, self.channels, self.name)
        self._check_words()

    def _check_words(self) -> None:
        if self.interpolation not in pixels.INTERPOLATIONS:
            allowed = ", ".join(pixels.INTERPOLATIONS)
            raise InvalidValueError(
                f"{self.name}: interpolation is {self.interpolation!r}; allowed are {allowed}"
            )
        if self.output not in (None, *OUTPUTS):
            allowed = ", ".join(OUTPUTS)
            raise InvalidValueError(f"{self.name}: output is {self.output!r}; allowed are {allowed} and None")

    def __repr__(self) -> str:
        size = " x ".join(map(str, (self.channels, *self.size)))
        return f"Model({self.name!r}: {size}, {len(self.classes)} class names, weights {self.weights!r})"

    @property
    def preprocessing(self) -> tuple[object, ...]:
        """All that is done to a picture before the network sees it, for telling networks apart."""
        return (self.size, self.channels, self.mean, self.std, self.resize, self.interpolation)

    def unit(self, unit: str | Unit) -> Unit:
        """Find a unit by its text, such as `"layer4:162"`, `"class:tabby"` or `"FILE.safetensors:3@layer4"`.

        A `Unit` that was found in this network before is given back. Raises `UnitError` for what is not one unit of
        the network, and `UnknownNameError` with the nearest names for a layer or class that it does not have.

        >>> Model(nn.Conv2d(3, 4, 1), size=(8, 8), classes=("cat", "dog", "owl", "fox")).unit("class:owl").index
        2
        """
        return only(unit, self.units(unit))

    def units(self, units: str | Unit | Iterable[str | Unit]) -> list[Unit]:
        """Find units by their texts, of which one may be a range such as `"layer4:0-9"`; raises as `unit` does.

        >>> [str(unit) for unit in Model(nn.Conv2d(3, 4, 1), size=(8, 8)).units(["class:0-1", "class:3"])]
        ['class:0', 'class:1', 'class:3']
        """
        tracing = import_module(
            "vital.tracing"
        )  # by name, for it stands above: it runs the network to see its layers
        return resolve(units, tracing.list_layers(self), self.classes)

    def normalize(self, image: Images) -> Tensor:
        """Turn an image in [0, 1] into the network's input: (image − mean) / std per channel."""
        mean, std = (constants(values, image).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (image - mean) / std

    def as_input(self, normalized: Tensor) -> Tensor:
        """Bring what `normalize` gave to the type and the memory layout in which the network is shown images.

        >>> model = Model(nn.Conv2d(3, 4, 1), channels_last=True)
        >>> model.as_input(torch.zeros(1, 3, 8, 8)).stride()
        (192, 1, 24, 3)
        """
        layout = torch.channels_last if self.channels_last else torch.preserve_format
        return normalized.to(self.dtype, memory_format=layout)

    def preprocess(self, image: Image.Image | np.ndarray | Tensor) -> Tensor:
        """Bring one picture to the network's size and channels: (C, H, W), float32 in [0, 1], not yet normalized.

        Takes a PIL image, an array (H, W) or (H, W, C), or a tensor (C, H, W); whole numbers of 8 or 16 bit are
        divided by their maximum, floats must lie in [0, 1]. Grey becomes RGB and RGB becomes grey where the network
        wants it; RGBA is laid on white. The picture is resized with antialiasing, short side to `resize`, and its
        center is cropped. EXIF orientation is respected. Raises `DataError`.

        >>> Model(nn.Conv2d(3, 4, 1), size=(8, 8), resize=10).preprocess(np.zeros((1, 1), np.uint8)).shape
        torch.Size([3, 8, 8])
        """
        return self.preprocessor.preprocess(image)

    @property
    def preprocessor(self) -> pixels.Preprocessing:
        """What `preprocess` does, apart from the network."""
        return pixels.Preprocessing(self.name, self.size, self.channels, self.resize, self.interpolation)

    def to(self, device: torch.device | str) -> Model:
        """Move the network, in place as `nn.Module.to` does, and return this model.

        >>> Model(nn.Conv2d(3, 4, 1)).to("cpu").device
        device(type='cpu')
        """
        self.module.to(usable_device(device))
        return self

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next((p.device for p in self.module.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """The floating type of the parameters."""
        floating = (p.dtype for p in self.module.parameters() if p.is_floating_point())
        return next(floating, torch.get_default_dtype())

    @property
    def precision(self) -> str:
        """In what the network computes, such as "float32" or "bfloat16 (autocast)"."""
        kind = str(self.autocast or self.dtype).removeprefix("torch.")
        return f"{kind} (autocast)" if self.autocast else kind

    def casting(self) -> torch.autocast:
        """What the network has to run in, a context manager that does nothing without `autocast`."""
        kind = self.autocast or torch.bfloat16
        return torch.autocast(self.device.type, dtype=kind, enabled=self.autocast is not None)

    @property
    def image_dtype(self) -> torch.dtype:
        """The floating type of images and of what is made of activations: that of a float64 network, or float32.

        A network in half precision sees images in its own type; the numbers of a search are too small for it.
        """
        return torch.float64 if self.dtype == torch.float64 else torch.float32

    def weights_hash(self) -> str:
        """Hash the names and bytes of the state dict: SHA-256, 16 hexadecimal digits."""
        return weights_hash(self.module)

    def code_hash(self) -> str:
        """Hash what the network computes apart from its weights: SHA-256, 16 hexadecimal digits.

        That is the printed structure, the plain settings of every part, buffers that the state dict leaves out, and
        the source files that define the parts' classes, torch's own excepted.

        >>> Model(nn.Conv2d(3, 4, 1)).code_hash() == Model(nn.Conv2d(3, 4, 1, stride=2)).code_hash()
        False
        """
        return sha256(self._code())[:16]

    def _code(self) -> Iterator[str | bytes]:
        yield repr(self.module)
        stored = self.module.state_dict()
        for name, part in self.module.named_modules():
            plain = {k: v for k, v in vars(part).items() if k != "training" and _is_setting(v)}
            yield f"{name} {type(part).__qualname__} {sorted(plain.items())}"
        yield tensor_hash({k: buffer for k, buffer in self.module.named_buffers() if k not in stored})
        yield from sorted({_source(type(part)) for part in self.module.modules()})


def check_bands(bands: tuple[int, ...], channels: int, name: str) -> None:
    """Raise `InvalidValueError` for bands that a picture cannot show.

    >>> check_bands((3, 2, 1), 12, "net")
    """
    if len(bands) not in (0, 1, 3) or not all(isinstance(b, int) and 0 <= b < channels for b in bands):
        told = ", ".join(map(str, bands))
        raise InvalidValueError(
            f"{name}: the bands are {told}; allowed are three of the channels 0 to {channels - 1}, or one"
        )


def _warn_of_range(model: Model) -> None:
    """Say that a normalization is not for images in [0, 1], at one line, so that it is said once."""
    if max(model.mean) > 1 or max(model.std) > BROAD:
        warnings.warn(
            f"{model.name}: mean {model.mean} and std {model.std} are not for images in [0, 1], which then look all "
            "alike to the network; divide both by the value of white, such as 255",
            stacklevel=1,
        )


def _is_setting(value: object) -> bool:
    return is_plain(value) and not isinstance(
        value, Mapping
    )  # what torch keeps of parts and hooks are mappings


def _source(kind: type) -> bytes:
    """The file that defines a class; empty where there is none, as in an interactive session."""
    if kind.__module__.startswith("torch."):
        return b""
    try:
        return Path(inspect.getsourcefile(kind) or "").read_bytes()
    except (TypeError, OSError):
        return b""


def usable_device(device: torch.device | str) -> torch.device:
    """Check that a device exists here; raises `InvalidValueError` with those that do.

    >>> usable_device("cpu")
    device(type='cpu')
    """
    known = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    known += ["mps"] if torch.backends.mps.is_available() else []
    try:
        torch.empty(0, device=(found := torch.device(device)))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InvalidValueError(
            f"the device {str(device)!r} cannot be used here; there are: {', '.join(known)}"
        ) from error
    return found


def _row(value: Any, count: int) -> tuple[Any, ...]:
    """A tuple; one number stands for both sides, or for all channels."""
    return (value,) * count if isinstance(value, int | float) else tuple(value)


def check_model(given: object) -> None:
    """Raise `InvalidValueError` with what to write where a network's text or a bare module stands for a `Model`."""
    if isinstance(given, Model):
        return
    if isinstance(given, str):
        hint = f"load it first: vital.load_model({given!r})"
    elif isinstance(given, nn.Module):
        hint = (
            "wrap it first: vital.load_model(network), or vital.Model(network, size=224, mean=..., std=...)"
        )
    else:
        hint = "give what vital.load_model returns"
    raise InvalidValueError(f"the network is of the type {type(given).__name__}, not a vital.Model; {hint}")
