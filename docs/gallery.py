"""Render the pictures of docs/gallery.md and of the README: nothing is downloaded, and a seed decides all.

    python examples/shapes.py && python docs/gallery.py [NAME...]

Some minutes on one core for all of them. Each function of `PICTURES` draws one picture into docs or docs/gallery.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from shutil import which

import torch
from PIL import Image, ImageDraw

import vital
from vital import objectives as obj
from vital import params as par
from vital import transforms
from vital.figures.vector import PaperFigure
from vital.lwta.explain import explain
from vital.models.random import random_weights
from vital.rendering import circuit, exemplars
from vital.utils.drawing import INK, PAPER, contact_sheet, fitted, font, scaled, to_pil, write_centered
from vital.world.networks.architectures import PLANTED as TAUGHT

HERE = Path(__file__).resolve().parent
GAP, LINE, TEXT = 6, 22, 14

SIX = (
    "class:striped torus",
    "class:dotted sphere",
    "class:checkered cube",
    "layer3:32",
    "layer4:52",
    "planted:2",
)
"""Units whose truth is clear: three classes, two channels that were taught nothing, and one that was taught "red"."""


def grid(
    rows: Mapping[str, Sequence[Image.Image]],
    heads: Sequence[str],
    below: Sequence[str] = (),
    side: int = 128,
) -> Image.Image:
    """Pictures in a table: names of rows at the left, heads above the columns, and a last line of words."""
    left = GAP + max(round(font(TEXT).getlength(word)) for name in rows for word in name.split("\n")) + GAP
    step, top = side + GAP, LINE if any(heads) else GAP
    sheet = Image.new("RGB", (left + step * len(heads), top + step * len(rows) + LINE * bool(below)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, head in enumerate(heads):
        write_centered(draw, head, left + step * column + side // 2, 2, side, TEXT)
    for row, (name, pictures) in enumerate(rows.items()):
        y, lines = top + step * row, name.split("\n")
        for i, words in enumerate(lines):
            at = y + side // 2 + round(18 * (i - len(lines) / 2))
            draw.text((GAP, at), fitted(words, left, TEXT), fill=INK, font=font(TEXT))
        for column, picture in enumerate(pictures):
            sheet.paste(scaled(picture, side), (left + step * column, y))
    for column, words in enumerate(below):
        write_centered(draw, words, left + step * column + side // 2, top + step * len(rows), side, TEXT - 2)
    return sheet


def drawn(figure: PaperFigure, width: int = 900) -> Image.Image:
    """A figure as a picture of a width."""
    with Image.open(BytesIO(figure.to_bytes("png"))) as picture:
        return scaled(picture, width)


@cache
def world() -> tuple[vital.Model, vital.ReferenceBank]:
    """The network of the world, and what a thousand scenes say of its units."""
    return banked(vital.load_model("world"))


def banked(model: vital.Model) -> tuple[vital.Model, vital.ReferenceBank]:
    """A network of the world's shape with its bank."""
    layers = ["stem", "layer1", "layer2", "layer3", "layer4", "planted"]
    return model, vital.build_bank(model, layers, vital.load_images("world"), progress=False)


def pictures(units: Sequence[str], method: str = "vital", **options: object) -> list[Image.Image]:
    """What a method shows of units of the world's network."""
    model, bank = world()
    return [
        one.to_pil()
        for one in vital.render(model, units, method=method, bank=bank, progress=False, **options)
    ]


def strongest(units: Sequence[str], count: int = 4) -> list[Image.Image]:
    """The scenes that excite units most, four and four."""
    _, bank = world()
    return [
        contact_sheet([to_pil(x) for x in bank.tensor(bank.strongest(unit, count))], 2, 96) for unit in units
    ]


def names(units: Sequence[str]) -> list[str]:
    """Units without the word class."""
    return [unit.removeprefix("class:") for unit in units]


def poster() -> Image.Image:
    """The picture of the README: units, their images, what two methods show, and a word."""
    model, bank = world()
    said = vital.describe(model, SIX, bank=bank, methods=["clip-dissect"], progress=False)
    rows = {"strongest\nimages": strongest(SIX), "vital": pictures(SIX), "fourier": pictures(SIX, "fourier")}
    return grid(rows, names(SIX), [one.label or "-" for one in said], 148)


def heat() -> Image.Image:
    """Units beside the images that excite them most, with heat."""
    model, bank = world()
    units = ["class:striped torus", "class:checkered cube", "layer4:52", "planted:2"]
    made = vital.render(model, units, bank=bank, progress=False)
    found = [one for unit in units for one in exemplars(bank, unit, 8)]
    return drawn(made.figure(exemplars=found))


