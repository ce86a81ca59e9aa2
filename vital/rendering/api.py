"""Render units by a method: plan, run the loop in batches, wrap up what came out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias, TypeVar

import torch

from vital.activations import ReferenceBank, build_bank
from vital.activations.bank import check_inputs
from vital.callbacks import Callback
from vital.callbacks.base import Callbacks, guarded, told
from vital.data import ImageSet
from vital.errors import DataError, InvalidValueError, unknown
from vital.models import Model
from vital.models.scores import unsaid
from vital.models.weights_hash import hashed_once
from vital.optim import Rendering, checkpoints, optimize
from vital.records import Prototype, Prototypes
from vital.rendering.fitting import in_parts
from vital.rendering.methods.base import METHODS, Method, Plan, image_size, plan_for, unused_options
from vital.rendering.outcome import (
    NO_RULE,
    OUT_OF_MEMORY,
    Response,
    fitted,
    lacking,
    measured,
    outweighed,
    responses,
    status_of,
)
from vital.rendering.watching import Counted, Renamed, end_of, name_of
from vital.tracing import NoRuleError
from vital.transforms import Resize
from vital.units import Unit
from vital.utils.options import FACTOR, MOST, check_seed, check_whole, made_with, options_of, parameters_of
from vital.utils.parts import check_part_class
from vital.utils.progress import Progress
from vital.utils.public import public
from vital.utils.text import shortened

T = TypeVar("T")
Asked: TypeAlias = tuple[Unit, int]
"""A unit and the seed of its picture."""
LOGGED = 64
TRIAL = 2
"""Steps of a trial: the first and the last, between which a canvas may grow."""


@public
def render(
    model: Model,
    units: str | Unit | Iterable[str | Unit],
    *,
    method: str | Method = "vital",
    bank: ReferenceBank | None = None,
    images: ImageSet | None = None,
    seed: int = 0,
    count: int = 1,
    batch: int | None = None,
    frames: int = 0,
    callback: Callbacks = None,
    progress: bool = True,
    **options: Any,
) -> Prototypes:
    """Render a prototype of each unit.

    A unit that diverges, or a class without images, is a grey or unfinished picture with a status; the others go on.

    Parameters
    ----------
    model
        The network whose units are shown.
    units
        Units, or texts such as "class:3" or "layer4:0-7".
    method
        A name from `vital.METHODS`, or a `Method`.
    bank, images
        The natural images of a method that needs some, as a bank or as a set of which one is made.
    seed
        What is left to chance goes by it.
    count
        The number of independent pictures of each unit: those of `seed`, `seed + 1` and so on.
    batch
        Pictures that share a forward pass; by default 16 on a CPU and 32 on a GPU, and fewer where memory does not
        suffice. A picture does not depend on it beyond rounding.
    frames
        The number of pictures that are kept of the way.
    callback
        Is told how it goes on: a `vital.callbacks.Callback` such as `vital.callbacks.TensorBoard`, a function that is
        called with each step, or several of them. One that fails is left out with a warning.
    progress
        Whether to show a bar, or a line every half a minute where there is no terminal.
    **options
        Options of the method.

    Returns
    -------
    Prototypes
        `count` for each unit, in their order; `prototypes.of(unit)` gives those of one.

    Raises
    ------
    UnknownNameError, InvalidValueError, UnitError, DataError
        For what does not exist or is not allowed, each with one sentence that says what to change.

    Examples
    --------
    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), size=(16, 16))
    >>> render(net, ["0:1"], method="fourier", steps=2, progress=False)[0].image.shape
    torch.Size([3, 16, 16])

    """
    frames, seed = check_whole("frames", frames, 0), check_seed(seed)
    seeds = range(seed, seed + check_whole("count", count, 1, FACTOR))
    method = _method(method, options)
    check_inputs(model, images, bank)
    together = units_per_batch(model, batch)
    chosen = model.units(units)
    check_together(len(chosen), count)
    with hashed_once():
        if bank is None and method.needs_images:
            bank = bank_for(model, images, chosen, progress=progress)
        if bank is not None and not bank.fits(model):
            raise DataError(f"the bank was made with another network than {model.name}; make one for this")
        if bank is not None and method.needs_images:
            bank.rank(chosen, progress=progress)
        made, asked = Prototypes(), [(unit, own) for unit in chosen for own in seeds]
        with Progress(f"rendering by {method_name(method)}", len(asked), "unit", shown=progress) as job:
            watch = [Counted(job), *guarded(callback)]
            for group in groups(asked, together):
                several, own = zip(*group, strict=True)
                made += render_group(model, several, method, bank, own, frames=frames, callback=watch)
    _warn_of_unused(made)
    return made


def check_together(units: int, count: int) -> None:
    """Raise `InvalidValueError` for more pictures at once than anybody can mean."""
    if units * count > MOST:
        raise InvalidValueError(
            f"{count} pictures of each of {units} units are {units * count}; allowed are {MOST} at once"
        )


def _warn_of_unused(made: Prototypes) -> None:
    """Say once for all units which options that were set do not apply to them."""
    said: dict[str, list[str]] = {}
    for one in made:
        for line in one.provenance.get("unused", ()):
            said.setdefault(line, []).append(str(one.unit))
    for line, units in said.items():
        warnings.warn(f"{shortened(units)}: {line}", stacklevel=3)


def _method(name: object, options: dict[str, Any]) -> Method:
    if not isinstance(name, str | Method):
        hint = (
            "it is a class; call it first" if isinstance(name, type) else f"there are: {', '.join(METHODS)}"
        )
        raise InvalidValueError(
            f"method is {name!r}; allowed are the name of one and a finished method; {hint}"
        )
    if isinstance(name, str):
        return made_with(METHODS, name, options, parameters_of(render))
    check_part_class(type(name))
    if strange := [option for option in options if option not in options_of(type(name))]:
        raise unknown("argument of render", strange[0], parameters_of(render))
    if options:
        raise InvalidValueError(
            f"options {', '.join(options)} were given beside a finished method; set them in the method"
        )
    return name


def bank_for(
    model: Model, images: ImageSet | None, units: Sequence[Unit], *, progress: bool = False
) -> ReferenceBank:
    """A bank over the images for the layers of these units."""
    if images is None:
        raise DataError("the method needs reference images; give images or a bank")
    layers = tuple(dict.fromkeys(u.layer for u in units))
    return build_bank(model, layers, images, progress=progress)


def units_per_batch(model: Model, batch: int | None = None) -> int:
    """Units per forward pass, where they fit: as asked for, else 16 on a CPU, where more gains nothing, and 32."""
    if batch is None:
        return 16 if model.device.type == "cpu" else 32
    check_whole("batch", batch, 1)
    return batch


def groups(units: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The units in order, `size` at a time."""
    for start in range(0, len(units), size):
        yield units[start : start + size]


