"""Comparing methods: render what is missing, measure what is missing, and say what the numbers are worth."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vital.activations import ReferenceBank
from vital.activations.bank import check_inputs
from vital.backends import ImageTextEncoder
from vital.comparing.budget import Budget, apply_budget, check_budget
from vital.comparing.build import build_context, check_prompt, of_the_world
from vital.comparing.context import EvalContext, Extractor, Judge
from vital.comparing.cost import with_steps
from vital.comparing.measures import PATH, measured
from vital.comparing.records import Score, Shown
from vital.comparing.renderer import Renderer, from_folder
from vital.comparing.score_cache import ScoreCache
from vital.comparing.table import Table
from vital.comparing.variants import CONTROLS, TWINS, Request, render_controls, render_methods, weighed
from vital.data import ImageSet
from vital.errors import InvalidValueError, ModelError, UsageError, unknown
from vital.models import Model
from vital.models.weights_hash import hashed_once
from vital.rendering import METHODS, make_method
from vital.rendering.api import bank_for, units_per_batch
from vital.units import Unit
from vital.utils.io import path_of
from vital.utils.logs import busy, logger
from vital.utils.options import FACTOR, check_whole, checked_keywords
from vital.utils.public import public, with_doors

if TYPE_CHECKING:
    from vital.figures.vector import PaperFigure

DEFAULT = ("vital", "fourier", "maco", "deep-inversion")
SEEDS, OTHERS = 3, "others"
NAMED = 8
"""How many units a note names."""


@with_doors
@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison found: the table, the pictures behind it, and in words what could not be done."""

    table: Table
    shown: tuple[Shown, ...] = field(repr=False)
    curves: tuple[Table, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()

    def figure(self, columns: int = 2, metrics: Sequence[str] = ()) -> PaperFigure:
        """Quality against seconds for a paper, a panel for each metric, on one or two `columns` of the page.

        `metrics` are some of `table.metrics`, by default those that are neither costs nor uninformative, as many as fit
        a page; ["all"] shows the uninformative ones too. Raises `UnknownNameError` for another.
        """
        from vital.comparing.panels import panels
        from vital.figures import PAGE, cost_figure

        found = panels(self.table, self.curves, metrics)
        return cost_figure(found if metrics else found[: PAGE.get(columns)], columns)

    def _repr_markdown_(self) -> str:
        return self.table.markdown()

    def __str__(self) -> str:
        return "\n\n".join([str(self.table), *self.notes])


@public
@checked_keywords
def compare(
    model: Model,
    units: str | Unit | Iterable[str | Unit],
    *,
    methods: Sequence[str] = DEFAULT,
    bank: ReferenceBank | None = None,
    images: ImageSet | None = None,
    out: str | Path | None = None,
    seeds: int | Mapping[str, int] = SEEDS,
    pictures: Mapping[str, str | Path] | None = None,
    controls: Sequence[str] = CONTROLS,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    budget: Budget | None = None,
    curve_steps: Sequence[int] = (),
    batch: int | None = None,
    render_missing: bool = True,
    judges: Sequence[Judge] | None = None,
    encoder: ImageTextEncoder | str | None = None,
    extractor: Extractor | None = None,
    held_out: Sequence[str] | None = None,
    prompt: str = "{}",
    spec: str | None = None,
    progress: bool = True,
) -> Comparison:
    """Render units by several methods and seeds, and measure the pictures beside controls.

    Pictures and scores are kept in the run folder: what is there is neither rendered nor measured again, so that a
    method can be added later, and a comparison that was stopped goes on. A method that this network does not allow is
    left out, with a note.

    Parameters
    ----------
    model
        The network whose units are shown.
    units
        Units, or texts such as "class:3" or "layer4:0-7".
    methods
        Names from `vital.METHODS`. Controls are made with the first of them that needs references.
    bank, images
        The natural images that pictures are measured against, as a bank or as a set of which one is made.
    out
        The run folder; by default a temporary one.
    seeds
        Seeds of each method, or numbers by name: of methods, "controls", "twins", and "others" for the rest, else 3.
    pictures
        Folders of pictures made elsewhere, by the name of their method; they are measured alike.
    controls
        What is shown beside the methods, of `vital.comparing.CONTROLS`.
    options
        Options of methods, by the name of the method.
    budget
        Give all methods as many "steps" as the first, or as much "time"; by default each has its own steps.
    curve_steps
        Numbers of steps, for curves of quality against steps and seconds.
    batch
        Units that are rendered together; by default 16 on a CPU and 32 on a GPU.
    render_missing
        Whether to render what the folder lacks. Else what it holds is measured, and notes say what is left out.
    judges
        Independent classifiers, such as `vital.comparing.ClassJudge`; by default none, and on the world its own.
    encoder, prompt
        An image-text encoder or its name, and how it is asked, such as "a photo of a {}".
    extractor
        The features of the distances between sets; by default the network's own last stage.
    held_out
        Layers that no method aligns; by default chosen between those that `vital` does.
    spec
        How the network was named, for the record; by default its name.
    progress
        Whether to show a bar.

    Returns
    -------
    Comparison
        The table, the pictures behind it, and notes.

    Raises
    ------
    UnknownNameError, UnitError, InvalidValueError, DataError
        Before anything is rendered: for what does not exist, is not allowed, or a folder that lacks a unit.

    Examples
    --------
    >>> import vital
    >>> net, images = vital.load_model("world"), vital.load_images("world")
    >>> vital.compare(net, ["class:0"], images=images, encodr="world")
    Traceback (most recent call last):
    ...
    vital.errors.UnknownNameError: unknown argument of compare 'encodr'; did you mean 'encoder'?

    """
    check_inputs(model, images, bank)
    check_budget(budget)
    check_prompt(prompt)
    units_per_batch(model, batch)
    chosen = tuple(dict.fromkeys(model.units(units)))
    if not chosen:
        raise InvalidValueError("there is no unit to compare methods on; give some, such as 'class:0'")
    chosen_methods = {name: make_method(name, **dict((options or {}).get(name, {}))) for name in methods}
    request = Request(chosen_methods, tuple(controls), *_by_name(seeds))
    _check(request, options or {}, pictures or {})
    made = [from_folder(name, path_of(folder), model, chosen) for name, folder in (pictures or {}).items()]
    with hashed_once(), tempfile.TemporaryDirectory() if out is None else nullcontext(path_of(out)) as folder:
        found = bank or bank_for(model, images, chosen, progress=progress)
        context = build_context(
            found, chosen, judges=judges, encoder=encoder, extractor=extractor, held_out=held_out, prompt=prompt,
            progress=progress,
        )  # fmt: skip
        path = Path(folder)
        renderer = Renderer(path, model, chosen, found, spec, progress, batch, render_missing)
        timed, untimed = apply_budget(renderer, chosen_methods, budget)
        comparer = _Comparer(renderer, context, replace(request, methods=timed), ScoreCache(path / "scores"))
        compared = comparer.comparison(made, curve_steps)
        return replace(compared, notes=(*untimed, *compared.notes))


def _by_name(seeds: int | Mapping[str, int]) -> tuple[int, dict[str, int]]:
    """The number of seeds of most methods, and the other numbers by name."""
    if not isinstance(seeds, Mapping):
        return check_whole("seeds", seeds, 1, FACTOR), {}
    return seeds.get(OTHERS, SEEDS), {name: count for name, count in seeds.items() if name != OTHERS}


@dataclass(frozen=True, eq=False)
class _Comparer:
    """Where a comparison takes place: pictures are rendered and measured, and scores are cached."""

    renderer: Renderer
    context: EvalContext
    request: Request
    cache: ScoreCache

    def comparison(self, made: Sequence[Shown], curve_steps: Sequence[int]) -> Comparison:
        """Show and measure the methods, pictures made elsewhere, controls, twins, and all methods at other steps."""
        self._announce(len(curve_steps))
        own, notes = render_methods(self.renderer, self.request, bool(made))
        shown = [*weighed(self.renderer, own, self.request, self.cache), *made]
        main = self.request.main(shown)
        controls, left_out = render_controls(self.renderer, self.request, main)
        scores = [score for one in (*shown, *controls) for score in self._measured(one)]
        twins, also = self._twins(main)
        names, lesser = (tuple(one.method for one in row) for row in (shown, controls))
        curves = tuple(curve for steps in curve_steps if (curve := self._curve(steps)))
        untold = self._without_path(scores)
        said = tuple(
            dict.fromkeys([*notes, *left_out, *also, *self._fewer(shown), *untold, *self.context.notes])
        )
        return Comparison(Table((*scores, *twins), names, lesser, main), (*shown, *controls), curves, said)

    def _announce(self, curves: int) -> None:
        """Say how many pictures it takes, and for what, where controls or curves take some."""
        layers = [unit.layer for unit in self.renderer.units]
        found = self.request.rendered(layers)
        if self._has_twins:
            from vital.comparing.shortcut_models import rendered

            found[f"the control {TWINS}"] = rendered(self.request)
        found["curves"] = len(layers) * len(self.request.methods) * curves
        said = [f"{count} of {name}" for name, count in found.items() if count]
        if len(said) > 1 and self.renderer.render_missing:
            logger.info("%d pictures: %s; name fewer controls for less", sum(found.values()), ", ".join(said))

    @property
    def _has_twins(self) -> bool:
        """Whether shortcut twins are asked for, and it is the world."""
        asked = TWINS in self.request.controls and bool(self.request.methods)
        return asked and of_the_world(self.renderer.model)

    def _measured(self, shown: Shown) -> list[Score]:
        with busy(f"measuring the pictures of {shown.method}"):
            return measured(self.context, shown, self.cache)

    def _twins(self, main: str) -> tuple[list[Score], list[str]]:
        """What the shortcut twins of the world say, where it is the world."""
        if not self._has_twins:
            return [], []
        from vital.comparing.shortcut_models import measured_twins, twins

        return measured_twins(list(twins(self.renderer)), self.request, main, self.cache)

    def _fewer(self, shown: Sequence[Shown]) -> list[str]:
        """Which methods have fewer seeds than others."""
        seeds = {one.method: len(set(one.seeds)) for one in shown}
        most = max(seeds.values())
        return [f"{name} has {n} of {most} seeds" for name, n in seeds.items() if n < most]

    def _without_path(self, scores: Sequence[Score]) -> list[str]:
        """Of which units the path similarity says nothing, and why."""
        units = self.renderer.units
        told = {score.unit for score in scores if score.metric == PATH}
        lacking = [str(unit) for unit in units if str(unit) not in told]
        if len(units) == 1:
            return [f"{PATH} is left out: it needs two units, so that one can be told from another"]
        if not lacking:
            return []
        named = ", ".join(lacking[:NAMED]) + (f" and {len(lacking) - NAMED} more" if lacking[NAMED:] else "")
        return [
            f"{PATH} is left out for {named}: natural images do not show which way through the layers is the unit's own"
        ]

    def _curve(self, steps: int) -> Table | None:
        """All methods at one number of steps, first seed; None where there is none."""
        methods = {name: with_steps(method, steps) for name, method in self.request.methods.items()}
        try:
            shown, _ = render_methods(self.renderer, Request(methods, (), 1))
        except ModelError:
            return None
        if not shown:
            return None
        scores = [score for one in shown for score in self._measured(one)]
        return Table(tuple(scores), tuple(one.method for one in shown), (), shown[0].method)


def _check(request: Request, options: Mapping[str, object], pictures: Mapping[str, object]) -> None:
    counts = {f"{name} ": count for name, count in request.seeds_by_name.items()} | {"": request.seeds}
    for what, count in counts.items():
        if not 1 <= count <= FACTOR:
            raise InvalidValueError(
                f"{count} {what}seeds are asked for; allowed are whole numbers from 1 to {FACTOR}"
            )
    if not request.methods and not pictures:
        raise UsageError(f"there is no method to compare; known are: {', '.join(METHODS)}")
    _known("control", request.controls, CONTROLS)
    _known("method with options", options, request.methods)
    _known("method with seeds", request.seeds_by_name, (*request.methods, "controls", "twins", OTHERS))
    if both := [name for name in pictures if name in METHODS]:
        raise InvalidValueError(f"{both[0]} is a method of vital; give the folder of pictures another name")


def _known(what: str, names: Iterable[str], allowed: Iterable[str]) -> None:
    for name in names:
        if name not in (known := tuple(allowed)):
            raise unknown(what, name, known)
