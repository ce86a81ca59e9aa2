"""Render the pictures of docs/gallery.md on the built-in world: nothing is downloaded, and a seed decides all.

    python docs/gallery.py [NAME...]

Minutes on one core. Each function draws one picture into docs/gallery.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

import vital
from vital.rendering import circuit
from vital.utils.drawing import titled_sheet

HERE = Path(__file__).resolve().parent
PLANTED = [f"planted:{i}" for i in (2, 16, 18, 21, 27, 37)]


def world() -> tuple[vital.Model, vital.ReferenceBank]:
    """The network of the world, and what a thousand scenes say of its units."""
    model = vital.load_model("world")
    layers = ["layer3", "layer4", "planted", "class"]
    return model, vital.build_bank(model, layers, vital.load_images("world"))


def taught() -> Image.Image:
    """Units that were taught one concept each, with what that is."""
    from vital.world.networks.architectures import PLANTED as TAUGHT

    model, bank = world()
    made = vital.render(model, PLANTED, bank=bank, progress=False)
    titles = [[str(p.unit), f"“{TAUGHT[p.unit.index or 0].name}”"] for p in made]
    return titled_sheet([p.to_pil() for p in made], titles, 6, 150)


def feeders() -> Image.Image:
    """A class and what feeds it."""
    model, bank = world()
    return circuit(model, "class:13", ["layer4", "layer3"], bank=bank, count=2).to_grid(130)


PICTURES: dict[str, Callable[[], Image.Image]] = {"taught": taught, "circuit": feeders}


def main() -> None:
    """Render the pictures that are named, or all."""
    (HERE / "gallery").mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        PICTURES[name]().convert("RGB").save(HERE / "gallery" / f"{name}.jpg", quality=88)
        print(f"wrote docs/gallery/{name}.jpg")


if __name__ == "__main__":
    main()
