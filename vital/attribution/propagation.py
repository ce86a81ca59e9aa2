"""Relevance at the layers of a network, for images or for a pass that has been recorded already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from vital.attribution.composites import Relevance, composite, stands_for
from vital.attribution.conditions import only_of, passed_in_turn
from vital.attribution.operations import Context
from vital.attribution.start import start_at
from vital.attribution.sweep import sweep
from vital.errors import InvalidValueError
from vital.models import Model
from vital.tracing import INPUT_OF, NoRuleError, Pass, Tape, Trace, Tracer, list_layers
from vital.types import Images
from vital.units import Unit

NOT_RECORDED = "this pass was not recorded; relevance needs a Tracer with record=True"


def relevance(
    model: Model,
    images: Images,
    unit: str | Unit,
    layers: Iterable[str],
    rule: str | Relevance = "zplus",
    start: str = "activation",
    *,
    conditions: Iterable[str | Unit] = (),
) -> dict[str, Tensor]:
    """How much each activation took part in what a unit responds to: layer-wise relevance propagation (LRP).

    Images (B, C, H, W) in [0, 1]; the answer maps each layer to a tensor of the shape of its activations in a
    `Trace`, channels second, in units of the unit's activation: with most rules it sums to what it started with.
    Every image has its own. `layers` lie before the unit; `<name` is the input of the module `name`. `rule` is a
    `Relevance` or the name of one, `start` as in `start_at`. The network is as before afterwards.

    `conditions` are units of layers between: relevance passes through them alone, as in `propagate`.

    Raises `NoRuleError` for an operation without a rule, `InvalidValueError` for a layer that the unit does not depend
    on.

    >>> model = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), size=(8, 8))
    >>> relevance(model, torch.rand(2, 3, 8, 8), "1:0", ["<0"])["<0"].shape
    torch.Size([2, 3, 8, 8])
    """
    unit = model.unit(unit)
    layers, passed = tuple(layers), model.units(conditions)
    watched = [unit.layer, *layers, *(condition.layer for condition in passed)]
    with torch.enable_grad(), Tracer(model, watched, record=True) as tracer:
        trace = tracer(images.detach().to(model.device, model.image_dtype).requires_grad_())
        return relevance_of(trace, unit, layers, rule, start, conditions=passed)


def relevance_of(
    trace: Trace,
    unit: str | Unit,
    layers: Iterable[str],
    rule: str | Relevance = "zplus",
    start: str = "activation",
    *,
    conditions: Iterable[str | Unit] = (),
) -> dict[str, Tensor]:
    """The same for a pass that a `Tracer` with `record=True` has made; its gradients stay to be taken."""
    unit = trace.model.unit(unit)
    starts = {unit.layer: start_at(trace, unit, start)}
    passed = trace.model.units(conditions)
    return propagate(trace, starts, layers, rule, conditions=passed)


def propagate(
    trace: Trace,
    starts: Mapping[str, Tensor],
    layers: Iterable[str],
    rule: str | Relevance = "zplus",
    *,
    conditions: Sequence[Unit] = (),
) -> dict[str, Tensor]:
    """Follow any starting relevance back: layers to tensors in, layers to tensors out, shaped like activations.

    Relevance is linear in its start and no image sees another, so that one call serves many units: give every image
    its own start. All tensors are constants for the gradient.

    Under `conditions` it is what passes through these units (conditional relevance, Achtibat et al. 2023): at each of
    their layers, the latest first, all but their channels and places is set to 0, and what goes past the layer is left
    out. Over all channels of a layer the answers add up to what passes through the layer. `layers` lie before it.
    """
    how, layers = composite(rule), tuple(dict.fromkeys(layers))
    _check_starts(trace, starts)
    _check_patterns(trace.model, how)
    if trace.run is None or trace.run.tape is None:
        raise InvalidValueError(NOT_RECORDED)
    context = Context(
        how, trace.run.tape, trace.model
    )  # one for all, for it knows which norms belong to layers
    for layer, units in passed_in_turn(trace, starts, conditions).items():
        starts = {layer: only_of(units, _followed(trace, trace.run, context, starts, (layer,))[layer])}
    return _followed(trace, trace.run, context, starts, layers)


def _followed(
    trace: Trace, run: Pass, context: Context, starts: Mapping[str, Tensor], layers: tuple[str, ...]
) -> dict[str, Tensor]:
    """Follow relevance back to layers, past everything on the way."""
    _check(run, context.tape, starts, layers)
    rows = slice(trace.first, trace.first + len(trace))
    pairs = []
    for name, given in starts.items():
        r = torch.zeros_like(run.raw[name])
        _canonical(trace, name, r)[rows] = given.detach().to(r)
        pairs.append((run.raw[name], r))
    with trace.model.casting():
        found = sweep(context, pairs, [run.raw[name] for name in layers])
    return {n: _canonical(trace, n, r)[rows].to(trace[n].dtype) for n, r in zip(layers, found, strict=True)}


def _check_starts(trace: Trace, starts: Mapping[str, Tensor]) -> None:
    if not starts:
        raise InvalidValueError("there is nowhere to start from; give a layer and its relevance")
    for name, r in starts.items():
        if name not in trace.acts:
            raise InvalidValueError(
                f"the layer {name!r} was not watched in this pass; there are {', '.join(trace.acts)}"
            )
        shape, wanted = tuple(r.shape), tuple(trace[name].shape)
        if shape != wanted:
            raise InvalidValueError(
                f"the relevance given for {name!r} has the shape {shape}; its layer has {wanted}"
            )


def _check_patterns(model: Model, how: Relevance) -> None:
    for pattern, _ in how.named:
        if not any(stands_for(pattern, name) for name, _ in model.module.named_modules() if name):
            raise InvalidValueError(
                f"the rules name {pattern!r}, which {model.name} has not; 'vital layers' lists its layers"
            )


def _canonical(trace: Trace, layer: str, raw: Tensor) -> Tensor:
    return list_layers(trace.model)[layer.removeprefix(INPUT_OF)].canonical(raw)


def _check(done: Pass, tape: Tape, starts: Mapping[str, Tensor], layers: tuple[str, ...]) -> None:
    if missing := [name for name in layers if name not in done.raw]:
        raise InvalidValueError(
            f"the layer {missing[0]!r} was not watched in this pass; there are {', '.join(done.raw)}"
        )
    for name in (*starts, *layers):
        if id(done.raw[name]) not in tape.makers:
            raise NoRuleError(
                f"relevance cannot be followed to {name!r}: the tape saw nothing that made its output"
            )
    _check_sources(done, tape, starts, layers)


def check_reach(trace: Trace, starts: Collection[str], layers: Iterable[str]) -> None:
    """Raise `InvalidValueError` for a layer that is not before those where relevance starts."""
    if trace.run is not None and trace.run.tape is not None:
        _check_sources(trace.run, trace.run.tape, starts, layers)


def _check_sources(done: Pass, tape: Tape, starts: Collection[str], layers: Iterable[str]) -> None:
    sources = tape.sources(*(done.raw[name] for name in starts))
    for name in layers:
        if id(done.raw[name]) not in sources:
            raise InvalidValueError(
                f"the layer {name!r} is not before {' or '.join(starts)}, where relevance starts"
            )
