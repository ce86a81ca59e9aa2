"""What several objectives share: dot products with a cosine, fixed activations, and their short names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.errors import InvalidValueError
from vital.models import Model
from vital.tracing import Tracer
from vital.utils.devices import moved
from vital.utils.hashing import tensor_hash


def dot_cosine(x: Tensor, y: Tensor, power: float, floor: float) -> Tensor:
    """Multiply x · y by max(floor, cosine)^power over the second axis."""
    dot = (x * y).sum(1)
    if power == 0:
        return dot
    return dot * F.cosine_similarity(x, y, 1).clamp_min(floor) ** power


def check_cosine(power: float, floor: float) -> None:
    """Raise `InvalidValueError` for an exponent below 0 or a floor outside 0 to 1."""
    if not 0 <= power < float("inf"):
        raise InvalidValueError(f"power is {power}; allowed are numbers from 0")
    if not 0 <= floor <= 1:
        raise InvalidValueError(f"floor is {floor}; allowed are numbers from 0 to 1")


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