def render_group(
    model: Model,
    units: Sequence[Unit],
    method: Method,
    bank: ReferenceBank | None,
    seed: int | Sequence[int],
    *,
    frames: int = 0,
    callback: Callbacks = None,
) -> list[Prototype]:
    """Render units that share their forward passes, as many as fit into memory; `seed` is that of all, or one each.

    One that cannot be rendered gets a grey picture and a status. The callback is told of each batch as it ends.
    """
    watch = told(callback)
    asked = list(zip(units, [seed] * len(units) if isinstance(seed, int) else seed, strict=True))
    problems = {(unit, own): why for unit, own in asked if (why := method.problem(unit, bank, own))}
    ready = [one for one in asked if one not in problems]
    rendered = {one: _blank(model, *one, method, why, frames) for one, why in problems.items()}
    if rendered:
        watch.on_end(end_of([*rendered.values()]))

    def together(part: Sequence[Asked]) -> list[Prototype]:
        try:
            return _rendered(model, part, method, bank, frames, watch)
        except NoRuleError as error:
            if len(part) > 1:  # others may need none
                return [one for each in part for one in together([each])]
            (unit, own), *_ = part
            why = f"{NO_RULE}: {error}, or choose another method"
            return [_ended(_blank(model, unit, own, method, why, frames), watch)]

    def trial() -> Callable[[], Rendering]:
        (unit, own), *_ = ready
        plan = plan_for(method, model, [unit], bank, own)
        few = replace(plan, steps=TRIAL, redirect=min(TRIAL, plan.redirect))
        return partial(carry_out, model, few, seed=own, keys=[str(unit)])

    advice = f"not even this picture alone fits into {model.device}; choose a smaller size or another device"
    made = in_parts(model, ready, repr(method), together, trial)
    for one, prototype in zip(ready, made, strict=True):
        full = f"{OUT_OF_MEMORY}: {advice}"
        rendered[one] = prototype or _ended(_blank(model, *one, method, full, frames), watch)
    return [rendered[one] for one in asked]


