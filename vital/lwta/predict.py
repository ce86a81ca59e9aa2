"""What a competing network answers: deterministic, sampled or averaged; and how few of its units are active."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vital.data import ImageSet
from vital.errors import ModelError
from vital.lwta.layers import competing, sampled
from vital.lwta.train import classes_of
from vital.models import Model
from vital.models.outputs import answered, eval_mode
from vital.tracing import Tracer
from vital.types import Images, PerImage
from vital.utils.hashing import sha256
from vital.utils.options import FACTOR, check_whole
from vital.utils.random import generator

SAMPLES = 6
"""The published number of samples that are averaged."""


def outputs(model: Model, images: Images, samples: int = 0, seed: int = 0) -> Tensor:
    """Give the network's outputs for images (B, C, H, W) in [0, 1]: (B, outputs).

    With 0 samples the largest response wins each block, and nothing is drawn. With more, winners are sampled from
    their distribution, and the outputs are averaged over the samples, as published (with 6). An image draws by the seed
    and by what it shows, so that its outputs with a seed are the same, but for rounding, alone and in any batch: where
    the first axis of every competing layer is the batch. Otherwise, as with tokens of (T, B, C), the seed and the batch
    decide. Raises `InvalidValueError`.
    """
    check_whole("samples", samples, 0, FACTOR)
    with torch.no_grad(), eval_mode(model.module):
        given = model.normalize(images.to(model.device, model.image_dtype))
        if not samples:
            return answered(model, given)
        with sampled(model.module, [_dice(image, seed) for image in images]):
            found = torch.stack([answered(model, given) for _ in range(samples)])
        return found.mean(0)


def _dice(image: Tensor, seed: int) -> torch.Generator:
    """What one image draws its samples from."""
    shown = sha256(image.detach().float().cpu().contiguous().numpy().tobytes())
    return generator("lwta", "samples", seed, shown)


def active(model: Model, images: Images) -> dict[str, PerImage]:
    """Measure which share of each competing layer's outputs is not 0, for each image: layer -> (B,).

    It is counted in what the layers return, and is 1/U where no winner's response is exactly 0. Raises `ModelError` for
    a network without competing layers.

    >>> from torch import nn
    >>> from vital.lwta import LWTAConv2d
    >>> model = Model(nn.Sequential(LWTAConv2d(3, 8, 3, 4)), size=(8, 8))
    >>> active(model, torch.rand(2, 3, 8, 8))
    {'0.lwta': tensor([0.2500, 0.2500])}
    """
    layers = layers_of(model)
    with torch.no_grad(), Tracer(model, layers) as tracer:
        trace = tracer(images.to(model.device, model.image_dtype))
    return {name: (trace[name] != 0).float().flatten(1).mean(1) for name in layers}


def layers_of(model: Model) -> list[str]:
    """Name the layers whose units compete. Raises `ModelError` where there are none."""
    if not (found := list(competing(model.module))):
        raise ModelError(
            f"{model.name} has no competing layers; make some with vital.lwta.convert, "
            "or name the network lwta:U/MODEL"
        )
    return found


def accuracy(model: Model, images: ImageSet, samples: int = 0, seed: int = 0, batch: int = 100) -> float:
    """Measure the share of labeled images whose class comes first; `samples` as in `outputs`. Raises `DataError`."""
    wanted = classes_of(images, model)
    right = total = 0
    for numbers, pictures in images.batches(model, batch, indices=list(wanted)):
        best = outputs(model, pictures, samples, seed).argmax(1).tolist()
        right += sum(wanted[i] == b for i, b in zip(numbers, best, strict=True))
        total += len(numbers)
    return right / total


def activity(
    model: Model, images: ImageSet, count: int = 200, batch: int = 50
) -> Mapping[str, tuple[float, float, float]]:
    """Measure `active` over the first images of a set: layer -> (mean, smallest, largest) over images."""
    parts = [
        active(model, some)
        for _, some in images.batches(model, batch, indices=range(min(count, len(images))))
    ]
    whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return {name: (float(v.mean()), float(v.min()), float(v.max())) for name, v in whole.items()}
