"""Labels of anybody for the units of a network at hand: judged on images as our own are, beside the same controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vital.describing.evaluation.significance import LabelEvaluator
from vital.describing.evaluation.table import RANDOM_SEED, Row, score_rows
from vital.errors import UnitError, UsageError, VitalError
from vital.models.random import random_weights
from vital.records import Description
from vital.units import Unit


def evaluate_external(
    evaluator: LabelEvaluator, said: Sequence[Description]
) -> tuple[list[Description], list[Row]]:
    """Judge labels on the held-out images of an evaluator: the descriptions with p-values, and the table of scores.

    The row "random weights" is what the same labels get for the units of the network with random weights. Whoever made
    the labels may have seen any images, so the odd ones had no part in it only where theirs were others. Raises
    `UnitError` for a unit that the network does not have, and `UsageError` where there is no label.
    """
    known = [replace(one, unit=_unit(evaluator, one)) for one in said if one.label or one.candidate]
    if not known:
        raise UsageError("none of the rows has a label or a candidate; there is nothing to score")
    judged = evaluator.judged(known)
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
