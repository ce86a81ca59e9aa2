"""Words for rendered prototypes: the same path as for images, fed with the pictures that a network dreams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import torch

from vital.activations.crops import boxes
from vital.backends import ImageTextEncoder
from vital.backends.embeddings import embedded_images, embedded_texts
from vital.describing.base import DESCRIBERS, Context
from vital.describing.candidates.top_images import TopImages, cropped
from vital.describing.methods.captioning import Captioning, LoadedBackends, labeled, load_backends
from vital.describing.variation import silent
from vital.records import Description, Prototype
from vital.units import Unit
from vital.utils.drawing import as_rgb
from vital.utils.options import Count, CountOrZero, Factor, FactorOrZero
from vital.utils.progress import Progress


@DESCRIBERS.register("prototype", example="prototype")
@dataclass(frozen=True)
class OfPrototypes(Captioning):
    """Describe the prototypes of a unit, and let a generator settle what they show.

    1. The context draws `n_seeds` prototypes of each unit. Of these and of up to `n_crops` crops of each, around what
       is opaque (Otsu's cut of the transparency mask), the `n_shown` that excite the unit most are described.
    2. Captions and their summary propose what it is, as in `Dnd`, and an encoder adds the `n_retrieved` concepts of the
       context that fit the prototypes best: by their mean cosine, in standard deviations of the cosines with `n_real`
       probe images above their mean, so that what is true of every image does not come first.
    3. Candidates are scored as in `Dnd`: by how the unit responds to images that are made of them, or to real ones.

    No image that excites the unit is looked at: what it agrees on with a label from images, two ways have found. See
    `agreement`. No published method names prototypes; the steps are those of Describe-and-Dissect (TMLR 2025).

    Options:
        n_seeds: The number of prototypes of each unit.
        n_crops: The most crops of each of them.
        n_shown: The number of prototypes and crops that are described.
        n_retrieved: The number of concepts that the encoder adds; 0 for none.
    """

    needs: ClassVar[tuple[str, ...]] = ("prototypes", "captioner")
    n_seeds: Factor = 2
    n_crops: FactorOrZero = 2
    n_shown: Count = 10
    n_retrieved: CountOrZero = 10

    def describe(self, context: Context, units: Sequence[Unit]) -> list[Description]:
        """Say what each unit responds to, in the order of the units."""
        at = load_backends(self, "prototype", context, units)
        draw = cast("Callable[[Sequence[Unit], int], list[Prototype]]", context.prototypes)
        asked = [unit for unit in at.units if unit not in at.quiet]
        drawn = [draw(asked, context.seed + seed) if asked else [] for seed in range(self.n_seeds)]
        own = {unit: [group[i] for group in drawn] for i, unit in enumerate(asked)}
        found = []
        with Progress("prototype", len(at.units), "unit", shown=context.progress) as bar:
            for row, unit in enumerate(bar.each(at.units)):
                if unit in at.quiet:
                    found.append(silent(context, unit, "prototype", at.quiet[unit]))
                    continue
                shown = self._shown(at, row, own[unit])
                found.append(labeled(self, at, row, "prototype", shown, self._retrieved(at, shown)))
        return found

    def _shown(self, at: LoadedBackends, row: int, own: Sequence[Prototype]) -> TopImages:
        """The pictures of one unit: prototypes and their crops."""
        model = at.context.model
        whole = torch.stack([model.preprocess(p.image.cpu()) for p in own])
        size = (whole.shape[2], whole.shape[3])
        parts = [boxes(p.alpha.cpu(), size, self.n_crops) for p in own]
        names = [f"{p.unit} {p.method} seed {p.seed}" for p in own]
        return cropped(model, at.units[row], whole, names, parts, self.n_shown)

    def _retrieved(self, at: LoadedBackends, shown: TopImages) -> list[str]:
        """The concepts that stand out in the pictures."""
        if not (self.n_retrieved and at.context.encoder and at.context.concepts):
            return []
        bands = at.context.model.bands
        return retrieved(
            at.context.encoder, at.context.concepts, shown, at.real.seen, self.n_retrieved, bands
        )


def retrieved(
    encoder: ImageTextEncoder,
    concepts: Sequence[str],
    shown: TopImages,
    real: torch.Tensor | None,
    count: int,
    bands: Sequence[int] = (),
) -> list[str]:
    """Find the concepts that fit pictures best, best first.

    Formula: (mean cosine with the pictures − μ) / σ, μ and σ of the concept's cosines with `real` embeddings (R, D)

    Without two real images or more it is the mean cosine alone.
    """
    texts = embedded_texts(encoder, concepts).double().cpu()
    score = texts @ embedded_images(encoder, as_rgb(shown.pictures, bands)).double().cpu().mean(0)
    if real is not None and len(real) > 1:
        usual = texts @ real.double().T
        score = (score - usual.mean(1)) / usual.std(1).clamp(min=1e-6)
    return [concepts[i] for i in score.argsort(descending=True, stable=True)[:count].tolist()]
