"""A penalty on the distance from a given image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import torch

from vital.errors import InvalidValueError
from vital.models.pixels import resized_like
from vital.terms import REGULARIZERS, Looped, Term, per_image_mean, same, with_tensors
from vital.tracing import Trace, Tracer
from vital.types import Images, PerImage
from vital.utils.hashing import tensor_hash


@REGULARIZERS.register("image-distance", example="reg.ImageDistance(picture, 'layer2')")
@dataclass(frozen=True, repr=False)
class ImageDistance(Term):
    """Keep a picture near a given image, such as the one that it started from.

    Formula: mean (x − image)², or with a layer mean (f(x) − f(image))²
    Source: feature accentuation (Hamblin et al. 2024), in pixels as in Horama, at a layer as in faccent

    `image` is (C, H, W) or (1, C, H, W) in [0, 1]; one of another size than the picture is resized to it. f are the
    activations of `layer`; in a search the image is seen through the same random transforms as the picture, so that
    what differs is not where things stand. With `params.From` the picture starts from the image. Units: squared pixel
    values, or the layer's own, squared.

    >>> ImageDistance(torch.zeros(3, 8, 8), "layer2").layers
    ('layer2',)
    """

    image: Images = field(compare=False, repr=False)
    layer: str | None = None
    digest: str = field(default="", init=False)

    def __post_init__(self) -> None:
        shape = tuple(self.image.shape)
        if len(shape) not in (3, 4) or shape[:-3] not in ((), (1,)) or not self.image.numel():
            raise InvalidValueError(f"an image is (C, H, W) or (1, C, H, W); this one is {shape}")
        if not torch.isfinite(self.image).all():
            raise InvalidValueError(
                "the image has values that are no finite numbers; scale it to [0, 1] first"
            )
        object.__setattr__(self, "digest", tensor_hash(self.image)[:8])

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer, where the distance is taken at one."""
        return () if self.layer is None else (self.layer,)

    @property
    def beside(self) -> Images | None:
        """The image, where its activations are needed."""
        return None if self.layer is None else self.image

    @classmethod
    def stack(cls, terms: Sequence[Self]) -> Term:
        """Return one term with the images of all, where these have one shape."""
        images = [term.image.view(1, *term.image.shape[-3:]) for term in terms]
        if not same(terms, "layer") or len({(image.shape, image.device) for image in images}) > 1:
            return Looped(tuple(terms))
        return terms[0] if same(terms) else with_tensors(terms[0], image=torch.cat(images))

    def __call__(self, trace: Trace) -> PerImage:
        """The mean square of what differs, (B,)."""
        if self.layer is None:
            return per_image_mean((trace.image - self._wanted(trace.image)).square())
        if self.layer in trace.beside:
            target = trace.beside[self.layer]
        else:  # a pass of one's own, of whose transforms nothing is known
            with torch.no_grad(), Tracer(trace.model, [self.layer]) as tracer:
                target = tracer(self._wanted(trace.seen))[self.layer]
        return per_image_mean((trace[self.layer] - target).square())

    def _wanted(self, like: Images) -> Images:
        """The image of each unit as large as the pictures, and as often as it has some: (B, C, H, W)."""
        found = resized_like(self.image, like)
        return found.repeat_interleave(len(like) // len(found), 0)
