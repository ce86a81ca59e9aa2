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
from vital.rendering import circuit, exemplars, plot_with_exemplars
from vital.utils.drawing import titled_sheet, to_pil

HERE = Path(__file__).resolve().parent
CLASSES = ["class:0", "class:13", "class:27", "class:45"]
PLANTED = [f"planted:{i}" for i in (2, 16, 18, 21, 27, 37)]


def world(**weights: str) -> tuple[vital.Model, vital.ReferenceBank]:
    """The network of the world, and what a thousand scenes say of its units."""
    model = vital.load_model("world", **weights)
    layers = ["layer3", "layer4", "planted", "class"]
    return model, vital.build_bank(model, layers, vital.load_images("world"))


def methods() -> Image.Image:
    """Four classes as four methods show them, below an image of each."""
    model, bank = world()
    tiles = [to_pil(bank.tensor(bank.strongest(unit, 1))[0]) for unit in CLASSES]
    titles = [["a scene", model.classes[model.unit(unit).index or 0]] for unit in CLASSES]
    for method in ("vital", "vital-scene", "fourier", "maco"):
        made = vital.render(model, CLASSES, method=method, bank=bank, progress=False)
        tiles += [prototype.to_pil() for prototype in made]
        titles += [[method]] * len(made)
    return titled_sheet(tiles, titles, len(CLASSES), 160)


def taught() -> Image.Image:
    """Units that were taught one concept each, with what that is."""
    from vital.world.networks.architectures import PLANTED as TAUGHT

    model, bank = world()
    made = vital.render(model, PLANTED, bank=bank, progress=False)
    titles = [[str(p.unit), f"“{TAUGHT[p.unit.index or 0].name}”"] for p in made]
    return titled_sheet([p.to_pil() for p in made], titles, 6, 150)


def beside_exemplars() -> Image.Image:
    """Units that were taught nothing, beside the scenes that excite them most."""
    model, bank = world()
    units = ["layer4:5", "layer4:40", "layer4:100"]
    made = vital.render(model, units, bank=bank, progress=False)
    return plot_with_exemplars(made, [exemplars(bank, unit, 6) for unit in units])


def feeders() -> Image.Image:
    """A class and what feeds it."""
    model, bank = world()
    return circuit(model, "class:13", ["layer4", "layer3"], bank=bank, count=2).to_grid(130)


def control() -> Image.Image:
    """The same classes of the same network, trained and with random weights."""
    tiles, titles = [], []
    for name, weights in (("trained", {}), ("random weights", {"weights": "random"})):
        model, bank = world(**weights)
        for method in ("vital", "vital-scene"):
            made = vital.render(model, CLASSES[:3], method=method, bank=bank, progress=False)
            tiles += [prototype.to_pil() for prototype in made]
            titles += [[method, name]] * len(made)
    return titled_sheet(tiles, titles, 6, 150)


PICTURES: dict[str, Callable[[], Image.Image]] = {
    "methods": methods,
    "taught": taught,
    "exemplars": beside_exemplars,
    "circuit": feeders,
    "control": control,
}


def main() -> None:
    """Render the pictures that are named, or all."""
    (HERE / "gallery").mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        PICTURES[name]().convert("RGB").save(HERE / "gallery" / f"{name}.jpg", quality=88)
        print(f"wrote docs/gallery/{name}.jpg")


if __name__ == "__main__":
    main()
