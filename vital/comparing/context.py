"""What pictures are measured against: the network, natural images, other classifiers, and what units stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from vital.activations import ReferenceBank
from vital.backends import ImageTextEncoder
from vital.backends.embeddings import embedded_texts
from vital.comparing.hog import HogClassifier
from vital.comparing.records import at_size
from vital.metrics import STATISTICS, picture_statistics
from vital.models import Model
from vital.tracing import Tracer, list_layers
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
    """An independent classifier, which had no part in making the pictures."""

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
class EvalContext:
    """All that metrics read beside the pictures.

    `optimized` are the layers that some method aligned, `held_out` layers that none did. `questions` says of units
    what they stand for, where that is known; an image-text `encoder` is asked them in the words of `prompt`. Natural
    images of a unit are `natural` of them: those of its label, or those that excite it most. The `recognizer` is
    an independent classifier that is no network; `notes` say why something is not asked.
    """

    bank: ReferenceBank
    optimized: tuple[str, ...]
    held_out: tuple[str, ...]
    extractor: Extractor
    judges: tuple[Judge, ...] = ()
    encoder: ImageTextEncoder | None = None
    questions: Mapping[Unit, Question] = field(default_factory=dict, repr=False)
    prompt: str = "{}"
    natural: int = NATURAL
    recognizer: HogClassifier | None = None
    notes: tuple[str, ...] = ()
    _kept: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)

    @property
    def model(self) -> Model:
        """The network whose units are shown."""
        return self.bank.model

    def natural_images(self, unit: Unit) -> Images:
        """Natural images of a unit: (N, C, H, W) in [0, 1]."""
        return self.bank.tensor(self.bank.references(unit, self.natural).indices)

    def upstream_layers(self, unit: Unit, layers: Sequence[str]) -> tuple[str, ...]:
        """Those of the layers that an inner unit can see; all for an output."""
        known = list_layers(self.model)
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
        if "statistics" not in self._kept:
            rows = [torch.stack([*picture_statistics(batch).values()]) for batch in self._real()]
            self._kept["statistics"] = torch.cat(rows, 1)
        return dict(zip(STATISTICS, self._kept["statistics"], strict=True))

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
            rows = embedded_texts(self.encoder, [self.prompt.replace("{}", text) for text in new])
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
    return at_size(images.to(model.device, model.image_dtype), model.size)
