"""Tables of a comparison: all scores in long form, and one row per method with confidence intervals over units."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean

from vital.comparing.base import COSTS, PART, loss, of_naturalness, ranked, sign
from vital.comparing.records import REAL, Score
from vital.errors import DataError, first_line
from vital.metrics import Interval, interval
from vital.utils.io import as_csv, parse_csv
from vital.utils.public import with_doors

LONG = ("method", "metric", "unit", "seed", "value")
INFORMATIVE = "informative"
"""The row of a table that says of each metric whether it says something here."""
FEW = 3
"""How many units it takes, at least, for an interval over them, and to call a method the best."""
BEST = "*"
"""What stands behind the best value of a metric in plain text."""


@with_doors
@dataclass(frozen=True, eq=False)
class Table:
    """All scores of a comparison. `methods` and `controls` name its rows in order; it shows itself in a notebook.

    `main` is the method that the controls belong to.
    """

    scores: tuple[Score, ...] = field(repr=False)
    methods: tuple[str, ...]
    controls: tuple[str, ...] = ()
    main: str = ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics, in the order in which they were measured, without their parts."""
        return tuple(name for name in self._measured if PART not in name)

    @property
    def parts(self) -> tuple[str, ...]:
        """What the metrics are for single layers ("distance (held out) · layer3"): in the long form alone."""
        return tuple(name for name in self._measured if PART in name)

    @property
    def _measured(self) -> dict[str, None]:
        return dict.fromkeys(score.metric for score in self.scores)

    def of_layer(self, layer: str) -> Table:
        """The same of the units of one layer alone, such as "class"; numbers of whole methods are left out."""
        own = tuple(score for score in self.scores if score.unit.startswith(f"{layer}:"))
        return replace(self, scores=own)

    def only(self, methods: Sequence[str]) -> Table:
        """The same of some methods alone, in this order, and the controls."""
        kept = {*methods, *self.controls}
        return replace(self, scores=tuple(s for s in self.scores if s.method in kept), methods=tuple(methods))

    @cached_property
    def _units(self) -> dict[tuple[str, str], dict[str, float]]:
        """The mean over seeds: (method, metric) -> unit -> value."""
        found: dict[tuple[str, str], dict[str, list[float]]] = {}
        for score in self.scores:
            found.setdefault((score.method, score.metric), {}).setdefault(score.unit, []).append(score.value)
        return {at: {unit: sum(v) / len(v) for unit, v in units.items()} for at, units in found.items()}

    def cell(self, method: str, metric: str) -> Interval | None:
        """The mean over units with its interval; None where nothing was measured."""
        units = self._units.get((method, metric))
        return interval(list(units.values())) if units else None

    def differs(self, metric: str, control: str) -> bool | None:
        """Whether the main method beats a control for certain; None where one of them was not measured.

        For certain: the 95 % interval of the difference over units excludes 0. Numbers of a whole method are compared
        as they are.
        """
        return self._beats(metric, self.main, control)

    def _beats(self, metric: str, one: str, two: str) -> bool | None:
        own, other = (self._units.get((name, metric), {}) for name in (one, two))
        shared = [unit for unit in own if unit in other]
        if not shared:
            return None
        return interval([loss(metric, other[unit]) - loss(metric, own[unit]) for unit in shared]).low > 0

    def uninformative(self, metric: str) -> str:
        """Say that a metric is uninformative, and why; "" where nothing speaks against it.

        A control scores as well as the main method. Random weights: the metric pleases a network that learned nothing,
        and says nothing of any. References that are shuffled or another unit's: the metric cannot see where references
        come from, or the method hardly needs them. Or natural images themselves do worse than every method, though the
        metric is to say what is natural. Costs say nothing of this.
        """
        why = self._why_not(metric)
        return f"uninformative: {why}" if why else ""

    def _why_not(self, metric: str) -> str:
        names = self._lesser if metric not in COSTS else ()
        equals = ", ".join(self._short(name) for name in names if self.differs(metric, name) is False)
        if equals:
            return f"as good with {equals}"
        return f"{REAL} do worse than every method" if self._unlike_natural(metric) else ""

    def _unlike_natural(self, metric: str) -> bool:
        """Whether all methods beat natural images for certain at what natural images are to be good at."""
        measured = [m for m in self.methods if (m, metric) in self._units]
        known = of_naturalness(metric) and REAL in self.controls and bool(measured)
        return known and all(self._beats(metric, m, REAL) for m in measured)

    def _short(self, control: str) -> str:
        return control.removeprefix(f"{self.main}, ")

    def leaders(self, metric: str) -> tuple[str, ...]:
        """The methods with the best mean, several where they are equal; none where the metric ranks nothing.

        Controls take no part. Where values near 1 or 0 are good, the mean is that of how far units are from it: a unit
        far above does not make up for one far below.
        """
        if not ranked(metric):
            return ()
        found = {
            m: fmean(loss(metric, value) for value in units.values())
            for m in self.methods
            if (units := self._units.get((m, metric)))
        }
        least = min(found.values(), default=math.nan)
        return tuple(m for m, value in found.items() if math.isclose(value, least, abs_tol=1e-12))

    def best(self, metric: str) -> str:
        """The one method that is to be called the best by a metric; "" where none is.

        So where the metric ranks nothing or is uninformative, where several methods are equal or one is alone, and
        where the units are too `few`.
        """
        found = self.leaders(metric)
        rivals = sum((m, metric) in self._units for m in self.methods) > 1
        open_to_doubt = not rivals or self.few(metric) or self.uninformative(metric)
        return found[0] if len(found) == 1 and not open_to_doubt else ""

    def few(self, metric: str) -> int:
        """On how many units a metric was measured, where they are too few to rank methods; else 0."""
        counts = [self._count(m, metric) for m in self.methods if (m, metric) in self._units]
        return most if 0 < (most := max(counts, default=0)) < FEW else 0

    def _count(self, method: str, metric: str) -> int:
        """The number of units; 0 for a number of the whole method."""
        units = self._units[method, metric]
        return 0 if "" in units else len(units)

    @property
    def columns(self) -> tuple[str, ...]:
        """The metrics in the order of the tables: those that may say something, costs, those that are uninformative."""
        return tuple(sorted(self.metrics, key=lambda m: 2 if self.uninformative(m) else int(m in COSTS)))

    def wide(self) -> list[list[str]]:
        """A header and a row for each method and control; the last row says whether each metric is informative."""
        rows = [["method", *(f"{m} {sign(m)}" for m in self.columns)]]
        rows += [
            [method, *(self._shown(method, metric) for metric in self.columns)]
            for method in (*self.methods, *self.controls)
        ]
        if self.controls:
            rows.append([INFORMATIVE, *map(self._informative, self.columns)])
        return rows

    def _shown(self, method: str, metric: str) -> str:
        """A mean with its interval in brackets, or with the number of units where they are too few for one."""
        cell = self.cell(method, metric)
        if cell is None:
            return ""
        units, mean = self._count(method, metric), _number(cell.mean)
        if units >= FEW:
            return f"{mean} [{_number(cell.low)}, {_number(cell.high)}]"
        return f"{mean} (n={units})" if units else mean

    def _informative(self, metric: str) -> str:
        known = metric not in COSTS and any(self.differs(metric, name) is not None for name in self._lesser)
        why = self._why_not(metric)
        return f"no: {why}" if why else "yes" if known else ""

    @property
    def _lesser(self) -> tuple[str, ...]:
        """The controls that are to score worse than the main method."""
        return tuple(name for name in self.controls if name != REAL)

    def long_csv(self) -> bytes:
        """All scores, one a line: method, metric, unit, seed, value."""
        rows = [(s.method, s.metric, s.unit, s.seed, s.value) for s in self.scores]
        return as_csv(LONG, rows)

    def markdown(self) -> str:
        """The wide table in Markdown, the best method of each metric in bold."""
        header, *rows = self.wide()
        best = [self.best(metric) for metric in self.columns]
        lines = [f"| {' | '.join(map(_in_markdown, header))} |", f"|{'---|' * len(header)}"]
        for name, *cells in rows:
            marked = [f"**{c}**" if name == b and c else c for c, b in zip(cells, best, strict=True)]
            lines.append(f"| {' | '.join([_in_markdown(name), *marked])} |")
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        r"""The wide table in LaTeX (booktabs), the best method of each metric in bold."""
        header, *rows = self.wide()
        best = [self.best(metric) for metric in self.columns]
        lines = [r"\begin{tabular}{l" + "r" * len(best) + "}", r"\toprule", _line(header), r"\midrule"]
        for name, *cells in rows:
            texts = [_escaped(c) for c in cells]
            marked = [rf"\textbf{{{t}}}" if name == b and t else t for t, b in zip(texts, best, strict=True)]
            lines.append(" & ".join([_escaped(name), *marked]) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __str__(self) -> str:
        """A row for each metric, since wide tables do not fit a terminal, and below it the `conclusion`."""
        header, *rows = [list(map(_one_line, row)) for row in self.tall()]
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = (
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in (header, *rows)
        )
        return "\n".join([*lines, "", self.conclusion()]).rstrip()

    def tall(self) -> list[list[str]]:
        """The wide table turned: a header, and a row for each metric, `BEST` behind the value of the best method."""
        names, *columns = zip(*self.wide(), strict=True)
        rows = [["metric", *map(_one_line, names[1:])]]
        for metric, (title, *cells) in zip(self.columns, columns, strict=True):
            best = self.best(metric)
            marked = [
                f"{c} {BEST}" if best and n == best else c for c, n in zip(cells, names[1:], strict=True)
            ]
            rows.append([title, *marked])
        return rows

    def conclusion(self) -> str:
        """Say in two lines which metrics tell something here, and who leads in them."""
        asked = [metric for metric in self.columns if metric not in COSTS]
        if not asked:
            return ""
        told = [metric for metric in asked if self._informative(metric) == "yes"]
        judged = any(map(self._informative, asked))
        if not judged:
            first = "What tells something here is not known: no control that methods are to beat stands beside them."
        elif told:
            first = f"Tells something here ({len(told)} of {len(asked)}): {'; '.join(told)}."
        else:
            first = "Nothing tells something here: see the reasons in the last column."
        return f"{first}\n{self._leading(told if judged else asked)}"

    def _leading(self, metrics: Sequence[str]) -> str:
        found: dict[str, list[str]] = {}
        for metric in metrics:
            if not self.uninformative(metric):
                found.setdefault(self._leader(metric) if ranked(metric) else "", []).append(metric)
        mute = found.pop("", [])
        said = [f"{'; '.join(names)}: {who}" for who, names in found.items()]
        if len(self.methods) < 2:
            return "Nobody leads: there is one method alone."
        first = f"Who leads in {'. In '.join(said)}." if said else "Nobody leads."
        return f"{first} Ranks nothing: {'; '.join(mute)}." if mute else first

    def _leader(self, metric: str) -> str:
        """Who leads by a metric, and whose interval overlaps with the leader's."""
        if few := self.few(metric):
            return f"{'one unit is' if few == 1 else 'two units are'} too few to say"
        first, *equal = self.leaders(metric)
        if equal:
            return f"{', '.join([first, *equal])} alike"
        own = self.cell(first, metric)
        near = [
            m
            for m in self.methods
            if m != first and own and (c := self.cell(m, metric)) and c.low <= own.high and own.low <= c.high
        ]
        return f"{first} ({', '.join(near)} within the interval)" if near else first


def _number(value: float) -> str:
    """Three digits, and all of a number before its point.

    >>> _number(0.12345), _number(2048.0)
    ('0.123', '2048')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def read_long(text: str) -> list[Score]:
    """Read what `Table.long_csv` wrote.

    >>> read_long(Table((Score("a", "percentile", 99.0, "layer4:1", 0),), ("a",)).long_csv().decode())[0].value
    99.0
    """
    _, rows = parse_csv(text, "the table of scores", needs=LONG)
    try:
        return [
            Score(
                r["method"], r["metric"], float(r["value"]), r["unit"], int(r["seed"]) if r["seed"] else None
            )
            for _, r in rows
        ]
    except ValueError as error:
        raise DataError(f"the table of scores is damaged: {first_line(error)}; make it again") from error


_SPECIAL: Mapping[int, str] = str.maketrans({
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
    "→": r"$\rightarrow$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
})  # fmt: skip


_ALIKE = re.compile("([-'])(?=[-'])")
"""Two signs that LaTeX sets as one."""


def _escaped(text: str) -> str:
    r"""A text in LaTeX that is shown as it is, in one line; a bracket at its beginning is no option of the line before.

    >>> print(_escaped("[1] a_b \\ 50 %"))
    {}[1] a\_b \textbackslash{} 50 \%
    """
    plain = _ALIKE.sub(r"\1{}", _one_line(text).translate(_SPECIAL))
    return f"{{}}{plain}" if plain.startswith("[") else plain


_MARKS = re.compile(r"[\\`*~\[\]|]|(?<![^\W_])_+|_+(?![^\W_])")
"""What Markdown takes for marks; an underscore within a word is none."""


_ADDRESS = re.compile(r":(?=//)|(?<=www)\.|@", re.IGNORECASE)
"""What makes a link of an address by itself."""


def _in_markdown(text: str) -> str:
    r"""A text in Markdown that is shown as it is, in one cell.

    >>> print(_in_markdown("a|b <script> [x](y)"), _in_markdown("_a_ resnet_v2"))
    a\|b &lt;script> \[x\](y) \_a\_ resnet_v2
    """
    marked = _MARKS.sub(lambda found: "".join(f"\\{c}" for c in found[0]), _one_line(text))
    plain = marked.replace("&", "&amp;").replace("<", "&lt;")
    return _ADDRESS.sub(lambda found: f"&#{ord(found[0])};", plain)


def _one_line(text: str) -> str:
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _line(cells: Sequence[str]) -> str:
    return " & ".join(map(_escaped, cells)) + r" \\"


def steps_and_seconds(table: Table) -> list[tuple[str, float, float]]:
    """What each method cost: (method, steps, seconds), for those of which both are known."""
    found = []
    for method in table.methods:
        steps, seconds = table.cell(method, "steps"), table.cell(method, "seconds")
        if steps and seconds and math.isfinite(seconds.mean):
            found.append((method, steps.mean, seconds.mean))
    return found
