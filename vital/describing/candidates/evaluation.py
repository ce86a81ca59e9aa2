"""Pictures that tell candidates apart: real ones of all kinds, and those that a generator makes of each candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vital.backends import Captioner, ImageGenerator, ImageTextEncoder, vocabulary
from vital.backends.embeddings import embedded_images, embedded_texts
from vital.data import ImageSet
from vital.data.imageset import evenly
from vital.describing.candidates.candidates import Candidate
from vital.describing.candidates.scoring import CandidateActivations
from vital.describing.candidates.top_images import values
from vital.describing.matching.similarity import CosineCubed
from vital.errors import InvalidValueError
from vital.metrics.labels import correlation
from vital.models import Model
from vital.types import Images
from vital.units import Unit
from vital.utils.drawing import as_rgb

Words = tuple[frozenset[str], ...]

CUBED = CosineCubed(min_norm=1e-30)
"""Cubes let the extremes speak; values may be small here, and what is constant still gets 0."""


@dataclass(frozen=True, eq=False)
class Shown:
    """N pictures: the values of the units (U, N), what their captions say, and their embeddings (N, D)."""

    values: Tensor
    words: Words
    seen: Tensor | None = None

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True, eq=False)
class CandidateEvaluator:
    """Pictures with what units, captioner and encoder say of them, each worked out once for all units.

    `generator` makes `count` images of each text from `seed`; what it refuses to draw is in `refused`.
    """

    model: Model
    units: Sequence[Unit]
    captioner: Captioner
    encoder: ImageTextEncoder | None = None
    generator: ImageGenerator | None = None
    count: int = 10
    seed: int = 0
    refused: dict[str, str] = field(default_factory=dict, init=False)
    _made: dict[str, Shown] = field(default_factory=dict, init=False, repr=False)

    def real(self, images: ImageSet, count: int, split_seed: int = 0) -> Shown:
        """Evaluate up to `count` images, evenly spread over the half that labels are chosen on."""
        half = images.part(seed=split_seed).nonzero().view(-1).tolist()
        chosen = [half[i] for i in evenly(len(half), count)]
        if not chosen:
            return Shown(torch.zeros(len(self.units), 0), ())
        parts = [self.evaluate(batch) for _, batch in images.batches(self.model, 64, indices=chosen)]
        return joined(parts)

    def of(self, text: str) -> Shown | None:
        """Evaluate the images that are made of a text; None without a generator, and for what it cannot draw."""
        if self.generator is None or text in self.refused:
            return None
        if text not in self._made:
            try:
                made = self.generator.generate(text, self.count, self.seed)
            except InvalidValueError as error:
                self.refused[text] = str(error)
                return None
            self._made[text] = self.evaluate(made)
        return self._made[text]

    def evaluate(self, pictures: Images) -> Shown:
        """Ask units, captioner and encoder about pictures in [0, 1] of any size."""
        sized = torch.stack([self.model.preprocess(picture) for picture in pictures.cpu()])
        shown = as_rgb(pictures, self.model.bands)
        words = tuple(vocabulary(caption) for caption in self.captioner.describe(shown))
        seen = embedded_images(self.encoder, shown).cpu() if self.encoder else None
        return Shown(values(self.model, self.units, sized), words, seen)


def joined(parts: Sequence[Shown]) -> Shown:
    """Put pictures side by side."""
    seen = [part.seen for part in parts if part.seen is not None]
    return Shown(
        torch.cat([part.values for part in parts], 1),
        tuple(words for part in parts for words in part.words),
        torch.cat(seen) if seen else None,
    )


def on_real(real: Shown, row: int, chosen: Sequence[Candidate]) -> Tensor:
    """Correlate a unit's values on real pictures with whether their captions say each candidate: (C,) float64."""
    if not len(real) or not chosen:
        return torch.zeros(len(chosen), dtype=torch.float64)
    said = torch.tensor([[c.words <= words for words in real.words] for c in chosen], dtype=torch.float64)
    return correlation(real.values[row, :, None].double(), said.view(len(chosen), len(real)).T)[0]


def by_encoder(real: Shown, row: int, chosen: Sequence[Candidate], encoder: ImageTextEncoder) -> Tensor:
    """Compare a unit's values on real pictures with each candidate's cosines, by the cosine of cubes: (C,) float64."""
    if real.seen is None or not len(real) or not chosen:
        return torch.zeros(len(chosen), dtype=torch.float64)
    texts = embedded_texts(encoder, [c.text for c in chosen]).cpu()
    own = CUBED.prepared(real.values[row, :, None].double())
    return CUBED.block(own, (real.seen @ texts.T).double(), None)[0]


def measure_candidates(
    evaluator: CandidateEvaluator,
    real: Shown,
    row: int,
    chosen: Sequence[Candidate],
    described: Tensor | None = None,
) -> CandidateActivations:
    """Show a unit the images of candidates, all of which can be drawn, beside real ones (see `CandidateActivations`).

    An image shows a candidate where it was made of it, or of a text that says all its words, or where its caption does.
    `described` are the embeddings of the real pictures that were described.
    """
    made = [found for c in chosen if (found := evaluator.of(c.text)) is not None]
    texts = [c.words for c, found in zip(chosen, made, strict=True) for _ in range(len(found))]
    captions = [words for found in made for words in found.words]
    shown = [
        [c.words <= text or c.words <= said for text, said in zip(texts, captions, strict=True)]
        + [c.words <= said for said in real.words]
        for c in chosen
    ]
    seen = [found.seen for found in made if found.seen is not None]
    return CandidateActivations(
        torch.stack([found.values[row] for found in made]),
        real.values[row],
        torch.tensor(shown, dtype=torch.bool),
        torch.stack(seen) if seen else None,
        described,
    )
