"""Tables of a comparison: all scores in long form, and one row per method with confidence intervals over units."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean

from vital.comparing.base import COSTS, PART, WORDS, better, loss, ranked, sign
from vital.comparing.records import REAL, Score
from vital.errors import DataError, first_line
from vital.metrics import Interval, interval
from vital.utils.io import as_csv, parse_csv
from vital.utils.public import with_doors

LONG = ("method", "metric", "unit", "seed", "value")


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
        own, other = (self._units.get((name, metric), {}) for name in (self.main, control))
        shared = [unit for unit in own if unit in other]
        if not shared:
            return None
        return interval([loss(metric, other[unit]) - loss(metric, own[unit]) for unit in shared]).low > 0

    def uninformative(self, metric: str) -> str:
        """Say that a metric is uninformative, and which controls score as well as the main method; "" where none does.

        Random weights: the metric pleases a network that learned nothing, and says nothing of any. References that are
        shuffled or another unit's: the metric cannot see where references come from, or the method hardly needs them.
        Costs say nothing of this, nor do real images.
        """
        equals = self._equals(metric)
        return f"uninformative: as good with {equals}" if equals else ""

    def _equals(self, metric: str) -> str:
        """The controls that score as well as the main method."""
        names = self._lesser if metric not in COSTS else ()
        return ", ".join(self._short(name) for name in names if self.differs(metric, name) is False)

    def _short(self, control: str) -> str:
        return control.removeprefix(f"{self.main}, ")

    def best(self, metric: str) -> str:
        """The method with the best mean; controls take no part. "" where nobody is to be ranked by the metric.

        Where values near 1 or 0 are good, the mean is that of how far units are from it: a unit far above does not
        make up for one far below.
        """
        found = {m: units for m in self.methods if (units := self._units.get((m, metric)))}
        if not ranked(metric) or not found:
            return ""
        return min(found, key=lambda m: fmean(loss(metric, value) for value in found[m].values()))

    def wide(self) -> list[list[str]]:
        """A header and a row for each method and control; the last row says whether each metric is informative."""
        rows = [["method", *(f"{m} {sign(m)}" for m in self.metrics)]]
        rows += [
            [method, *(_shown(self.cell(method, metric)) for metric in self.metrics)]
            for method in (*self.methods, *self.controls)
        ]
        if self.controls:
            rows.append(["informative", *map(self._informative, self.metrics)])
        return rows

    def _informative(self, metric: str) -> str:
        known = metric not in COSTS and any(self.differs(metric, name) is not None for name in self._lesser)
        equals = self._equals(metric)
        return f"no: as good with {equals}" if equals else "yes" if known else ""

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
        best = [self.best(metric) for metric in self.metrics]
        lines = [f"| {' | '.join(map(_in_markdown, header))} |", f"|{'---|' * len(header)}"]
        for name, *cells in rows:
            marked = [f"**{c}**" if name == b and c else c for c, b in zip(cells, best, strict=True)]
            lines.append(f"| {' | '.join([_in_markdown(name), *marked])} |")
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        r"""The wide table in LaTeX (booktabs), the best method of each metric in bold."""
        header, *rows = self.wide()
        best = [self.best(metric) for metric in self.metrics]
        lines = [r"\begin{tabular}{l" + "r" * len(best) + "}", r"\toprule", _line(header), r"\midrule"]
        for name, *cells in rows:
            texts = [_escaped(c) for c in cells]
            marked = [rf"\textbf{{{t}}}" if name == b and t else t for t, b in zip(texts, best, strict=True)]
            lines.append(" & ".join([_escaped(name), *marked]) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __str__(self) -> str:
        """One block for each metric: methods with means and intervals; wide tables do not fit a terminal."""
        return "\n\n".join(self._block(metric) for metric in self.metrics)

    def _block(self, metric: str) -> str:
        rows = self.rows(metric)
        width = max((len(name) for name, *_ in rows), default=0)
        lines = [f"  {name.ljust(width)}  {mean}{f'  {best}' if best else ''}" for name, mean, best in rows]
        return "\n".join([self.title(metric), *lines])

    def title(self, metric: str) -> str:
        """What a metric says, which way is better, and what it is worth."""
        way = WORDS[better(metric)] + ("" if ranked(metric) else ", ranks nothing")
        verdict = self.uninformative(metric)
        return f"{metric} ({way})" + (f"; {verdict}" if verdict else "")

    def rows(self, metric: str) -> list[tuple[str, str, str]]:
        """Of a metric each method and control that was measured, its mean with the interval, and which is best."""
        best = self.best(metric)
        names = [name for name in (*self.methods, *self.controls) if self.cell(name, metric)]
        return [(name, _shown(self.cell(name, metric)), "best" if name == best else "") for name in names]


def _shown(cell: Interval | None) -> str:
    """A mean with its interval in brackets.

    >>> _shown(Interval(0.875, 0.75, 1.0, 16)), _shown(None)
    ('0.875 [0.75, 1]', '')
    """
    if cell is None:
        return ""
    return f"{cell.mean:.3g}" + (f" [{cell.low:.3g}, {cell.high:.3g}]" if cell.n > 1 else "")


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
