"""The pictures that the networks learn from: rendered once, kept in parts on disk, shared by all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from vital.errors import RunError
from vital.utils.io import as_json, read_json, write
from vital.utils.progress import Progress
from vital.utils.random import generator, seed_of
from vital.world.networks.architectures import PLANTED
from vital.world.renderer.render import render
from vital.world.scenes.concepts import labels, truths
from vital.world.scenes.dataset import class_of, fingerprint
from vital.world.scenes.grammar import Scene, caption, sample
from vital.world.scenes.tokens import tokens
from vital.world.scenes.vocabulary import FACTORS

PART = 512


@dataclass(frozen=True, eq=False)
class Corpus:
    """Scenes with all that is known of them.

    `pictures` (N, 3, H, W) uint8; `classes` (N,); `factors` (N, F), −1 for no accent; `planted` (N, K) bool;
    `captions` (N, L) word numbers.
    """

    scenes: tuple[Scene, ...]
    pictures: Tensor
    classes: Tensor
    factors: Tensor
    planted: Tensor
    captions: Tensor

    def __len__(self) -> int:
        return len(self.scenes)


def draw(kind: str, count: int, seed: int) -> list[Scene]:
    """Draw the scenes of one kind ("train", "test"): kinds and seeds never share a generator."""
    return sample(generator("world", kind, seed), count)


def corpus(scenes: Sequence[Scene], pictures: Tensor) -> Corpus:
    """Write down what is known of rendered scenes."""
    numbers = labels(scenes)
    return Corpus(
        tuple(scenes),
        pictures,
        torch.tensor([class_of(scene) for scene in scenes]),
        torch.stack([numbers[factor] for factor in FACTORS], dim=1),
        truths(scenes, PLANTED),
        tokens([caption(scene) for scene in scenes]),
    )


def rendered(
    scenes: Sequence[Scene], folder: Path, size: int, device: str = "cpu", *, quiet: bool = False
) -> Corpus:
    """Render scenes part by part into a folder, or read what is there already.

    Raises `RunError` for a folder that holds the pictures of other scenes.
    """
    _claim(folder, scenes, size)
    parts = []
    starts = range(0, len(scenes), PART)
    with Progress(folder.name, len(starts), "part", shown=not quiet) as bar:
        for start in bar.each(starts):
            path = folder / f"{start // PART:04d}.safetensors"
            if not path.is_file():
                pictures = render(scenes[start : start + PART], size, device)
                write(path, save({"pictures": (pictures * 255 + 0.5).byte()}))
            parts.append(load_file(path)["pictures"])
    return corpus(scenes, torch.cat(parts))


def _claim(folder: Path, scenes: Sequence[Scene], size: int) -> None:
    told = seed_of(*(f"{caption(scene)} {scene.variation}" for scene in scenes))
    own = {"size": size, "scenes": len(scenes), "hash": told, "renderer": fingerprint()}
    path = folder / "scenes.json"
    if not path.is_file():
        write(path, as_json(own))
    elif read_json(path) != own:
        raise RunError(
            f"{str(folder)!r} holds the pictures of other scenes, or of an older renderer; "
            "remove it, or choose another folder"
        )
