"""Comparing methods: render what is missing, measure what is missing, and say what the numbers are worth."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vital.activations import ReferenceBank
from vital.comparing.budget import Equal, check_equal, paced
from vital.comparing.build import build_context, check_prompt, of_the_world
from vital.comparing.context import EvalContext
from vital.comparing.cost import with_steps
from vital.comparing.measures import measured
from vital.comparing.records import Score, Shown
from vital.comparing.renderer import Renderer, from_folder
from vital.comparing.score_cache import Kept
from vital.comparing.table import Table
from vital.comparing.variants import CONTROLS, TWINS, Request, controls, methods, weighed
from vital.data import ImageSet
from vital.errors import InvalidValueError, ModelError, UsageError, unknown
from vital.models import Model
from vital.rendering import METHODS, make_method
from vital.rendering.api import bank_for
from vital.units import Unit
from vital.utils.public import public

DEFAULT = ("vital", "fourier", "maco", "deep-inversion")


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


@public
def compare(
    model: Model,
    units: str | Unit | Iterable[str | Unit],
    *,
    methods: Sequence[str] = DEFAULT,
    bank: ReferenceBank | None = None,
    images: ImageSet | None = None,
    out: str | Path | None = None,
    seeds: int = 3,
    fewer: Mapping[str, int] | None = None,
    folders: Mapping[str, str | Path] | None = None,
    controls: Sequence[str] = CONTROLS,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    equal: Equal = "",
    budgets: Sequence[int] = (),
    batch: int = 0,
    rendering: bool = True,
    spec: str = "",
    progress: bool = True,
    **against: Any,
) -> Comparison:
    """Render units by several methods and seeds, and measure the pictures beside controls.

    Pictures and scores are kept in the run folder `out`: what is there is neither rendered nor measured again, so that
    a method can be added later, and a comparison that was stopped goes on. `fewer` gives single methods, "controls" or
    "twins" other numbers of seeds. `folders` maps names to folders of pictures made elsewhere, which are measured
    alike. `options` sets fields of methods, by name. `equal` gives all methods the first one's "steps" or "seconds"
    (`paced`). Controls are made with the first method that needs references; shortcut twins are asked on the world.
    `budgets` are numbers of steps, for curves of quality against steps and seconds. `batch` units are rendered together
    (0: chosen by the device). Without `rendering`, what the folder holds is measured and nothing is added: seeds that
    lack a unit, and methods without a whole seed, are left out, with notes.

    `against` says what the pictures are measured against: `judges`, `encoder`, `extractor`,
    `held_out`, `prompt` (see `build_context`). A method that this network does not allow is left out, with a note.

    Raises `UnknownNameError`, `UnitError`, `InvalidValueError`, and `DataError` for a folder that lacks a unit, before
    anything is rendered.
    """
    chosen = tuple(dict.fromkeys(model.units(units)))
    check_prompt(against.get("prompt", "{}"))
    recipes = {name: make_method(name, **dict((options or {}).get(name, {}))) for name in methods}
    asked = Request(recipes, tuple(controls), seeds, fewer or {})
    _check(asked, options or {}, folders or {}, equal)
    made = [from_folder(name, Path(folder), model, chosen) for name, folder in (folders or {}).items()]
    found = bank or bank_for(model, images, chosen, progress=progress)
    bench = build_context(found, chosen, progress=progress, **against)
    with _folder(out) as path:
        studio = Renderer(path, model, chosen, found, spec, progress, batch, rendering)
        timed, untimed = paced(studio, recipes, equal)
        floor = _Floor(studio, bench, replace(asked, recipes=timed), Kept(path / "scores"))
        compared = floor.comparison(made, budgets)
        return replace(compared, notes=(*untimed, *compared.notes))


@dataclass(frozen=True, eq=False)
class _Floor:
    """Where a comparison takes place: pictures are made in the studio, measured on the bench, and scores kept."""

    studio: Renderer
    bench: EvalContext
    asked: Request
    kept: Kept

    def comparison(self, made: Sequence[Shown], budgets: Sequence[int]) -> Comparison:
        """Show and measure the methods, pictures made elsewhere, controls, twins, and all methods at other budgets."""
        own, notes = methods(self.studio, self.asked, bool(made))
        shown = [*weighed(self.studio, own, self.asked, self.kept), *made]
        main = self.asked.main(shown)
        beside, left_out = controls(self.studio, self.asked, main)
        scores = [score for one in (*shown, *beside) for score in measured(self.bench, one, self.kept)]
        twins, also = self._twins(main)
        names, lesser = (tuple(one.method for one in row) for row in (shown, beside))
        curves = tuple(curve for steps in budgets if (curve := self._curve(steps)))
        said = tuple(dict.fromkeys([*notes, *left_out, *also, *self._fewer(shown), *self.bench.notes]))
        return Comparison(Table((*scores, *twins), names, lesser, main), (*shown, *beside), curves, said)

    def _twins(self, main: str) -> tuple[list[Score], list[str]]:
        """What the shortcut twins of the world say, where it is the world."""
        if TWINS not in self.asked.controls or not of_the_world(self.studio.model) or not self.asked.recipes:
            return [], []
        from vital.comparing.shortcut_models import measured_twins, twins

        return measured_twins(list(twins(self.studio)), self.asked, main, self.kept)

    def _fewer(self, shown: Sequence[Shown]) -> list[str]:
        """Which methods have fewer seeds than others."""
        seeds = {one.method: len(set(one.seeds)) for one in shown}
        most = max(seeds.values())
        return [f"{name} has {n} of {most} seeds" for name, n in seeds.items() if n < most]

    def _curve(self, steps: int) -> Table | None:
        """All methods at one number of steps, first seed; None where there is none."""
        recipes = {name: with_steps(recipe, steps) for name, recipe in self.asked.recipes.items()}
        try:
            shown, _ = methods(self.studio, Request(recipes, (), 1))
        except ModelError:
            return None
        if not shown:
            return None
        scores = [score for one in shown for score in measured(self.bench, one, self.kept)]
        return Table(tuple(scores), tuple(one.method for one in shown), (), shown[0].method)


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)


def _check(asked: Request, options: Mapping[str, object], folders: Mapping[str, object], equal: str) -> None:
    check_equal(equal)
    counts = {f"{name} ": count for name, count in asked.fewer.items()} | {"": asked.seeds}
    for what, count in counts.items():
        if count < 1:
            raise InvalidValueError(f"{count} {what}seeds are asked for; allowed are whole numbers from 1")
    if not asked.recipes and not folders:
        raise UsageError(f"there is no method to compare; known are: {', '.join(METHODS)}")
    _known("control", asked.controls, CONTROLS)
    _known("method with options", options, asked.recipes)
    _known("method with fewer seeds", asked.fewer, (*asked.recipes, "controls", "twins"))
    if both := [name for name in folders if name in METHODS]:
        raise InvalidValueError(f"{both[0]} is a method of vital; give the folder of pictures another name")


def _known(what: str, names: Iterable[str], allowed: Iterable[str]) -> None:
    for name in names:
        if name not in (known := tuple(allowed)):
            raise unknown(what, name, known)
