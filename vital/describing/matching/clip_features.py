"""Values of units and CLIP embeddings of the probe images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vital.activations.matrix import ActivationMatrix, embed_images, embed_texts, readout_key
from vital.describing.base import Context, probe_images
from vital.describing.variation import matrix_of, silent, why_silent
from vital.errors import InvalidValueError, ModelError
from vital.records import Description
from vital.units import Unit
from vital.utils.text import shortened


@dataclass(frozen=True, eq=False)
class ClipFeatures:
    """All that is known of units, images and concepts: values, and embeddings of images and concepts."""

    context: Context
    matrix: ActivationMatrix
    image_embeddings: Tensor
    text_embeddings: Tensor

    @classmethod
    def of(cls, context: Context, units: Sequence[Unit], pool: str = "mean") -> ClipFeatures:
        """Show the probe images to the network and the encoder, once; `pool` is that of `build_matrix`.

        Raises `ModelError` for embeddings that are not finite.
        """
        images, encoder = probe_images(context), context.encoder
        if encoder is None:
            raise InvalidValueError("words need an image-text encoder, and there is none")
        known = matrix_of(context, units, pool)
        shown = embed_images(encoder, context.model, images, progress=context.progress)
        texts = embed_texts(encoder, context.concepts) if context.concepts else shown[:0]
        _check_finite(encoder.name, shown, texts, context.concepts)
        return cls(context, known, shown, texts)

    @property
    def encoder(self) -> Any:
        """The encoder."""
        return self.context.encoder

    def own(self, unit: Unit) -> Tensor:
        """The unit's values on the half that labels are chosen on: about (N / 2,)."""
        return self.matrix.of([unit])[self.matrix.choosing, 0]

    def silence(self, unit: Unit, method: str) -> Description | None:
        """What is said of a unit that does not vary over the images; None for any other unit."""
        reason = why_silent(self.own(unit))
        return silent(self.context, unit, method, reason) if reason else None

    def strongest(self, unit: Unit, count: int) -> tuple[str, ...]:
        """Names of the images that excite a unit most, of those that labels are chosen on."""
        values, numbers = self.own(unit), self.matrix.numbers[self.matrix.choosing]
        names = probe_images(self.context).names
        return tuple(names[int(numbers[i])] for i in values.topk(min(count, len(values))).indices.tolist())


def _check_finite(name: str, images: Tensor, texts: Tensor, concepts: Sequence[str]) -> None:
    if broken := int((~images.norm(dim=1).isfinite()).sum()):
        raise ModelError(f"{name} gives embeddings that are not finite for {broken} of {len(images)} images")
    if not texts.norm(dim=1).isfinite().all():
        broken_texts = [concepts[i] for i in (~texts.norm(dim=1).isfinite()).nonzero().view(-1).tolist()]
        raise ModelError(f"{name} gives embeddings that are not finite for {shortened(broken_texts)}")


def by_readout(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    """Group units by the way in which their layers are read."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(readout_key(unit), []).append(unit)
    return found
