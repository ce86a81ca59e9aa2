"""What holds for every objective and regularizer: run over the registries, so a new term is tested by existing."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from tests import toy
from vital import objectives as obj
from vital import regularizers as reg
from vital.errors import UnitError
from vital.models import Model
from vital.objectives.single import one_unit
from vital.optim import Optimizer, optimize
from vital.records import Template
from vital.terms import OBJECTIVES, REGULARIZERS, Term
from vital.tracing import Trace, Tracer, list_layers

ENTRIES = [*OBJECTIVES.entries.values(), *REGULARIZERS.entries.values()]
every_term = pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.name)


def build(entry: Any, model: Model) -> Term:
    """The registered example, on the given network."""
    assert entry.example, f"{entry.name} is registered without an example"
    draw = torch.Generator().manual_seed(7)
    layers = {
        n: torch.randn(c, p, generator=draw).sort(1).values
        for n, c, p in [("act1", 8, 256), ("layer3", 24, 16)]
    }
    names = {
        "obj": obj, "reg": reg, "torch": torch, "model": model, "template": Template(layers, unit="class:1"),
        "picture": toy.images(1, seed=11),
    }  # fmt: skip
    term = eval(entry.example, names)
    assert isinstance(term, entry.item)
    return term


def traced(model: Model, term: Term, image: Tensor, n_transforms: int = 1) -> Trace:
    """A trace whose image, seen and input all differ."""
    seen = (image * 0.9 + 0.02).roll(3, 3).repeat_interleave(n_transforms, 0)
    return toy.trace(model, term.layers, image, seen, n_transforms)


@every_term
def test_a_term_returns_one_finite_loss_per_image(entry: Any) -> None:
    model = toy.model(double=True)
    term = build(entry, model)
    losses = term(traced(model, term, toy.images(3, low=-0.2, high=1.2)))
    assert losses.shape == (3,)
    assert torch.isfinite(losses).all()


@every_term
def test_the_gradient_is_that_of_the_value(entry: Any) -> None:
    model = toy.model(smooth=True, double=True)
    term = build(entry, model)
    if term.detached:
        pytest.skip(f"the gradient treats {term.detached} as a constant")
    with Tracer(model, term.layers) as tracer:
        image = toy.images(2, size=32, low=-0.2, high=1.2).requires_grad_()
        # the fast mode compares the Jacobian along random directions; 6,144 pixels one by one would take a minute
        assert torch.autograd.gradcheck(lambda x: term(tracer(x)), image, fast_mode=True, atol=1e-6)


@every_term
def test_the_gradient_is_finite_on_a_flat_image(entry: Any) -> None:
    model = toy.model(double=True)
    term = build(entry, model)
    image = torch.full((2, 3, 32, 32), 0.5, dtype=torch.float64, requires_grad=True)
    with Tracer(model, term.layers) as tracer:
        term(tracer(image)).sum().backward()
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()


@every_term
def test_an_images_loss_does_not_depend_on_its_company(entry: Any) -> None:
    model = toy.model(double=True)
    term = build(entry, model)
    trace = traced(model, term, toy.images(4, low=-0.2, high=1.2))
    slot = 2 if term.couples else 1
    parts = [term(trace.rows(i, i + slot)) for i in range(0, 4, slot)]
    together = (
        torch.cat([term(trace.rows(0, slot)), term(trace.rows(slot, 4))]) if term.couples else term(trace)
    )
    torch.testing.assert_close(torch.cat(parts), together, rtol=0, atol=0)


@every_term
def test_only_a_term_that_says_so_couples_images(entry: Any) -> None:
    model = toy.model(double=True)
    term = build(entry, model)
    image = toy.images(2, low=-0.2, high=1.2).requires_grad_()
    with Tracer(model, term.layers) as tracer:
        (gradient,) = torch.autograd.grad(term(tracer(image))[0], image)
    assert gradient[0].abs().max() > 0
    assert term.couples or gradient[1].abs().max() == 0


@every_term
def test_equal_transforms_of_an_image_have_the_loss_of_one(entry: Any) -> None:
    model = toy.model(double=True)
    term = build(entry, model)
    once = term(traced(model, term, toy.images(2)))
    thrice = term(traced(model, term, toy.images(2), n_transforms=3))
    torch.testing.assert_close(thrice.view(2, 3).mean(1), once)


@every_term
def test_layers_name_layers_of_the_network(entry: Any) -> None:
    model = toy.model()
    term = build(entry, model)
    assert isinstance(term.layers, tuple)
    assert {name.removeprefix("<") for name in term.layers} <= set(list_layers(model))


@every_term
def test_adding_and_scaling_obey_arithmetic(entry: Any) -> None:
    model = toy.model(double=True)
    a, b, c = build(entry, model), reg.L1(0.4), obj.Channel("layer2:5")
    before = repr(a)
    trace = traced(model, a + b + c, toy.images(2, low=-0.2, high=1.2))
    close = torch.testing.assert_close
    close((a + b)(trace), a(trace) + b(trace))
    close((2 * a)(trace), 2 * a(trace))
    close((a + b)(trace), (b + a)(trace))
    close(((a + b) + c)(trace), (a + (b + c))(trace))
    close((3 * (a + b))(trace), (3 * a + 3 * b)(trace))
    close((2 * (3 * a))(trace), (6 * a)(trace))
    close((0 * a)(trace), torch.zeros_like(a(trace)))
    close((a - b)(trace), a(trace) - b(trace))
    close((-a)(trace), -a(trace))
    close((a / 4)(trace), a(trace) / 4)
    close(sum([a, b, c])(trace), (a + b + c)(trace))
    assert (a * 2) == (2 * a)
    assert repr(a) == before


@every_term
def test_a_term_is_immutable(entry: Any) -> None:
    term = build(entry, toy.model())
    assert dataclasses.is_dataclass(term)
    field = dataclasses.fields(term)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(term, field, None)


@every_term
def test_a_term_that_was_used_is_equal_to_one_that_was_not(entry: Any) -> None:
    model = toy.model(double=True)
    term = build(entry, model)
    other = dataclasses.replace(term)
    assert term == other
    together = term.stack([term, other])
    term(traced(model, term, toy.images(2)))
    together(traced(model, term, toy.images(4)))
    assert term == other
    assert hash(term) == hash(other)
    assert term.stack([term, other]) == together


@every_term
def test_terms_with_equal_tensors_are_equal(entry: Any) -> None:
    term = build(entry, toy.model(double=True))
    own = {field.name: getattr(term, field.name) for field in dataclasses.fields(term) if field.init}
    copies = {name: value.clone() for name, value in own.items() if isinstance(value, Tensor)}
    assert term == dataclasses.replace(term, **copies)


@every_term
def test_terms_with_other_tensors_differ_and_say_so(entry: Any) -> None:
    term = build(entry, toy.model(double=True))
    for name in (field.name for field in dataclasses.fields(term) if field.init):
        for other in variants(term, name):
            if isinstance(getattr(other, name), Tensor):
                assert term != other
                assert repr(term) != repr(other)


@every_term
def test_three_steps_improve_it(entry: Any) -> None:
    model = toy.model(double=True)
    term = build(entry, model)
    canvas = toy.Canvas(images=3, low=-0.2, high=1.2)
    made = optimize(model, term, canvas, steps=4, optimizer=Optimizer(lr=0.01))
    total = made.losses["total"]
    assert total[:, 3].sum() < total[:, 0].sum()
    assert term.couples or (total[:, 3] < total[:, 0]).all()


@every_term
def test_its_text_makes_it_again(entry: Any) -> None:
    model = toy.model(double=True)
    term = build(entry, model)
    if not all(plain(getattr(term, f.name)) for f in dataclasses.fields(term)):
        pytest.skip("it holds a tensor or a function, which its text only names")
    names = vars(obj) | vars(reg)
    assert eval(repr(term), names) == term
    for made in (-term, term - 2 * term, term / 3 - reg.L1()):
        assert eval(repr(made), names) == made


@every_term
def test_every_constructor_field_counts(entry: Any) -> None:
    model = toy.model(double=True)
    term = build(entry, model)
    for field in (f for f in dataclasses.fields(term) if f.init):
        changed = list(variants(term, field.name))
        assert changed, f"no other value of {field.name} is accepted; teach `variants` one"
        assert any(tells_apart(model, term, other) for other in changed), f"{field.name} changes nothing"


@every_term
def test_its_docstring_has_a_formula_and_a_source(entry: Any) -> None:
    lines = [line.strip() for line in (entry.item.__doc__ or "").splitlines()]
    assert any(line.startswith("Formula: ") for line in lines)
    assert any(line.startswith("Source: ") for line in lines)


def plain(value: Any) -> bool:
    """Whether a value prints as itself."""
    if isinstance(value, tuple):
        return all(map(plain, value))
    return value is None or isinstance(value, str | int | float)


def variants(term: Term, name: str) -> Iterator[Term]:
    """The term with another value in one field, for all the values that it accepts."""
    for value in others(term, name):
        try:
            yield dataclasses.replace(term, **{name: value})  # type: ignore[type-var]
        except ValueError:
            continue


def others(term: Term, name: str) -> list[Any]:  # noqa: PLR0911 (one for each type)
    """Other values for a field, after its type and its present value."""
    value = getattr(term, name)
    hint = typing.get_type_hints(type(term))[name]
    if typing.get_origin(hint) is typing.Literal:
        return [v for v in typing.get_args(hint) if v != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value - 1, value / 2 + 0.01, value + 0.3, 1.0]
    if isinstance(value, Tensor):
        return [value.flip(-1) + 0.1]
    if isinstance(value, Template):
        return [Template({k: v + 1 for k, v in value.layers.items()})]
    if isinstance(value, types.FunctionType):
        return [lambda T: T("layer2").mean()]
    if isinstance(value, tuple):
        return [value[1:]]
    if isinstance(value, str) and ":" in value:
        return [str(one_unit(value.split(":")[0] + ":0"))]
    return {
        "layer": ["act2"],
        "tokens": ["all"],
        "weights": [{"layer3": 2.0}],
        "target": [torch.ones(3, 32, 17)],
        "window": [torch.eye(8)],
    }[name]


def tells_apart(model: Model, term: Term, other: Term) -> bool:
    """Whether two terms differ in what they read, demand or answer."""
    if term.layers != other.layers or term.couples != other.couples:
        return True
    trace = traced(model, term, toy.images(2, low=-0.2, high=1.2))
    try:
        return bool((term(trace) != other(trace)).any())
    except UnitError:
        return True
