"""Run folders to a figure for a paper: which kinds they have something for, and how each is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vital.comparing import CONTROLS
from vital.comparing.panels import ALL, panels, read_curves, table_of
from vital.describing import Descriptions
from vital.errors import InvalidValueError, RunError, UnitError, unknown
from vital.figures import (
    PAGE,
    Node,
    Place,
    Shown,
    circuit_figure,
    cost_figure,
    exemplars_figure,
    explanation_figure,
    grid_figure,
    winners_shown,
)
from vital.lwta.explain import LAST
from vital.rendering.run_folder import EXEMPLARS, runs
from vital.rendering.run_schema import ExplanationFile, schema_of
from vital.reporting.facts import read_circuit
from vital.reporting.holdings import Choice, Holdings, check_names, picture_of
from vital.units import Unit
from vital.utils.io import AGAIN, check_links, damaged, did_you_mean, read_json, read_picture, read_text
from vital.utils.public import door

if TYPE_CHECKING:
    from vital.figures.vector import PaperFigure

FILES = {"explain": "explanation.json", "circuit": "circuit.json", "compare": "comparison.csv"}
"""The files that make a folder one for a kind."""
KINDS = (*FILES, "exemplars", "grid", "words")
"""The kinds of figures, in the order in which they are looked for."""
TAKEN = {
    "explain": ("layers", "count"),
    "circuit": ("methods",),
    "compare": ("methods", "metrics", "count"),
    **dict.fromkeys(("exemplars", "grid", "words"), ("units", "methods", "count")),
}
"""What may be chosen for each kind, as `Choice` calls it."""
UNITS = {"exemplars": 5, "grid": 24, "words": 40}
"""How many units are shown where nobody says."""


@dataclass(frozen=True)
class Made:
    """A figure, its kind, what it shows in words, and the other kinds that the folders have something for."""

    figure: PaperFigure = field(repr=False)
    kind: str
    shows: str
    others: tuple[str, ...] = ()


@door
def make_figure(
    *folders: str | Path, kind: str | None = None, columns: int = 2, choice: Choice | None = None
) -> Made:
    """Make a figure of run folders, on one or two `columns` of the page: 3.25 or 6.75 inches wide.

    `kind` is "grid" (units by methods), "exemplars" (units with their images and words), "words", "compare" (quality
    against seconds), "circuit" or "explain"; by default the most special one that the folders have something for.
    `choice` says which units, methods, metrics and layers. Raises `RunError` for folders that hold nothing for it,
    `InvalidValueError` and `UnknownNameError`.
    """
    paths = [Path(folder) for folder in folders]
    if kind is not None and kind not in KINDS:
        raise unknown("kind of figure", kind, KINDS)
    there = kinds_of(paths)
    if kind is not None and kind not in there:
        raise RunError(
            f"{_named(paths)} has nothing for a figure of the kind {kind}; it has {', '.join(there)}"
        )
    chosen, asked = kind or there[0], choice or Choice()
    for name, value in vars(asked).items():
        if value and name not in TAKEN[chosen]:
            raise InvalidValueError(
                f"a figure of the kind {chosen} takes no choice of {name}; it takes {', '.join(TAKEN[chosen])}"
            )
    made, shows = _MAKERS[chosen](paths, asked, columns)
    return Made(made, chosen, shows, tuple(name for name in there if name != chosen))


def kinds_of(folders: Sequence[Path]) -> list[str]:
    """The kinds that folders have something for, the most special first. Raises `RunError` where there is none."""
    if not folders:
        raise RunError("there is no run folder to make a figure of; give one or more")
    for folder in folders:
        if not folder.is_dir():
            raise RunError(f"there is no run folder {str(folder)!r}{did_you_mean(folder)}")
        check_links(folder)
    holds = {
        **{kind: any((folder / name).is_file() for folder in folders) for kind, name in FILES.items()},
        "exemplars": any(any(folder.glob(f"units/*/{EXEMPLARS}")) for folder in folders),
        "grid": any(folder.joinpath("run.json").is_file() and runs(folder) for folder in folders),
        "words": any((folder / "labels.csv").is_file() for folder in folders),
    }
    found = [kind for kind in KINDS if holds[kind]]
    if not found:
        raise RunError(
            f"{_named(folders)} holds nothing to make a figure of; give a folder that vital render, exemplars, "
            "describe, compare, circuit or explain wrote with --out"
        )
    return found


def _named(folders: Sequence[Path]) -> str:
    return " and ".join(repr(str(folder)) for folder in folders)


def _only(folders: Sequence[Path], kind: str) -> Path:
    """The one folder that holds the file of a kind. Raises `RunError` where there are several."""
    found = [folder for folder in folders if (folder / FILES[kind]).is_file()]
    if len(found) > 1:
        raise RunError(f"{_named(found)} hold a {FILES[kind]} each, and a figure shows one; give one of them")
    return found[0]


def _grid(folders: Sequence[Path], choice: Choice, columns: int) -> tuple[PaperFigure, str]:
    """Units by methods."""
    held = Holdings(folders)
    keys, said = held.chosen(choice, UNITS["grid"], held.renders)
    ways = held.ways(choice.methods)
    cells = {(r, c): held.picture(key, way) for r, way in enumerate(ways) for c, key in enumerate(keys)}
    made = grid_figure(list(ways.values()), list(map(held.title, keys)), cells, columns)
    return made, f"{said} by {', '.join(ways.values())}"


def _exemplars(folders: Sequence[Path], choice: Choice, columns: int) -> tuple[PaperFigure, str]:
    """Units beside their images and words."""
    held = Holdings(folders)
    keys, said = held.chosen(choice, UNITS["exemplars"], held.exemplars)
    ways = held.ways(choice.methods)
    most = len(ways) if choice.methods else 3 if columns == 2 else 1
    shown = [
        Shown(
            held.title(key),
            [(held.picture(key, way), name) for way, name in list(ways.items())[:most]],
            [(one.to_pil(), one.to_pil(heat=True)) for one in held.exemplars(key)],
            [one.said for one in held.words(key)],
        )
        for key in keys
    ]
    return exemplars_figure(shown, columns), f"{said} with the images that excite them most"


def _words(folders: Sequence[Path], choice: Choice, columns: int) -> tuple[PaperFigure, str]:
    """What methods say of units."""
    held = Holdings(folders)
    known = dict.fromkeys(one.method for key in held.units for one in held.words(key))
    check_names("method", known, choice.methods)
    keys, said = held.chosen(choice, UNITS["words"], lambda key: held.words(key, choice.methods))
    order = {name: i for i, name in enumerate(choice.methods or known)}
    found = Descriptions(
        replace(one, unit=replace(one.unit, label=held.label(key)))
        for key in keys
        for one in sorted(held.words(key, choice.methods), key=lambda d: order[d.method])
    )
    return found.figure(columns), f"words of {said} by {', '.join(order)}"


def _compare(folders: Sequence[Path], choice: Choice, columns: int) -> tuple[PaperFigure, str]:
    """Quality against seconds."""
    folder = _only(folders, "compare")
    table = table_of(read_text(folder / FILES["compare"]), CONTROLS)
    check_names("method", table.methods, choice.methods)
    file = folder / "curves.csv"
    curves = read_curves(read_text(file), table) if file.is_file() else []
    if choice.methods:
        table, *curves = (one.only(choice.methods) for one in (table, *curves))
    found = panels(table, curves, choice.metrics)
    most = choice.count or (len(found) if choice.metrics else PAGE.get(columns))
    every = len(found) if choice.metrics else len(panels(table, curves, [ALL]))
    of = f" of {every}" if len(found[:most]) < every else ""
    rest = " (--metrics all shows the uninformative too)" if len(found) < every else ""
    shows = f"{len(found[:most])}{of} {'metric' if every == 1 else 'metrics'} of {', '.join(table.methods)}"
    return cost_figure(found[:most], columns), f"{shows}{rest}"


def _circuit(folders: Sequence[Path], choice: Choice, columns: int) -> tuple[PaperFigure, str]:
    """A unit and what feeds it."""
    folder = _only(folders, "circuit")
    file = folder / FILES["circuit"]
    with _damage(file):
        told = read_json(file)
        top, layers = str(told["unit"]), list(map(str, told["layers"]))
        shares = {str(Unit.parse(unit)): float(share) for unit, share in dict(told["shares"]).items()}
    edges = [(of, link.unit, link.weight) for of, links in read_circuit(file).items() for link in links]
    levels: dict[str, list[Node]] = {"": [_node(folder, top, None, choice)]}
    for unit, share in sorted(shares.items(), key=lambda item: -item[1]):
        levels.setdefault(Unit.parse(unit).layer, []).append(_node(folder, unit, share, choice))
    order = ["", *(name for name in layers if name in levels)]
    made = circuit_figure([levels[name] for name in order], edges, columns)
    return made, f"{top} and {len(shares)} units that feed it"


def _node(folder: Path, unit: str, share: float | None, choice: Choice) -> Node:
    """A unit of a circuit, with its first picture, or that of the first method that is asked for."""
    made = [run for run in runs(folder) if unit in run.render.units]
    check_names("method", {run.render.method for run in made}, choice.methods)
    run = next((run for run in made if run.render.method in (choice.methods or [run.render.method])), None)
    label = str(run.to_dict(unit).get("label") or "") if run and run.complete([unit]) else ""
    return Node(
        unit, [unit, label] if label else [unit], picture_of(run, unit) if run else "not rendered", share
    )


def _explain(folders: Sequence[Path], choice: Choice, columns: int) -> tuple[PaperFigure, str]:
    """One image explained."""
    folder, most = _only(folders, "explain"), winners_shown(columns, choice.count)
    with _damage(folder / FILES["explain"]):
        told = read_json(folder / FILES["explain"], schema_of(ExplanationFile))
        layers: dict[str, list[Place]] = {}
        for one in told["winners"]:
            layers.setdefault(Unit.parse(one["unit"]).layer, []).append(_place(one))
        decision = [str(told["class"] or told["decision"])]
        decision += [] if told["probability"] is None else [f"probability {told['probability']:.1%}"]
        by = str(told["by"])
    check_names("layer of the explanation", layers, choice.layers)
    chosen = [(name, layers[name][:most]) for name in choice.layers or list(layers)[-LAST:]]
    made = explanation_figure(read_picture(folder / "image.png"), decision, chosen, columns, by)
    return made, f"{decision[0]} by the winners of {', '.join(name for name, _ in chosen)}"


def _place(told: Mapping[str, Any]) -> Place:
    """A winner of explanation.json."""
    unit = Unit.parse(told["unit"])
    rows = told.get("places")
    won = np.array([[letter == "#" for letter in row] for row in rows]) if rows else None
    name = str(told["label"] or f"unit {unit.index}")
    return Place(name, float(told["contribution"]), float(told["share"]), won, unit.tokens)


@contextmanager
def _damage(file: Path) -> Iterator[None]:
    """Raise `RunError` where a file lacks what it should hold."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, UnitError) as error:
        raise damaged(file, error, AGAIN) from error


Maker = Callable[[Sequence[Path], Choice, int], tuple["PaperFigure", str]]

_MAKERS: dict[str, Maker] = {
    "explain": _explain,
    "circuit": _circuit,
    "compare": _compare,
    "exemplars": _exemplars,
    "grid": _grid,
    "words": _words,
}
