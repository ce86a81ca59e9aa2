"""The loop: one for every method. It knows no concrete term, parameterization or transform."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from vital.attribution import followed
from vital.models import Model
from vital.models.outputs import asked
from vital.optim.checks import (
    as_frames,
    as_keys,
    as_terms,
    as_transforms,
    check_numbers,
    check_parts,
    check_weights,
)
from vital.optim.optimizer import Optimizer
from vital.terms import Sum, Term
from vital.tracing import Trace, Tracer
from vital.types import Images, Parameterization, Parameters, Transform
from vital.utils.drawing import titled_sheet, to_pil
from vital.utils.io import as_png
from vital.utils.options import checked_keywords
from vital.utils.parts import (
    check_first_images,
    check_gradient,
    checked_at,
    checked_images,
    checked_start,
    named,
    transformed,
)
from vital.utils.public import public
from vital.utils.random import Random, generator, seed_of


@dataclass(frozen=True, eq=False)
class Rendering:
    """What the loop made: B pictures with their histories.

    `images` (B, C, H, W) in [0, 1]; `alpha` (B, H, W), the accumulated |∂loss/∂image|, says where the loss looked;
    `losses` maps each part of the term, and "total", to (B, steps); `status` is "done" or "diverged at step N" per
    image; `frames` are (step, images) pairs. It shows itself in a notebook.
    """

    images: Images
    alpha: Tensor
    losses: dict[str, Tensor]
    status: tuple[str, ...]
    steps: int
    frames: tuple[tuple[int, Images], ...] = ()

    def to_grid(self, columns: int = 8, size: int | None = None) -> Image.Image:
        """All pictures side by side, each with its number and its last loss, or what went wrong, below it."""
        final = self.losses["total"][:, -1].tolist()
        told = [f"loss {x:.3g}" if s == "done" else s for x, s in zip(final, self.status, strict=True)]
        titles = [[f"image {i}", line] for i, line in enumerate(told)]
        return titled_sheet([to_pil(image) for image in self.images], titles, columns, size)

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.images.shape[1:]))
        status = ", ".join(f"{count} {told}" for told, count in Counter(self.status).items())
        return f"Rendering({len(self.images)} images of {size}, {self.steps} steps, {status})"

    def _repr_png_(self) -> bytes:
        return as_png(self.to_grid())


@dataclass(frozen=True)
class Step:
    """What a progress callback sees after a step: its number, the number of all, and each image's loss.

    `redirect` says whether dead rectifiers let gradients through in it.
    """

    number: int
    of: int
    losses: Tensor = field(repr=False)
    redirect: bool = False


@public
@checked_keywords
def optimize(
    model: Model,
    term: Term | Sequence[Term],
    parameterization: Parameterization,
    transforms: Transform | Sequence[Transform] = (),
    *,
    steps: int = 512,
    optimizer: Optimizer | None = None,
    seed: int = 0,
    keys: Sequence[str] | None = None,
    n_transforms: int = 1,
    redirect: int = 16,
    frames: Sequence[int] = (),
    callback: Callable[[Step], None] | None = None,
    progress: bool = False,
) -> Rendering:
    """Search the parameterization for the image that minimizes a term.

    In every step the images are decoded, transformed, shown to the network once, and moved by the gradient of the
    summed losses. A diverging image is stopped and reported in its status; the others go on.

    Parameters
    ----------
    model
        The network.
    term
        What is minimized. A sequence renders as many slots side by side, each with the same result as alone.
    parameterization
        What turns numbers into an image.
    transforms
        The random transforms, one or several, through which the network sees the image.
    steps
        The number of steps.
    optimizer
        How a step is made; by default `Optimizer()`.
    seed, keys
        The seed, and a key for each term: a slot's random numbers come from both. The keys are 0, 1, … by default.
    n_transforms
        The number of transformed images that the network sees of each image in a step.
    redirect
        The number of steps in which dead rectifiers let gradients through (`vital.tracing.Redirect`).
    frames
        The steps of which pictures are kept.
    callback
        Called with a `Step` after each step.
    progress
        Whether to show a bar.

    Returns
    -------
    Rendering
        The images with their histories.

    Raises
    ------
    InvalidValueError, WeightsError, ModelError
        For what is not allowed, such as a unit where a term belongs; weights that are not finite; a network that fails.

    Examples
    --------
    >>> from vital import objectives as obj, params as par
    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), size=(8, 8))
    >>> made = optimize(net, obj.Channel("0:1"), par.Pixels(8), steps=3)
    >>> made.images.shape, made.status
    (torch.Size([1, 3, 8, 8]), ('done',))

    """
    check_parts(model, parameterization, optimizer)
    check_numbers(steps, n_transforms, redirect, seed)
    terms, chain, wanted = as_terms(term), as_transforms(transforms), as_frames(frames, steps)
    check_weights(model)
    names, counts = as_keys(keys, len(terms)), (range(parameterization.images), range(n_transforms))
    generators = [generator(seed, name) for name in names]
    random = Random([seed_of(seed, *row) for row in product(names, *counts)], model.device)
    run = _Run(model, terms, parameterization, chain, n_transforms, generators, random, steps)
    parameters = run.start()
    settings = optimizer or Optimizer()
    moving = settings.build(list(parameters.values()))
    kept: list[tuple[int, Images]] = []
    with Tracer(
        model, run.layers, record=any(request and request.recorded for request in run.requests)
    ) as tracer:
        for step in tqdm(range(steps), disable=None if progress else True, unit="step", leave=False):
            if step in wanted:
                kept.append((step, run.picture(parameters)))
            _set_lr(moving, settings, step, steps)
            losses = run.step(tracer, parameters, moving, redirect=step < redirect)
            if callback:
                callback(Step(step + 1, steps, losses, step < redirect))
    images = run.picture(parameters)
    if steps in wanted:
        kept.append((steps, images))
    return run.result(images, steps, tuple(kept))


def _watched(term: Term) -> tuple[str, ...]:
    """The layers that a term reads, and the one from which its relevance starts."""
    return (
        term.layers if term.relevance_request is None else (*term.layers, term.relevance_request.unit.layer)
    )


def _set_lr(optimizer: torch.optim.Optimizer, settings: Optimizer, step: int, steps: int) -> None:
    for group in optimizer.param_groups:
        group["lr"] = settings.lr * settings.factor(step, steps)


class _Run:
    """The state of one call: who owns which rows, what was logged, who has stopped."""

    def __init__(
        self,
        model: Model,
        terms: Sequence[Sum],
        parameterization: Parameterization,
        transforms: tuple[Transform, ...],
        n_transforms: int,
        generators: Sequence[torch.Generator],
        random: Random,
        steps: int,
    ) -> None:
        self.model, self.terms, self.parameterization = model, terms, parameterization
        self.transforms, self.n_transforms = transforms, n_transforms
        self.generators, self.random, self.steps = generators, random, steps
        self.layers = tuple(dict.fromkeys(layer for term in terms for layer in _watched(term)))
        self.requests = [term.relevance_request for term in terms]
        self.per_slot = parameterization.images
        self.history: list[list[dict[str, Tensor]]] = [[] for _ in terms]
        self.stopped: dict[int, str] = {}
        self.alpha: Tensor | None = None
        self.count = 0

    def start(self) -> Parameters:
        made = self.parameterization
        slots = [checked_start(made, made.init(own)) for own in self.generators]
        device, dtype = self.model.device, self.model.dtype
        return {k: torch.cat([s[k] for s in slots]).to(device, dtype).requires_grad_() for k in slots[0]}

    @torch.no_grad()
    def picture(self, parameters: Parameters) -> Images:
        return self._decoded(self.parameterization, parameters).clamp(0, 1).nan_to_num(0.5).cpu()

    def step(
        self,
        tracer: Tracer,
        parameters: Parameters,
        optimizer: torch.optim.Optimizer,
        *,
        redirect: bool,
    ) -> Tensor:
        image = self._image(parameters)
        image.retain_grad()
        trace = tracer(image, self._transformed(image), n_transforms=self.n_transforms, redirect=redirect)
        losses = self._losses(self._followed(trace))
        optimizer.zero_grad(set_to_none=True)
        with asked(self.model, "be differentiated"):
            torch.autograd.backward(losses.sum())
        self._accumulate(image)
        self._stop_diverging(losses, parameters, trace)
        held = {slot: {k: t[slot].clone() for k, t in parameters.items()} for slot in self.stopped}
        optimizer.step()
        with torch.no_grad():
            self.parameterization.project(parameters)
            for slot, values in held.items():
                for key, value in values.items():
                    parameters[key].data[slot] = value
        self.count += 1
        return losses.detach()

    def _image(self, parameters: Parameters) -> Images:
        made = checked_at(self.parameterization, Parameterization, self._progress())
        image = self._decoded(made, parameters)
        if self.count == 0:
            check_first_images(made, image)
        return image

    def _decoded(self, made: Parameterization, parameters: Parameters) -> Images:
        count = len(self.terms) * self.per_slot
        return checked_images(made, made.decode(parameters), count, self.model.channels)

    def _progress(self) -> float:
        """The share of the run that is over, from 0 to 1."""
        return self.count / max(1, self.steps - 1)

    def _transformed(self, image: Images) -> Images:
        seen, random = image, self.random.at(self.count)
        if self.n_transforms > 1:
            seen = image.repeat_interleave(self.n_transforms, 0)
        for transform in self.transforms:
            seen = transformed(checked_at(transform, Transform, self._progress()), seen, random)
        return seen

    def _followed(self, trace: Trace) -> Trace:
        """The trace with the relevance that the terms ask for: one sweep for all slots with the same rule."""
        rows = self.per_slot * self.n_transforms
        requests = [
            (slice(slot * rows, (slot + 1) * rows), request)
            for slot, request in enumerate(self.requests)
            if request
        ]
        return replace(trace, relevance=followed(trace, requests)) if requests else trace

    def _losses(self, trace: Trace) -> Tensor:
        """The loss of each image, (slots · images,): each term sees the rows of its own slot alone."""
        totals = []
        for slot, term in enumerate(self.terms):
            own = self._own(slot, trace)
            parts = term.losses(own)
            for (_, part), loss in zip(term.parts, parts.values(), strict=True):
                check_gradient(part, loss, [own.acts[layer] for layer in part.layers if layer in own.acts])
            parts = {
                name: loss.view(self.per_slot, self.n_transforms).mean(1) for name, loss in parts.items()
            }
            totals.append(sum(parts.values(), start=torch.zeros_like(next(iter(parts.values())))))
            self.history[slot].append(
                {n: p.detach() for n, p in parts.items()} | {"total": totals[-1].detach()}
            )
        return torch.cat(totals)

    @torch.no_grad()
    def _accumulate(self, image: Images) -> None:
        gradient = image.grad if image.grad is not None else torch.zeros_like(image)
        seen = gradient.abs().mean(1)
        self.alpha = seen if self.alpha is None else _grown(self.alpha, seen) + seen

    @torch.no_grad()
    def _stop_diverging(self, losses: Tensor, parameters: Parameters, trace: Trace) -> None:
        for slot, total in enumerate(losses.view(len(self.terms), -1)):
            grads = [p.grad[slot] for p in parameters.values() if p.grad is not None]
            fine = bool(torch.isfinite(total).all()) and all(bool(torch.isfinite(g).all()) for g in grads)
            if not fine and slot not in self.stopped:
                self.stopped[slot] = f"diverged at step {self.count + 1}{self._cause(slot, trace)}"
            if not fine:
                for grad in grads:
                    grad.zero_()

    def _cause(self, slot: int, trace: Trace) -> str:
        """Which term of a slot made no finite number of finite activations at the first step; "" later on."""
        if self.count or not all(bool(act.isfinite().all()) for act in self._own(slot, trace).acts.values()):
            return ""
        losses, term = self.history[slot][0], self.terms[slot]
        wrong = [
            named(part)
            for (_, part), name in zip(term.parts, term.names(), strict=True)
            if not losses[name].isfinite().all()
        ]
        return f": {' and '.join(wrong)} gave numbers that are not finite" if wrong else ""

    def _own(self, slot: int, trace: Trace) -> Trace:
        """The rows of a slot."""
        rows = self.per_slot * self.n_transforms
        return trace.rows(slot * rows, (slot + 1) * rows)

    def result(self, images: Images, steps: int, frames: tuple[tuple[int, Images], ...]) -> Rendering:
        names = dict.fromkeys(name for log in self.history for name in log[0])
        nothing = torch.full((self.per_slot,), float("nan"))
        losses = {
            name: torch.cat(
                [torch.stack([s.get(name, nothing).cpu() for s in log], 1) for log in self.history]
            )
            for name in names
        }
        status = tuple(self.stopped.get(i // self.per_slot, "done") for i in range(len(images)))
        whole = torch.zeros_like(images[:, 0])
        alpha = whole if self.alpha is None else _grown(self.alpha.nan_to_num(0.0).cpu(), whole)
        return Rendering(images, alpha, losses, status, steps, frames)


def _grown(alpha: Tensor, like: Tensor) -> Tensor:
    """The accumulated gradient (B, H, W) at the size of another: a canvas may grow on the way."""
    if alpha.shape == like.shape:
        return alpha
    return F.interpolate(alpha[:, None], like.shape[1:], mode="bilinear")[:, 0]
