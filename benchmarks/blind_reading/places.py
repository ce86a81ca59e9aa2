"""The networks that a set can be of, their classes, and what a reader is asked."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import vital
from vital.errors import InvalidValueError, unknown
from vital.units import OUTPUT
from vital.utils.class_names import class_matches
from vital.utils.drawing import to_pil
from vital.utils.random import seed_of
from vital.world.scenes.dataset import CLASSES
from vital.world.scenes.dataset import images as scenes
from vital.world.scenes.vocabulary import MATERIALS, SOLIDS

WORLD = "world"
TEN = 10

BRANCHES: dict[str, dict[int, str]] = {
    "fish": {1: "goldfish", 2: "great white shark", 396: "lionfish"},
    "bird": {9: "ostrich", 84: "peacock", 130: "flamingo"},
    "big cat": {288: "leopard", 291: "lion", 292: "tiger"},
    "dog": {207: "golden retriever", 251: "dalmatian", 254: "pug"},
    "insect": {301: "ladybug", 309: "bee", 323: "monarch butterfly"},
    "fruit": {949: "strawberry", 951: "lemon", 954: "banana"},
    "vehicle": {407: "ambulance", 555: "fire engine", 779: "school bus"},
    "building": {425: "barn", 483: "castle", 668: "mosque"},
    "landscape": {970: "alpine mountain", 978: "seashore", 980: "volcano"},
    "household thing": {470: "candle", 846: "table lamp", 849: "teapot"},
}
"""ImageNet classes by index, with plain names: one of each branch is drawn."""
IMAGENET = 1000

Words = dict[str, str]


@dataclass(frozen=True, eq=False)
class Place:
    """A network, the images that methods refer to, the classes that may be drawn, and what a reader is asked."""

    name: str
    model: vital.Model
    images: vital.ImageSet
    classes: Mapping[int, str]
    asked: Mapping[str, tuple[str, ...]]
    truth: Callable[[int], Words]
    real: Callable[[int, int], Image.Image]
    """A real image of a class; the second number seeds which."""

    def network(self) -> list[Any]:
        """What tells the network from others."""
        return [self.model.name, self.model.weights_hash(), self.model.code_hash(), *self.model.size]


def place_of(given: argparse.Namespace) -> Place:
    """The place that is asked for."""
    return world(given) if given.place == WORLD else network(given)


def class_number(text: str, classes: Mapping[int, str]) -> int:
    """Find the index of a class by index or name. Raises `UnknownNameError`."""
    if text.isdecimal() and int(text) in classes:
        return int(text)
    found = class_matches(text, list(classes.values()))
    if not found:
        raise unknown("class", text, classes.values())
    return list(classes)[found[0]]


def class_numbers(text: str, classes: Mapping[int, str]) -> list[int]:
    """Read a comma list of classes."""
    return [class_number(part.strip(), classes) for part in text.split(",") if part.strip()]


def world(given: argparse.Namespace) -> Place:
    """The world's classifier, with 1,000 scenes as references; `InvalidValueError` for options of other places."""
    for option in ("images", "labels", "names", "input_size"):
        if value := getattr(given, option):
            name = option.replace("_", "-")
            raise InvalidValueError(
                f"--{name} is {str(value)!r}, and the world has its own; leave --{name} out"
            )
    model = vital.load_model(WORLD, weights=given.weights)
    every = dict(enumerate(CLASSES))
    gone = class_numbers(given.exclude, every)
    return Place(
        WORLD,
        model,
        vital.load_images(WORLD),
        {number: name for number, name in every.items() if number not in gone},
        {"solid": SOLIDS, "material": MATERIALS},
        solid_and_material,
        lambda number, seed: fresh_scene(number, seed, model.size[0]),
    )


def solid_and_material(number: int) -> Words:
    """The two words for a class of the world.

    >>> solid_and_material(0)
    {'solid': 'cube', 'material': 'plain'}
    """
    material, solid = CLASSES[number].split()
    return {"solid": solid, "material": material}


def fresh_scene(number: int, seed: int, size: int) -> Image.Image:
    """A picture of a scene of a class that is not among the references, whose seed is 0."""
    drawn = scenes(1, 1 + seed, size, **solid_and_material(number))
    return Image.fromarray(np.asarray(drawn[0]))


