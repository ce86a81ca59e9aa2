"""Does a person recognize what is in a picture? Sets of numbered pictures to read blind, and the scores of readers.

A set mixes the pictures of several methods with real images, which are the ceiling, in numbered sheets. The key is
sealed in the set's folder, and a set is read once. Making it draws classes by the seed:

    python -m benchmarks.blind_reading --place world --methods vital,vital-scene,fourier --out runs/blind
    python -m benchmarks.blind_reading --place torchvision:resnet50 --images DIR --labels CSV --out runs/blind
    python -m benchmarks.blind_reading --place world --methods vital,long=vital:steps=256 --each 12 --out runs/blind

In the world each method shows classes of its own draw, as few of them twice as can be; a reader names the solid and the
material. Of another network each method shows the same ten classes once; a reader chooses among their names.
A reader looks at sheet-1.png and those that follow, fills in answers.csv, with ? where nothing is seen, and then:

    python -m benchmarks.blind_reading --out runs/blind --answers runs/blind/answers.csv --reader NAME

The scores are printed, and added to benchmarks/results/blind-reading.json. Intervals are 95 % bootstraps over pictures.
Differences from the first method are tested one by one, two-sided and exact (Fisher): "more than chance" is p < 0.05.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import math
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.stats import fisher_exact

import vital
from benchmarks.common import machine, report, start
from benchmarks.kept import RESULTS
from vital.errors import DataError, InvalidValueError, RunError, UnknownNameError, VitalError, unknown
from vital.metrics import interval
from vital.rendering.api import method_name
from vital.rendering.run_folder import versions
from vital.units import OUTPUT
from vital.utils.class_names import class_matches, plain
from vital.utils.drawing import GAP, INK, font, scaled, to_pil, write_centered
from vital.utils.hashing import key_of
from vital.utils.io import as_json, as_png, csv_lines, explained, locked, read_json, read_text, write
from vital.utils.random import generator, seed_of
from vital.world.scenes.dataset import CLASSES
from vital.world.scenes.dataset import images as scenes
from vital.world.scenes.vocabulary import MATERIALS, SOLIDS

METHODS = "vital,vital-scene,fourier"
WORLD, REAL, CHANCE, UNSEEN = "world", "real", "chance", "?"
EACH, TEN, BATCH = 24, 10, 16
COLUMNS, MOST, SIDE, LINE, TEXT = 6, 24, 192, 24, 16
LEVEL = 0.05

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
Record = dict[str, Any]


@dataclass(frozen=True)
class Spec:
    """A method with its options, and the name that it has in the table."""

    label: str
    method: vital.Method

    def to_dict(self) -> Record:
        """The method and all of its options."""
        return {"label": self.label, "method": method_name(self.method), "options": self.method.options()}


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


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture of a set: whose it is, of which class, and what became of it."""

    label: str
    number: int
    picture: Image.Image
    status: str = "done"


# ---- what is asked for


def specs(text: str) -> list[Spec]:
    """Read a comma list of NAME or LABEL=NAME:field=value:field=value. Errors are a user's."""
    found = [spec(part.strip()) for part in text.split(",") if part.strip()]
    labels = [one.label for one in found]
    if not found:
        raise InvalidValueError(f"--methods is {text!r}; give names with commas between them")
    for label in labels:
        if label in (REAL, CHANCE) or labels.count(label) > 1:
            why = "is taken by another row" if label in (REAL, CHANCE) else "is there twice"
            raise InvalidValueError(
                f"--methods: the label {label!r} {why}; write LABEL=NAME:field=value with another label"
            )
    return found


