"""From any picture to the tensor that a network's preprocessing asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from vital.errors import DataError, InvalidValueError
from vital.utils.arrays import CONVERT, plain_array, range_hint
from vital.utils.devices import moved

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
_GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Preprocessing:
    """What a network asks of a picture, apart from the network, so that other processes can do it."""

    name: str
    size: tuple[int, int]
    channels: int
    resize: int | None
    interpolation: str

    def preprocess(self, image: Any) -> Tensor:
        """Bring one picture to the size and the channels: (C, H, W), float32 in [0, 1]. Raises `DataError`.

        >>> Preprocessing("net", (8, 8), 3, None, "bilinear").preprocess(np.zeros((1, 1), np.uint8)).shape
        torch.Size([3, 8, 8])
        """
        plain = fit_channels(to_tensor(image), self.channels, self.name)
        return resize_and_crop(plain, self.size, self.resize, self.interpolation)


def to_tensor(picture: Any) -> Tensor:
    """Turn a PIL image, an array (H, W[, C]) or a tensor (C, H, W) into (C, H, W) float32 in [0, 1].

    An alpha channel is kept as the fourth; a palette becomes RGB. Raises `DataError`.

    >>> to_tensor(np.full((2, 3), 255, np.uint8)).shape
    torch.Size([1, 2, 3])
    """
    if isinstance(picture, Image.Image):
        return _of_array(_of_pil(picture))
    if isinstance(picture, Tensor):
        if picture.ndim != 3:
            raise DataError(
                f"a tensor of shape {tuple(picture.shape)} is not one image; allowed is (C, H, W)"
            )
        return _of_array(np.moveaxis(plain_array(picture), 0, -1))
    if isinstance(picture, np.ndarray):
        return _of_array(plain_array(picture))
    raise DataError(f"a {type(picture).__name__} is not an image; allowed are PIL images, arrays and tensors")


def _of_pil(picture: Image.Image) -> np.ndarray:
    picture = ImageOps.exif_transpose(picture)
    mode = picture.mode
    if mode.startswith("I"):
        grey = _sixteen_bit(np.asarray(picture))
        clear = picture.info.get("transparency")
        return (
            grey
            if clear is None
            else np.dstack([grey] * 3 + [np.where(grey == clear, 0, 65535).astype(np.uint16)])
        )
    if mode == "F":
        return np.asarray(picture)
    if picture.has_transparency_data:
        return np.asarray(picture.convert("RGBA"))
    return np.asarray(picture.convert("L" if mode in ("1", "L") else "RGB"))


def _sixteen_bit(values: np.ndarray) -> np.ndarray:
    if values.size and not 0 <= values.min() <= values.max() <= 65535:
        raise DataError(
            f"whole numbers from {values.min()} to {values.max()}; allowed are 0 to 65535 (16 bit): scale them to it"
        )
    return values.astype(np.uint16)


def _of_array(values: np.ndarray) -> Tensor:
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or 0 in values.shape:
        raise DataError(
            f"an array of shape {values.shape} is not one image; allowed are (H, W) and (H, W, C)"
        )
    if values.dtype in (np.uint8, np.uint16):
        scaled = values.astype(np.float32) / np.iinfo(values.dtype).max
    elif np.issubdtype(values.dtype, np.floating):
        scaled = _in_range(values)
    else:
        raise DataError(
            f"an image of type {values.dtype}; allowed are uint8, uint16 and floats in [0, 1]; {CONVERT}"
        )
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))


def _in_range(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    if not (low >= -1e-6 and high <= 1 + 1e-6):
        hint = range_hint(low, high)
        raise DataError(
            f"an image with values from {low:.4g} to {high:.4g}; floats must lie in [0, 1]; {hint}"
        )
    return values.astype(np.float32).clip(0, 1)


def fit_channels(image: Tensor, channels: int, name: str) -> Tensor:
    """Bring (C, H, W) to the network's channels: grey to RGB, RGB to grey, alpha laid on white.

    >>> fit_channels(torch.zeros(4, 1, 1), 3, "net").flatten().tolist()
    [1.0, 1.0, 1.0]
    """
    have = len(image)
    if have == channels:
        return image
    if have == 4 and channels in (1, 3):
        image = image[:3] * image[3:] + (1 - image[3:])
        return fit_channels(image, channels, name)
    if have == 1 and channels == 3:
        return image.expand(3, -1, -1)
    if have == 3 and channels == 1:
        return (image * torch.tensor(_GREY).view(3, 1, 1)).sum(0, keepdim=True)
    hint = "arrays are (H, W, C) and tensors (C, H, W): turn the axes" if channels in image.shape[1:] else ""
    hint = hint or "give images with as many, or a network for these"
    raise DataError(f"the image has {have} channel{'s' * (have > 1)}, but {name} takes {channels}; {hint}")


def resize_and_crop(image: Tensor, size: tuple[int, int], resize: int | None, how: str) -> Tensor:
    """Resize (C, H, W) with antialiasing so that it covers `size` (short side `resize`), and crop the center.

    With `resize` None the picture is resized to `size` itself. Lanczos is done as bicubic.
    """
    height, width = image.shape[-2:]
    if resize is None:
        return _scaled(image, size, how)
    cover = [side * resize / min(size) for side in size]
    scale = max(cover[0] / height, cover[1] / width)
    scaled = _scaled(
        image, (max(int(height * scale + 1e-6), size[0]), max(int(width * scale + 1e-6), size[1])), how
    )
    top, left = (round((have - want) / 2) for have, want in zip(scaled.shape[-2:], size, strict=True))
    return scaled[:, top : top + size[0], left : left + size[1]].contiguous()


def resized_like(image: Tensor, like: Tensor) -> Tensor:
    """Images (C, H, W) or (S, C, H, W) as large as others, bilinearly, and where they are: (S, C, H, W).

    >>> resized_like(torch.ones(3, 8, 6), torch.zeros(2, 3, 4, 4)).shape
    torch.Size([1, 3, 4, 4])
    """
    shown = moved(image, like).view(-1, *image.shape[-3:])
    if shown.shape[1] != like.shape[1]:
        raise InvalidValueError(
            f"the image has {shown.shape[1]} channels, and the picture {like.shape[1]}; give one with as many"
        )
    same = shown.shape[2:] == like.shape[2:]
    return shown if same else F.interpolate(shown, tuple(like.shape[2:]), mode="bilinear", antialias=True)


def _scaled(image: Tensor, size: tuple[int, int], how: str) -> Tensor:
    if tuple(image.shape[-2:]) == size:
        return image.clone()
    if how == "nearest":
        return F.interpolate(image[None], size, mode="nearest-exact")[0]
    mode = "bicubic" if how == "lanczos" else how
    return F.interpolate(image[None], size, mode=mode, antialias=True, align_corners=False)[0].clamp(0, 1)
