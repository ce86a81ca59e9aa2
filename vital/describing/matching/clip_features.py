"""Values of units and CLIP embeddings of the probe images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vital.activations.matrix import ActivationMatrix, build_matrix, embed_images, embed_texts, readout_key
from vital.describing.base import Context, probe_images
from vital.errors import InvalidValueError
from vital.units import Unit


@dataclass(frozen=True, eq=False)
class ClipFeatures:
    """All that is known of units, images and concepts: values, and embeddings of images and concepts."""

    context: Context
    matrix: ActivationMatrix
    image_embeddings: Tensor
    text_embeddings: Tensor

    @classmethod
    def of(cls, context: Context, units: Sequence[Unit], pool: str = "mean") -> ClipFeatures:
        """Show the probe images to the network and the encoder, once; `pool` is that of `build_matrix`."""
        images, encoder = probe_images(context), context.encoder
        if encoder is None:
            raise InvalidValueError("words need an image-text encoder, and there is none")
        known = build_matrix(context.model, images, units, pool=pool, progress=context.progress)
        shown = embed_images(encoder, context.model, images, progress=context.progress)
        return cls(
            context, known, shown, embed_texts(encoder, context.concepts) if context.concepts else shown[:0]
        )

    @property
    def encoder(self) -> Any:
        """The encoder."""
        return self.context.encoder

    def own(self, unit: Unit) -> Tensor:
        """The unit's values on the choosing half: (N / 2,)."""
        return self.matrix.of([unit])[self.matrix.choosing, 0]

    def strongest(self, unit: Unit, count: int) -> tuple[str, ...]:
        """Names of the images that excite a unit most, of those that labels are chosen on."""
        values, numbers = self.own(unit), self.matrix.numbers[self.matrix.choosing]
        names = probe_images(self.context).names
        return tuple(names[int(numbers[i])] for i in values.topk(min(count, len(values))).indices.tolist())


def by_readout(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    """Group units by the way in which their layers are read."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(readout_key(unit), []).append(unit)
    return found
