"""What pictures are measured against: the network, natural images, witnesses, and what each unit stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from vital.compare.hog import HogClassifier, recogniser_for
from vital.compare.records import at_size
from vital.errors import BadValue, UsageError
from vital.makers import ImageTextEncoder, load_encoder
from vital.metrics import STATISTICS, picture_statistics
from vital.models import Model
from vital.recipes.stages import stages
from vital.reference import ReferenceBank
from vital.trace import Tracer, survey
from vital.types import Images
from vital.units import OUTPUT, Unit

NATURAL, REAL = 8, 1000
BATCH = 64


@dataclass(frozen=True)
class Question:
    """What a unit stands for, and what it could have stood for instead: texts."""

    answer: str
    choices: tuple[str, ...] = field(repr=False)


class Judge(Protocol):
    """A witness that had no part in making the pictures."""

    @property
    def name(self) -> str:
        """What it is, for the name of its column."""

    def agrees(self, images: Images, units: Sequence[Unit]) -> list[float]:
        """Say whether each picture shows what its unit stands for: 1, 0, or not a number for no opinion."""


@dataclass(frozen=True, eq=False)
class Extractor:
    """Features of pictures (B, C, H, W) in [0, 1] for distances between sets of them: (B, D), and their name."""

    name: str
    features: Callable[[Images], Tensor]


@dataclass(frozen=True, eq=False)
class Bench:
    """All that metrics read beside the pictures.

    `optimised` are the layers that some method aligned, `held_out` layers that none did. `questions` says of units
    what they stand for, where that is known; an image-text `encoder` is asked them in the words of `prompt`. Natural
    images of a unit are `natural` of them: those of its label, or those that excite it most. The `recogniser` is
    a witness that is no network; `notes` say why something is not asked.
    """

    bank: ReferenceBank
    optimised: tuple[str, ...]
    held_out: tuple[str, ...]
    extractor: Extractor
    judges: tuple[Judge, ...] = ()
    encoder: ImageTextEncoder | None = None
    questions: Mapping[Unit, Question] = field(default_factory=dict, repr=False)
    prompt: str = "{}"
    natural: int = NATURAL
    recogniser: HogClassifier | None = None
    notes: tuple[str, ...] = ()
    _kept: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)

    @property
    def model(self) -> Model:
        """The network whose units are shown."""
        return self.bank.model

    def natural_images(self, unit: Unit) -> Images:
        """Natural images of a unit: (N, C, H, W) in [0, 1]."""
        return self.bank.tensor(self.bank.references(unit, self.natural).indices)

    def before(self, unit: Unit, layers: Sequence[str]) -> tuple[str, ...]:
        """Those of the layers that an inner unit can see; all for an output."""
        known = survey(self.model)
        return tuple(
            name for name in layers if unit.layer == OUTPUT or known[name].order < known[unit.layer].order
        )

    def real_features(self) -> Tensor:
        """The extractor's features of up to 1000 of the bank's images, evenly spread: (N, D), worked out once."""
        if "real" not in self._kept:
            parts = [self.extractor.features(batch) for batch in self._real()]
            self._kept["real"] = torch.cat(parts)
        return self._kept["real"]

    def real_statistics(self) -> dict[str, Tensor]:
        """How the same images look as pictures (`vital.metrics.picture_statistics`), worked out once: name -> (N,)."""
        if "looks" not in self._kept:
            rows = [torch.stack([*picture_statistics(batch).values()]) for batch in self._real()]
            self._kept["looks"] = torch.cat(rows, 1)
        return dict(zip(STATISTICS, self._kept["looks"], strict=True))

    def _real(self) -> Iterator[Images]:
        """Up to 1000 of the bank's images, evenly spread, in batches."""
        pictures = self.bank.images
        for _, batch in pictures.batches(self.model, BATCH, indices=pictures.spread(REAL)):
            yield batch

    def embedded(self, texts: Sequence[str]) -> Tensor:
        """The encoder's embeddings of texts in the words of the prompt, each worked out once: (K, D)."""
        assert self.encoder is not None  # noqa: S101  metrics ask for it first
        new = [text for text in dict.fromkeys(texts) if f"text {text}" not in self._kept]
        if new:
            rows = self.encoder.encode_text([self.prompt.replace("{}", text) for text in new])
            self._kept.update({f"text {text}": row for text, row in zip(new, rows, strict=True)})
        return torch.stack([self._kept[f"text {text}"] for text in texts])

    @torch.no_grad()
    def activations(self, images: Images, layers: Sequence[str]) -> dict[str, Tensor]:
        """What images do at layers, one number per channel: layer -> (B, C), the mean over places."""
        parts: dict[str, list[Tensor]] = {layer: [] for layer in layers}
        with Tracer(self.model, layers) as tracer:
            for batch in torch.split(images, BATCH):
                trace = tracer(fitted(batch, self.model))
                for layer in layers:
                    act = trace[layer]
                    parts[layer].append((act.flatten(2).mean(2) if act.ndim > 2 else act).float().cpu())
        return {layer: torch.cat(found) for layer, found in parts.items()}


