"""What a site holds: its layers in order, the units of each, where their pages lie, and how pages refer to others."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path

from vital.errors import RunError
from vital.rendering.run_folder import folder_name
from vital.reporting.addresses import Address, address, root_of
from vital.reporting.cards import label_row
from vital.reporting.collect import Key, Runs, natural_order, network_of, read_drawn, stems
from vital.reporting.records import Reference, headline
from vital.reporting.views import HEADINGS, Around, key_of
from vital.utils.hashing import sha256

TO_ROOT = "../../../"
"""The way from the page of a unit to the folder of the site."""


@dataclass(frozen=True)
class Layer:
    """A layer of a network in a site: its folder, and its units in order."""

    name: str
    network: str
    root: str
    folder: str
    keys: tuple[Key, ...]


class Plan:
    """The layers and units of runs, with their addresses; `main` is the network whose links have no hash in them."""

    def __init__(self, runs: Runs, main: str = "") -> None:
        self.runs = runs
        held = {network for network, _ in runs.units}
        every = list(dict.fromkeys(map(network_of, runs.folders, runs.facts)))
        networks = [one for one in every if one in held] or every
        self.main = main if main in networks else networks[0]
        found: dict[tuple[str, str], list[Key]] = {}
        for key, unit in runs.units.items():
            found.setdefault((key[0], unit.layer), []).append(key)
        self.layers = [self._layer(*place, keys) for place, keys in found.items()]
        self.networks = [one for one in networks if one in {layer.network for layer in self.layers}]
        self.keys = [key for layer in self.layers for key in layer.keys]
        self._known = cache(self._reference)

    def _layer(self, network: str, name: str, keys: list[Key]) -> Layer:
        keys.sort(key=lambda key: natural_order(key[1]))
        root = root_of(network, self.main)
        return Layer(name, network, root, address(self.runs.units[keys[0]], root).layer, tuple(keys))

    def address(self, key: Key) -> Address:
        """Where the page of a unit lies."""
        return address(self.runs.units[key], root_of(key[0], self.main))

    @cached_property
    def pictures(self) -> dict[str, str]:
        """What pictures of units there are to choose from: the beginning of their files' names, and a heading."""
        found: dict[str, str] = {}
        several = len({run.render.seed for key in self.keys for run in self.runs.renders(key)}) > 1
        for key in self.keys:
            renders = self.runs.renders(key)
            for run, stem in zip(renders, stems(renders), strict=True):
                heading = HEADINGS.get(run.render.method, run.render.method)
                told = (heading, f"seed {run.render.seed}" if several else "", self.runs.control_of(run.path))
                found.setdefault(stem, ", ".join(filter(None, told)))
        return {stem: found[stem] for stem in list(found)[:24]} | {"e00": "Top image"}

    def around(self) -> Iterator[tuple[Key, Around]]:
        """Each unit, with what its page needs to know of others."""
        for layer in self.layers:
            for i, key in enumerate(layer.keys):
                before = self._neighbor(layer.keys[i - 1]) if i else None
                after = self._neighbor(layer.keys[i + 1]) if i + 1 < len(layer.keys) else None

                yield key, Around(partial(self._known, key[0]), before, after)

    def _neighbor(self, key: Key) -> Reference:
        return Reference(key[1], href=f"../{self.address(key).page}/index.html")

    def _reference(self, network: str, text: str) -> Reference:
        """Refer to a unit: by its page and picture where the site has them, and by its text alone otherwise."""
        key = key_of(self.runs.units, network, text)
        if key is None:
            return Reference(text)
        at = TO_ROOT + self.address(key).folder
        renders, rows = self.runs.renders(key), [label_row(said) for _, said in self.runs.words(key)]
        drawn = []
        for run, stem in zip(renders, stems(renders), strict=True):
            with suppress(RunError):  # its own page says what is damaged
                if run.file(key[1], ".json").is_file():
                    drawn.append((stem, read_drawn(run, self.runs.units[key])))
        stem = next((stem for stem, one in drawn if one.picture), "")
        name = next((str(one.record["label"]) for _, one in drawn if one.record.get("label")), "")
        picture = f"{at}/{stem}-s.webp" if stem else ""
        return Reference(text, headline(rows) or name, f"{at}/index.html", picture)


def files_of(runs: Runs, key: Key) -> list[Path]:
    """The files that run folders hold of a unit, in a fixed order."""
    found: list[Path] = []
    for folder in dict.fromkeys([*runs.folders_of(key), *(run.path for run in runs.renders(key))]):
        own = folder / "units" / folder_name(key[1])
        for place in (own, own / "exemplars"):
            if place.is_dir():
                found += sorted(Path(entry.path) for entry in os.scandir(place) if entry.is_file())
    return [file for file in found if not file.name.startswith(".")]


def stamp_of(files: Sequence[Path]) -> str:
    """What changes whenever a file does: names, sizes and times."""
    facts = [(file.name, (seen := file.stat()).st_size, seen.st_mtime_ns) for file in files]
    return sha256(repr(facts))[:16]


def content_of(files: Sequence[Path]) -> str:
    """A hash of the content of files."""
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.parent.name}/{file.name}\0".encode())
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:32]
