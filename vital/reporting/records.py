"""What pages show: frozen records of texts and numbers, which templates lay out with the pictures that go with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from PIL import Image

from vital.reporting.addresses import Address
from vital.reporting.facts import Histogram

TRUTH = "truth"
"""The method that says what is true, where that is known."""

RANDOM = "random weights"
"""What is said of a network that was not trained."""

NOT_YET = "not rendered yet"
"""The status of a picture that is asked for and not there."""

SOURCES = ("truth", "images", "prototype")
"""What words are said of, in the order in which they are shown."""

SIMILAR = 0.1
"""Units whose similarity is less are not called similar."""

EQUAL = 1e-4
"""Scores of candidates that are no further apart are equal."""

DONE, WAITING, FAILED = range(3)
"""The states of a unit: all is there, something is not there yet, something did not come out."""

Opener = Callable[[], Image.Image]


@dataclass(frozen=True)
class Picture:
    """A picture of a page: where it is, a file beside the page or a data URI inside it, and its size in pixels."""

    src: str = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True)
class LabelRow:
    """What a method says of the unit. `source` is what it looked at: "images", "prototype" or "truth".

    `label` is empty where the method says nothing; `candidate` is what it would say. `truth` is the share of words
    shared with the truth, None where there is none to compare with. `verdict` says why the label does not stand, and is
    empty where it does. `judged` is the number of units of which p is the least that is possible, 0 where it is not.
    """

    method: str
    source: str
    label: str
    candidate: str
    score: float | None
    p_value: float | None
    truth: float | None = None
    seed: int = 0
    verdict: str = ""
    judged: int = 0


def first_label(rows: Iterable[LabelRow]) -> LabelRow | None:
    """The label that a unit goes by: one that stands before one that was not judged, of images before prototypes."""
    said = (row for row in rows if row.label and row.source != TRUTH)
    return next(iter(sorted(said, key=lambda row: (bool(row.verdict), SOURCES.index(row.source)))), None)


def headline(rows: Iterable[LabelRow]) -> str:
    """What a unit is called; empty without a label."""
    found = first_label(rows)
    return found.label if found else ""


@dataclass(frozen=True)
class PrototypeView:
    """A prototype: what its files are called, how it was made, and how it came out.

    `control` says of which control it is, "" for the network itself. `percentile` and `value` are None where they are
    not known; `losses` holds the total loss at the logged steps.
    """

    stem: str
    method: str
    heading: str
    seed: int
    run: str
    status: str
    pictured: bool
    masked: bool
    frames: bool
    facts: tuple[str, ...]
    lacking: tuple[str, ...]
    value: float | None
    percentile: float | None
    losses: tuple[float, ...] = ()
    control: str = ""

    @property
    def way(self) -> str:
        """How it was made: the method, the seed, and the control where it is of one."""
        return ", ".join(filter(None, (self.method, f"seed {self.seed}", self.control)))


@dataclass(frozen=True)
class ExemplarView:
    """An image that excites the unit: what its files are called, its name, and what it was ranked by."""

    stem: str
    name: str
    value: float
    of: str
    by: str


@dataclass(frozen=True)
class WordsView:
    """What a method says, the candidates that lost with their scores, and the images that it looked at.

    `seen` are the numbers of those images among the exemplars, from 1. `control` is that of `PrototypeView`.
    """

    row: LabelRow
    run: str
    others: tuple[tuple[str, float | None], ...] = ()
    evidence: tuple[str, ...] = ()
    seen: tuple[int, ...] = ()
    control: str = ""

    @property
    def as_good(self) -> int:
        """How many of the first of `others` have the score of the one that was chosen."""
        if (best := self.row.score) is None:
            return 0
        return sum(score is not None and score >= best - EQUAL for _, score in self.others)


@dataclass(frozen=True)
class Reference:
    """Another unit on a page: where its page and small picture are, "" without one, and its weight here."""

    unit: str
    title: str = ""
    href: str = ""
    picture: str = ""
    weight: float | None = None


@dataclass(frozen=True)
class UnitView:
    """All that a page shows of a unit. `faults` are sentences about what cannot be read.

    `neighbors` are as similar as `least`, `compared_by` is "" where nobody looked for any.
    """

    unit: str
    layer: str
    name: str
    network: str
    address: Address
    prototypes: tuple[PrototypeView, ...] = ()
    exemplars: tuple[ExemplarView, ...] = ()
    words: tuple[WordsView, ...] = ()
    truth: str = ""
    agreement: float | None = None
    histogram: Histogram | None = None
    compared_by: str = ""
    least: float = SIMILAR
    neighbors: tuple[Reference, ...] = ()
    feeders: tuple[Reference, ...] = ()
    classes: tuple[Reference, ...] = ()
    faults: tuple[str, ...] = ()
    previous: Reference | None = None
    next: Reference | None = None

    @property
    def own(self) -> tuple[PrototypeView, ...]:
        """The prototypes without those of its controls; these where it has no others."""
        return tuple(made for made in self.prototypes if not made.control) or self.prototypes

    @property
    def rows(self) -> list[LabelRow]:
        """What methods say of the unit itself, not of its controls."""
        return [said.row for said in self.words if not said.control]

    @property
    def headline(self) -> str:
        """What the unit is called: the first label, of images before prototypes; empty without one."""
        return headline(self.rows)

    @property
    def doubt(self) -> str:
        """Why the headline does not stand; empty where it does."""
        found = first_label(self.rows)
        return found.verdict if found else ""

    @property
    def silent(self) -> bool:
        """Whether a method was asked and none has a label."""
        asked = [row for row in self.rows if row.source != TRUTH]
        return bool(asked) and not any(row.label for row in asked)

    @property
    def failed(self) -> tuple[str, ...]:
        """What is not there or did not come out, a line for each prototype."""
        return tuple(f"{d.way}: {d.status}" for d in self.prototypes if d.status != "done")

    @property
    def state(self) -> int:
        """How far the unit is: DONE, WAITING or FAILED."""
        statuses = {made.status for made in self.prototypes} - {"done"}
        if self.faults or statuses - {NOT_YET}:
            return FAILED
        return WAITING if statuses else DONE

    @property
    def best(self) -> PrototypeView | None:
        """The first prototype with a picture."""
        return next((made for made in self.own if made.pictured), None)


@dataclass(frozen=True)
class Run:
    """Where units come from: a name, whether it is a control, and facts by heading."""

    name: str
    control: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table of scores: its name, the header, and rows of texts; `controls` are the rows that are to be beaten.

    One that is `folded` is shown when it is asked for.
    """

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    controls: frozenset[int] = frozenset()
    folded: bool = False

    @property
    def untrusted(self) -> bool:
        """Whether a metric stands in brackets: it is not to be trusted."""
        return any(cell.startswith("(") for cell in self.header)