def spec(text: str) -> Spec:
    """Read one method.

    >>> spec("long=fourier:steps=9").label, spec("long=fourier:steps=9").method.steps
    ('long', 9)
    """
    head, *settings = text.split(":")
    label, equals, name = head.partition("=")
    options = dict(setting.partition("=")[::2] for setting in settings)
    if len(options) < len(settings) or not all("=" in setting for setting in settings):
        raise InvalidValueError(
            f"the method {text!r} cannot be read; write NAME or LABEL=NAME:field=value, each field once"
        )
    if equals and not label:
        raise InvalidValueError(f"the method {text!r} has an empty label; write LABEL=NAME:field=value")
    return Spec(label if equals else text, vital.make_method(name if equals else head, **options))


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


def place_of(given: argparse.Namespace) -> Place:
    """The place that is asked for."""
    return world(given) if given.place == WORLD else network(given)


# ---- the world


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


def dealt(hands: int, each: int, cards: Sequence[int], rng: torch.Generator) -> list[list[int]]:
    """Deal `each` classes to each hand: none twice in a hand, and over all hands each class about equally often.

    Of more classes than there are, a hand gets each as often as the next. Whole shuffled decks are dealt out; a class
    that a hand has already waits for the next one.
    """
    deck: list[int] = []
    found = []
    for _ in range(hands):
        hand: list[int] = []
        while len(hand) < each:
            own = set(hand[len(hand) // len(cards) * len(cards) :])
            if own.issuperset(deck):
                deck += [cards[i] for i in torch.randperm(len(cards), generator=rng).tolist()]
            hand.append(deck.pop(next(i for i, card in enumerate(deck) if card not in own)))
        found.append(hand)
    return found


# ---- other networks


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


# ---- pictures


def draws(place: Place, labels: Sequence[str], each: int | None, seed: int) -> dict[str, list[int]]:
    """Which classes each method shows, and the real images."""
    if place.name != WORLD:
        if each not in (None, TEN):
            raise InvalidValueError(
                f"--each is {each}; of a network each method shows {TEN} classes: leave it out"
            )
        return {label: list(place.classes) for label in labels}
    each = EACH if each is None else each
    if each < 1 or not place.classes:
        raise InvalidValueError(
            f"{each} pictures of {len(place.classes)} classes; allowed are whole numbers from 1"
        )
    hands = dealt(len(labels), each, list(place.classes), generator("blind reading", seed, "classes"))
    return dict(zip(labels, hands, strict=True))


Bank = Callable[[], vital.ReferenceBank | None]


def rendered(
    place: Place, one: Spec, numbers: Sequence[int], seed: int, folder: Path, bank: Bank
) -> tuple[list[Shown], float]:
    """Render the classes of one method, or read what the folder holds of them: the pictures, and the seconds."""
    found: list[Shown] = []
    seconds = 0.0
    for few in (numbers[i : i + BATCH] for i in range(0, len(numbers), BATCH)):
        file = folder / f"{key_of(settings(place, one, few, seed))}.npz"
        kept = read_pictures(file) or render(place, one, few, seed, file, bank)
        pictures, states, took = kept
        seconds += took
        found += [
            Shown(one.label, number, Image.fromarray(picture), state)
            for number, picture, state in zip(few, pictures, states, strict=True)
        ]
        print(f"{one.label}: {len(found)} of {len(numbers)}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return found, seconds


def settings(place: Place, one: Spec, numbers: Sequence[int], seed: int) -> Record:
    """All that decides some pictures of one method."""
    return {
        "method": repr(one.method),
        "network": place.network(),
        "images": place.images.hash() if one.method.needs_images else None,
        "classes": list(numbers),
        "seed": seed,
        "versions": versions(),
    }


Kept = tuple[np.ndarray, list[str], float]


def render(place: Place, one: Spec, numbers: Sequence[int], seed: int, file: Path, bank: Bank) -> Kept:
    """Render some classes by one method, and keep the pictures under a name that says nothing."""
    shared = bank()
    began = time.perf_counter()
    units = [f"{OUTPUT}:{number}" for number in numbers]
    made = vital.render(
        place.model, units, method=one.method, bank=shared, seed=seed, batch=BATCH, progress=False
    )
    seconds = time.perf_counter() - began
    pictures = np.stack([np.asarray(p.to_pil().convert("RGB")) for p in made])
    states = [p.status for p in made]
    buffer = io.BytesIO()
    np.savez(buffer, pictures=pictures, states=np.array(states), seconds=seconds)
    write(file, buffer.getvalue())
    return pictures, states, seconds


def read_pictures(file: Path) -> Kept | None:
    """Read kept pictures; None where there are none that can be read."""
    with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile), np.load(file) as found:
        return found["pictures"], found["states"].tolist(), float(found["seconds"])
    return None


def real_images(place: Place, numbers: Sequence[int], seed: int) -> list[Shown]:
    """The ceiling: a real image of each class."""
    seeds = [seed_of("blind reading", seed, "real", i) for i in range(len(numbers))]
    return [Shown(REAL, n, place.real(n, one)) for n, one in zip(numbers, seeds, strict=True)]


# ---- sheets


def sheets(
    pictures: Sequence[Image.Image], asked: Mapping[str, Sequence[str]], side: int
) -> list[Image.Image]:
    """Numbered sheets of up to 24 pictures, `side` pixels wide, with the allowed answers at the bottom."""
    starts = range(0, len(pictures), MOST)
    return [sheet(pictures[first : first + MOST], first + 1, asked, side) for first in starts]


def corner(place: int, side: int) -> tuple[int, int]:
    """Where a picture of a sheet begins: left and top."""
    row, column = divmod(place, COLUMNS)
    return GAP + column * (side + GAP), GAP + row * (side + LINE + GAP)


def sheet(
    pictures: Sequence[Image.Image], first: int, asked: Mapping[str, Sequence[str]], side: int
) -> Image.Image:
    """One sheet; its first picture has the number `first`."""
    width = COLUMNS * (side + GAP) + GAP
    lines = answers_line(asked, width - 2 * GAP)
    bottom = corner(COLUMNS * math.ceil(len(pictures) / COLUMNS), side)[1]
    page = Image.new("RGB", (width, bottom + LINE * len(lines) + GAP), "white")
    draw = ImageDraw.Draw(page)
    for place, picture in enumerate(pictures):
        left, top = corner(place, side)
        page.paste(in_square(picture, side), (left, top))
        write_centered(draw, str(first + place), left + side // 2, top + side + 2, side, TEXT)
    for row, line in enumerate(lines):
        draw.text((GAP, bottom + row * LINE), line, fill=INK, font=font(TEXT))
    return page


def in_square(picture: Image.Image, side: int) -> Image.Image:
    """A picture scaled, with its proportions, to fit into a white square."""
    wide = min(side, max(1, round(side * picture.width / picture.height)))
    shown = scaled(picture, wide)
    square = Image.new("RGB", (side, side), "white")
    square.paste(shown, ((side - shown.width) // 2, (side - shown.height) // 2))
    return square


def answers_line(asked: Mapping[str, Sequence[str]], width: int) -> list[str]:
    """The allowed answers, in lines of up to `width` pixels."""
    lines = []
    for column, words in asked.items():
        line = f"{column}: {words[0]}"
        for word in words[1:]:
            if font(TEXT).getlength(f"{line}, {word},") > width:
                lines.append(f"{line},")
                line = f"    {word}"
            else:
                line += f", {word}"
        lines.append(line)
    return [*lines, f"{UNSEEN} where nothing is recognized"]


def sheet_files(folder: Path) -> list[Path]:
    """All sheets of a folder, by number."""
    return sorted(folder.glob("sheet-*.png"), key=lambda file: (len(file.name), file.name))


def digest(folder: Path) -> str:
    """What tells the sheets of a folder from others."""
    found = hashlib.sha256()
    with explained(folder, "read"):
        for file in sheet_files(folder):
            found.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()} ".encode())
    return found.hexdigest()


# ---- the key


def seal(content: Mapping[str, Any], sheets_digest: str, asked_for: str) -> Record:
    """Put a key out of sight: nobody reads it by accident, and what was changed is found."""
    text = json.dumps(content).encode()  # the order of the columns is that of the answers
    return {
        "note": "This is the key of a blind reading. Leave it sealed until the answers are scored.",
        "sealed": base64.b64encode(zlib.compress(text, 9)).decode(),
        "sha256": hashlib.sha256(text).hexdigest(),
        "sheets": sheets_digest,
        "settings": asked_for,
    }


def unseal(folder: Path) -> tuple[Record, str]:
    """Open the key of a set: what it holds, and its name. Raises `RunError` where it or the sheets were changed."""
    file = folder / "key.json"
    key = read_json(file)
    try:
        text = zlib.decompress(base64.b64decode(key["sealed"], validate=True))
        fits = hashlib.sha256(text).hexdigest() == key["sha256"]
    except (KeyError, TypeError, ValueError, zlib.error):
        fits = False
    if not fits:
        raise RunError(
            f"{str(file)!r} is no key as this benchmark seals it, or was changed; make the set again"
        )
    if digest(folder) != key.get("sheets"):
        raise RunError(f"the sheets in {str(folder)!r} are not those of its key; make the set again")
    return json.loads(text), key["sha256"]


# ---- making a set


def make(given: argparse.Namespace) -> Record:
    """Make a set, or go on with one; a set that is whole is left as it is."""
    methods, place = specs(given.methods), place_of(given)
    wanted = draws(place, [*(one.label for one in methods), REAL], given.each, given.seed)
    asked_for = key_of(
        {
            "methods": [
                [one.label, *settings(place, one, wanted[one.label], given.seed).items()] for one in methods
            ],
            "real": [place.images.hash(), wanted[REAL]],
        }
    )
    given.out.mkdir(parents=True, exist_ok=True)
    with locked(given.out):
        if not made_already(given.out, asked_for):
            write_set(given, place, methods, wanted, asked_for)
    count = sum(map(len, wanted.values()))
    return {"out": str(given.out), "pictures": count, "sheets": len(sheet_files(given.out))}


def made_already(folder: Path, asked_for: str) -> bool:
    """Whether a folder holds this set, whole. Raises `RunError` where it holds another, or one that was read."""
    if (folder / "read.json").exists():
        raise RunError(f"the set in {str(folder)!r} was read; choose another folder, and another seed")
    if not (folder / "key.json").exists():
        return False
    if read_json(folder / "key.json").get("settings") != asked_for:
        raise RunError(f"{str(folder)!r} holds a set of other settings; choose another folder")
    unseal(folder)
    return True


def write_set(
    given: argparse.Namespace,
    place: Place,
    methods: Sequence[Spec],
    wanted: Mapping[str, Sequence[int]],
    asked_for: str,
) -> None:
    """Render, mix, and write the sheets, the empty answers and the key; the key last."""
    shown, seconds = real_images(place, wanted[REAL], given.seed), {}
    bank = bank_of(place, methods)
    for one in methods:
        own = wanted[one.label]
        made, seconds[one.label] = rendered(place, one, own, given.seed, given.out / ".pictures", bank)
        shown += made
    order = torch.randperm(len(shown), generator=generator("blind reading", given.seed, "order")).tolist()
    mixed = [shown[i] for i in order]
    side = max(SIDE, *place.model.size)
    for old in sheet_files(given.out):
        old.unlink()
    for number, page in enumerate(sheets([one.picture for one in mixed], place.asked, side), 1):
        write(given.out / f"sheet-{number}.png", as_png(page))
    write(given.out / "answers.csv", empty(len(mixed), place.asked))
    key = {
        "place": place.name,
        "seed": given.seed,
        "methods": [one.to_dict() for one in methods],
        "network": place.network(),
        "images": place.images.hash(),
        "asked": place.asked,
        "seconds": seconds,
        "machine": machine() | versions(),
        "pictures": [in_key(place, number, one) for number, one in enumerate(mixed, 1)],
    }
    write(given.out / "key.json", as_json(seal(key, digest(given.out), asked_for)))


def bank_of(place: Place, methods: Sequence[Spec]) -> Bank:
    """The one bank of all methods, made when it is needed; none where no method takes images."""

    @cache
    def bank() -> vital.ReferenceBank | None:
        if not any(one.method.needs_images for one in methods):
            return None
        print(f"looking at {len(place.images)} reference images", file=sys.stderr, flush=True)
        return vital.build_bank(place.model, [], place.images, progress=True)

    return bank


def in_key(place: Place, number: int, one: Shown) -> Record:
    """What the key says of one picture."""
    truth, name = place.truth(one.number), place.classes[one.number]
    return {"number": number, "method": one.label, "class": name, "truth": truth, "status": one.status}


def empty(count: int, columns: Mapping[str, object]) -> bytes:
    r"""The answers before anybody filled them in.

    >>> empty(2, {"class": ()})
    b'number,class\n1,\n2,\n'
    """
    rows = [["number", *columns], *([str(number), *("" for _ in columns)] for number in range(1, count + 1))]
    return "".join(f"{','.join(row)}\n" for row in rows).encode()


# ---- scoring


def read_answers(file: Path, asked: Mapping[str, Sequence[str]], count: int) -> dict[int, Words]:
    """Read a reader's answers: one for each number, an allowed word or ?; `DataError` and `UnknownNameError`."""
    found: dict[int, Words] = {}
    for number, row in rows_of(file, asked):
        if not number.isdecimal() or not 1 <= int(number) <= count:
            raise DataError(f"{file} has an answer for number {number!r}; allowed are 1 to {count}")
        if int(number) in found:
            raise DataError(f"{file} answers number {number} twice; leave one row for it")
        found[int(number)] = {column: word(number, column, row[column], asked[column]) for column in asked}
    if left := [str(number) for number in range(1, count + 1) if number not in found]:
        more = ", …" if len(left) > 12 else ""
        raise DataError(
            f"{file} has no row for the numbers {', '.join(left[:12])}{more}; "
            f"write {UNSEEN} where nothing is recognized"
        )
    return found


def rows_of(file: Path, asked: Mapping[str, object]) -> Iterator[tuple[str, Words]]:
    """The rows of a file of answers, with their numbers."""
    columns = ["number", *asked]
    head, *rows = [row for _, row in csv_lines(read_text(file), f"the file of answers {file}")] or [[]]
    if [name.strip() for name in head] != columns:
        have = ",".join(head) or "none"
        raise DataError(f"{file} has the columns {have}; allowed are {','.join(columns)}")
    for row in rows:
        if len(row) != len(columns):
            raise DataError(
                f"{file}: the row {','.join(row)!r} has {len(row)} cells; allowed are {len(columns)}"
            )
        yield row[0].strip(), dict(zip(asked, row[1:], strict=True))


def word(number: str, column: str, text: str, allowed: Sequence[str]) -> str:
    """Read one answer: an allowed word as it is spelled here, or ?."""
    if not text.strip():
        raise DataError(
            f"number {number} has no answer for {column}; write {UNSEEN} where nothing is recognized"
        )
    spelled = {plain(one): one for one in (*allowed, UNSEEN)}
    if plain(text) not in spelled:
        raise UnknownNameError(f"number {number}: {unknown(column, text.strip(), allowed)}")
    return spelled[plain(text)]


def right(truth: Words, answer: Words) -> dict[str, bool]:
    """Which words of an answer are right, and where there are two, whether both are.

    >>> right({"solid": "cube", "material": "glass"}, {"solid": "cube", "material": "?"})
    {'solid': True, 'material': False, 'both': False}
    """
    found = {column: answer[column] == wanted for column, wanted in truth.items()}
    return found | {"both": all(found.values())} if len(found) > 1 else found


def chances(asked: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """How often a guess is right."""
    found = {column: 1 / len(words) for column, words in asked.items()}
    return found | {"both": math.prod(found.values())} if len(found) > 1 else found


def judged(key: Mapping[str, Any], answers: Mapping[int, Words]) -> list[Record]:
    """Each picture with its answer, and what of it is right."""
    return [
        {
            "number": picture["number"],
            "method": picture["method"],
            "class": picture["class"],
            "answer": answers[picture["number"]],
            "right": right(picture["truth"], answers[picture["number"]]),
        }
        | ({} if picture["status"] == "done" else {"status": picture["status"]})
        for picture in key["pictures"]
    ]


def results(answers: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> dict[str, Record]:
    """For each method the number of pictures, and for each measure how many are right, with an interval."""
    found: dict[str, Record] = {}
    for label in labels:
        own = [one["right"] for one in answers if one["method"] == label]
        found[label] = {"n": len(own)} | {measure: tally([one[measure] for one in own]) for measure in own[0]}
    return found


def tally(hits: Sequence[bool]) -> Record:
    """How many are right, the share, and its interval."""
    share = interval([float(hit) for hit in hits])
    return {"right": sum(hits), "share": share.mean, "low": share.low, "high": share.high}


def pairs(found: Mapping[str, Mapping[str, Any]], measures: Sequence[str]) -> list[Record]:
    """The first method beside each other one: whether they differ by more than chance allows, by counts."""
    first, *others = found
    rows = []
    for other in others:
        for measure in measures:
            counts = [[found[m][measure]["right"], found[m]["n"]] for m in (first, other)]
            p = float(fisher_exact([[hits, n - hits] for hits, n in counts]).pvalue)
            row = {"method": first, "beside": other, "measure": measure, "p": p}
            rows.append(row | {"more than chance": p < LEVEL})
    return rows


def scored(key: Mapping[str, Any], answers: Mapping[int, Words], reader: str, name: str) -> Record:
    """The record of one reading."""
    single, chance = judged(key, answers), chances(key["asked"])
    found = results(single, [*(one["label"] for one in key["methods"]), REAL])
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "set": name,
        "place": key["place"],
        "network": key["network"],
        "images": key["images"],
        "methods": key["methods"],
        "seed": key["seed"],
        "reader": reader,
        "classes": sorted({one["class"] for one in single}),
        "seconds": key["seconds"],
        "results": found,
        "chance": chance,
        "pairs": pairs(found, list(chance)),
        "answers": single,
        "machine": key["machine"],
    }


def score(given: argparse.Namespace) -> Record:
    """Score one reading, and write it down: a set is read once."""
    if not (given.reader or "").strip():
        raise InvalidValueError("--answers needs to know who read; give --reader NAME")
    with locked(given.out):
        if (given.out / "read.json").exists():
            who = read_json(given.out / "read.json").get("reader", "somebody")
            raise RunError(
                f"the set in {str(given.out)!r} was read by {who}; a set is read once: make another"
            )
        key, name = unseal(given.out)
        kept = read_records(given.results)
        if any(row.get("set") == name for row in kept):
            raise RunError(
                f"{str(given.results)!r} holds a reading of this set; a set is read once: make another"
            )
        answers = read_answers(given.answers, key["asked"], len(key["pictures"]))
        record = scored(key, answers, given.reader.strip(), name)
        write(given.results, as_text(published([*kept, record])))
        write(given.out / "read.json", as_text(record))
    if given.results.resolve().parent == RESULTS:
        from benchmarks.fv_page import write_page

        write_page(RESULTS)
    return record


def read_records(file: Path) -> list[Record]:
    """All readings that a file of results holds; none where it is not there yet."""
    if not file.exists():
        return []
    found = read_json(file).get("rows")
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise RunError(f"{str(file)!r} holds no readings; choose another --results")
    return found


def as_text(value: object) -> bytes:
    """JSON as the other results have it: in the order in which it is told."""
    return f"{json.dumps(value, indent=1, ensure_ascii=False)}\n".encode()


def published(records: Sequence[Record]) -> Record:
    """The file of results: all readings under `rows`, and what the page of results shows of them."""
    kinds = list(dict.fromkeys(tuple(one["chance"]) for one in records))
    machines = {json.dumps(one["machine"], sort_keys=True): one["machine"] for one in records}
    return {
        "title": "Blind readings",
        "budget": "Pictures of several methods and real images, mixed and numbered, named by a reader who knows "
        "nothing else of them: how many are named right, with 95 % intervals.",
        "seeds": len({one["seed"] for one in records}),
        "tables": [of_kind([one for one in records if tuple(one["chance"]) == kind]) for kind in kinds],
        "verdicts": [f"{titled(one)}: {said(pair)}" for one in records for pair in one["pairs"]],
        "missing": [],
        "pass": None,
        "machines": list(machines.values()),
        "rows": list(records),
    }


def of_kind(records: Sequence[Record]) -> list[list[object]]:
    """One table of readings that were asked the same."""
    rows = [[titled(one), *row] for one in records for row in table(one)[1:]]
    return [["reading", *table(records[0])[0]], *rows]


def titled(record: Mapping[str, Any]) -> str:
    """Which reading it is."""
    return f"{record['place']}, seed {record['seed']}, {record['reader']}, {record['date']}"


def said(pair: Mapping[str, Any]) -> str:
    """A comparison in words."""
    verdict = "more than chance allows" if pair["more than chance"] else "no more than chance allows"
    return f"{pair['method']} beside {pair['beside']}, {pair['measure']}: {verdict} (p = {pair['p']:.3g})"


def table(record: Mapping[str, Any]) -> list[list[object]]:
    """The scores as rows, the names of the columns first and chance last."""
    measures = list(record["chance"])
    rows: list[list[object]] = [["method", "n", *measures]]
    for label, found in record["results"].items():
        rows.append([label, found["n"], *(cell(found[measure]) for measure in measures)])
    return [*rows, [CHANCE, "", *(f"{record['chance'][measure]:.1%}" for measure in measures)]]


def cell(found: Mapping[str, float]) -> str:
    """A share with its interval, in percent."""
    return f"{found['share']:.0%} [{found['low']:.0%}, {found['high']:.0%}]"


# ---- the command


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder of the set")
    parser.add_argument("--place", help=f"{WORLD}, or a network by its model text")
    for name, text in (
        ("weights", "a file with the network's weights"),
        ("images", "a folder or file of images"),
        ("labels", "a CSV file with the labels of the images"),
        ("names", f"{TEN} class indices, instead of those drawn"),
    ):
        parser.add_argument(f"--{name}", help=text)
    parser.add_argument("--input-size", type=int)
    parser.add_argument(
        "--methods", default=METHODS, help="NAME or LABEL=NAME:field=value, with commas between"
    )
    parser.add_argument("--each", type=int, help=f"pictures per method; {EACH} in the world")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exclude", default="", help="classes that are not drawn, by name or index")
    parser.add_argument("--answers", type=Path, help="the filled-in answers.csv: score them")
    parser.add_argument("--reader", help="who answered")
    parser.add_argument("--results", type=Path, default=RESULTS / "blind-reading.json")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    if bool(given.place) == bool(given.answers):
        parser.error("give --place to make a set, or --answers to score one")
    return given


def run(words: Sequence[str] | None = None) -> Record:
    """Make a set or score a reading, and print what may be known of it."""
    given = parsed(words)
    start()
    if not given.answers:
        made = make(given)
        report(
            made,
            [["pictures", "sheets", "folder"], [made["pictures"], made["sheets"], made["out"]]],
            given.json,
        )
        return made
    record = score(given)
    report(record, table(record), given.json)
    if not given.json:
        print("\n".join(["", *map(said, record["pairs"])]))
    return record


def main(words: Sequence[str] | None = None) -> None:
    """Run, and say in one sentence what is wrong where it cannot be done."""
    try:
        run(words)
    except VitalError as error:
        print(f"blind_reading: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
