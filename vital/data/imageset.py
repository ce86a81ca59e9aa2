"""A set of images: what it holds, what its pictures are labeled, and how a network gets to see them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from PIL import Image
from torch import Tensor

from vital.data.labels import LABELING, match_class
from vital.data.sources import Picture, Source
from vital.data.views import View, Views, size_of
from vital.data.workers import WORTH_SECONDS, Pixels, Preprocessor, Team, team_for, workers_for
from vital.errors import DataError, EmptyClassError, InvalidValueError, first_line, said
from vital.utils.foreign import RAISED, culprit, described, foreign
from vital.utils.hashing import number_of, sha256
from vital.utils.logs import busy
from vital.utils.options import Share
from vital.utils.public import public

MOST_WORKERS = 256
"""The most processes that read images."""


class UnreadableImageError(DataError):
    """A picture that cannot be decoded."""


class NothingReadableError(DataError):
    """Not one of the pictures that are asked for can be decoded."""


@public
@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Images with names and labels; pictures are decoded when they are asked for, and kept by who asks alone.

    `names` are paths relative to the folder, or numbers. `labels` holds a whole number or None per image: an index
    into `class_names` where there are any, and otherwise the index of the network's class itself.

    A picture that cannot be decoded is found when it is used: `set[i]` raises `UnreadableImageError`, while `load`,
    `tensor` and `batches` go on without it and list it in `skipped`.

    `workers` processes read the pictures of a pass over many; 0 reads them in this process, and None starts as many as
    there are processors, up to 8, where that is worth while. What is read is the same. `batch` is the most pictures
    that `batches` gives at once, whatever is asked for; None is no limit.

    >>> import numpy as np; from vital.data.sources import Array
    >>> pictures = ImageSet(Array(np.zeros((2, 4, 4, 3), np.uint8)), ("0", "1"), (0, None))
    >>> len(pictures), pictures[0].shape, pictures.of_class(0)
    (2, (4, 4, 3), [0])
    """

    source: Source
    names: tuple[str, ...]
    labels: tuple[int | None, ...]
    class_names: tuple[str, ...] = ()
    name: str = "images"
    workers: int | None = None
    batch: int | None = None
    _skipped: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.workers is not None and not 0 <= self.workers <= MOST_WORKERS:
            raise InvalidValueError(
                f"workers is {self.workers}; allowed are whole numbers from 0 to {MOST_WORKERS}"
            )
        if self.batch is not None and self.batch < 1:
            raise InvalidValueError(f"batch is {self.batch}; allowed are whole numbers from 1")

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        labeled = sum(label is not None for label in self.labels)
        return f"ImageSet({self.name!r}: {len(self)} images, {labeled} labeled, {len(self.class_names)} class names)"

    def __getitem__(self, index: int) -> Picture:
        """Decode one picture: a PIL image, or an array (H, W[, C]); raises `UnreadableImageError`."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        index %= len(self)
        try:
            return self.source.read(index)
        except DataError as error:
            raise DataError(f"the image {self.names[index]} of {self.name}: {error}") from error
        except RAISED as error:  # decoders raise errors of many types on damaged files, and data sets of any
            raise UnreadableImageError(
                f"the image {self.names[index]} cannot be read: {_reason(error)}"
            ) from error

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """The pictures that could not be decoded so far, as (name, reason), in the order in which they were met."""
        return tuple(self._skipped.items())

    def note_skipped(self, found: Iterable[tuple[str, str]]) -> None:
        """List pictures, as (name, reason), that an earlier pass could not decode."""
        for name, reason in found:
            self._skipped.setdefault(name, reason)

    def hash(self) -> str:
        """Hash names, labels and content: SHA-256, 16 hexadecimal digits, worked out once.

        The content is that of the files, arrays or pixels. Of more than 20,000 files, sizes and times of change
        stand for it, and of more than 20,000 pictures of another kind, 20,000 evenly spread ones.
        """
        return self._hash

    @cached_property
    def _hash(self) -> str:
        known = map(repr, (self.names, self.labels, self.class_names))
        with busy(f"hashing {len(self)} images of {self.name}"):
            return sha256(chain(known, self.source.content()))[:16]

    def part(self, share: Share = 0.5, seed: int = 0, name: str = "choosing") -> Tensor:
        """Draw a part of the pictures, each with the chance `share`: (N,) bool.

        A hash of the picture's content decides, with `seed` and the part's `name`; in a large set of files it is that
        of their paths. So a picture is in the same part in whatever order and company it stands, and equal ones are in
        one part.
        """
        limit = round(share * 2**63)
        drawn = [number_of(f"{name} {seed} {identity}") < limit for identity in self._identities]
        return torch.tensor(drawn, dtype=torch.bool)

    @cached_property
    def _identities(self) -> tuple[str, ...]:
        return tuple(sha256(self.source.identify(index)) for index in range(len(self)))

    def _check(self, index: int) -> None:
        """Raise `InvalidValueError` for the number of an image that there is not."""
        if not -len(self) <= index < len(self):
            raise InvalidValueError(
                f"{self.name} has no image {said(index)}; allowed are 0 to {len(self) - 1}"
                if len(self)
                else f"{self.name} has no images"
            )

    def view(self, index: int, model: Preprocessor, kept: Views | None = None) -> View:
        """Show the network's view of one picture: one of the `kept`, which take it in where it is new.

        Raises `UnreadableImageError`.
        """
        self._check(index)
        if kept is not None and index in kept:
            return kept[index]
        picture = self[index]
        where = f"the image {self.names[index]} of {self.name}"
        try:
            with foreign(f"{where} cannot be preprocessed", DataError):
                pixels = model.preprocess(picture)
        except DataError as error:
            if error.__cause__ is not None:
                raise
            one_of_many = isinstance(picture, Image.Image)  # a file; arrays have their values in common
            raise (UnreadableImageError if one_of_many else DataError)(f"{where}: {error}") from error
        made = View(pixels, size_of(picture))
        if kept is not None:
            kept[index] = made
        return made

    def load(
        self, indices: Sequence[int], model: Preprocessor, kept: Views | None = None
    ) -> tuple[list[int], Tensor]:
        """Show the network's view of some pictures: the indices that could be read, and (B, C, H, W) in [0, 1].

        Raises `DataError` when none of them can be read.
        """
        found, rows = self._read(indices, model, kept)
        if not rows:
            raise NothingReadableError(
                f"none of the {len(indices)} images asked for in {self.name} can be read{self._why()}"
            )
        return found, torch.stack(rows)

    def _read(
        self, indices: Sequence[int], model: Preprocessor, kept: Views | None
    ) -> tuple[list[int], list[Tensor]]:
        found, rows = [], []
        for index in indices:
            if view := self._seen(index, model, kept):
                found.append(index)
                rows.append(view.pixels)
        return found, rows

    def _seen(self, index: int, model: Preprocessor, kept: Views | None) -> View | None:
        """The view of a picture; None, and it is listed, where the picture cannot be read."""
        try:
            return self.view(index, model, kept)
        except UnreadableImageError as error:
            self._skip(index, error.__cause__ or error)
            return None

    def _skip(self, index: int, error: BaseException) -> None:
        """List a picture among those that cannot be read, and warn of the first where the code of the set failed."""
        name, reason = self.names[index], _reason(error)
        if not self._skipped and not isinstance(error, OSError) and culprit(error):
            warnings.warn(
                f"the image {name} of {self.name} is left out: {reason}; mend it there, or see `skipped` for all",
                stacklevel=2,
            )
        self._skipped.setdefault(name, reason)

    def _why(self) -> str:
        return "; the first: {}: {}".format(*self.skipped[0]) if self.skipped else ""

    def tensor(self, indices: Sequence[int], model: Preprocessor, kept: Views | None = None) -> Tensor:
        """Show the network's view of some pictures, (B, C, H, W) in [0, 1], without those that cannot be read."""
        return self.load(indices, model, kept)[1]

    def batches(
        self,
        model: Preprocessor,
        size: int = 32,
        *,
        indices: Sequence[int] | None = None,
        kept: Views | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Stream the network's view of all pictures, or of some: (indices, (B, C, H, W)) with B up to `size`.

        `progress` is called after each batch with the number of images done and of all. Raises `DataError` when not
        one picture can be read.
        """
        if size < 1:
            raise InvalidValueError(f"the batch size is {size}; allowed are whole numbers from 1")
        size = self.together(size)
        wanted = range(len(self)) if indices is None else indices
        parts = [wanted[start : start + size] for start in range(0, len(wanted), size)]
        count = done = 0
        for part, (found, batch) in zip(parts, self._parts(parts, model, kept), strict=True):
            count += len(found)
            if batch is not None:
                yield found, batch
            done += len(part)
            if progress:
                progress(done, len(wanted))
        if not count:
            raise NothingReadableError(
                f"none of the {len(wanted)} images asked for in {self.name} can be read{self._why()}"
            )

    def together(self, size: int) -> int:
        """How many pictures there are in a batch where `size` are asked for: those, or as many as `batch` allows."""
        return size if self.batch is None else min(size, self.batch)

    def _parts(
        self, parts: Sequence[Sequence[int]], model: Preprocessor, kept: Views | None
    ) -> Iterator[tuple[list[int], Tensor | None]]:
        """The batches of parts: read in this process up to the first picture, which says whether workers go on."""
        anew = not kept
        for number, part in enumerate(parts, 1):
            began = time.perf_counter()
            found, rows = self._read(part, model, kept)
            left = (time.perf_counter() - began) * (len(parts) - number)
            yield found, torch.stack(rows) if rows else None
            if rows and anew and (team := self._team(model, rows[0], left)):
                yield from self._of_team(team, parts[number:], model, kept)
                return
            if rows:
                for rest in parts[number:]:
                    found, rows = self._read(rest, model, kept)
                    yield found, torch.stack(rows) if rows else None
                return

    def _of_team(
        self, team: Team, parts: Sequence[Sequence[int]], model: Preprocessor, kept: Views | None
    ) -> Iterator[tuple[list[int], Tensor | None]]:
        """The batches of parts as workers read them."""

        def again(index: int) -> tuple[Tensor, Pixels] | None:
            return self._seen(index, model, None)

        pin = getattr(getattr(model, "device", None), "type", "") == "cuda"
        for found, batch, sizes in team.batches(parts, again, pin=pin):
            for index, pixels, size in zip(found, batch, sizes, strict=True):
                if kept is not None:
                    kept[index] = View(pixels, size)
            yield found, batch if found else None

    def _team(self, model: Preprocessor, like: Tensor, left: float) -> Team | None:
        """The workers that read the rest, which takes this process so many seconds; None where it reads them itself."""
        count = workers_for(self.workers)
        worth = left > WORTH_SECONDS if self.workers is None else left > 0
        if not (count and worth and self.source.divisible() and _TEAMS.get(self, True)):
            return None
        alone = getattr(model, "preprocessor", model)
        _TEAMS[self] = team_for(_TEAMS.get(self), self.source, alone, like, count, self.names, self.name)
        return _TEAMS[self]

    def spread(self, count: int) -> list[int]:
        """The indices of `count` pictures spread evenly over the set; all of them where there are fewer."""
        if count < 1:
            raise InvalidValueError(f"the number of images is {count}; allowed are whole numbers from 1")
        return evenly(len(self), count)

    def of_class(self, index: int, classes: Sequence[str] = (), outputs: int | None = None) -> list[int]:
        """Find the pictures of one class of the network.

        `classes` are the network's class names and `outputs` the number of its outputs (by default, of its names).
        Labels without names are the network's own indices. Names, for instance of folders, are matched with the
        network's: case, underscores and comma-separated synonyms do not count; whole numbers are indices. Where no
        name matches but both sides have equally many, their order decides. A class without images
        raises `EmptyClassError`, anything else `DataError`.
        """
        if all(label is None for label in self.labels):
            raise DataError(f"{self.name} has no labels; {LABELING}")
        wanted = {index}
        if self.class_names:
            wanted = match_class(index, self.class_names, classes, outputs or len(classes), self.name)
        found = [i for i, label in enumerate(self.labels) if label in wanted]
        if not found:
            named = f" ({classes[index]})" if 0 <= index < len(classes) else ""
            raise EmptyClassError(
                f"{self.name} holds no image of class {index}{named}; add some, or choose another class"
            )
        return found


_TEAMS: WeakKeyDictionary[ImageSet, Team | None] = WeakKeyDictionary()
"""The workers of each set, which wait for its next pass and end with it; None where it can have none."""


def _reason(error: BaseException) -> str:
    """Why a picture cannot be read: what its decoder says, or what failed in the code of its data set."""
    return first_line(error) if isinstance(error, OSError | DataError) else described(error)


def evenly(total: int, count: int) -> list[int]:
    """Up to `count` of the numbers below `total`, evenly spread from 0.

    >>> evenly(10, 4), evenly(2, 4)
    ([0, 2, 5, 7], [0, 1])
    """
    count = min(count, total)
    return [i * total // count for i in range(count)]


def check_images(given: object) -> None:
    """Raise `InvalidValueError` with what to write where something else than an `ImageSet` or None is given."""
    if given is None or isinstance(given, ImageSet):
        return
    what = repr(given) if isinstance(given, str | Path) else f"of the type {type(given).__name__}"
    hint = f"vital.load_images({str(given)!r})" if isinstance(given, str | Path) else "vital.load_images(...)"
    raise InvalidValueError(f"images is {what}, not an ImageSet; load them first: {hint}")
