"""Whether the files of an image set are still those that they were."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vital.data import ImageSet
from vital.data.shards import Shards
from vital.data.sources import Files, Joined, Selected, Source

LOOK_SECONDS, LOOK_SHARE = 30.0, 0.02
"""How often the files are looked at, at most, and the share of the time that looking may take."""


@dataclass(eq=False)
class Watch:
    """Looks at the lengths and times of change of image files; arrays and rendered pictures do not change."""

    images: ImageSet
    _before: dict[Path, tuple[int, int]] = field(init=False, repr=False)
    _next: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._before = dict(self._look())

    def changed(self, *, now: bool = False) -> list[str]:
        """The files that have changed or gone since the beginning; none where it is too early to look again."""
        if not self._before or (time.monotonic() < self._next and not now):
            return []
        seen = dict(self._look())
        return [str(path) for path, known in self._before.items() if seen.get(path) != known]

    @property
    def looked(self) -> bool:
        """Whether it is too early to look again."""
        return time.monotonic() < self._next

    def _look(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        start = time.monotonic()
        for path in _files(self.images.source):
            yield path, _stamp(path)
        spent = time.monotonic() - start
        self._next = time.monotonic() + max(LOOK_SECONDS, spent / LOOK_SHARE)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        known = path.stat()
    except OSError:
        return (-1, -1)
    return known.st_size, known.st_mtime_ns


def _files(source: Source) -> Iterator[Path]:
    if isinstance(source, Files):
        yield from (source.root / name for name in source.names)
    elif isinstance(source, Shards):
        yield from source.paths
    elif isinstance(source, Selected):
        yield from _files(source.source)
    elif isinstance(source, Joined):
        for part in source.parts:
            yield from _files(part)
