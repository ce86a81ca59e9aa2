"""The loop: one for every method. It knows no concrete term, parameterization or transform."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TypeAlias

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from vital.attribution import followed
from vital.callbacks.base import Callbacks, End, Step, told
from vital.models import Model
from vital.models.outputs import asked
from vital.models.pixels import resized_like
from vital.optim.checks import (
    as_frames,
    as_keys,
    as_seeds,
    as_terms,
    as_transforms,
    check_numbers,
    check_parts,
    check_weights,
)
from vital.optim.groups import grouped
from vital.optim.optimizer import Optimizer
from vital.optim.waking import Waking
from vital.terms import Sum, Term
from vital.tracing import Trace, Tracer
from vital.tracing.passes import passes_gradient
from vital.types import Images, Parameterization, Parameters, Transform
from vital.utils.drawing import titled_sheet, to_pil
from vital.utils.foreign import foreign
from vital.utils.io import as_png
from vital.utils.options import checked_keywords
from vital.utils.parts import (
    check_first_images,
    checked_at,
    checked_images,
    checked_start,
    named,
    transformed,
)
from vital.utils.progress import Progress
from vital.utils.public import public
from vital.utils.random import Random, generator, seed_of

Source: TypeAlias = tuple[int, str]
"""The seed and the key from which the random numbers of a slot come."""
SCALE = 1024.0
"""What a loss is multiplied with in float16, in which the gradients of many places are too small to stand."""
FAR = 1e15
"""A parameter beyond it has left the range in which pictures differ; canvases have values of about 1."""
FAR_OFF = "diverged: the picture's numbers grew beyond all bounds; most likely the steps were too large, so lower lr"


@dataclass(frozen=True, eq=False)
class Rendering:
    """What the loop made: B pictures with their histories.

    `images` (B, C, H, W) in [0, 1]; `alpha` (B, H, W), the accumulated |∂loss/∂image|, says where the loss looked;
    `losses` maps each part of the term, and "total", to (B, steps); `status` is "done", or that it diverged and
    when or why, per image; `frames` are (step, images) pairs. It shows itself in a notebook.
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
    seed: int | Sequence[int] = 0,
    keys: Sequence[str] | None = None,
    n_transforms: int = 1,
    redirect: int = 16,
    frames: Sequence[int] = (),
    callback: Callbacks = None,
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
        The seed, one for all terms or one for each, and a key for each term: a slot's random numbers come from both.
        The keys are 0, 1, … by default.
    n_transforms
        The number of transformed images that the network sees of each image in a step.
    redirect
        The most steps in which dead rectifiers let gradients through (`vital.tracing.Redirect`), which is done for as
        long as an image needs it.
    frames
        The steps of which pictures are kept.
    callback
        Called with a `Step` after each step; or a `vital.callbacks.Callback`, or several of them.
    progress
        Whether to show a bar, or a line every half a minute where there is no terminal.

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
    check_numbers(steps, n_transforms, redirect)
    terms, chain, wanted = as_terms(term), as_transforms(transforms), as_frames(frames, steps)
    check_weights(model)
    setup = _Setup(model, parameterization, chain, n_transforms, steps, redirect)
    sources = list(zip(as_seeds(seed, len(terms)), as_keys(keys, len(terms)), strict=True))
    run = _Run(setup, terms, sources)
    settings = optimizer or Optimizer()
    moving = settings.build(run.parameters())
    kept: list[tuple[int, Images]] = []
    watch, names = told(callback), run.names()
    watch.on_begin(names, steps)
    with run.tracer() as tracer, Progress("search", steps, shown=progress) as bar:
        for step in bar.each(range(steps)):
            if step in wanted:
                kept.append((step, run.picture()))
            _set_lr(moving, settings, step, steps)
            redirected = run.redirects
            losses = run.step(tracer, moving)
            look = partial(run.losses_at, step), run.picture
            watch.on_step(Step(step + 1, steps, losses, redirected, names, model.bands, *look))
    images = run.picture()
    if steps in wanted:
        kept.append((steps, images))
    found = run.result(images, tuple(kept))
    watch.on_end(End(names, found.images, found.status, model.bands))
    return found


def _set_lr(optimizer: torch.optim.Optimizer, settings: Optimizer, step: int, steps: int) -> None:
    for group in optimizer.param_groups:
        group["lr"] = settings.lr * settings.factor(step, steps)


