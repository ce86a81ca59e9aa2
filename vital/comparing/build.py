"""Build the context of a comparison: judges, features and natural statistics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from vital.activations import ReferenceBank
from vital.backends import ImageTextEncoder, load_encoder
from vital.comparing.context import EvalContext, Extractor, Judge, fitted
from vital.comparing.hog import recognizer_for
from vital.errors import InvalidValueError, UsageError
from vital.models import Model
from vital.rendering.methods.stages import stages
from vital.tracing import Tracer, list_layers
from vital.types import Images
from vital.units import OUTPUT, Unit


def own_features(model: Model) -> Extractor:
    """The features of a network as an extractor: the last of its stages, averaged over places."""
    layer = stages(model)[-1]

    @torch.no_grad()
    def features(images: Images) -> Tensor:
        with Tracer(model, [layer]) as tracer:
            act = tracer(fitted(images, model))[layer]
        return (act.flatten(2).mean(2) if act.ndim > 2 else act).float().cpu()

    return Extractor(f"{model.name} {layer}, {list_layers(model)[layer].channels}", features)


def held_out_layers(model: Model, optimized: Sequence[str], count: int = 4) -> tuple[str, ...]:
    """Choose layers that no method optimizes: halfway, in the order of execution, between those that some do.

    They are maps or tokens before the output, of more than one place. Raises `UsageError` where there are none.
    """
    known = list_layers(model)
    usable = [la for la in known.values() if not la.problem and la.name != OUTPUT and la.kind != "vector"]
    ends = sorted({known[name].order for name in optimized if name in known} | {-1})
    found: list[str] = []
    for low, high in pairwise(ends):
        between = [la for la in usable if low < la.order < high and la.name not in optimized]
        if between:
            found.append(between[len(between) // 2].name)
    if not found:
        raise UsageError(
            f"{model.name} has no layer between {', '.join(optimized)}; name layers with --held-out"
        )
    return tuple(found[-count:])


def of_the_world(model: Model) -> bool:
    """Whether a network is one of the known-answer world."""
    return model.name.startswith("world")


def check_prompt(prompt: str) -> None:
    """See that a prompt has one place for the words. Raises `InvalidValueError`.

    >>> check_prompt("a photo")
    Traceback (most recent call last):
    ...
    vital.errors.InvalidValueError: the prompt is 'a photo'; allowed is one {} in it, as in 'a photo of a {}'
    """
    if prompt.count("{}") != 1:
        raise InvalidValueError(
            f"the prompt is {prompt!r}; allowed is one {{}} in it, as in 'a photo of a {{}}'"
        )


def build_context(
    bank: ReferenceBank,
    units: Sequence[Unit],
    *,
    judges: Sequence[Judge] | None = None,
    encoder: ImageTextEncoder | str | None = None,
    extractor: Extractor | None = None,
    held_out: Sequence[str] | None = None,
    prompt: str = "{}",
    progress: bool = False,
) -> EvalContext:
    """Put together what pictures of these units are measured against.

    `judges` are independent classifiers (`ClassJudge` makes one of a network with the same classes). `encoder` is an
    image-text encoder or its name, asked with `prompt`, such as "a photo of a {}". `extractor` gives the features of
    the Fréchet and kernel distance, by default the network's own last stage. `held_out` are layers that no method
    aligns, by default chosen between those that `vital` does. For a network of the known-answer world, its judge,
    encoder and truths stand in for what is not given. Raises `InvalidValueError` for a prompt without its place.
    """
    from vital.comparing.judges import class_questions

    check_prompt(prompt)
    model = bank.model
    optimized = stages(model)
    questions, known = class_questions(model, units), bank.images
    if of_the_world(model):
        from vital.comparing import world as own
        from vital.world.scenes.dataset import CLASSES

        truths = own.world_truths(model, units, progress=progress)
        judges = (own.WorldJudge(truths),) if judges is None else judges
        extractor = extractor or own.world_features()
        questions, encoder = own.world_questions(truths), encoder or "world"
        known = own.fresh_scenes() if model.classes == CLASSES else known
    recognizer, notes = recognizer_for(model, known, units)
    taken = (*optimized, *(unit.layer for unit in units))
    return EvalContext(
        bank,
        optimized,
        held_out_layers(model, taken) if held_out is None else tuple(held_out),
        extractor or own_features(model),
        tuple(judges or ()),
        load_encoder(encoder) if isinstance(encoder, str) else encoder,
        questions,
        prompt,
        recognizer=recognizer,
        notes=notes,
    )