def _ended(prototype: Prototype, watch: Callback) -> Prototype:
    watch.on_end(end_of([prototype]))
    return prototype


def _blank(model: Model, unit: Unit, seed: int, method: Method, why: str, frames: int) -> Prototype:
    size = image_size(model, method.options().get("size"))
    grey = torch.full((model.channels, *size), 0.5)
    way = ((0, grey),) if frames > 1 else ()
    facts = {"model": model.name, "options": method.options(), "lacking": []}
    return Prototype(
        unit,
        grey,
        torch.zeros(size),
        method_name(method),
        seed,
        why,
        provenance=facts,
        frames=way,
        bands=model.bands,
    )


def carry_out(model: Model, plan: Plan, **how: Any) -> Rendering:
    """Run the loop as a plan says; `how` are those arguments of `optimize` that no plan decides."""
    seen = [*plan.transforms, Resize(size=model.size)] if plan.fit else plan.transforms
    return optimize(
        model,
        plan.terms,
        plan.parameterization,
        seen,
        steps=plan.steps,
        optimizer=plan.optimizer,
        n_transforms=plan.n_transforms,
        redirect=plan.redirect,
        **how,
    )


def _rendered(
    model: Model,
    asked: Sequence[Asked],
    method: Method,
    bank: ReferenceBank | None,
    frames: int,
    watch: Callback,
) -> list[Prototype]:
    units, seeds = zip(*asked, strict=True)
    plan = _planned(model, asked, method, bank)
    rendering = carry_out(
        model,
        plan,
        seed=seeds,
        keys=[str(unit) for unit in units],
        frames=list(checkpoints(plan.steps, frames)) if frames > 1 else [0],
        callback=Renamed(watch, [name_of(*one) for one in asked]),
    )
    facts = {
        "model": model.name,
        "weights": model.weights,
        "weights_hash": model.weights_hash(),
        "precision": model.precision + (", channels_last" if model.channels_last else ""),
        "options": method.options(),
    } | (bank.provenance() if bank else {})
    if files := method.files():
        facts["files"] = files
    name, canvas = method_name(method), (rendering.images.shape[2], rendering.images.shape[3])
    lacks = [
        _lacking(unit, method, bank, seed, canvas) | _unused(unit, method, model, bank)
        for unit, seed in asked
    ]
    per_unit = len(rendering.images) // len(units)
    one_each, started = rendering.images[::per_unit], rendering.frames[0][1][::per_unit]
    seen, started_as = (fitted(images, model) if plan.fit else images for images in (one_each, started))
    own = measured(model, units, seen, bank)
    became = responses(model, units, plan.terms, (started_as, seen), own, plan.steps)
    notes = [{"output": said} if unit.is_class and (said := unsaid(model)) else {} for unit in units]
    made = [
        replace(
            _prototype(
                rendering,
                i,
                unit,
                name,
                seeds[i],
                plan,
                facts | own[i] | lacks[i] | notes[i],
                became[i],
                frames > 1,
            ),
            bands=model.bands,
        )
        for i, unit in enumerate(units)
    ]
    watch.on_end(end_of(made))
    return made


