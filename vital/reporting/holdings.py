"""What run folders hold of units, for a figure: which units, by which methods, with which images and words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from vital.errors import unknown
from vital.figures.pictures import Picture
from vital.records import Description
from vital.rendering.run_folder import EXEMPLARS, Run, SavedExemplar, kept_exemplars
from vital.rendering.run_schema import ExemplarsFile, schema_of
from vital.reporting.collect import Key, Runs, is_run
from vital.units import Unit
from vital.utils.class_names import class_matches
from vital.utils.io import read_json

Way = tuple[str, int, str]
"""How a picture was made: the method, the seed, and the control that it is of, "" for the network itself."""
UNKNOWN = ""
"""The network of units whose folder does not say which one it is of."""


@dataclass(frozen=True)
class Choice:
    """What a figure shows: units, methods, metrics and layers by name, all where none is named; and how many.

    `count` is that of the units, or of the winners of each layer in an explanation; by default as many as fit a page.
    """

    units: Sequence[str] = ()
    methods: Sequence[str] = ()
    metrics: Sequence[str] = ()
    layers: Sequence[str] = ()
    count: int | None = None


class Holdings:
    """Run folders side by side, by unit. Raises `RunError` for one that is damaged."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = folders
        known = [folder for folder in folders if is_run(folder)]
        self.runs = Runs(known) if known else None
        self.units: dict[Key, Unit] = dict(self.runs.units) if self.runs else {}
        texts = {text for _, text in self.units}
        for file in chain.from_iterable(sorted(folder.glob(f"units/*/{EXEMPLARS}")) for folder in folders):
            text = str(read_json(file, schema_of(ExemplarsFile))["unit"])
            if text not in texts:
                self.units.setdefault((UNKNOWN, text), Unit.parse(text))

    def renders(self, key: Key) -> Sequence[Run]:
        """The requests for pictures of a unit."""
        return self.runs.renders(key) if self.runs else ()

    def exemplars(self, key: Key) -> list[SavedExemplar]:
        """The images of a unit, best first, of the first folder that has some."""
        bare = [folder for folder in self.folders if not is_run(folder)]
        own = self.runs.folders_of(key) if self.runs and key in self.runs.units else []
        return next(filter(None, (kept_exemplars(folder, key[1]) for folder in (*own, *bare))), [])

    def words(self, key: Key, methods: Sequence[str] = ()) -> list[Description]:
        """What is said of a unit."""
        said = self.runs.words(key) if self.runs else ()
        return [one for _, one in said if not methods or one.method in methods]

    def label(self, key: Key) -> str:
        """The name of a class; "" of another unit."""
        found = (
            str(run.to_dict(key[1]).get("label") or "")
            for run in self.renders(key)
            if run.file(key[1], ".json").is_file()
        )
        return self.units[key].label or next(filter(None, found), "")

    def title(self, key: Key) -> list[str]:
        """The unit, and below it the name of the class where there is one."""
        label, runs = self.label(key), self.renders(key)
        alone = {self._way(run)[2] for run in runs}
        control = alone.pop() if len(alone) == 1 else ""
        return [key[1], *([label] if label and label not in key[1] else []), *filter(None, [control])]

    def ways(self, methods: Sequence[str] = ()) -> dict[Way, str]:
        """The methods, seeds and controls of the pictures, in order or as they are named, with what each is called.

        Raises `UnknownNameError` for a method that made none.
        """
        ways = dict.fromkeys(self._way(run) for key in self.units for run in self.renders(key))
        known = list(dict.fromkeys(method for method, _, _ in ways))
        check_names("method", known, methods)
        seeds = {name: len({seed for method, seed, _ in ways if method == name}) for name in known}
        return {
            way: ", ".join(filter(None, (way[0], f"seed {way[1]}" if seeds[way[0]] > 1 else "", way[2])))
            for wanted in methods or known
            for way in ways
            if way[0] == wanted
        }

    def _way(self, run: Run) -> Way:
        control = self.runs.control_of(run.path) if self.runs else ""
        return run.render.method, run.render.seed, control

    def picture(self, key: Key, way: Way | None = None) -> Picture:
        """The picture of a unit, the first or that of a method, seed and control; a text says why there is none."""
        for run in self.renders(key):
            if way in (None, self._way(run)):
                return picture_of(run, key[1])
        return "not rendered"

    def chosen(self, choice: Choice, most: int, has: Callable[[Key], object]) -> tuple[list[Key], str]:
        """The units that a figure shows, and how many of how many in words. Raises `UnknownNameError`."""
        keys = [key for key in self.units if has(key)]
        if choice.units:
            keys = list(
                dict.fromkeys(chain.from_iterable(self._matching(keys, text) for text in choice.units))
            )
        shown = keys[: choice.count or (len(keys) if choice.units else most)]
        of = f" of {len(keys)}" if len(shown) < len(keys) else ""
        return shown, f"{len(shown)}{of} {'unit' if len(keys) == 1 else 'units'}"

    def _matching(self, keys: Sequence[Key], text: str) -> list[Key]:
        """The units of this name, or the class of this name."""
        found = [key for key in keys if key[1] == text]
        labels = [self.label(key) for key in keys]
        found = found or [keys[i] for i in class_matches(text.removeprefix("class:"), labels) if labels[i]]
        if not found:
            raise unknown("unit", text, dict.fromkeys([*(key[1] for key in keys), *filter(None, labels)]))
        return found


def picture_of(run: Run, unit: str) -> Picture:
    """A picture of a run folder; a text says why there is none."""
    if not run.complete([unit]):
        return "not rendered yet"
    status = str(run.to_dict(unit).get("status", "done"))
    return run.picture(unit) if status == "done" else status.partition(":")[0]


def check_names(what: str, known: Iterable[str], wanted: Iterable[str]) -> None:
    """Raise `UnknownNameError` for a name that is none of those known."""
    for name in wanted:
        if name not in (names := list(known)):
            raise unknown(what, name, names)
