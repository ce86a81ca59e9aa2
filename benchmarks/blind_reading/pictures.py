"""The pictures of a set: of several methods, rendered once and kept, and real images."""

from __future__ import annotations

import io
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import vital
from benchmarks.blind_reading.places import Place
from vital.errors import InvalidValueError
from vital.rendering.api import method_name
from vital.rendering.run_folder import versions
from vital.units import OUTPUT
from vital.utils.hashing import key_of
from vital.utils.io import write
from vital.utils.random import seed_of

REAL, CHANCE = "real", "chance"
BATCH = 16

Record = dict[str, Any]
Bank = Callable[[], vital.ReferenceBank | None]
Kept = tuple[np.ndarray, list[str], float]


@dataclass(frozen=True)
class Spec:
    """A method with its options, and the name that it has in the table."""

    label: str
    method: vital.Method

    def to_dict(self) -> Record:
        """The method and all of its options."""
        return {"label": self.label, "method": method_name(self.method), "options": self.method.options()}


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture of a set: whose it is, of which class, and what became of it."""

    label: str
    number: int
    picture: Image.Image
    status: str = "done"


def specs(text: str) -> list[Spec]:
    """Read a comma list of NAME or LABEL=NAME:field=value:field=value. Errors are a user's."""
    found = [spec(part.strip()) for part in text.split(",") if part.strip()]
    labels = [one.label for one in found]
    if not found:
        raise InvalidValueError(f"--methods is {text!r}; give names with commas between them")
    for label in labels:
        if label in (REAL, CHANCE) or labels.count(label) > 1:
            why = "is taken by another row" if label in (REAL, CHANCE) else "is there twice"
            raise InvalidValueError(
                f"--methods: the label {label!r} {why}; write LABEL=NAME:field=value with another label"
            )
    return found


def spec(text: str) -> Spec:
    """Read one method.

    >>> spec("long=fourier:steps=9").label, spec("long=fourier:steps=9").method.steps
    ('long', 9)
    """
    head, *settings = text.split(":")
    label, equals, name = head.partition("=")
    options = dict(setting.partition("=")[::2] for setting in settings)
    if len(options) < len(settings) or not all("=" in setting for setting in settings):
        raise InvalidValueError(
            f"the method {text!r} cannot be read; write NAME or LABEL=NAME:field=value, each field once"
        )
    if equals and not label:
        raise InvalidValueError(f"the method {text!r} has an empty label; write LABEL=NAME:field=value")
    return Spec(label if equals else text, vital.make_method(name if equals else head, **options))


def bank_of(place: Place, methods: Sequence[Spec]) -> Bank:
    """The one bank of all methods, made when it is needed; none where no method takes images."""

    @cache
    def bank() -> vital.ReferenceBank | None:
        if not any(one.method.needs_images for one in methods):
            return None
        print(f"looking at {len(place.images)} reference images", file=sys.stderr, flush=True)
        return vital.build_bank(place.model, [], place.images, progress=True)

    return bank


def rendered(
    place: Place, one: Spec, numbers: Sequence[int], seed: int, folder: Path, bank: Bank
) -> tuple[list[Shown], float]:
    """Render the classes of one method, or read what the folder holds of them: the pictures, and the seconds."""
    found: list[Shown] = []
    seconds = 0.0
    for few in (numbers[i : i + BATCH] for i in range(0, len(numbers), BATCH)):
        file = folder / f"{key_of(settings(place, one, few, seed))}.npz"
        kept = read_pictures(file) or render(place, one, few, seed, file, bank)
        pictures, states, took = kept
        seconds += took
        found += [
            Shown(one.label, number, Image.fromarray(picture), state)
            for number, picture, state in zip(few, pictures, states, strict=True)
        ]
        print(f"{one.label}: {len(found)} of {len(numbers)}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return found, seconds


def settings(place: Place, one: Spec, numbers: Sequence[int], seed: int) -> Record:
    """All that decides some pictures of one method."""
    return {
        "method": repr(one.method),
        "network": place.network(),
        "images": place.images.hash() if one.method.needs_images else None,
        "classes": list(numbers),
        "seed": seed,
        "versions": versions(),
    }


def render(place: Place, one: Spec, numbers: Sequence[int], seed: int, file: Path, bank: Bank) -> Kept:
    """Render some classes by one method, and keep the pictures under a name that says nothing."""
    shared = bank()
    began = time.perf_counter()
    units = [f"{OUTPUT}:{number}" for number in numbers]
    made = vital.render(
        place.model, units, method=one.method, bank=shared, seed=seed, batch=BATCH, progress=False
    )
    seconds = time.perf_counter() - began
    pictures = np.stack([np.asarray(p.to_pil().convert("RGB")) for p in made])
    states = [p.status for p in made]
    buffer = io.BytesIO()
    np.savez(buffer, pictures=pictures, states=np.array(states), seconds=seconds)
    write(file, buffer.getvalue())
    return pictures, states, seconds


def read_pictures(file: Path) -> Kept | None:
    """Read kept pictures; None where there are none that can be read."""
    with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile), np.load(file) as found:
        return found["pictures"], found["states"].tolist(), float(found["seconds"])
    return None


def real_images(place: Place, numbers: Sequence[int], seed: int) -> list[Shown]:
    """The ceiling: a real image of each class."""
    seeds = [seed_of("blind reading", seed, "real", i) for i in range(len(numbers))]
    return [Shown(REAL, n, place.real(n, one)) for n, one in zip(numbers, seeds, strict=True)]