def _planned(model: Model, asked: Sequence[Asked], method: Method, bank: ReferenceBank | None) -> Plan:
    """What a method plans for units with a seed each: the terms of all, and what they share, whatever the seed."""
    plans = {
        seed: (of := [unit for unit, own in asked if own == seed], plan_for(method, model, of, bank, seed))
        for seed in dict.fromkeys(seed for _, seed in asked)
    }
    first = next(iter(plans.values()))[1]
    if len(plans) == 1:
        return first
    shared = {seed: repr(replace(plan, terms=(), notes=())) for seed, (_, plan) in plans.items()}
    if other := next((seed for seed, text in shared.items() if text != shared[asked[0][1]]), None):
        raise InvalidValueError(
            f"the method {method_name(method)} plans more than its terms by the seed, which is {asked[0][1]} and "
            f"{other} in one pass; render one seed at a time, with count=1"
        )
    terms = {(u, s): t for s, (of, plan) in plans.items() for u, t in zip(of, plan.terms, strict=True)}
    notes = {(u, s): n for s, (of, plan) in plans.items() for u, n in zip(of, plan.notes, strict=False)}
    told = [notes[one] for one in asked] if first.notes else ()
    return replace(first, terms=[terms[one] for one in asked], notes=told)


def _lacking(
    unit: Unit, method: Method, bank: ReferenceBank | None, seed: int, size: tuple[int, int]
) -> dict[str, list[str]]:
    """What the images were lacking, where the method takes any."""
    taken = bank if method.needs_images else None
    return {"lacking": lacking(unit, method.options(), taken, seed, size) if taken else []}


def _unused(unit: Unit, method: Method, model: Model, bank: ReferenceBank | None) -> dict[str, list[str]]:
    """What is said of options that were set and do not apply, where there are some."""
    found = unused_options(method, model, unit, bank)
    return {"unused": found} if found else {}


def method_name(method: Method) -> str:
    """The name under which a method is registered, or its class name."""
    kind = type(method)
    return METHODS.name_of(kind) or kind.__name__


def _prototype(
    rendering: Rendering,
    row: int,
    unit: Unit,
    name: str,
    seed: int,
    plan: Plan,
    facts: dict[str, Any],
    response: Response,
    way: bool,
) -> Prototype:
    logged = sorted({round(i * (rendering.steps - 1) / (LOGGED - 1)) for i in range(LOGGED)})
    losses = {part: values[row, logged].tolist() for part, values in rendering.losses.items()}
    known = {part: values for part, values in losses.items() if not all(map(math.isnan, values))}
    provenance = facts | {"term": repr(plan.terms[row]), "logged": logged}
    if plan.notes:
        provenance["references"] = plan.notes[row]
    status, image = rendering.status[row], rendering.images[row]
    if status == "done":
        start = rendering.frames[0][1][row]
        response = replace(response, outweighed=outweighed(plan.terms[row], known))
        status = status_of(unit, facts, image, start, rendering.alpha[row], response)
    return Prototype(
        unit,
        image,
        opacity(rendering.alpha[row]),
        name,
        seed,
        status,
        known,
        provenance,
        tuple((step, images[row]) for step, images in rendering.frames) if way else (),
    )


def opacity(accumulated: torch.Tensor, percentile: float = 0.98) -> torch.Tensor:
    """The accumulated gradient (H, W) as an alpha channel in [0, 1]: clipped at its 98th percentile (VITAL, MACO)."""
    top = torch.quantile(accumulated.flatten().float(), percentile)
    return (accumulated / top).clamp(0, 1) if top > 0 else torch.zeros_like(accumulated)
