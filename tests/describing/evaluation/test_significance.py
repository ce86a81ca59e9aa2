"""Held-out scores, p-values and abstention."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import vital
from vital import ImageSet, Model
from vital.activations import matrix
from vital.describing.api import Words
from vital.describing.base import Context, Describer
from vital.describing.evaluation import significance
from vital.describing.evaluation.significance import LabelEvaluator, p_value
from vital.describing.evaluation.table import score_rows, shown_rows
from vital.describing.matching.presence import presence, weighted
from vital.errors import InvalidValueError, UsageError
from vital.metrics import METRICS
from vital.models.random import random_weights
from vital.records import NOT_JUDGED, Description
from vital.world.networks.backends import Encoder


@pytest.fixture
def context(net: Model, pictures: ImageSet, encoder: Encoder) -> Context:
    return Context(net, pictures, encoder=encoder)


def claim(context: Context, unit: str, text: str, **details: object) -> Description:
    (found,) = context.model.units([unit])
    return Description(found, "anybody", text, 1.0, text, details=details)


def test_a_true_label_stands_and_a_false_one_is_taken_back_but_kept_to_read(context: Context) -> None:
    right, wrong = LabelEvaluator(context).judged(
        [claim(context, "planted:2", "red"), claim(context, "planted:2", "striped")]
    )
    assert (right.label, right.candidate) == ("red", "red")
    assert right.p_value == pytest.approx(1 / 44)
    assert (wrong.label, wrong.candidate) == ("", "striped")
    assert right.details["held-out"]["correlation"] > wrong.details["held-out"]["correlation"]


def test_the_scores_are_the_metrics_on_the_held_out_images(context: Context) -> None:
    given = claim(context, "planted:2", "red")
    evaluator = LabelEvaluator(context, n_random_models=0)
    (found,) = evaluator.judged([given])
    from vital.activations.matrix import build_matrix

    known = build_matrix(context.model, context.images, [given.unit])  # type: ignore[arg-type]
    values, shown = (
        known.of([given.unit])[~known.choosing, 0],
        evaluator.shown(given)[~known.choosing],
    )
    for name, metric in ((name, METRICS[name]) for name in METRICS):
        assert found.details["held-out"][name] == pytest.approx(float(metric(values, shown)), rel=1e-4)
    assert "random" not in found.details["held-out"]


def test_a_label_that_random_weights_get_as_well_is_taken_back(context: Context) -> None:
    blank = replace(context, model=random_weights(context.model, 7))
    claims = [claim(blank, f"class:{i}", "on snow") for i in range(16)]
    strict, lenient = (
        LabelEvaluator(blank).judged(claims),
        LabelEvaluator(blank, alpha=1.0, n_random_models=0).judged(claims),
    )
    assert sum(bool(d.label) for d in strict) <= 1
    assert any(d.label for d in lenient)


def test_a_description_of_several_terms_is_judged_by_their_sum(context: Context) -> None:
    evaluator = LabelEvaluator(context, n_random_models=0)
    one = claim(context, "class:9", "sphere")
    both = claim(context, "class:9", "striped, sphere", terms=[["striped sphere", 1.0], ["sphere", 0.2]])
    judged = evaluator.judged([one, both])
    low, high = (d.details["held-out"]["correlation"] for d in judged)
    assert high > low


def test_a_sum_shows_what_its_terms_show_by_their_weights(context: Context) -> None:
    evaluator = LabelEvaluator(context, n_random_models=0)
    terms = [["sphere", 0.5], ["red", 1.0]]
    apart = [evaluator.shown(claim(context, "planted:2", text)) for text, _ in terms]
    wanted = 0.5 * apart[0] + apart[1]
    found = evaluator.shown(claim(context, "planted:2", "red, sphere", terms=terms))
    torch.testing.assert_close(found, (wanted - wanted.min()) / (wanted.max() - wanted.min()))


def test_a_label_or_a_candidate_alone_is_what_is_judged(context: Context) -> None:
    given = claim(context, "planted:2", "red")
    both = [replace(given, candidate=""), replace(given, label="")]
    judged = LabelEvaluator(context, n_random_models=0).judged(both)
    assert [(d.label, d.candidate) for d in judged] == [("red", "red")] * 2


def test_a_sum_earns_its_label_by_its_weightiest_term_alone(context: Context) -> None:
    evaluator = LabelEvaluator(context)
    sums = [
        claim(context, "planted:2", "red", terms=[["red", 2.0], ["striped", 0.1]]),
        claim(context, "planted:2", "striped", terms=[["red", 0.9], ["striped", 1.0]]),
    ]
    right, wrong = evaluator.judged(sums)
    alone = evaluator.judged([claim(context, "planted:2", "red"), claim(context, "planted:2", "striped")])
    assert (right.label, wrong.label) == ("red", "")
    assert [d.p_value for d in (right, wrong)] == [d.p_value for d in alone]
    assert wrong.details["held-out"]["correlation"] > 0.3 > alone[1].details["held-out"]["correlation"]


def test_p_values_count_other_units_that_are_as_good() -> None:
    layer = torch.tensor([0.1, 0.9, 0.9, 0.2])
    assert p_value(layer[1], layer, 1) == (2 / 4, 3)
    assert p_value(torch.tensor(0.95), layer, None) == (1 / 5, 4)
    assert p_value(torch.tensor(0.3), torch.tensor([0.3]), 0) == (1.0, 0)


@pytest.mark.parametrize("equal", [1, 2, 3, 4])
def test_the_reason_counts_the_other_units_that_go_as_well_with_a_label(context: Context, equal: int) -> None:
    given, evaluator = claim(context, "planted:2", "red"), LabelEvaluator(context, n_random_models=0)
    layer = torch.tensor(
        [0.6] * min(equal, 2) + [0.1] * max(0, 2 - equal) + [0.5] + [0.7] * max(0, equal - 2)
    )
    layer = torch.cat([layer, torch.zeros(5 - len(layer))])
    found = evaluator._verdict(given, layer[2], layer, torch.tensor(-1.0), {}, 100)
    assert found.reason == f"{equal} of 4 other units of planted go as well with it, p {(1 + equal) / 5:.3g}"


def test_what_says_nothing_stays_as_it_is(context: Context) -> None:
    silent = claim(context, "planted:2", "")
    assert LabelEvaluator(context).judged([silent]) == [silent]


def test_every_table_has_its_three_controls(context: Context) -> None:
    evaluator = LabelEvaluator(context)
    words = {"planted:2": "red", "planted:5": "green", "planted:19": "wooden"}
    judged = evaluator.judged([claim(context, unit, word) for unit, word in words.items()])
    rows = score_rows(evaluator, judged, judged)
    assert [row["row"] for row in rows] == ["anybody", "constant word", "shuffled units", "random weights"]
    assert rows[0]["correlation"] > max(rows[1]["correlation"], rows[2]["correlation"])
    assert rows[0]["labeled"] == 1
    head, cells = shown_rows(rows)
    assert "(auc)" in head
    assert all(len(row) == len(head) for row in cells)


def test_a_describer_that_says_nothing_of_random_weights_is_told(context: Context) -> None:
    @dataclass(frozen=True)
    class Mute(Describer):
        needs: ClassVar[tuple[str, ...]] = ()

        def describe(self, context: Context, units: Any) -> Any:
            return []

    with pytest.raises(
        InvalidValueError, match=r"^describe of the describer .*Mute\(\) gave a list of 0; allowed"
    ):
        Words(context, {"mute": Mute()}).of_random_weights([claim(context, "planted:2", "red")])


def test_a_random_copy_has_other_weights_and_leaves_the_network_alone(net: Model) -> None:
    before = net.weights_hash()
    first, again, other = random_weights(net, 0), random_weights(net, 0), random_weights(net, 1)
    assert first.weights_hash() == again.weights_hash() != other.weights_hash()
    assert net.weights_hash() == before != first.weights_hash()
    assert first.size == net.size


def test_presence_goes_up_with_the_cosine_and_does_not_mind_its_scale() -> None:
    cosines = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    shown = presence(cosines)
    order = cosines[:, 0].argsort()
    assert (shown[order, 0].diff() >= 0).all()
    assert torch.allclose(presence(0.1 * cosines + 0.3), shown, atol=1e-5)
    assert (shown.amin(), shown.amax()) == (0, 1)
    assert (presence(torch.ones(5, 1)) == 0).all()
    assert weighted(cosines, torch.tensor([1.0, 0.0, -1.0])).amax() == 1


def test_an_evaluator_needs_an_encoder_and_numbers_that_make_sense(context: Context) -> None:
    with pytest.raises(UsageError, match="encoder"):
        LabelEvaluator(replace(context, encoder=None))
    for wrong in ({"alpha": 0.0}, {"n_random_models": -1}):
        with pytest.raises(InvalidValueError, match="allowed are"):
            LabelEvaluator(context, **wrong)  # type: ignore[arg-type]


def test_copies_of_an_image_are_no_further_evidence(
    context: Context, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = np.stack([np.asarray(context.images[i]) for i in range(12) for _ in range(20)])  # type: ignore[index]
    copied = replace(context, images=vital.load_images(few))
    (found,) = LabelEvaluator(copied, n_random_models=0).judged([claim(copied, "planted:2", "red")])
    held = int((~copied.images.part()).sum())  # type: ignore[union-attr]
    assert held >= 40
    assert found.status == NOT_JUDGED
    assert found.reason == f"{held // 20} different images were held out, and judging needs at least 20"
    monkeypatch.setattr(significance, "FEWEST", held // 20)
    (found,) = LabelEvaluator(copied, n_random_models=0).judged([claim(copied, "planted:2", "red")])
    assert "held out" not in found.reason


def test_networks_with_random_weights_are_told_apart_by_their_names(context: Context) -> None:
    names = [copy.name for copy in LabelEvaluator(context, n_random_models=2)._copies]
    assert names == [f"{context.model.name}, random weights {n} of 2" for n in (1, 2)]


def test_networks_with_random_weights_see_the_images_once_for_all_layers(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path))
    passes: list[str] = []
    tracer = matrix.Tracer
    monkeypatch.setattr(matrix, "Tracer", lambda *given: passes.append(given[0].name) or tracer(*given))
    units = ("planted:2", "class:3", "layer3:1", "layer2:1")
    LabelEvaluator(context, n_random_models=2).judged([claim(context, unit, "red") for unit in units])
    assert len(passes) == 2 + len(units)  # whoever describes shows all layers to the network itself at once