@dataclass(frozen=True)
class _Setup:
    """What all batches of a call have in common."""

    model: Model
    parameterization: Parameterization
    transforms: tuple[Transform, ...]
    n_transforms: int
    steps: int
    redirect: int


class _Run:
    """One call: the batches that move together.

    The last bits of a matrix product depend on its number of rows. In float64 on a CPU, where a picture does not
    depend on its company at all, each slot is a batch of its own.
    """

    def __init__(self, setup: _Setup, terms: Sequence[Sum], sources: Sequence[Source]) -> None:
        self.model, self.terms, self.steps = setup.model, terms, setup.steps
        self.keys, self.per_slot = [key for _, key in sources], setup.parameterization.images
        size = 1 if setup.model.dtype == torch.float64 and setup.model.device.type == "cpu" else len(terms)
        parts = [slice(first, first + size) for first in range(0, len(terms), size)]
        self.batches = [_Batch(setup, terms[part], sources[part]) for part in parts]

    def tracer(self) -> Tracer:
        """What watches the layers that the terms read, and those from which relevance starts."""
        requests = [request for term in self.terms if (request := term.relevance_request)]
        layers = [layer for term in self.terms for layer in term.layers]
        layers += [request.unit.layer for request in requests]
        return Tracer(self.model, dict.fromkeys(layers), record=any(r.recorded for r in requests))

    def parameters(self) -> list[Tensor]:
        return [tensor for batch in self.batches for tensor in batch.parameters.values()]

    @property
    def redirects(self) -> bool:
        """Whether dead rectifiers let gradients through in the next step."""
        return any(batch.waking.on for batch in self.batches)

    @torch.no_grad()
    def picture(self) -> Images:
        return torch.cat([batch.picture() for batch in self.batches]).cpu()

    def step(self, tracer: Tracer, optimizer: torch.optim.Optimizer) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        losses = [batch.descend(tracer) for batch in self.batches]
        optimizer.step()
        for batch in self.batches:
            batch.settle()
        return torch.cat(losses)

    def names(self) -> tuple[str, ...]:
        """What the images are called: their keys, and numbers where a slot has several."""
        if self.per_slot == 1:
            return tuple(self.keys)
        return tuple(f"{key} image {i}" for key in self.keys for i in range(self.per_slot))

    def losses_at(self, step: int) -> dict[str, Tensor]:
        """The loss of each image by each part of its term, at one step that was made."""
        found = self._logged(slice(step, step + 1))
        return {name: values[:, 0] for name, values in found.items()}

    def _logged(self, steps: slice) -> dict[str, Tensor]:
        made = [batch.losses(steps) for batch in self.batches]
        names = dict.fromkeys(name for losses in made for name in losses)
        example = made[0]["total"]
        nothing = torch.full_like(example, float("nan"))
        return {name: torch.cat([own.get(name, nothing) for own in made]) for name in names}

    def result(self, images: Images, frames: tuple[tuple[int, Images], ...]) -> Rendering:
        status = tuple(told for batch in self.batches for told in batch.status())
        alpha = torch.cat([batch.opacity(images.shape[2:]) for batch in self.batches])
        return Rendering(images, alpha, self._logged(slice(None)), status, self.steps, frames)


