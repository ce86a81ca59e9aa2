from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.attribution.test_tape import Last
from vital import objectives as obj
from vital import params as par
from vital.activations.template import make_template
from vital.attribution import (
    Relevance,
    followable,
    followed,
    gradient_times_activation_of,
    importance,
    mask,
    relevance,
    relevance_of,
)
from vital.errors import InvalidValueError
from vital.models import Model
from vital.optim import optimize
from vital.records import Template
from vital.terms import GRADIENT, RelevanceRequest
from vital.tracing import Tracer
from vital.units import Unit

LAYERS = ("one", "two")


def net() -> Model:
    torch.manual_seed(3)
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        one=nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU()),
        two=nn.Sequential(nn.Conv2d(5, 6, 3, padding=1, stride=2), nn.ReLU()),
        pool=nn.AdaptiveAvgPool2d(1),
        flat=nn.Flatten(),
        fc=nn.Linear(6, 4),
    )
    return Model(nn.Sequential(parts).double(), "net", (8, 8))


def request(unit: str) -> RelevanceRequest:
    return RelevanceRequest(Unit.parse(unit), LAYERS)


def pictures(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_a_mask_brings_each_channel_of_each_image_to_0_and_1() -> None:
    r = torch.randn(2, 3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 5
    got = mask(r)
    for b in range(2):
        for c in range(3):
            low, high = min(r[b, c]), max(r[b, c])
            assert torch.allclose(got[b, c], (r[b, c] - low) / (high - low), atol=1e-5)
    assert mask(torch.zeros(1, 2, 4)).abs().amax() == 0
    assert torch.equal(mask(torch.tensor([[[3.0], [-2.0]]])), torch.ones(1, 2, 1))


def test_the_importance_of_a_channel_is_its_strongest_place_among_all_channels() -> None:
    r = torch.tensor([[[0.0, 4.0], [1.0, 0.0], [3.0, 2.0]]])
    assert torch.allclose(importance(r), torch.tensor([[1.0, 0.0, 2 / 3]]))
    assert torch.equal(importance(torch.zeros(1, 3, 2)), torch.zeros(1, 3))


def test_requests_of_many_rows_are_answered_as_each_alone() -> None:
    model, images = net(), pictures()
    with Tracer(model, [*LAYERS, "class"], record=True) as tracer:
        trace = tracer(images.clone().requires_grad_())
        found = followed(trace, [request("class:2"), request("two:4"), request("two:4")])
    alone = relevance(model, images[:1], "class:2", LAYERS, start="waking")
    others = relevance(model, images[1:], "two:4", LAYERS, start="waking")
    for layer in LAYERS:
        assert torch.allclose(found[layer], torch.cat([alone[layer], others[layer]]), rtol=1e-12)
        assert found[layer].abs().amax() > 0


def test_a_slot_may_ask_for_nothing() -> None:
    model, images = net(), pictures()
    with Tracer(model, [*LAYERS, "class"], record=True) as tracer:
        trace = tracer(images.clone().requires_grad_())
        found = followed(trace, [request("class:2"), None, request("two:4")])
    alone = relevance(model, images[2:], "two:4", LAYERS, start="waking")
    for layer in LAYERS:
        assert not found[layer][1].any()
        torch.testing.assert_close(found[layer][2:], alone[layer])


def test_slots_that_ask_by_other_rules_get_what_each_gets_alone() -> None:
    model, rules = net(), ("zplus", GRADIENT, "epsilon", GRADIENT, "zplus")
    units = ("class:2", "class:2", "two:4", "two:1", "two:4")
    asked = [replace(request(unit), rule=rule) for unit, rule in zip(units, rules, strict=True)]
    with Tracer(model, [*LAYERS, "class"], record=True) as tracer:
        trace = tracer(pictures(5).requires_grad_())
        together = followed(trace, asked)
        for i, each in enumerate(asked):
            alone = tracer(pictures(5)[i : i + 1].requires_grad_())
            if each.recorded:
                wanted = relevance_of(alone, each.unit, LAYERS, each.rule, "waking")
            else:
                wanted = gradient_times_activation_of(alone, each.unit, LAYERS)
                wanted = {layer: part.clamp(min=0) for layer, part in wanted.items()}
            for layer in LAYERS:
                assert wanted[layer].any()
                torch.testing.assert_close(together[layer][i : i + 1], wanted[layer])


def test_a_slot_may_not_ask_for_a_layer_behind_its_unit_that_another_slot_leads_to() -> None:
    model = net()
    with Tracer(model, [*LAYERS, "class"], record=True) as tracer:
        trace = tracer(pictures(2).requires_grad_())
        with pytest.raises(InvalidValueError, match="the layer 'two' is not before one"):
            followed(trace, [request("class:2"), request("one:1")])


def test_relevance_by_several_rules_needs_a_recorded_pass_as_by_one() -> None:
    model = net()
    with Tracer(model, [*LAYERS, "class"]) as tracer:
        trace = tracer(pictures(2).requires_grad_())
    for asked in ([request("class:2")], [request("class:2"), replace(request("two:4"), rule="epsilon")]):
        with pytest.raises(InvalidValueError, match="relevance needs a Tracer with record=True"):
            followed(trace, asked)


def test_a_rule_is_kept_where_relevance_can_be_followed() -> None:
    assert followable(net(), request("class:2"), pictures()) == ("zplus", "")
    blocked = Model(nn.Sequential(OrderedDict(one=nn.Conv2d(3, 4, 3), two=Last())), size=(8, 8))
    asked = RelevanceRequest(Unit.parse("two:1"), ("one",))
    rule, why = followable(blocked, asked, pictures().float())
    assert rule == GRADIENT
    assert why.endswith("; masked by gradient × activation, which is not relevance")


def test_the_floor_of_a_mask_keeps_its_greatest_below_1() -> None:
    r = torch.tensor([[[-1.0, 3.0], [1.0, 2.0]]], dtype=torch.float64)
    wanted = torch.tensor([4 / (4 + 4e-6), 1 / (1 + 4e-6)], dtype=torch.float64)
    torch.testing.assert_close(mask(r)[0, :, 1], wanted, rtol=1e-12, atol=0)
    peaks = torch.tensor([[1 / (1 + 1e-6), 0]], dtype=torch.float64)
    torch.testing.assert_close(importance(r), peaks, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("rule", "floor"), [("reference", 1e-6), (GRADIENT, 4e-6), (Relevance(), 4e-6)])
def test_the_floor_is_that_of_the_rule(rule: str | Relevance, floor: float) -> None:
    r = torch.tensor([[[-1.0, 3.0], [1.0, 2.0]]], dtype=torch.float64)
    wanted = torch.tensor([4 / (4 + floor), 1 / (1 + floor)], dtype=torch.float64)
    torch.testing.assert_close(mask(r, rule)[0, :, 1], wanted, rtol=1e-12, atol=0)
    own = min(floor, 2e-6)
    peaks = torch.tensor([[2 / (2 + own), 0]], dtype=torch.float64)
    torch.testing.assert_close(
        importance(r + torch.tensor([[[1.0], [0.0]]]), rule), peaks, rtol=1e-12, atol=0
    )


def template(model: Model, unit: str, rule: str = "zplus") -> Template:
    return make_template(model, LAYERS, [(pictures(), [0.5, 0.3, 0.2])], unit=unit, rule=rule)


def test_a_template_with_a_rule_holds_what_is_relevant_of_the_references() -> None:
    model = net()
    made = template(model, "class:1")
    r = relevance(model, pictures(), "class:1", LAYERS, start="waking")
    with Tracer(model, LAYERS) as tracer:
        trace = tracer(pictures())
    for layer in LAYERS:
        quantiles, important = 0, 0
        for k, weight in enumerate((0.5, 0.3, 0.2)):
            act, own = trace[layer][k].flatten(1), r[layer][k].flatten(1)
            low, high = own.amin(1, keepdim=True), own.amax(1, keepdim=True)
            quantiles += weight * (act * (own - low) / (high - low)).nan_to_num(0).sort(1).values
            peak = own.amax(1)
            important += weight * (peak - peak.min()) / (peak.max() - peak.min())
        assert torch.allclose(made.layers[layer], quantiles, rtol=1e-4, atol=1e-6)
        assert torch.allclose(made.importance[layer], important, rtol=1e-5)


def test_alignment_with_a_rule_is_the_weighted_distance_of_what_is_relevant() -> None:
    model = net()
    term = obj.Alignment(template(model, "class:1"))
    images = pictures(2)
    assert term.relevance_request == RelevanceRequest(Unit.parse("class:1"), LAYERS)
    with Tracer(model, [*LAYERS, "class"], record=True) as tracer:
        trace = tracer(images)
        found = followed(trace, [term.relevance_request])
        got = term(replace(trace, relevance=found))
    for b in range(2):
        total = 0.0
        for layer in LAYERS:
            act, own = trace[layer][b].flatten(1), found[layer][b].flatten(1)
            q, g = term.template.layers[layer], term.template.importance[layer]
            low, high = own.amin(1, keepdim=True), own.amax(1, keepdim=True)
            seen = (act * (own - low) / (high - low)).nan_to_num(0).sort(1).values
            total += float((g[:, None] * (seen - q).square()).mean())
        assert float(got[b]) == pytest.approx(total, rel=1e-4)


def test_a_picture_under_a_mask_does_not_depend_on_its_company() -> None:
    model = net()
    terms = [obj.Alignment(template(model, unit)) * 1.0 for unit in ("class:1", "class:3", "two:2")]

    def made(which: list[int]) -> torch.Tensor:
        keys = [str(i) for i in which]
        return optimize(model, [terms[i] for i in which], par.Pixels(8), steps=5, keys=keys).images

    together = made([0, 1, 2])
    assert torch.equal(together[1], made([1])[0])
    assert torch.equal(together[2], made([2, 0])[0])
    assert not torch.equal(together[0], together[1])


def test_the_gradient_takes_relevance_as_a_constant() -> None:
    model = net()
    term = obj.Alignment(template(model, "class:1"))
    images = pictures(1).requires_grad_()
    with Tracer(model, [*LAYERS, "class"], record=True) as tracer:
        trace = tracer(images)
        assert term.relevance_request
        found = followed(trace, [term.relevance_request])
    assert not any(part.requires_grad for part in found.values())


def test_two_terms_may_not_ask_for_different_relevance() -> None:
    model = net()
    both = obj.Alignment(template(model, "class:1")) + obj.Alignment(template(model, "class:2"))
    with pytest.raises(InvalidValueError, match="different relevance"):
        _ = both.relevance_request