def network(given: argparse.Namespace) -> Place:
    """A network on a set of images, with ten of its classes. Raises `InvalidValueError` where these cannot be had."""
    if not given.images:
        raise InvalidValueError(
            f"--place {given.place} needs references; give --images DIR, or --place {WORLD}"
        )
    model = vital.load_model(given.place, weights=given.weights, size=given.input_size)
    pictures = vital.load_images(given.images, labels=given.labels)
    outputs = vital.list_layers(model)[OUTPUT].channels
    classes = ten_classes(given, names_of(model, outputs), outputs)
    members = {
        n: pictures.of_class(n, model.classes, outputs) for n in classes
    }  # what is missing is told early

    def real(number: int, seed: int) -> Image.Image:
        one = members[number][seed % len(members[number])]
        return to_pil(pictures.load([one], model)[1][0])

    words = tuple(sorted(classes.values()))
    return Place(
        file_name(given.place),
        model,
        pictures,
        classes,
        {"class": words},
        lambda n: {"class": classes[n]},
        real,
    )


def file_name(spec: str) -> str:
    """A model text without the folder of its file.

    >>> file_name("nets/own.py:make"), file_name("torchvision:resnet50")
    ('own.py:make', 'torchvision:resnet50')
    """
    path, colon, function = spec.rpartition(":")
    return f"{Path(path).name}{colon}{function}" if path.endswith(".py") else spec


def names_of(model: vital.Model, outputs: int) -> dict[int, str]:
    """The plain names of a network's classes: those of the table for ImageNet, and otherwise its own."""
    own = {number: name.split(",")[0] for number, name in enumerate(model.classes)}
    table = {number: name for branch in BRANCHES.values() for number, name in branch.items()}
    return own | table if outputs == IMAGENET else own


def ten_classes(given: argparse.Namespace, names: Mapping[int, str], outputs: int) -> dict[int, str]:
    """The ten classes of a set: those that are asked for, or one drawn from each branch of ImageNet."""
    gone = set(class_numbers(given.exclude, names))
    if not given.names and outputs != IMAGENET:
        raise InvalidValueError(
            f"{given.place} has {outputs} classes, and the classes drawn here are those of ImageNet's {IMAGENET}; "
            f"give --names with {TEN} class indices"
        )
    found = chosen(given.names, names, outputs) if given.names else drawn(gone, given.seed)
    if both := gone.intersection(found):
        raise InvalidValueError(f"--exclude and --names both hold {min(both)}; leave it out of one")
    called = [names[number] for number in found]
    if doubled := [name for name in called if called.count(name) > 1]:
        raise InvalidValueError(
            f"two of the {TEN} classes are called {doubled[0]!r}; choose classes with different names"
        )
    return dict(zip(found, called, strict=True))


def chosen(text: str, names: Mapping[int, str], outputs: int) -> list[int]:
    """Read ten class indices. Raises `InvalidValueError` for another number of them, and for classes without a name."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) != TEN or len(set(parts)) != TEN:
        raise InvalidValueError(
            f"--names holds {len(set(parts))} different classes; allowed are {TEN} class indices"
        )
    for part in parts:
        if not part.isdecimal() or int(part) >= outputs:
            raise InvalidValueError(
                f"--names holds {part!r}; allowed are class indices from 0 to {outputs - 1}"
            )
        if int(part) not in names:
            raise InvalidValueError(
                f"class {part} has no name to answer with; the named classes are {some(names)}"
            )
    return [int(part) for part in parts]


def some(numbers: Mapping[int, str]) -> str:
    """A few indices, in words."""
    shown = ", ".join(map(str, list(numbers)[:12]))
    return (shown + (", …" if len(numbers) > 12 else "")) or "none"


def drawn(gone: set[int], seed: int) -> list[int]:
    """Draw a class of each branch."""
    found = []
    for branch, members in BRANCHES.items():
        left = [number for number in members if number not in gone]
        if not left:
            raise InvalidValueError(
                f"--exclude leaves no class of the branch {branch!r}; leave one of {some(members)}"
            )
        found.append(left[seed_of("blind reading", seed, branch) % len(left)])
    return found
