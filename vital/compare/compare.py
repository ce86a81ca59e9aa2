"""Comparing methods: render what is missing, measure everything, and say what the numbers are worth."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vital.compare.bench import Bench, bench_for
from vital.compare.controls import rerouted, shuffled
from vital.compare.gallery import Studio, from_folder
from vital.compare.metrics import measured
from vital.compare.records import Shown, stacked
from vital.compare.table import Table
from vital.errors import BadValue, ModelError, UsageError, unknown
from vital.images import ImageSet
from vital.models import Model
from vital.models.random import random_weights
from vital.recipes import METHODS, Method
from vital.recipes import method as make_method
from vital.recipes.render import bank_for
from vital.reference import ReferenceBank
from vital.trace import resolve_units
from vital.units import Unit

DEFAULT = ("vital", "fourier", "maco", "deep-inversion")
REAL, RANDOM, SHUFFLED, OTHER = "real images", "random weights", "shuffled references", "other references"
CONTROLS = (REAL, RANDOM, SHUFFLED, OTHER)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison found: the table, the pictures behind it, and in words what could not be done."""

    table: Table
    shown: tuple[Shown, ...] = field(repr=False)
    curves: tuple[Table, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()

    def _repr_markdown_(self) -> str:
        return self.table.markdown()

    def __str__(self) -> str:
        return "\n\n".join([str(self.table), *self.notes])


def compare(
    model: Model,
    units: str | Unit | Iterable[str | Unit],
    *,
    methods: Sequence[str] = DEFAULT,
    bank: ReferenceBank | None = None,
    images: ImageSet | None = None,
    out: str | Path | None = None,
    seeds: int = 3,
    folders: Mapping[str, str | Path] | None = None,
    controls: Sequence[str] = CONTROLS,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    budgets: Sequence[int] = (),
    spec: str = "",
    progress: bool = True,
    **against: Any,
) -> Comparison:
    """Render units by several methods and seeds, and measure the pictures beside controls.

    Pictures are kept in the run folder `out`; what is there is not rendered again, so that a method can be added later.
    `folders` maps names to folders of pictures made elsewhere, which are measured alike. `options` sets fields of
    methods, by name. Controls are made with the first method that needs references. `budgets` are numbers of steps,
    for curves of quality against steps and seconds. `against` says what the pictures are measured against: `judges`,
    `encoder`, `extractor`, `held_out`, `prompt` (see `bench_for`). A method that this network does not allow is left
    out, with a note.

    Raises `UnknownName`, `BadUnit`, `BadValue` and `DataError` before anything is rendered.
    """
    chosen = tuple(dict.fromkeys(resolve_units(model, units)))
    recipes = {name: make_method(name, **dict((options or {}).get(name, {}))) for name in methods}
    _check(recipes, options or {}, folders or {}, seeds, controls)
    found = bank or bank_for(model, images, chosen, progress=progress)
    bench = bench_for(found, chosen, progress=progress, **against)
    with _folder(out) as path:
        studio = Studio(path, model, chosen, lambda: found, spec, progress)
        shown, notes = _methods(studio, recipes, range(seeds))
        shown += [from_folder(name, Path(folder), model, chosen) for name, folder in (folders or {}).items()]
        main = next(
            (s.method for s in shown if s.method in recipes and recipes[s.method].needs_images),
            shown[0].method,
        )
        for name in controls:
            shown += _control(name, studio, bench, main, recipes.get(main), range(seeds), notes)
        curves = tuple(_curve(studio, bench, recipes, steps, notes) for steps in budgets)
    return Comparison(tabled(bench, shown, main), tuple(shown), curves, tuple(notes))


def tabled(bench: Bench, shown: Sequence[Shown], main: str) -> Table:
    """Measure all pictures."""
    scores = tuple(score for one in shown for score in measured(bench, one))
    methods = tuple(one.method for one in shown if not one.control)
    return Table(scores, methods, tuple(one.method for one in shown if one.control), main)


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)


def _check(
    recipes: Mapping[str, Method],
    options: Mapping[str, object],
    folders: Mapping[str, object],
    seeds: int,
    controls: Sequence[str],
) -> None:
    if seeds < 1:
        raise BadValue(f"{seeds} seeds are asked for; allowed are whole numbers from 1")
    if not recipes and not folders:
        raise UsageError(f"there is no method to compare; known are: {', '.join(METHODS)}")
    for name in controls:
        if name not in CONTROLS:
            raise unknown("control", name, CONTROLS)
    for name in options:
        if name not in recipes:
            raise unknown("method with options", name, recipes)
    if both := [name for name in folders if name in METHODS]:
        raise BadValue(f"{both[0]} is a method of vital; give the folder of pictures another name")


def _methods(
    studio: Studio, recipes: Mapping[str, Method], seeds: Sequence[int]
) -> tuple[list[Shown], list[str]]:
    """The pictures of all methods that this network allows, and why others are left out."""
    shown, notes = [], []
    for name, recipe in recipes.items():
        try:
            shown.append(studio.shown(name, recipe, seeds))
        except ModelError as error:
            notes.append(f"{name} is left out: {error}")
    if not shown:
        raise ModelError("; ".join(notes))
    return shown, notes


def _control(
    name: str,
    studio: Studio,
    bench: Bench,
    main: str,
    recipe: Method | None,
    seeds: Sequence[int],
    notes: list[str],
) -> list[Shown]:
    """The pictures of one control: of natural images, or of the main method with something taken from it."""
    if name == REAL:
        return [real_images(bench, studio.units, len(seeds))]
    if recipe is None or (name != RANDOM and not recipe.needs_images):
        return []
    others: dict[str, Callable[[], ReferenceBank]] = {
        RANDOM: lambda: _of_random(studio, bench.bank),
        SHUFFLED: lambda: shuffled(bench.bank),
        OTHER: lambda: rerouted(bench.bank, studio.units),
    }
    try:
        bank = others[name]()
        path = studio.path / "controls" / name.replace(" ", "-")
        own = replace(studio, path=path, model=bank.model, bank=lambda: bank)
        return [own.shown(main, recipe, seeds).named(f"{main}, {name}")]
    except (BadValue, ModelError) as error:
        notes.append(f"the control {name} is left out: {error}")
        return []


def _of_random(studio: Studio, bank: ReferenceBank) -> ReferenceBank:
    """The bank of the same images and layers for the network with random weights."""
    return bank_for(random_weights(studio.model), bank.images, studio.units, progress=studio.progress)


def real_images(bench: Bench, units: Sequence[Unit], each: int) -> Shown:
    """Natural images of each unit, other ones than pictures are held against: what no method can be asked to beat."""
    parts = [
        (unit, rank, image)
        for unit in units
        for rank, image in enumerate(bench.natural_images(unit, others=each))
    ]
    return stacked(REAL, parts).named(REAL)


def _curve(
    studio: Studio, bench: Bench, recipes: Mapping[str, Method], steps: int, notes: list[str]
) -> Table:
    """All methods at one number of steps, first seed."""
    own = replace(studio, path=studio.path / "budgets" / str(steps))
    timed = {
        name: make_method(name, **{**recipe.options(), "steps": steps}) for name, recipe in recipes.items()
    }
    shown, left_out = _methods(own, timed, [0])
    notes += [note for note in left_out if note not in notes]
    return tabled(bench, shown, shown[0].method)
