"""Labels held against the names of classes: whether what is said of an output says which one it is.

The first question is retrieval, asked of all names: where does the true one stand when they are ordered by likeness to
the label? Raw cosines come after it and never alone, since those of text encoders begin far above 0: every table has
rows of what anybody gets (`CONTROLS`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vital.backends import TextEncoder
from vital.backends.embeddings import embedded_texts
from vital.errors import DataError, InvalidValueError, UsageError
from vital.records import Description
from vital.units import OUTPUT
from vital.utils.class_names import read_names
from vital.utils.text import Similar, listed, plain_name, shared_word, synonyms, trigram_cosine

OUTPUTS = (OUTPUT, "fc", "head", "heads.head", "classifier", "head.fc", "logits", "output")
"""What layers are called whose units are the classes."""

CONTROLS = ("constant word", "shuffled units", "next name")
"""The rows that know nothing of a unit: the commonest label everywhere, the labels of other units (mean of
`SHUFFLES` orders), and the name of the next class, a near miss where classes are sorted by kind."""

SHUFFLES = 5
TIE = 1e-9

Ranks = NDArray[np.float64]


@dataclass(frozen=True)
class ClassNameMetrics:
    """How well the labels of one method name the classes: one row of the table, all shares in [0, 1].

    `labeled` says how many units have a label; those without count as wrong, and have no cosine. `distinct` is the
    number of different labels. `exact` is the share that is a name or a synonym of the class, `shared` that has a word
    in common with it. `top1`, `top5` and `mrr` (mean reciprocal rank) say where the true name stands among all,
    by `similar`. `cosine` is the mean likeness to the true name, which says nothing without the controls.
    """

    method: str
    row: str
    units: int
    labeled: int
    distinct: int
    exact: float
    shared: float
    top1: float
    top5: float
    mrr: float
    cosine: float
    similar: str = field(default="trigrams")


def ranks(similar: Similar, true: Sequence[int], *, ties: str = "middle") -> Ranks:
    """Where the true name of each label stands, 1 being first: (labels,).

    Names that are as alike as the true one share the places that they take ("middle"); "best" puts the true one first
    among them, as published figures do, which calls a label that is like nothing at all right. Cosines within 1e-9
    are equal.

    >>> ranks(np.array([[0.5, 0.9, 0.5]]), [0]), ranks(np.array([[0.5, 0.9, 0.5]]), [0], ties="best")
    (array([2.5]), array([2.]))
    """
    if ties not in ("middle", "best"):
        raise InvalidValueError(f"ties is {ties!r}; allowed are middle, best")
    own = similar[np.arange(len(similar)), list(true)][:, None]
    above = (similar > own + TIE).sum(1)
    equal = (np.abs(similar - own) <= TIE).sum(1) - 1
    return np.asarray(1 + above + (equal / 2 if ties == "middle" else 0), dtype=np.float64)


def cosines(encoder: TextEncoder) -> Callable[[Sequence[str], Sequence[str]], Similar]:
    """The cosine between embedded texts as a likeness; a text that is empty is like nothing.

    Each text is embedded once, and none that is not a text: see `listed`.
    """

    def similar(labels: Sequence[str], names: Sequence[str]) -> Similar:
        texts = list(dict.fromkeys(text for text in [*listed(labels), *listed(names)] if text))
        vectors = np.asarray(embedded_texts(encoder, texts).float().cpu(), dtype=np.float64)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        at = dict(zip(texts, vectors, strict=True))
        nothing = np.zeros(vectors.shape[1])
        left, right = (np.stack([at.get(t, nothing) for t in part]) for part in (labels, names))
        return np.asarray(left @ right.T, dtype=np.float64)

    return similar


def named(
    said: Sequence[Description],
    names: Sequence[str],
    encoder: TextEncoder | None = None,
    *,
    ties: str = "middle",
    seed: int = 0,
) -> list[ClassNameMetrics]:
    """Hold the labels of one method's output units against names: its row, then the controls.

    `names[i]` is the line of class i, with synonyms behind commas; unit i should say it. Likeness is the cosine of
    trigrams, or of what `encoder` makes of label and whole line. Raises `DataError` for a unit without a name.
    """
    if not said:
        raise DataError("there are no labels to hold against the names")
    names, true = listed(names), [one.unit.channel for one in said]
    if (most := max(true)) >= len(names):
        raise DataError(
            f"there is a label for unit {most}, and {len(names)} names; the names must be of all units"
        )
    similar, by = (trigram_cosine, "trigrams") if encoder is None else (cosines(encoder), encoder.name)
    labels = listed(one.label for one in said)
    table = similar([*labels, *names], names)
    at = np.arange(len(said))
    usual = (
        labels.index(Counter(label for label in labels if label).most_common(1)[0][0]) if any(labels) else 0
    )

    def row(kind: str, order: NDArray[np.int64], texts: Sequence[str]) -> ClassNameMetrics:
        chosen = [texts[i] for i in order]
        offset = 0 if texts is labels else len(labels)
        return _scored(said[0].method, kind, by, chosen, names, true, table[order + offset], ties)

    draw = np.random.default_rng(seed)
    shuffled = [row(CONTROLS[1], draw.permutation(len(said)), labels) for _ in range(SHUFFLES)]
    following = np.array([(i + 1) % len(names) for i in true])
    constant = row(CONTROLS[0], np.full_like(at, usual), labels)
    return [row("", at, labels), constant, _mean(shuffled), row(CONTROLS[2], following, names)]


def _scored(
    method: str,
    row: str,
    by: str,
    labels: Sequence[str],
    names: Sequence[str],
    true: Sequence[int],
    similar: Similar,
    ties: str,
) -> ClassNameMetrics:
    at = ranks(similar, true, ties=ties)
    own = similar[np.arange(len(labels)), list(true)]
    has = np.array([bool(label) for label in labels])
    lines = [names[i] for i in true]
    pairs = list(zip(labels, lines, strict=True))
    return ClassNameMetrics(
        method=method,
        row=row,
        units=len(labels),
        labeled=int(has.sum()),
        distinct=len({plain_name(label) for label in labels if label}),
        exact=float(np.mean([is_name(label, line) for label, line in pairs])),
        shared=float(np.mean([shared_word(label, line) for label, line in pairs])),
        top1=float((at <= 1).mean()),
        top5=float((at <= 5).mean()),
        mrr=float((1 / at).mean()),
        cosine=float(own[has].mean()) if has.any() else float("nan"),
        similar=by,
    )


def _mean(rows: Sequence[ClassNameMetrics]) -> ClassNameMetrics:
    """The mean of rows of one kind."""
    values: dict[str, Any] = vars(rows[0]).copy()
    for name in ("exact", "shared", "top1", "top5", "mrr", "cosine"):
        values[name] = float(np.mean([getattr(row, name) for row in rows]))
    return ClassNameMetrics(**values)


def is_name(label: str, line: str) -> bool:
    """Whether a label is the line of a class, or one of its synonyms, but for case and separators.

    >>> is_name("Tinca-tinca", "tench, Tinca tinca"), is_name("fish", "tench, Tinca tinca")
    (True, False)
    """
    return bool(plain_name(label)) and plain_name(label) in {plain_name(line), *synonyms(line)}


def output_labels(said: Sequence[Description], layer: str | None = None) -> list[list[Description]]:
    """The labels of the units that have names, those of each method by itself and one for each unit.

    They are those of `layer`, or of the layer that is called like an output. Raises `UsageError` where there is none,
    and `DataError` for two labels of one method for one unit.
    """
    layers = list(dict.fromkeys(one.unit.layer for one in said))
    chosen = layer or next((name for name in OUTPUTS if name in layers), None)
    if chosen not in layers:
        shown = ", ".join(layers[:8]) + (", …" if len(layers) > 8 else "")
        wanted = f"the layer {layer!r}" if layer else f"an output ({', '.join(OUTPUTS)})"
        raise UsageError(f"there are no labels of {wanted}; give --layer, one of: {shown}")
    groups: dict[str, dict[int, Description]] = {}
    for one in (one for one in said if one.unit.layer == chosen):
        group = groups.setdefault(one.method, {})
        if one.unit.channel in group:
            raise DataError(
                f"{one.method} says two things of {one.unit}; give one seed and one file of each method"
            )
        group[one.unit.channel] = one
    return [list(group.values()) for group in groups.values()]


__all__ = [
    "CONTROLS",
    "OUTPUTS",
    "ClassNameMetrics",
    "cosines",
    "is_name",
    "named",
    "output_labels",
    "ranks",
    "read_names",
]
