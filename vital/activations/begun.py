"""A pass over images that goes on where it was stopped: what it found so far, in a file beside the one it is for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vital.activations.rankings import Tables, unpack
from vital.data import ImageSet
from vital.errors import DataError
from vital.utils import tensor_cache as store
from vital.utils.hashing import key_of
from vital.utils.io import explained

EVERY_SECONDS = 20.0
"""How often a pass writes down what it found."""


@dataclass(eq=False)
class Begun:
    """What a pass for the file `target` has found; `key` and `made_of` are those of its bank.

    Raises `DataError` where the pass was begun with other images.
    """

    target: Path
    images: ImageSet
    key: str
    made_of: Mapping[str, Any]
    tables: Tables | None = field(default=None, init=False)
    done: int = field(default=0, init=False)
    _written: float = field(default_factory=time.monotonic, init=False)

    def __post_init__(self) -> None:
        found = store.load(self.path)
        if not found:
            return
        tensors, notes = found
        if notes.get("key") == self.key:
            with suppress(KeyError, TypeError, ValueError, AttributeError):  # damaged: the pass begins anew
                tables, done = unpack(tensors, len(self.images)), int(notes["done"])
                self.images.note_skipped(dict(notes["skipped"]).items())
                self.tables, self.done = tables, done
        elif _without_images(notes.get("made_of", {})) == _without_images(self.made_of):
            raise DataError(
                f"the images of {self.images.name} have changed since {str(self.target)!r} was begun with "
                f"{notes['done']} of them; put them back, or remove {str(self.path)!r} to begin anew"
            )

    @property
    def path(self) -> Path:
        """The file beside the target."""
        return _beside(self.target)

    def keep(self, tables: Tables, done: int) -> None:
        """Write down what the first `done` images gave, where the last time is long enough ago."""
        if time.monotonic() - self._written < EVERY_SECONDS:
            return
        notes = {"key": self.key, "made_of": self.made_of, "done": done, "skipped": self.images.skipped}
        store.save(self.path, tables.pack(), notes)
        self._written = time.monotonic()

    @staticmethod
    def remove(target: Path) -> None:
        """Remove what was written down for a target that is there."""
        with explained(_beside(target), "remove"):
            _beside(target).unlink(missing_ok=True)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.begun")


def _without_images(made_of: Any) -> str:
    if not isinstance(made_of, Mapping):
        return ""
    return key_of({name: value for name, value in made_of.items() if name != "images"})