def shapes() -> Image.Image:
    """Six classes of the drawn shapes, as six methods show them."""
    folder, classes = HERE.parent / "runs/shapes", [f"class:{i}" for i in range(6)]
    model = vital.load_model(
        f"{HERE.parent}/examples/shapes.py:network", weights=folder / "weights.safetensors"
    )
    bank = vital.build_bank(model, ["class"], vital.load_images(folder / "images.npz"), progress=False)
    rows = {"drawings": [to_pil(bank.tensor(bank.strongest(unit, 1))[0]) for unit in classes]}
    for method in ("vital", "vital-reference", "fourier", "maco", "deep-inversion", "pixels"):
        made = vital.render(model, classes, method=method, bank=bank, progress=False)
        rows[method.replace("-", "-\n", 1)] = [one.to_pil() for one in made]
    heads = [f"{color} {shape}" for color in ("red", "blue") for shape in ("disc", "cross", "triangle")]
    return grid(rows, heads, side=112)


def surroundings() -> Image.Image:
    """Units alone, and in the surroundings in which images have them."""
    units = [
        "planted:36",
        "planted:35",
        "planted:33",
        "class:striped torus",
        "class:checkered cube",
        "planted:4",
    ]
    rows = {"strongest\nimages": strongest(units), "vital": pictures(units)}
    rows["vital-\nscene"] = pictures(units, "vital-scene")
    return grid(rows, [*map(known, units)])


def known(unit: str) -> str:
    """A unit by its class, or by what it was taught."""
    layer, _, index = unit.partition(":")
    return f"“{TAUGHT[int(index)].name}”" if layer == "planted" else unit.removeprefix("class:")


def layers() -> Image.Image:
    """Some units of each layer, from the first to the classes."""
    rows = {}
    for layer in ("stem", "layer1", "layer2", "layer3", "layer4"):
        rows[layer] = pictures([f"{layer}:{i}" for i in range(7)], "fourier", steps=96)
    return grid(rows, [""] * 7, side=112)


def taught() -> Image.Image:
    """Units that were taught one concept each, with what that is."""
    units = [f"planted:{i}" for i in (2, 5, 15, 16, 21, 27)]
    rows = {"strongest\nimages": strongest(units), "vital": pictures(units)}
    return grid(rows, units, [*map(known, units)])


def evidence() -> Image.Image:
    """Words of two units beside the images that they rest on, and of one that has none."""
    model, bank = world()
    units = ["layer4:52", "layer4:7", "layer4:20"]
    made = vital.render(model, units, bank=bank, progress=False)
    said = vital.describe(model, units, bank=bank, methods=["clip-dissect"], progress=False)
    found = [one for unit in units for one in exemplars(bank, unit, 8)]
    return drawn(made.figure(exemplars=found, labels=said))


def feeders() -> Image.Image:
    """A class and what feeds it."""
    model, bank = world()
    found = circuit(model, "class:striped torus", ["layer4", "layer3"], bank=bank, count=3, progress=False)
    return drawn(found.figure(1), 560)


def winners() -> Image.Image:
    """One image, explained by the units that won their blocks."""
    model, images = vital.load_model("world:competing"), vital.load_images("world")
    image = images.tensor([5], model)
    found = explain(model, image, layers=["layer4.relu1", "layer4.relu2"])
    units = [str(one.unit) for layer in found.layers for one in found.of(layer, 5)]
    said = vital.describe(model, units, images=images, methods=["clip-dissect"], progress=False)
    labels = {str(one.unit): one.label for one in said if one.label}
    return drawn(explain(model, image, layers=found.layers, labels=labels).figure())


def of_directions(vectors: torch.Tensor, chosen: Sequence[int], name: str) -> Image.Image:
    """Directions of layer4: their images, and what two methods show."""
    with tempfile.TemporaryDirectory() as folder:
        units = vital.directions.save_directions(Path(folder) / "rows.safetensors", vectors, "layer4")
        some = [units[i] for i in chosen]
        rows = {
            "strongest\nimages": strongest(some),
            "vital": pictures(some),
            "fourier": pictures(some, "fourier"),
        }
    return grid(rows, [f"{name} {i}" for i in chosen])


def directions() -> Image.Image:
    """Directions of layer4 that NMF finds in the scenes."""
    vectors = vital.directions.nmf(world()[0], "layer4", vital.load_images("world"), 12)
    return of_directions(vectors, range(6), "direction")


