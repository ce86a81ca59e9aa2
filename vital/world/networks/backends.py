"""The world as backends of words and pictures: its encoder, its captioner, its renderer, and a summarizer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vital.backends import BuiltIn
from vital.backends._loading import Device, Dtype, check_images, check_texts, placed, unit_length
from vital.backends.noun_phrases import stem
from vital.errors import InvalidValueError, UsageError
from vital.types import Images
from vital.utils.random import generator as seeded_generator
from vital.world.networks import architectures as networks
from vital.world.networks.architectures import SIZE
from vital.world.networks.weights import FOLDER, network
from vital.world.renderer.render import render
from vital.world.scenes.grammar import Scene, Thing, parse, sample
from vital.world.scenes.vocabulary import COLORS, FACTORS, PATTERNED

BATCH = 256
_LOOK = "|".join(COLORS)
_SPECIAL = {
    "light": re.compile(r"\b(?:lit|light|lighted) from (?:the )?(\w+)"),
    "camera": re.compile(r"\b(?:seen|viewed) from (?:the )?(\w+)"),
    "place": re.compile(r"\b(?:on|at|in|to) (?:the )?(left|middle|right)\b"),
    "accent": re.compile(rf"\b(?:{_LOOK}) and ({_LOOK})\b|\bwith ({_LOOK})\b"),
}
"""How the factors are named whose words may stand for more than one."""


@dataclass(frozen=True, eq=False)
class Encoder:
    """The world's image-text encoder (`networks.Encoder`), with batches and images of any size."""

    network: networks.Encoder = field(repr=False)
    name: str = "world"

    def encode_image(self, images: Images) -> Tensor:
        """Embed images in [0, 1]: (B, 128), length 1, float32."""
        with torch.no_grad():
            parts = [self.network.encode_image(part) for part in _batches(images, self.network)]
        return unit_length(torch.cat(parts), self.name)

    def encode_text(self, texts: list[str]) -> Tensor:
        """Embed texts: (K, 128), length 1, float32."""
        check_texts(texts)
        with torch.no_grad():
            parts = [self.network.encode_text(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
        return unit_length(torch.cat(parts), self.name)


@dataclass(frozen=True, eq=False)
class Captioner:
    """The world's captioner (`networks.Captioner`), with batches and images of any size."""

    network: networks.Captioner = field(repr=False)
    name: str = "world"

    def describe(self, images: Images) -> list[str]:
        """Write one caption for each image in [0, 1]."""
        return [line for part in _batches(images, self.network) for line in self.network.describe(part)]


@dataclass(frozen=True)
class Generator:
    """The renderer as an image generator: what a text names is so, and all else is drawn."""

    size: int = SIZE
    device: torch.device | str = "cpu"
    name: str = "world"

    def generate(self, text: str, count: int, seed: int) -> Images:
        """Render `count` scenes of what the text says: (N, 3, size, size) in [0, 1]. Raises as `imagined` does."""
        return render(imagined(text, count, seed), self.size, self.device)


def named(text: str) -> dict[str, str]:
    """Read which factors a text names, and their values; words that the world does not know are passed over.

    The first of several values counts. Light, camera, place and accent are read in the phrases that captions and
    concepts use; all other factors by their word, singular or plural. A second color is the accent, which a
    material without a pattern does not have.

    >>> named("Red and white cubes, lit from the left")
    {'solid': 'cube', 'colour': 'red', 'accent': 'white', 'light': 'left'}
    """
    line = " ".join(re.findall(r"\w+", text.lower()))
    found: dict[str, str] = {}
    for factor, pattern in _SPECIAL.items():
        said = [next(filter(None, match.groups())) for match in pattern.finditer(line)]
        if known := [value for value in said if value in FACTORS[factor]]:
            found[factor] = known[0]
    found |= _plainly_named(line, found.get("accent", "") if "with" in line.split() else "")
    if found.get("accent") == found.get("colour") or found.get("material", PATTERNED[0]) not in PATTERNED:
        found.pop("accent", None)
    return {factor: found[factor] for factor in FACTORS if factor in found}


def _plainly_named(line: str, accent: str) -> dict[str, str]:
    """Read the factors whose words stand for nothing else; the color is the first that is not "with" it."""
    line = line.replace(f"with {accent}", " ") if accent else line
    words = [form for word in line.split() for form in dict.fromkeys((word, stem(word)))]
    found: dict[str, str] = {}
    for factor in ("solid", "material", "colour", "size", "background"):
        value = next((word for word in words if word in FACTORS[factor]), "")
        found |= {factor: value} if value else {}
    return found


def imagined(text: str, count: int, seed: int) -> list[Scene]:
    """Draw `count` scenes of what a text says; the first of them do not depend on the count.

    A whole caption may have a second thing behind the first. Raises `InvalidValueError` for a text that names nothing
    of the world, and for a count below 1.

    >>> {scene.thing.solid for scene in imagined("cones in the rain", 3, seed=0)}
    {'cone'}
    """
    if count < 1:
        raise InvalidValueError(f"{count} images are asked for; allowed are whole numbers from 1")
    known = named(text)
    if not known:
        words = ", ".join(FACTORS["solid"] + FACTORS["material"] + FACTORS["background"])
        raise InvalidValueError(
            f"{text!r} names nothing that the world knows; allowed are words such as {words}"
        )
    behind = _behind(text)
    drawn = sample(seeded_generator("world", "imagined", seed), count, pairs=0.0, **known)
    return [replace(scene, behind=behind) for scene in drawn] if behind else drawn


def _behind(text: str) -> Thing | None:
    try:
        return parse(text).behind
    except UsageError:
        return None


def _batches(images: Images, network: torch.nn.Module) -> list[Tensor]:
    """Bring images to the networks' size, device and precision, in batches."""
    check_images(images)
    like = next(network.parameters())
    parts = torch.split(images.detach(), BATCH)
    return [_sized(part.to(like.device, torch.float32)).to(like.dtype) for part in parts]


def _sized(images: Images) -> Images:
    if images.shape[2:] == (SIZE, SIZE):
        return images
    return torch.nn.functional.interpolate(
        images, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False
    )


def encoder(
    name: str = "", *, device: Device = None, dtype: Dtype = None, folder: str | Path = FOLDER
) -> Encoder:
    """Load the world's encoder. Raises `WeightsError` where the networks are not trained."""
    return Encoder(_network("encoder", name, device, dtype, folder))


def captioner(
    name: str = "", *, device: Device = None, dtype: Dtype = None, folder: str | Path = FOLDER
) -> Captioner:
    """Load the world's captioner. Raises `WeightsError` where the networks are not trained."""
    return Captioner(_network("captioner", name, device, dtype, folder))


def summarizer(
    name: str = "", *, device: Device = None, dtype: Dtype = None, folder: str | Path = FOLDER
) -> BuiltIn:
    """Make the built-in summarizer with the world's encoder. Raises as `encoder` does."""
    return BuiltIn(encoder(name, device=device, dtype=dtype, folder=folder))


def generator(name: str = "", *, device: Device = None, dtype: Dtype = None, size: int = SIZE) -> Generator:
    """Make the generator of images of `size` pixels; the renderer works in float32 alone."""
    _check_name(name)
    return Generator(size, placed(device, dtype)[0])


def _network(which: str, name: str, device: Device, dtype: Dtype, folder: str | Path) -> Any:
    _check_name(name)
    where, kind = placed(device, dtype)
    return network(which, Path(folder)).to(where, kind)


def _check_name(name: str) -> None:
    if name:
        raise InvalidValueError(f"the world's backends take no name, and one got {name!r}; write world")
