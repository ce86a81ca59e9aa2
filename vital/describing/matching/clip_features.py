"""What CLIP says of the probing images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vital.activations.matrix import Probe, probe, read, reading, seen
from vital.describing.base import Context, probe_images
from vital.errors import InvalidValueError
from vital.units import Unit


@dataclass(frozen=True, eq=False)
class Look:
    """All that is known of units, images and concepts: values, and embeddings of images and concepts."""

    tools: Context
    probe: Probe
    seen: Tensor
    read: Tensor

    @classmethod
    def of(cls, tools: Context, units: Sequence[Unit], pool: str = "mean") -> Look:
        """Look at the probe images, once; `pool` is that of `probe`."""
        images, encoder = probe_images(tools), tools.encoder
        if encoder is None:
            raise InvalidValueError("words need an image-text encoder, and there is none")
        known = probe(tools.model, images, units, pool=pool, progress=tools.progress)
        shown = seen(encoder, tools.model, images, progress=tools.progress)
        return cls(tools, known, shown, read(encoder, tools.concepts) if tools.concepts else shown[:0])

    @property
    def encoder(self) -> Any:
        """The encoder."""
        return self.tools.encoder

    def own(self, unit: Unit) -> Tensor:
        """The unit's values on the choosing half: (N / 2,)."""
        return self.probe.of([unit])[self.probe.choosing, 0]

    def strongest(self, unit: Unit, count: int) -> tuple[str, ...]:
        """Names of the images that excite a unit most, of those that labels are chosen on."""
        values, numbers = self.own(unit), self.probe.numbers[self.probe.choosing]
        names = probe_images(self.tools).names
        return tuple(names[int(numbers[i])] for i in values.topk(min(count, len(values))).indices.tolist())


def by_reading(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    """Group units by the way in which their layers are read."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(reading(unit), []).append(unit)
    return found