@dataclass(frozen=True)
class Sheet:
    """A picture of a whole run, such as a montage: its name, what it shows, and what opens it."""

    name: str
    caption: str
    picture: Opener = field(repr=False)


@dataclass(frozen=True)
class Finding:
    """What a run folder holds beyond single units: a comparison, a circuit, an explanation or served classes."""

    title: str
    run: str
    lines: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    sheets: tuple[Sheet, ...] = ()


@dataclass(frozen=True)
class UnitSection:
    """A unit of a report with its pictures by name: what its files would be called in a site, without an ending.

    `images` are the pictures and `files` the endings of the files that can be downloaded, as a site has them.
    """

    view: UnitView
    images: Mapping[str, Picture] = field(repr=False)
    files: frozenset[str] = frozenset()

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that hold pictures or words of it."""
        names = [*(made.run for made in self.view.prototypes), *(said.run for said in self.view.words)]
        return tuple(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True)
class Page:
    """All that one page shows. `images` are the pictures of its findings by name."""

    title: str
    runs: tuple[Run, ...] = ()
    units: tuple[UnitSection, ...] = ()
    tables: tuple[Table, ...] = ()
    findings: tuple[Finding, ...] = ()
    images: Mapping[str, Picture] = field(default_factory=dict, repr=False)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods whose scores units can be sorted by."""
        scored = (
            said.row.method for one in self.units for said in one.view.words if said.row.score is not None
        )
        return tuple(dict.fromkeys(scored))

    @property
    def networks(self) -> tuple[str, ...]:
        """The names of the networks of the runs, where they are known."""
        names = (run.facts.get("network", "") for run in self.runs)
        return tuple(dict.fromkeys(filter(None, names)))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the units, in their order."""
        return tuple(dict.fromkeys(one.view.layer for one in self.units))

    @property
    def waiting(self) -> int:
        """How many units are not finished."""
        return sum(one.view.state == WAITING for one in self.units)
