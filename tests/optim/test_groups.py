from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from tests import toy
from vital.attribution import gradient_times_activation_of, relevance_of
from vital.errors import InvalidValueError
from vital.objectives import Alignment, Channel, Diversity
from vital.optim import optimize
from vital.optim.groups import grouped
from vital.records import Template
from vital.regularizers import L2
from vital.terms import Looped, Term, as_sum
from vital.tracing import Trace
from vital.types import PerImage


@dataclass(frozen=True, repr=False)
class OfThePass(Term):
    """A term that asks the pass behind its trace."""

    unit: str

    @property
    def layers(self) -> tuple[str, ...]:
        """Two layers."""
        return ("act1", "layer2")

    def __call__(self, trace: Trace) -> PerImage:
        """The mean of gradient × activation, which is a constant, times the activation."""
        found = gradient_times_activation_of(trace, self.unit, ["act1"])["act1"]
        return (found.detach() * trace["act1"]).flatten(1).sum(1)


def test_a_term_may_ask_the_pass_in_any_company() -> None:
    model = toy.model(double=False)
    terms = [Channel("layer3:2"), OfThePass("layer2:1"), OfThePass("layer2:3")]
    together = optimize(model, terms, toy.Canvas(), steps=3, keys=["a", "b", "c"])
    for i in (1, 2):
        alone = optimize(model, terms[i], toy.Canvas(), steps=3, keys=["abc"[i]])
        torch.testing.assert_close(
            together.losses["total"][i], alone.losses["total"][0], rtol=1e-3, atol=1e-6
        )


def test_relevance_of_the_pass_is_there_in_company_too() -> None:
    @dataclass(frozen=True, repr=False)
    class Relevant(Term):
        """Asks for relevance itself."""

        unit: str
        layers: tuple[str, ...] = ("act1", "act2")

        def __call__(self, trace: Trace) -> PerImage:
            """The relevance at a layer, times its activations."""
            r = relevance_of(trace, self.unit, ["act1"])["act1"]
            return (r.detach() * trace["act1"]).flatten(1).sum(1)

    template = Template({"act1": torch.zeros(8, 256)}, unit="act2:1", rule="zplus", start="waking",
                        importance={"act1": torch.ones(8)})  # fmt: skip
    terms = [1.0 * Alignment(template), Relevant("act2:3") + 0 * L2(), Relevant("act2:4") + 0 * L2()]
    made = optimize(toy.model(), terms, toy.Canvas(), steps=2)
    assert made.status == ("done",) * 3


@dataclass(frozen=True, repr=False)
class Louder(Channel):
    """A subclass that computes a loss of its own."""

    def __call__(self, trace: Trace) -> PerImage:
        """A hundred more than the channel's."""
        return 100 + Channel.__call__(self, trace)


@dataclass(frozen=True, repr=False)
class Apart(Diversity):
    """The same of a term that couples images."""

    def __call__(self, trace: Trace) -> PerImage:
        """Seven more."""
        return 7 + Diversity.__call__(self, trace)


@dataclass(frozen=True, repr=False)
class Norm(L2):
    """The same of a term that is one for equal ones: its loss couples whatever it is given."""

    def __call__(self, trace: Trace) -> PerImage:
        """The mean over all."""
        return L2.__call__(self, trace).mean().expand(len(trace))


@pytest.mark.parametrize(
    ("terms", "least"), [([Louder("layer2:1"), Louder("layer2:2")], 90), ([Apart("act2")] * 2, 6)]
)
def test_a_subclass_computes_its_own_loss(terms: list[Term], least: float) -> None:
    (group,) = grouped([as_sum(term) for term in terms])
    assert isinstance(group.parts[0], Looped)
    made = optimize(toy.model(), terms, toy.Canvas(images=2), steps=1)
    assert made.losses["total"].min() > least


def test_a_subclass_of_a_term_that_is_one_for_equal_ones_sees_its_own_images() -> None:
    (group,) = grouped([as_sum(Norm()), as_sum(Norm())])
    trace = toy.trace(toy.model(), [], toy.images(2).requires_grad_())
    own = [L2()(trace.rows(i, i + 1)) for i in range(2)]
    torch.testing.assert_close(group.losses(trace)[0], torch.cat(own))


@dataclass(frozen=True, repr=False)
class Perhaps(Term):
    """A term without a gradient, or with one."""

    passes: bool
    layers: tuple[str, ...] = ("layer2",)

    def __call__(self, trace: Trace) -> PerImage:
        """The mean of a layer."""
        loss: PerImage = trace["layer2"].flatten(1).mean(1)
        return loss if self.passes else loss.detach()


def test_one_term_of_several_without_a_gradient_is_noticed() -> None:
    with pytest.raises(InvalidValueError, match=r"^no gradient passes through Perhaps\(False\)"):
        optimize(toy.model(), [Perhaps(passes=True), Perhaps(passes=False)], toy.Canvas(), steps=1)


def test_a_request_for_relevance_that_leads_nowhere_is_noticed_in_company() -> None:
    def masked(unit: str, layer: str, channels: int, places: int) -> Term:
        template = Template({layer: torch.zeros(channels, places)}, unit=unit, rule="zplus", start="waking",
                            importance={layer: torch.ones(channels)})  # fmt: skip
        return 1.0 * Alignment(template)

    wrong, right = masked("act1:1", "act2", 16, 64), masked("act3:1", "act2", 16, 64)
    for terms in ([wrong], [right, wrong]):
        with pytest.raises(
            InvalidValueError, match="the layer 'act2' is not before act1, where relevance starts"
        ):
            optimize(toy.model(), terms, toy.Canvas(), steps=1)
