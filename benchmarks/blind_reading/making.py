"""Making a set: draw the classes, render, mix, write the sheets and the answers to fill in, and seal the key."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.blind_reading.pictures import (
    REAL,
    Record,
    Shown,
    Spec,
    bank_of,
    real_images,
    rendered,
    settings,
    specs,
)
from benchmarks.blind_reading.places import TEN, WORLD, Place, place_of
from benchmarks.blind_reading.sheets import SIDE, digest, seal, sheet_files, sheets, unseal
from benchmarks.common import machine
from vital.errors import InvalidValueError, RunError
from vital.rendering.run_folder import versions
from vital.utils.hashing import key_of
from vital.utils.io import as_json, as_png, locked, read_json, write
from vital.utils.random import generator

EACH = 24


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
