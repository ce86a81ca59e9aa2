"""What several objectives share: dot products with a cosine, windows, fixed activations, and their short names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.errors import InvalidValueError
from vital.models import Model
from vital.tracing import Tracer
from vital.types import PerImage
from vital.units import Unit
from vital.utils.devices import moved
from vital.utils.hashing import tensor_hash


def dot_cosine(x: Tensor, y: Tensor, power: float, floor: float, *, alone: bool = False) -> Tensor:
    """Multiply x · y by max(floor, cosine)^power over the second axis; with `alone` the cosine instead of x · y."""
    cosine = F.cosine_similarity(x, y, 1) if power or alone else None
    found = (x * y).sum(1) if cosine is None or not alone else cosine
    return found if cosine is None else found * cosine.clamp_min(floor) ** power


def check_cosine(power: float, floor: float) -> None:
    """Raise `InvalidValueError` for an exponent below 0 or a floor outside 0 to 1."""
    if not 0 <= power < float("inf"):
        raise InvalidValueError(f"power is {power}; allowed are numbers from 0")
    if not 0 <= floor <= 1:
        raise InvalidValueError(f"floor is {floor}; allowed are numbers from 0 to 1")


def check_window(window: Tensor | None, unit: Unit) -> str:
    """The digest of a window, "" for none; `InvalidValueError` for one that weighs no places, or a single place."""
    if window is None:
        return ""
    if window.ndim not in (1, 2) or not torch.isfinite(window).all() or not window.any():
        raise InvalidValueError(
            "a window is a tensor of finite weights, not all 0, (H, W) over a map or (T,) over tokens; "
            f"the one given has the shape {tuple(window.shape)}"
        )
    if unit.position is not None:
        raise InvalidValueError(f"{unit} is one place, which no window can weigh; leave out one of the two")
    return digest(window)


def over_places(values: Tensor, windows: Sequence[Tensor | None], sides: torch.Size) -> PerImage:
    """The mean over places (B, places), or Σ w_i x_i / Σ |w_i| with a window for each of S units: (B,).

    Windows of another size than the map, whose sides these are, are resized to it.
    """
    given = [moved(window, values) for window in windows if window is not None]
    if not given:
        return values.mean(1)
    weights = torch.stack([_on(window, values.shape[1], sides) for window in given])
    weights = weights / weights.abs().sum(1, keepdim=True)
    return (values * weights.repeat_interleave(len(values) // len(weights), 0)).sum(1)


def _on(window: Tensor, places: int, sides: torch.Size) -> Tensor:
    """A window with a weight for each place: (places,)."""
    if window.ndim == 2 and len(sides) == 2 and window.shape != sides:
        window = F.interpolate(window[None, None], tuple(sides), mode="area")[0, 0]
    if window.numel() != places or (len(sides) == 2 and window.ndim == 1):
        raise InvalidValueError(
            f"the window has the shape {tuple(window.shape)} and the layer {places} places; "
            "give a weight for each: (H, W) over a map, (T,) over tokens"
        )
    return window.flatten()


def digest(x: Tensor) -> str:
    """Eight hexadecimal digits that name a tensor's shape and content.

    >>> digest(torch.zeros(2)) == digest(torch.zeros(2)) != digest(torch.zeros(3))
    True
    """
    return tensor_hash(x.detach().cpu().double())[:8]


def activations(model: Model, layer: str, picture: Tensor) -> Tensor:
    """The activations of one picture, (C, H, W) or (1, C, H, W) in [0, 1], at a layer."""
    image = picture[None] if picture.ndim == 3 else picture
    if image.ndim != 4 or len(image) != 1:
        raise InvalidValueError(f"a picture is (C, H, W) or (1, C, H, W); this one is {tuple(picture.shape)}")
    with torch.no_grad(), Tracer(model, [layer]) as tracer:
        return tracer(image.to(model.device, model.image_dtype))[layer].clone()


def fitted(target: Tensor, act: Tensor, layer: str) -> Tensor:
    """Fixed activations for each image, as its own are: (B, ...); `InvalidValueError` where the shapes differ.

    Targets of several units have images in turn: of S the first is for the first B / S images.
    """
    if target.shape[1:] != act.shape[1:]:
        raise InvalidValueError(
            f"the picture's activations at {layer!r} have the shape {tuple(target.shape[1:])}, "
            f"the image's {tuple(act.shape[1:])}; give a picture of the image's size"
        )
    return moved(target, act).repeat_interleave(len(act) // len(target), 0)