def autoencoder(count: int = 64, active: int = 4, steps: int = 800) -> torch.Tensor:
    """The decoder of a small sparse autoencoder of layer4, the latents that are active most often first."""
    rows = vital.directions.factorization.activations(world()[0], "layer4", vital.load_images("world"))
    rows = rows / rows.norm(dim=1).mean()
    torch.manual_seed(0)
    decoder = torch.nn.functional.normalize(rows[torch.randperm(len(rows))[:count]]).requires_grad_()
    encoder = decoder.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([encoder, decoder], 3e-3)
    for _ in range(steps):
        some = rows[torch.randint(len(rows), (512,))]
        loss = (codes(some, encoder, active) @ decoder - some).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        used = (codes(rows, encoder, active) > 0).float().mean(0)
        return vital.directions.unit_rows(decoder[used.argsort(descending=True, stable=True)])


def codes(rows: torch.Tensor, encoder: torch.Tensor, active: int) -> torch.Tensor:
    """The latents of activations: the largest few of each row, the others 0."""
    found = (rows @ encoder.T).relu()
    return found * (found >= found.topk(active, 1).values[:, -1:])


def latents() -> Image.Image:
    """Latents of a sparse autoencoder that is trained on the activations of layer4, and read as one of a file."""
    return of_directions(autoencoder(), range(6), "latent")


def seeds() -> Image.Image:
    """One unit again and again: six seeds, and six pictures that are made to differ."""
    model, bank = world()
    unit = "planted:15"
    rows = {"six seeds": [p.to_pil() for p in vital.render(model, unit, bank=bank, count=6, progress=False)]}
    term = obj.Channel(unit) + 20.0 * obj.Diversity("layer2")
    made = vital.optimize(model, term, par.Shared(par.Fourier(64), 6), [transforms.Roll(3)], steps=160)
    rows["made to\ndiffer"] = [to_pil(image) for image in made.images]
    return grid(rows, [""] * 6)


def learned() -> Image.Image:
    """The trained network beside the same one with random weights."""
    model, bank = world()
    blank, its_bank = banked(random_weights(model, 0))
    rows = {}
    for method in ("vital", "fourier"):
        for title, net, its in (("trained", model, bank), ("random", blank, its_bank)):
            made = vital.render(net, SIX, method=method, bank=its, progress=False)
            rows[f"{method}\n{title}"] = [one.to_pil() for one in made]
    return grid(rows, names(SIX))


def way() -> Image.Image:
    """How pictures come about."""
    model, bank = world()
    made = vital.render(model, SIX[:3], bank=bank, frames=8, progress=False)
    rows = {one.unit.label.replace(" ", "\n"): [to_pil(frame) for _, frame in one.frames] for one in made}
    return grid(rows, [f"step {step}" for step, _ in made[0].frames], side=104)


def cost() -> Image.Image:
    """Quality against seconds, three methods with controls."""
    model, bank = world()
    methods = ["vital", "fourier", "pixels"]
    found = vital.compare(
        model,
        SIX,
        methods=methods,
        bank=bank,
        seeds=1,
        controls=["real images", "random weights"],
        options={method: {"steps": 192} for method in methods},
        curve_steps=[24, 64, 192],
        progress=False,
    )
    return drawn(found.figure(metrics=["percentile", "distance (held out)", "judge world"]))


def page() -> Image.Image:
    """What a report shows of a unit, in Chromium."""
    from playwright.sync_api import sync_playwright

    model, bank = world()
    made = vital.render(model, "layer4:52", bank=bank, progress=False)
    said = vital.describe(model, "layer4:52", bank=bank, methods=["clip-dissect"], progress=False)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        file = vital.report(Path(folder) / "report.html", made, exemplars(bank, "layer4:52", 10), said)
        browser = play.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1100, "height": 1200})
        window.goto(file.as_uri())
        shot = window.screenshot()
        browser.close()
    return scaled(Image.open(BytesIO(shot)), 900)


PICTURES: dict[str, Callable[[], Image.Image]] = {
    "units": poster,
    "shapes": shapes,
    "gallery/heat": heat,
    "gallery/surroundings": surroundings,
    "gallery/layers": layers,
    "gallery/taught": taught,
    "gallery/evidence": evidence,
    "gallery/circuit": feeders,
    "gallery/winners": winners,
    "gallery/directions": directions,
    "gallery/latents": latents,
    "gallery/cost": cost,
    "gallery/seeds": seeds,
    "gallery/learned": learned,
    "gallery/frames": way,
    "gallery/report": page,
}


def main() -> None:
    """Render the pictures that are named, or all."""
    (HERE / "gallery").mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        if not sys.argv[1:] or name.split("/")[-1] in sys.argv[1:]:
            draw().convert("RGB").save(HERE / f"{name}.jpg", quality=86)
            print(f"wrote docs/{name}.jpg")


if __name__ == "__main__":
    main()
