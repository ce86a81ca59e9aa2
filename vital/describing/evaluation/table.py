"""The table of scores: every method beside what a constant word, shuffled units and random weights get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from vital.describing.evaluation.significance import LAYER, RANDOM, LabelEvaluator
from vital.describing.variation import warn_of_halves
from vital.errors import UnitError, UsageError, VitalError
from vital.metrics import METRICS, untrusted
from vital.models.random import random_weights
from vital.records import NOT_JUDGED, STANDS, TAKEN_BACK, Description
from vital.units import Unit
from vital.utils.random import generator

Row = dict[str, Any]
RANDOM_SEED = 1000
"""The seed of the network that is described as a control; `LabelEvaluator` draws its own from 0 on."""

COLUMNS = ("row", "units", "judged", "labeled", *METRICS, "p_value")


def score_rows(
    evaluator: LabelEvaluator, descriptions: Sequence[Description], random: Sequence[Description] = ()
) -> list[Row]:
    """Mean scores on held-out images per method, and of the three controls.

    "constant word" gives every unit the commonest candidate, "shuffled units" gives each another unit's candidate, and
    "random weights" are `random`, judged descriptions of a network that knows nothing. All rows score candidates,
    whether or not the label was taken back; `judged` of the `units` could be judged, and of those `labeled` is the
    share that stands.
    """
    rows = [
        _row(name, [d for d in descriptions if d.method == name])
        for name in dict.fromkeys(d.method for d in descriptions)
    ]
    judged = [d for d in descriptions if d.status != NOT_JUDGED]
    if judged:
        rows.append(_row("constant word", evaluator.judged(_constant(judged))))
        rows.append(_row("shuffled units", evaluator.judged(_shuffled(judged, evaluator.context.seed))))
    return rows + ([_row("random weights", random)] if random else [])


def _constant(judged: Sequence[Description]) -> list[Description]:
    word = Counter(d.candidate for d in judged).most_common(1)[0][0]
    return [_saying(d, word) for d in judged]


def _shuffled(judged: Sequence[Description], seed: int) -> list[Description]:
    """Every unit gets the candidate of another place of a seeded order."""
    order = torch.randperm(len(judged), generator=generator("shuffled units", seed)).tolist()
    after = dict(zip(order, [*order[1:], *order[:1]], strict=True))
    return [_saying(d, judged[after[i]].candidate) for i, d in enumerate(judged)]


def _saying(given: Description, text: str) -> Description:
    details = {key: value for key, value in given.details.items() if key != "terms"}
    return replace(given, label=text, candidate=text, details=details)


def _row(name: str, given: Sequence[Description]) -> Row:
    judged = [d for d in given if d.status != NOT_JUDGED]
    held = [d.details["held-out"] for d in judged]
    row: Row = {"row": name, "units": len(given), "judged": len(judged)}
    row["labeled"] = _mean([float(d.status == STANDS) for d in judged])
    row |= {metric: _mean([numbers[metric] for numbers in held]) for metric in METRICS}
    return row | {"p_value": _mean([d.p_value for d in judged if d.p_value is not None])}


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def shown_rows(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Head and cells of the table as people read it; metrics that are not trusted are in brackets.

    >>> shown_rows([])[0][-2:]
    ['(top-recall)', 'p_value']
    """
    blind = set(untrusted())
    head = [f"({column})" if column in blind else column for column in COLUMNS]
    return head, [[_cell(row[column]) for column in COLUMNS] for row in rows]


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def verdict_lines(descriptions: Sequence[Description]) -> list[str]:
    """Say in a line for each method and layer what could not be judged, and why where no label stands."""
    groups: dict[tuple[str, str], list[Description]] = {}
    for d in descriptions:
        groups.setdefault((d.method, d.unit.layer), []).append(d)
    lines = []
    for (method, layer), group in groups.items():
        left, back = ([d for d in group if d.status == status] for status in (NOT_JUDGED, TAKEN_BACK))
        if left:
            why = "; ".join(f"{reason} ({n})" for reason, n in Counter(d.reason for d in left).most_common(3))
            lines.append(f"{method}, {layer}: {len(left)} of {len(group)} not judged: {why}")
        if back and len(back) + len(left) == len(group):
            counts = Counter(failed for d in back for failed in d.details.get("failed", ()))
            lines.append(
                f"{method}, {layer}: no label stands: of {len(back)}, {counts[LAYER]} go as well with too many other "
                f"units of the layer, {counts[RANDOM]} with units of random weights"
            )
    return lines


def split_seed_of(said: Sequence[Description]) -> int:
    """The seed of the halves that labels were chosen on, 0 where none says it. Raises `UsageError` for several.

    On other halves a label would be judged on images that it was chosen on.
    """
    seeds = sorted({d.split_seed for d in said if d.split_seed is not None})
    if len(seeds) > 1:
        raise UsageError(
            f"the labels were chosen on halves of several seeds, {', '.join(map(str, seeds))}; score them one by one, "
            "or give --split-seed for all"
        )
    return seeds[0] if seeds else 0


def evaluate_external(
    evaluator: LabelEvaluator, said: Sequence[Description]
) -> tuple[list[Description], list[Row]]:
    """Judge labels on the held-out images of an evaluator: the descriptions with p-values, and the table of scores.

    The row "random weights" is what the same labels get for the units of the network with random weights. Whoever made
    the labels may have seen any images, so the held-out ones had no part in it only where theirs were others. Raises
    `UnitError` for a unit that the network does not have, and `UsageError` where there is no label.
    """
    known = [replace(one, unit=_unit(evaluator, one)) for one in said if one.label or one.candidate]
    if not known:
        raise UsageError("none of the rows has a label or a candidate; there is nothing to score")
    warn_of_halves(evaluator.context, list(dict.fromkeys(d.unit for d in known)))
    seed = evaluator.context.split_seed
    judged = [replace(one, split_seed=seed) for one in evaluator.judged(known)]
    blank = replace(evaluator.context, model=random_weights(evaluator.context.model, RANDOM_SEED), bank=None)
    return judged, score_rows(
        evaluator, judged, LabelEvaluator(blank, evaluator.alpha, n_random_models=0).judged(known)
    )


def _unit(evaluator: LabelEvaluator, one: Description) -> Unit:
    try:
        return evaluator.context.model.unit(one.unit)
    except VitalError as error:
        advice = "give the network that the labels are of, and --layer where the file does not say it"
        raise UnitError(
            f"the labels of {one.method} are not of {evaluator.context.model.name}: {error}; {advice}"
        ) from error