def fitted(images: Images, model: Model) -> Images:
    """Bring pictures to a network's size, device and precision."""
    return at_size(images.to(model.device, model.dtype), model.size)


def own_features(model: Model) -> Extractor:
    """The features of a network as an extractor: the last of its stages, averaged over places."""
    layer = stages(model)[-1]

    @torch.no_grad()
    def features(images: Images) -> Tensor:
        with Tracer(model, [layer]) as tracer:
            act = tracer(fitted(images, model))[layer]
        return (act.flatten(2).mean(2) if act.ndim > 2 else act).float().cpu()

    return Extractor(f"{model.name} {layer}, {survey(model)[layer].channels}", features)


def held_out_layers(model: Model, optimised: Sequence[str], count: int = 4) -> tuple[str, ...]:
    """Choose layers that no method optimises: halfway, in the order of execution, between those that some do.

    They are maps or tokens before the output, of more than one place. Raises `UsageError` where there are none.
    """
    known = survey(model)
    usable = [la for la in known.values() if not la.problem and la.name != OUTPUT and la.kind != "vector"]
    ends = sorted({known[name].order for name in optimised if name in known} | {-1})
    found: list[str] = []
    for low, high in pairwise(ends):
        between = [la for la in usable if low < la.order < high and la.name not in optimised]
        if between:
            found.append(between[len(between) // 2].name)
    if not found:
        raise UsageError(
            f"{model.name} has no layer between {', '.join(optimised)}; name layers with --held-out"
        )
    return tuple(found[-count:])


def of_the_world(model: Model) -> bool:
    """Whether a network is one of the known-answer world."""
    return model.name.startswith("world")


def check_prompt(prompt: str) -> None:
    """See that a prompt has one place for the words. Raises `BadValue`.

    >>> check_prompt("a photo")
    Traceback (most recent call last):
    ...
    vital.errors.BadValue: the prompt is 'a photo'; wanted is one {} in it, for the words, as in 'a photo of a {}'
    """
    if prompt.count("{}") != 1:
        raise BadValue(
            f"the prompt is {prompt!r}; wanted is one {{}} in it, for the words, as in 'a photo of a {{}}'"
        )


def bench_for(
    bank: ReferenceBank,
    units: Sequence[Unit],
    *,
    judges: Sequence[Judge] = (),
    encoder: ImageTextEncoder | str | None = None,
    extractor: Extractor | None = None,
    held_out: Sequence[str] = (),
    prompt: str = "{}",
    progress: bool = False,
) -> Bench:
    """Put together what pictures of these units are measured against.

    `judges` are witnesses (`ClassJudge` makes one of a network with the same classes). `encoder` is an image-text
    encoder or its name, asked with `prompt`, such as "a photo of a {}". `extractor` gives the features of
    the Fréchet and kernel distance, by default the network's own last stage. `held_out` are layers that no method
    aligns, by default chosen between those that `vital` does. For a network of the known-answer world, its judge,
    encoder and truths stand in for what is not given. Raises `BadValue` for a prompt without its place.
    """
    from vital.compare.judges import class_questions

    check_prompt(prompt)
    model = bank.model
    optimised = stages(model)
    questions, known = class_questions(model, units), bank.images
    if of_the_world(model):
        from vital.compare import world as witnesses
        from vital.world.data import CLASSES

        truths = witnesses.world_truths(model, units, progress=progress)
        judges = judges or (witnesses.WorldJudge(truths),)
        extractor = extractor or witnesses.world_features()
        questions, encoder = witnesses.world_questions(truths), encoder or "world"
        known = witnesses.fresh_scenes() if model.classes == CLASSES else known
    recogniser, notes = recogniser_for(model, known, units)
    taken = (*optimised, *(unit.layer for unit in units))
    return Bench(
        bank,
        optimised,
        tuple(held_out) or held_out_layers(model, taken),
        extractor or own_features(model),
        tuple(judges),
        load_encoder(encoder) if isinstance(encoder, str) else encoder,
        questions,
        prompt,
        recogniser=recogniser,
        notes=notes,
    )
