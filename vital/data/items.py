"""What the items of a data set hold: a picture, (picture, label), or a dict with both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from vital.errors import DataError
from vital.utils.arrays import plain_array

PICTURES = ("image", "img", "picture", "pixel_values", "images", "pixels", "jpg", "jpeg", "png", "webp")
"""What the key of the picture is called in items that are dicts."""
LABELS = ("label", "labels", "target", "targets", "class", "cls", "fine_label", "y")
"""What the key of the label is called."""
PAIRS = "such as [(item['KEY'], item['LABEL']) for item in data]"


def item_picture(item: Any) -> Any:
    """Take the picture out of an item: itself, the first of a pair, or the one of a dict. Raises `DataError`.

    >>> item_picture({"label": 3, "image": "a picture"})
    'a picture'
    """
    if isinstance(item, Mapping):
        return item[picture_key(item)]
    return item[0] if isinstance(item, tuple | list) and item else item


def picture_key(item: Mapping[Any, Any]) -> Any:
    """The key of a dict's picture: a usual name, or that of its only PIL image. Raises `DataError`."""
    drawn = [key for key, value in item.items() if isinstance(value, Image.Image)]
    found = [key for key in PICTURES if key in item] or drawn
    if not found or (len(drawn) > 1 and found[0] not in drawn):
        keys = ", ".join(map(str, item)) or "nothing"
        raise DataError(
            f"the items are dicts with {keys}, and none of these is known as the image; "
            f"call it 'image', or give pairs, {PAIRS}"
        )
    return found[0]


def item_label(item: Any) -> Any:
    """Take the label out of an item, as it is; None where it has none.

    >>> item_label(("a picture", 3)), item_label({"image": "a picture", "label": "cat"}), item_label("a picture")
    (3, 'cat', None)
    """
    if isinstance(item, Mapping):
        return next((item[key] for key in LABELS if key in item), None)
    return item[1] if isinstance(item, tuple | list) and len(item) > 1 else None


def whole(value: Any) -> int | None:
    """Read a whole number from Python, numpy or torch, be it a float such as 1.0 or a truth; None for anything else.

    >>> import torch
    >>> whole(np.int64(3)), whole(torch.tensor(4)), whole(1.0), whole(True), whole("5"), whole(0.5)
    (3, 4, 1, 1, None, None)
    """
    if missing(value):
        return None
    if isinstance(value, Tensor | np.ndarray) and np.size(value := plain_array(value)) == 1:
        value = value.item()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return int(value)
    return int(value) if isinstance(value, int | np.integer | np.bool_) else None


def missing(value: Any) -> bool:
    """Whether a label says that there is none: None, no number (NaN), what is masked, and missing values of pandas.

    >>> missing(None), missing(float("nan")), missing(np.ma.masked), missing(0), missing("")
    (True, True, True, False, False)
    """
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def hot(value: Any) -> int | None:
    """The place of the 1 in a one-hot vector; None for anything else.

    >>> hot([0, 0, 1]), hot(np.array([1.0, 0.0])), hot([0.5, 0.5])
    (2, 0, None)
    """
    if not is_vector(value):
        return None
    row = np.asarray(value)
    places = np.flatnonzero(row)
    return int(places[0]) if len(places) == 1 and row[places[0]] == 1 else None


def is_vector(value: Any) -> bool:
    """Whether a label is a row of two or more numbers.

    >>> is_vector([0, 1]), is_vector("ab"), is_vector([3])
    (True, False, False)
    """
    if isinstance(value, list | tuple):
        return len(value) > 1 and all(isinstance(v, int | float | np.number) for v in value)
    if not isinstance(value, Tensor | np.ndarray) or value.ndim != 1 or len(value) < 2:
        return False
    return np.asarray(value).dtype.kind in "biuf"


def plain_label(value: Any) -> int | str | None:
    """A label as a whole number or a text: what a one-hot vector says too; None for anything else.

    >>> plain_label("cat"), plain_label(np.eye(3)[1]), plain_label(0.5)
    ('cat', 1, None)
    """
    if isinstance(value, str):
        return str(value)
    number = whole(value)
    return hot(value) if number is None else number
