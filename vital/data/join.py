"""Several sets of images as one."""

from __future__ import annotations

from collections.abc import Sequence

from vital.data.imageset import ImageSet
from vital.data.sources import Joined
from vital.errors import DataError
from vital.utils.public import door


@door
def joined(sets: Sequence[ImageSet]) -> ImageSet:
    """Make one set of several, with their images in the order of the sets.

    Names that occur twice get the number of their set in front, all of them. Class names are put together; sets
    whose labels are the network's own indices cannot be joined with sets whose labels have names (`DataError`).

    >>> import numpy as np; from vital.data import load_images
    >>> both = joined([load_images(np.zeros((n, 8, 8, 3), np.uint8)) for n in (2, 1)])
    >>> both.names
    ('0/0', '0/1', '1/0')
    """
    if not sets:
        raise DataError("no set of images is given; joining needs at least one")
    if len(sets) == 1:
        return sets[0]
    names = tuple(name for part in sets for name in part.names)
    if len(set(names)) < len(names):
        names = tuple(f"{i}/{name}" for i, part in enumerate(sets) for name in part.names)
    labeled = [part for part in sets if any(label is not None for label in part.labels)]
    if len({bool(part.class_names) for part in labeled}) > 1:
        raise DataError(
            f"the labels of {sets[0].name} and those of the other sets cannot be joined: "
            "some are names and some the network's indices; give labels of one kind"
        )
    classes = labeled[0].class_names if labeled else ()
    if any(part.class_names != classes for part in labeled):
        classes = tuple(dict.fromkeys(name for part in labeled for name in part.class_names))
        labels = tuple(label for part in sets for label in _labels(part, classes))
    else:
        labels = tuple(label for part in sets for label in part.labels)
    source, name = Joined(tuple(part.source for part in sets)), "+".join(part.name for part in sets)
    asked = [part.workers for part in sets if part.workers is not None]
    return ImageSet(source, names, labels, classes, name, max(asked, default=None))


def _labels(part: ImageSet, classes: Sequence[str]) -> list[int | None]:
    """A set's labels as indices into the class names of all."""
    if not part.class_names:
        return list(part.labels)
    at = {name: i for i, name in enumerate(classes)}
    return [None if label is None else at[part.class_names[label]] for label in part.labels]
