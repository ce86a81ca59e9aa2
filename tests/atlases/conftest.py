from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import vital
from tests import toy
from vital.atlases import Atlas

WORDS = ["a cat", "a dog", "red", "stripes", "a cube", "the sea"]
ASKED: dict[str, Any] = {
    "methods": ["vital", "fourier", "clip-dissect"],
    "steps": 2,
    "count": 2,
    "batch": 2,
    "n_random_models": 1,
    "concepts": WORDS,
    "encoder": "world",
    "progress": False,
}
"""A small atlas that has something of everything."""


def files(site: Path) -> dict[str, bytes]:
    """What an atlas holds, by path; without what says when and how long, locks, and the halves that a kill leaves."""
    found = {path.relative_to(site).as_posix(): path for path in sorted(site.rglob("*")) if path.is_file()}
    aside = ("log.jsonl", ".lock")
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if path.name not in aside and ".locks" not in path.parts and not path.name.startswith(".")
    }


@dataclass(frozen=True)
class Maker:
    """Makes small atlases of one network and images, each below a folder of its own, so that all have one name."""

    folder: Path
    model: vital.Model
    images: vital.ImageSet

    def __call__(self, name: str = "one", layers: Any = ("act1:0-2", "class:0"), **more: Any) -> Atlas:
        asked = {name: value for name, value in {**ASKED, **more}.items() if value is not None}
        return vital.atlas(self.model, layers, self.images, self.site(name), **asked)

    def site(self, name: str = "one") -> Path:
        return self.folder / name / "site"

    def files(self, name: str = "one") -> dict[str, bytes]:
        return files(self.site(name))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Atlas]:
    return Maker(tmp_path, toy.model(double=True), vital.load_images(toy.images(24).float().numpy()))