class _Batch:
    """The slots that share a pass: their parameters, what was logged, who has stopped.

    Nothing in a step waits for the device: what was found stays there until the end.
    """

    def __init__(self, setup: _Setup, terms: Sequence[Sum], sources: Sequence[Source]) -> None:
        self.setup, self.terms, self.model = setup, terms, setup.model
        self.parameterization, self.per_slot = setup.parameterization, setup.parameterization.images
        self.requests = [term.relevance_request for term in terms]
        self.beside = [term.beside for term in terms]
        self.groups = grouped(terms)
        self.parameters = self._start(sources)
        own = next(iter(self.parameters.values()))
        self.history = [
            own.new_full((len(g.names) + 1, len(g.slots) * self.per_slot, setup.steps), float("nan"))
            for g in self.groups
        ]
        self.alive = torch.ones(len(terms), dtype=torch.bool, device=own.device)
        self.stopped = torch.zeros(len(terms), dtype=torch.int64, device=own.device)
        self.sound = self.alive
        self.alpha: Tensor | None = None
        self.scale = SCALE if torch.float16 in (self.model.dtype, self.model.autocast) else 1.0
        looks = range(setup.n_transforms)
        rows = [seed_of(*source, *row) for source, *row in product(sources, range(self.per_slot), looks)]
        self.random = Random(rows, own.device)
        self.waking = Waking(len(rows), setup.redirect, own.device)
        self.count = 0

    def _start(self, sources: Sequence[Source]) -> Parameters:
        made = self.parameterization
        with foreign(f"init of {named(made)} failed"):
            slots = [checked_start(made, made.init(generator(*source))) for source in sources]
        device, dtype = self.model.device, self.model.image_dtype
        return {k: torch.cat([s[k] for s in slots]).to(device, dtype).requires_grad_() for k in slots[0]}

    def picture(self) -> Images:
        return self._decoded(self.parameterization).clamp(0, 1).nan_to_num(0.5)

    def descend(self, tracer: Tracer) -> Tensor:
        """Find the gradient of a step; returns the loss of each image."""
        image = self._image()
        image.retain_grad()
        redirect = self.waking.redirect()
        trace = tracer(
            image, self._transformed(image), n_transforms=self.setup.n_transforms, redirect=redirect
        )
        if any(self.requests):
            trace = replace(trace, relevance=followed(trace, self.requests))
        if any(shown is not None for shown in self.beside):
            trace = replace(trace, beside=self._seen_beside(tracer, image))
        losses = self._losses(trace)
        if losses.requires_grad or not (self.count or passes_gradient(self.model)):
            with asked(self.model, "be differentiated"):
                torch.autograd.backward(losses.sum() if self.scale == 1 else losses.sum() * self.scale)
            self._unscale(image)
        self.waking.look(redirect)
        self._accumulate(image)
        self._stop_diverging(losses, trace)
        return losses.detach()

    @torch.no_grad()
    def _seen_beside(self, tracer: Tracer, image: Images) -> Mapping[str, Tensor]:
        """The activations of the images that terms want beside the pictures, through the transforms of this step."""
        own = torch.split(image, self.per_slot)
        shown = torch.cat(
            [
                part if wanted is None else resized_like(wanted, part).expand_as(part)
                for part, wanted in zip(own, self.beside, strict=True)
            ]
        )
        return tracer(shown, self._transformed(shown), n_transforms=self.setup.n_transforms).acts

    def _unscale(self, image: Images) -> None:
        """Take the factor of the loss out of the gradients."""
        if self.scale != 1:
            for tensor in (image, *self.parameters.values()):
                if tensor.grad is not None:
                    tensor.grad.div_(self.scale)

    @torch.no_grad()
    def settle(self) -> None:
        """Bring the parameters back to where they are allowed, and those that stopped to where they were."""
        self.parameterization.project(self.parameters)
        for key, tensor in self.parameters.items():
            torch.where(_like(self.alive, tensor), tensor, self.held[key], out=tensor.data)
        self.count += 1

    def _image(self) -> Images:
        made = checked_at(self.parameterization, Parameterization, self._progress())
        image = self._decoded(made)
        if self.count == 0:
            check_first_images(made, image)
        return image

    def _decoded(self, made: Parameterization) -> Images:
        count = len(self.terms) * self.per_slot
        with foreign(f"decode of {named(made)} failed"):
            return checked_images(made, made.decode(self.parameters), count, self.model.channels)

    def _progress(self) -> float:
        """The share of the run that is over, from 0 to 1."""
        return self.count / max(1, self.setup.steps - 1)

    def _transformed(self, image: Images) -> Images:
        seen, random = image, self.random.at(self.count)
        if self.setup.n_transforms > 1:
            seen = image.repeat_interleave(self.setup.n_transforms, 0)
        for transform in self.setup.transforms:
            seen = transformed(checked_at(transform, Transform, self._progress()), seen, random)
        return seen

    def _losses(self, trace: Trace) -> Tensor:
        """The loss of each image, (slots · images,), which is logged with its parts."""
        totals: Tensor | None = None
        for group, history in zip(self.groups, self.history, strict=True):
            parts = group.losses(trace)
            parts = parts.view(len(parts), -1, self.setup.n_transforms).mean(2)
            total, rows = parts.sum(0), group.images(trace)
            history[:, :, self.count] = torch.cat([parts, total[None]]).detach()
            if rows is None:
                return total
            totals = total.new_zeros(len(trace) // self.setup.n_transforms) if totals is None else totals
            totals = totals.index_copy(0, rows, total)
        return totals  # type: ignore[return-value]  # there is a group

    @torch.no_grad()
    def _accumulate(self, image: Images) -> None:
        gradient = image.grad if image.grad is not None else torch.zeros_like(image)
        seen = gradient.abs().mean(1)
        self.alpha = seen if self.alpha is None else _grown(self.alpha, seen.shape[1:]) + seen

    @torch.no_grad()
    def _stop_diverging(self, losses: Tensor, trace: Trace) -> None:
        """Note which slots stop, and let their gradients be 0."""
        slots = len(self.terms)
        grads = {key: tensor.grad for key, tensor in self.parameters.items() if tensor.grad is not None}
        most = [
            torch.linalg.vector_norm(x.reshape(slots, -1), torch.inf, 1) for x in (losses, *grads.values())
        ]
        fine = torch.stack(most).amax(0).isfinite()  # the largest is not a number where any is none
        for key, grad in grads.items():
            self.parameters[key].grad = torch.where(_like(fine, grad), grad, 0)
        if self.count == 0:
            acts = [act.reshape(slots, -1).isfinite().all(1) for act in trace.acts.values()]
            self.sound = torch.stack([self.alive, *acts]).all(0)
        self.stopped = torch.where(self.alive & ~fine, self.count + 1, self.stopped)
        self.alive = self.alive & fine
        self.held = {key: tensor.detach().clone() for key, tensor in self.parameters.items()}

    def losses(self, steps: slice = slice(None)) -> dict[str, Tensor]:
        """What was logged in these steps: (slots · images, steps) for each part, and for the total."""
        images = len(self.terms) * self.per_slot
        found: dict[str, Tensor] = {}
        for group, history in zip(self.groups, self.history, strict=True):
            rows = [slot * self.per_slot + i for slot in group.slots for i in range(self.per_slot)]
            for name, values in zip([*group.names, "total"], history[:, :, steps].cpu(), strict=True):
                whole = found.setdefault(name, values.new_full((images, values.shape[1]), float("nan")))
                whole[rows] = values
        return found

    def status(self) -> list[str]:
        """What came of each image."""
        stopped, sound, far = self.stopped.tolist(), self.sound.tolist(), self._far().tolist()
        told = [
            f"diverged at step {step}{self._cause(i, step, sound[i])}"
            if step
            else FAR_OFF
            if far[i]
            else "done"
            for i, step in enumerate(stopped)
        ]
        return [status for status in told for _ in range(self.per_slot)]

    @torch.no_grad()
    def _far(self) -> Tensor:
        """Which slots have parameters so large that the picture hardly depends on them any more."""
        most = [p.abs().reshape(len(self.terms), -1).amax(1) for p in self.parameters.values() if p.numel()]
        return torch.stack(most).amax(0) > FAR if most else ~self.alive

    def _cause(self, slot: int, step: int, sound: bool) -> str:
        """What made numbers that are not finite, where it is known: half precision, or a term at the first step."""
        if step > 1 or not sound:
            hint = "; float16 overflows above 65504, so compute in bfloat16 or float32"
            return hint if self.scale != 1 else ""
        rows = slice(slot * self.per_slot, (slot + 1) * self.per_slot)
        first, term = {name: losses[rows, 0] for name, losses in self.losses().items()}, self.terms[slot]
        wrong = [
            named(part)
            for (_, part), name in zip(term.parts, term.names(), strict=True)
            if not first[name].isfinite().all()
        ]
        return f": {' and '.join(wrong)} gave numbers that are not finite" if wrong else ""

    def opacity(self, size: torch.Size) -> Tensor:
        """The accumulated gradient of each image at the size of the pictures, (B, H, W)."""
        if self.alpha is None:
            return torch.zeros(len(self.terms) * self.per_slot, *size)
        return _grown(self.alpha.nan_to_num(0.0).cpu(), size)


def _like(slots: Tensor, tensor: Tensor) -> Tensor:
    """One value for each slot, to be held against parameters of any number of axes."""
    return slots.view(-1, *[1] * (tensor.ndim - 1))


def _grown(alpha: Tensor, size: torch.Size) -> Tensor:
    """The accumulated gradient (B, H, W) at another size: a canvas may grow on the way."""
    if alpha.shape[1:] == size:
        return alpha
    return F.interpolate(alpha[:, None], tuple(size), mode="bilinear")[:, 0]
