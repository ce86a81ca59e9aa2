"""`vital.describe`: units into words by any number of methods, judged alike."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vital.activations import ReferenceBank, build_bank
from vital.activations.bank import check_inputs
from vital.backends import (
    Captioner,
    ImageGenerator,
    ImageTextEncoder,
    Summarizer,
    load_captioner,
    load_encoder,
    load_generator,
    load_summarizer,
)
from vital.backends.response_cache import ResponseCache
from vital.data import ImageSet
from vital.describing.base import (
    DESCRIBERS,
    Context,
    Describer,
    cached_backends,
    check_needs,
    describer,
)
from vital.describing.candidates.concept_lists import WORLD, concepts_for, read_concepts
from vital.describing.evaluation.significance import JudgeOptions, LabelEvaluator, unjudged
from vital.describing.evaluation.table import RANDOM_SEED, Row, score_rows
from vital.describing.run_folder import write_labels
from vital.describing.variation import matrix_of, silenced, warn_of_halves
from vital.errors import DataError, InvalidValueError, UsageError, unknown
from vital.models import Model
from vital.models.random import random_weights
from vital.records import TAKEN_BACK, Description, Prototype, lines_of
from vital.rendering.api import render
from vital.units import RecordList, Unit
from vital.utils.options import options_of, parameters_of
from vital.utils.parts import checked_list
from vital.utils.public import public, with_doors

if TYPE_CHECKING:
    from vital.figures.vector import PaperFigure

HEADER = ("unit", "method", "label", "candidate", "p", "verdict")
CONTROLLED = 64
"""How many units of a network with random weights are described."""


@with_doors
class Descriptions(RecordList[Description]):
    """A list of descriptions that shows itself in a notebook as a table; see `vital.units.RecordList`."""

    def table(self) -> list[tuple[str, str, str, str, str, str]]:
        """Unit, method, label ("" where nothing is said), candidate, p-value and verdict, row by row."""
        return [
            (d.unit.title, d.method, d.label, d.candidate or d.label, _p(d.p_value), d.verdict) for d in self
        ]

    def to_csv(self, path: str | Path) -> None:
        """Write them to a file of the schema of `vital.describing.run_folder`; see `write_labels`."""
        write_labels(path, self)

    def figure(self, columns: int = 2) -> PaperFigure:
        """A table for a paper, units by methods, on one or two `columns` of the page."""
        from vital.figures import Word, words_figure

        units = {unit: row for row, unit in enumerate(dict.fromkeys(d.unit for d in self))}
        methods = {name: column for column, name in enumerate(dict.fromkeys(d.method for d in self))}
        words = {
            (units[d.unit], methods[d.method]): Word(
                d.label or d.candidate, bool(d.label) and d.status != TAKEN_BACK, d.p_value
            )
            for d in self
        }
        return words_figure(list(map(lines_of, units)), list(methods), words, columns)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in HEADER)
        rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in self.table())
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


@dataclass(frozen=True, eq=False)
class Words:
    """Everything that puts units of one network into words: backends at hand, and methods with their options."""

    context: Context
    described: Mapping[str, Describer]
    judge: JudgeOptions = field(default_factory=JudgeOptions)

    def describe(self, units: Sequence[Unit]) -> Descriptions:
        """Ask every method about every unit, and judge the answers where there is an encoder; unit by unit.

        Warns of units that one half of the images does not excite. Raises `InvalidValueError` for a method that does
        not say something of each unit.
        """
        warn_of_halves(self.context, self.context.model.units(units))
        return self.ask(units)

    def ask(self, units: Sequence[Unit]) -> Descriptions:
        """Do what `describe` does, without the warning."""
        said: list[Description] = []
        for method in self.described.values():
            given = method.describe(self.context, units)
            said += checked_list("describe of the describer", method, given, Description, len(units))
        said = [replace(d, split_seed=self.context.split_seed) for d in silenced(self.context, said)]
        if self.context.encoder:
            said = self.evaluator().judged(said)
        else:
            said = [unjudged(d, "there is no image-text encoder to judge it with") for d in said]
        order = {unit: place for place, unit in enumerate(units)}
        return Descriptions(sorted(said, key=lambda d: order.get(d.unit, len(order))))

    def evaluator(self) -> LabelEvaluator:
        """What judges their labels."""
        return LabelEvaluator(self.context, self.judge.alpha, self.judge.n_random_models)

    def megabytes(self, descriptions: Sequence[Description]) -> float:
        """Memory that the values of the layers of these units take, in 10⁶ bytes; they are read from the cache."""
        units = [d.unit for d in descriptions]
        return matrix_of(self.context, units).megabytes

    def scores(self, descriptions: Sequence[Description]) -> list[Row]:
        """The table of scores with its controls (`vital.describing.evaluation.table`); empty without an encoder."""
        if self.context.encoder is None:
            return []
        return score_rows(self.evaluator(), descriptions, self.of_random_weights(descriptions))

    def of_random_weights(self, descriptions: Sequence[Description]) -> Descriptions:
        """Describe up to `CONTROLLED` of the same units of a network with random weights.

        The first method that needs neither bank nor prototypes does it; without one the answer is empty.
        """
        able = {name: m for name, m in self.described.items() if not {"bank", "prototypes"} & set(m.needs)}
        units = list(dict.fromkeys(d.unit for d in descriptions if not d.unit.source))[:CONTROLLED]
        if not able or not units:
            return Descriptions()
        blank = random_weights(self.context.model, RANDOM_SEED)
        context = replace(self.context, model=blank, bank=None, prototypes=None)
        return Words(context, dict(islice(able.items(), 1)), self.judge).ask(units)


@public
def describe(
    model: Model,
    units: str | Unit | Iterable[str | Unit],
    *,
    bank: ReferenceBank | None = None,
    images: ImageSet | None = None,
    methods: str | Sequence[str] = ("clip-dissect",),
    concepts: str | Path | Iterable[str] | None = None,
    encoder: str | ImageTextEncoder | None = None,
    captioner: str | Captioner | None = None,
    summarizer: str | Summarizer | None = None,
    generator: str | ImageGenerator | None = None,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> Descriptions:
    """Say in words what units respond to, by one or more methods, with the right to say nothing.

    Labels are chosen on one half of the images and judged on the other: a label that does not stand becomes "", and
    its candidate stays (see `vital.describing.evaluation.significance`).

    Parameters
    ----------
    model
        The network whose units are described.
    units
        Units, or texts such as "class:3" or "layer4:0-7".
    bank, images
        The probe images, as a bank or as a set.
    methods
        Names from `vital.describing.DESCRIBERS`.
    concepts
        The words to choose from: a file with one a line, a list, or "world".
    encoder, captioner, summarizer, generator
        What reads and writes words and pictures: names (see `vital.backends`) or objects. For the known-answer world
        its own are taken where none is given.
    seed
        What is left to chance goes by it.
    progress
        Whether to show a bar.
    **options
        Options of the methods that have them, and `alpha` and `n_random_models` of the judge.

    Returns
    -------
    Descriptions
        One for each unit and method, unit by unit.

    Raises
    ------
    UsageError, UnknownNameError, InvalidValueError, DataError, MissingDependencyError
        For what is missing, does not exist or is not allowed, each with one sentence that says what to change.

    Examples
    --------
    >>> import vital
    >>> net, pictures = vital.load_model("world"), vital.load_images("world")
    >>> vital.describe(net, ["class:3"], images=pictures, n_random_models=0, progress=False)[0].candidate
    'dotted cube'

    """
    backends = {"encoder": encoder, "captioner": captioner, "summarizer": summarizer, "generator": generator}
    asked = describers_of(methods, options)
    check_inputs(model, images, bank)
    chosen = model.units(units)
    words = prepared(
        model, chosen, asked, bank=bank, images=images, concepts=concepts, backends=backends, seed=seed,
        progress=progress,
    )  # fmt: skip
    return words.describe(chosen)


def prepared(
    model: Model,
    units: Sequence[Unit],
    asked: tuple[dict[str, Describer], JudgeOptions],
    *,
    bank: ReferenceBank | None,
    images: ImageSet | None,
    concepts: str | Path | Iterable[str] | None,
    backends: Mapping[str, Any],
    cache: ResponseCache | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Words:
    """Read everything that a request names, before any work: `describe`, without the describing."""
    described, judge = asked
    if bank is not None and not bank.fits(model):
        raise DataError(f"the bank was made with another network than {model.name}; make one for this")
    images = images if images is not None else bank.images if bank is not None else None
    needs = {need for method in described.values() for need in method.needs}
    if bank is None and images is not None and {"bank", "prototypes"} & needs:
        layers = tuple(dict.fromkeys(unit.layer for unit in units))
        bank = build_bank(model, layers, images, progress=progress)
    made = _load_backends(model, backends, needs)
    concepts = concepts_for(made["encoder"], concepts)
    words = read_concepts(concepts) if concepts is not None else ()
    draws = partial(_prototypes, model, bank, progress) if bank is not None else None
    context = Context(
        model, images, bank, words, **made, prototypes=draws, seed=seed, split_seed=judge.split_seed,
        progress=progress,
    )  # fmt: skip
    for name, method in described.items():
        check_needs(name, method, context)
    return Words(cached_backends(context, cache) if cache else context, described, judge)


def describers_of(
    methods: str | Sequence[str], given: Mapping[str, Any]
) -> tuple[dict[str, Describer], JudgeOptions]:
    """Make the describers and the judge, each with those options that it has."""
    methods = [methods] if isinstance(methods, str) else list(methods)
    if not methods:
        raise UsageError(f"no method is given; there are: {', '.join(DESCRIBERS)}")
    known = {name: options_of(DESCRIBERS[name]) for name in methods}
    judging = options_of(JudgeOptions)
    for option in given:
        if not any(option in own for own in (judging, *known.values())):
            names = sorted({*judging, *parameters_of(describe)}.union(*known.values()))
            raise unknown(f"option of {', '.join(methods)}", option, names)
    made = {
        name: describer(name, **{k: v for k, v in given.items() if k in own}) for name, own in known.items()
    }
    judge = {k: judging[k].read(v) if isinstance(v, str) else v for k, v in given.items() if k in judging}
    return made, JudgeOptions(**judge)


def is_world(model: Model) -> bool:
    """Whether a network is one of the known-answer world, which has backends of its own."""
    return model.name.split(":")[0] == WORLD


def _load_backends(model: Model, given: Mapping[str, Any], needs: set[str]) -> dict[str, Any]:
    """Load the backends that are named; on the world its own, where they are needed and none is named."""
    load: dict[str, Callable[..., Any]] = {
        "encoder": load_encoder,
        "captioner": load_captioner,
        "summarizer": load_summarizer,
        "generator": load_generator,
    }
    if wrong := [name for name in given if name not in load]:
        raise InvalidValueError(f"a backend is called {wrong[0]}; allowed are {', '.join(load)}")
    own = is_world(model)
    spare = {name: WORLD for name in load if own and name in {"encoder", *needs}}
    specs = {name: given.get(name) or spare.get(name) for name in load}
    return {
        name: load[name](spec, device=model.device) if spec is not None else None
        for name, spec in specs.items()
    }


def _prototypes(
    model: Model, bank: ReferenceBank, progress: bool, units: Sequence[Unit], seed: int
) -> list[Prototype]:
    return render(model, units, bank=bank, seed=seed, progress=progress)
