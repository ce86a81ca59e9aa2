"""Terms of several units in one go give what each gives for its own images: run over the registries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.counting import SYNCS, Counting
from tests import toy
from tests.laws.test_terms import ENTRIES
from vital import objectives as obj
from vital import regularizers as reg
from vital.attribution import followed
from vital.models import Model
from vital.optim.groups import Group, grouped
from vital.records import Template
from vital.terms import Looped, Sum, Term, as_sum
from vital.tracing import Trace, Tracer
from vital.types import PerImage

IMAGES, TRANSFORMS = 2, 2


def template(seed: int, unit: str = "class:1", rule: str = "") -> Template:
    """Sorted vectors of two layers from a seed."""
    draw = torch.Generator().manual_seed(seed)
    layers = {
        n: torch.randn(c, p, generator=draw).sort(1).values
        for n, c, p in [("act1", 8, 256), ("layer3", 24, 16)]
    }
    important = {n: torch.rand(len(q), generator=draw) for n, q in layers.items()}
    return Template(layers, unit=unit, rule=rule, start="waking", importance=important if rule else {})


def lucent(read: Any) -> Tensor:
    """Minus the mean of a channel, as Lucent writes it."""
    return -read("layer2")[:, 1].mean()


def siblings(name: str, model: Model) -> list[Term]:
    """Three terms of a kind, as different as they may be and still be computed in one go."""
    pictures = [toy.images(1, seed=seed) for seed in (11, 12, 13)]
    vectors = [torch.linspace(-1, low, 16) for low in (1.0, 0.5, 2.0)]
    kinds: dict[str, list[Term]] = {
        "alignment": [obj.Alignment(template(s), {"act1": w, "layer3": 1.0}) for s, w in ((7, 1), (8, 2), (9, 3))],
        "direction": [obj.Direction("layer2", vector, power=2) for vector in vectors],
        "deepdream": [obj.DeepDream("layer2")] * 3,
        "diversity": [obj.Diversity("layer2")] * 3,
        "lucent": [obj.FromLucent(lucent, ("layer2",))] * 3,
        "caricature": [obj.Caricature.of(model, "layer2", picture) for picture in pictures],
        "activation-difference": [
            obj.ActivationDifference.of(model, "layer2", picture, picture.flip(3)) for picture in pictures
        ],
        "feature-match": [obj.FeatureMatch.of(model, "layer2", picture) for picture in pictures],
        "neuron": [obj.Neuron(f"layer2:{i}@{i},3") for i in (1, 5, 2)],
        "channel": [obj.Channel(f"layer2:{i}") for i in (1, 5, 2)],
        "logit": [obj.Logit(f"class:{i}", softmax=True) for i in (1, 5, 2)],
        "reach": [obj.Reach(f"layer2:{i}", float(i)) for i in (1, 5, 2)],
        "interpolate": [obj.Interpolate(f"layer2:{i}", f"layer3:{i}") for i in (1, 5, 2)],
        "l1": [reg.L1(0.4)] * 3,
        "l2": [reg.L2(0.4)] * 3,
        "image-distance": [reg.ImageDistance(picture, "layer2") for picture in pictures],
        "range": [reg.Range(0.1, 0.8)] * 3,
        "total-variation": [reg.TotalVariation("four")] * 3,
        "blur": [reg.Blur()] * 3,
        "boundary": [reg.Boundary(width=4)] * 3,
        "spectrum": [reg.Spectrum()] * 3,
        "batch-norm": [reg.BatchNormStatistics.of(model)] * 3,
        "colors": [reg.Colors.of(toy.images(4))] * 3,
    }  # fmt: skip
    return kinds[name]


def own_rows(trace: Trace, slot: int) -> Trace:
    each = IMAGES * TRANSFORMS
    return trace.rows(slot * each, (slot + 1) * each)


def seen(tracer: Tracer, image: Tensor) -> Trace:
    """A pass over images with two transforms of each."""
    shown = (image * 0.9 + 0.02).repeat_interleave(TRANSFORMS, 0)
    return tracer(
        image, shown + torch.linspace(0, 0.1, len(shown)).view(-1, 1, 1, 1), n_transforms=TRANSFORMS
    )


every_kind = pytest.mark.parametrize("name", [entry.name for entry in ENTRIES])


@every_kind
def test_stacked_terms_give_the_losses_and_gradients_of_each_alone(name: str) -> None:
    model = toy.model(double=True)
    terms = siblings(name, model)
    stacked = type(terms[0]).stack(terms)
    assert isinstance(stacked, Looped) == (name == "lucent")
    assert stacked.layers == terms[0].layers
    image = toy.images(3 * IMAGES, low=-0.2, high=1.2).requires_grad_()
    with Tracer(model, terms[0].layers) as tracer:
        trace = seen(tracer, image)
        together = stacked(trace)
        alone = torch.cat([term(own_rows(trace, i)) for i, term in enumerate(terms)])
        torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-13)
        weights = torch.linspace(0.5, 2, len(together), dtype=torch.float64)
        gradients = [
            torch.autograd.grad((x * weights).sum(), image, retain_graph=True)[0] for x in (together, alone)
        ]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-13)
    assert gradients[0].abs().amax((1, 2, 3)).min() > 0


@pytest.mark.parametrize(
    "terms",
    [
        [obj.Neuron("layer2:1@1,1"), obj.Neuron("layer2:2")],
        [obj.Logit("class:1"), obj.Logit("class:2", softmax=True)],
        [reg.L1(0.4), reg.L1(0.5)],
        [reg.Spectrum(), reg.Spectrum(target=torch.ones(3, 32, 17))],
        [reg.Spectrum(target=torch.zeros(3, 32, 17)), reg.Spectrum(target=torch.ones(3, 32, 17))],
        [obj.Direction("layer2", torch.ones(16), power=2), obj.Direction("layer2", torch.ones(16))],
        [obj.Direction("layer2", torch.ones(16), window=torch.eye(8)), obj.Direction("layer2", torch.ones(16))],
        [obj.Caricature("layer2", torch.ones(1, 16, 8, 8)), obj.Caricature("layer2", torch.ones(1, 16, 8, 8), 2.0)],
        [obj.FeatureMatch("layer2", torch.ones(1, 16, 8, 8)), obj.FeatureMatch("layer2", torch.ones(1, 16, 8, 8), 1)],
    ],
)  # fmt: skip
def test_terms_that_differ_in_kind_take_turns(terms: list[Term]) -> None:
    model = toy.model(double=True)
    stacked = type(terms[0]).stack(terms)
    assert isinstance(stacked, Looped)
    trace = toy.trace(model, terms[0].layers, toy.images(4))
    alone = torch.cat([term(trace.rows(2 * i, 2 * i + 2)) for i, term in enumerate(terms)])
    torch.testing.assert_close(stacked(trace), alone, rtol=0, atol=0)


@dataclass(frozen=True, repr=False)
class Own(Term):
    """A term as a user writes it, whose loss is right for the images of one unit alone."""

    factor: float

    def __call__(self, trace: Trace) -> PerImage:
        """The mean of all images of the unit, (B,)."""
        return (self.factor * trace.image.mean()).expand(len(trace))


def test_a_term_of_ones_own_sees_the_images_of_its_unit_alone() -> None:
    sums = [as_sum(Own(float(i)) + obj.Channel(f"layer2:{i}")) for i in (1, 2, 3)]
    (group,) = grouped(sums)
    trace = toy.trace(toy.model(double=True), ["layer2"], toy.images(3).requires_grad_())
    torch.testing.assert_close(group.losses(trace), losses_of(sums, trace), rtol=1e-12, atol=0)


def losses_of(sums: list[Sum], trace: Trace) -> Tensor:
    """What the parts of sums give for the images of their own units, one by one."""
    each = len(trace) // len(sums)
    columns = [
        torch.stack(list(s.losses(trace.rows(i * each, (i + 1) * each)).values())) for i, s in enumerate(sums)
    ]
    return torch.cat(columns, 1)


def test_units_of_several_layers_are_groups_that_see_their_own_images() -> None:
    sums = [
        as_sum(term + 0.1 * (i + 1) * reg.L2())
        for i, term in enumerate(obj.Channel(u) for u in ("layer2:1", "layer3:2", "layer2:5", "layer3:4"))
    ]
    groups = grouped(sums)
    assert [group.slots for group in groups] == [(0, 2), (1, 3)]
    trace = toy.trace(toy.model(double=True), ["layer2", "layer3"], toy.images(8).requires_grad_())
    expected = losses_of(sums, trace)
    for group in groups:
        rows = [2 * slot + i for slot in group.slots for i in range(2)]
        torch.testing.assert_close(group.losses(trace), expected[:, rows], rtol=1e-12, atol=0)


@pytest.mark.parametrize("units", [("class:1", "class:3", "class:1"), ("layer3:1", "layer3:5", "layer3:2")])
@pytest.mark.parametrize("rule", ["zplus", "gradient"])
def test_masked_alignments_share_one_sweep(units: tuple[str, ...], rule: str) -> None:
    model = toy.model(double=True)
    layers = {"act1": 1.0} if units[0].startswith("layer") else None
    terms = [obj.Alignment(template(s, unit, rule), layers) for s, unit in enumerate(units)]
    requests = [term.relevance_request for term in terms]
    image = toy.images(3 * IMAGES).requires_grad_()
    watched = dict.fromkeys([*terms[0].layers, units[0].partition(":")[0]])
    with Tracer(model, watched, record=True) as tracer:
        trace = seen(tracer, image)
        trace = replace(trace, relevance=followed(trace, requests))
        together = type(terms[0]).stack(terms)(trace)
        for slot, term in enumerate(terms):
            alone = own_rows(trace, slot)
            alone = replace(alone, relevance=followed(alone, [requests[slot]]))
            torch.testing.assert_close(term(alone), own_rows_of(together, slot), rtol=1e-10, atol=0)
            assert term(alone).abs().min() > 0


def own_rows_of(losses: Tensor, slot: int) -> Tensor:
    each = IMAGES * TRANSFORMS
    return losses[slot * each : (slot + 1) * each]


@every_kind
def test_operations_do_not_grow_with_the_units_and_never_wait(name: str) -> None:
    if name == "lucent":
        pytest.skip("an objective of Lucent is called for each image")
    model, counts = toy.model(), []
    for times in (1, 4):
        terms = siblings(name, model) * times
        group = Group(range(len(terms)), len(terms), [as_sum(term) for term in terms])
        trace = toy.trace(model, terms[0].layers, toy.images(2 * len(terms)).requires_grad_())
        group.losses(trace).sum().backward(retain_graph=True)  # what is kept is made
        with Counting() as counting:
            group.losses(trace).sum().backward()
        assert counting.counts[SYNCS] == 0
        counts.append(sum(counting.counts.values()))
    assert counts[0] == counts[1]
