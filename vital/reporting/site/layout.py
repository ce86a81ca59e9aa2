"""The pages of a site and the data that they load: what is written besides the folders of units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from vital._version import __version__
from vital.reporting.collect import Key, heading_of
from vital.reporting.page import part, templates, visible
from vital.reporting.plots import figures_of
from vital.reporting.records import DONE, Picture, UnitView
from vital.reporting.sections import sheet_name
from vital.reporting.site.pictures import Written, put, sheet_file
from vital.reporting.site.plan import TO_ROOT, Layer, Plan
from vital.reporting.site.records import COLUMNS, Record, csv_lines_of, row_of, script
from vital.reporting.views import by_name
from vital.utils.hashing import sha256
from vital.utils.io import read_json, replacing

SHARED = ("parts.html", "style.css", "common.js", "icon.svg")
"""What the report is made of too."""
ASSETS = ("icon.svg", "style.css", "common.js", "site.js", "grid.js", "unit.js")
PAGES = ("parts.html", "base.html", "grid_tools.html", "index.html", "layer.html", "unit.html")
SHARD = 500
"""How many units one file of the index holds."""
PREVIEWS = 8
"""How many pictures stand for a layer on the first page."""


class Layout:
    """Lays out the pages of a site."""

    def __init__(self, folder: Path, plan: Plan, title: str, about: str = "") -> None:
        self.folder, self.plan, self.title, self.about = folder, plan, title, about
        self.pictures = list(plan.pictures)
        self.several_runs = len(plan.runs.folders) > 1
        self.sheets: dict[str, Picture] = {}
        self._templates = templates(_part)

    @cached_property
    def version(self) -> str:
        """What changes when pages come out otherwise from the same runs: a release, a template, the title."""
        return sha256([__version__, self.title, *map(_part, (*ASSETS, *PAGES))])[:12]

    def _page(self, name: str, to_root: str, **given: Any) -> bytes:
        common = {"site": self.title, "to_root": to_root, "made_by": __version__, "version": self.version}
        return self._templates.get_template(name).render(**common, **given).encode()

    def row(self, record: Record) -> list[Any]:
        """A unit in the index."""
        return row_of(record, self.pictures)

    def unit_page(self, view: UnitView, done: Written) -> bytes:
        """The page of a unit."""
        images = {name: Picture(f"{name}.webp", *size) for name, size in done.sizes.items()}
        for made in view.prototypes:
            if f"{made.stem}.gif" in done.files:
                images[f"{made.stem}-frames"] = Picture(f"{made.stem}.gif", *done.sizes[made.stem])
        return self._page(
            "unit.html",
            TO_ROOT,
            unit=view,
            images=images,
            files=set(done.files),
            faults=(*view.faults, *done.faults),
            figures=figures_of(view),
            several_runs=self.several_runs,
        )

    def write_assets(self) -> None:
        """Write the style, the scripts and the icon."""
        for name in ASSETS:
            put(self.folder / "assets" / name, _part(name).encode())

    def write_sheets(self) -> None:
        """Write the pictures of whole runs. Raises `RunError`."""
        self.sheets = {
            sheet_name(i, sheet.name): sheet_file(self.folder, sheet_name(i, sheet.name), sheet)
            for i, found in enumerate(self.plan.runs.findings())
            for sheet in found.sheets
        }
        for file in (self.folder / "sheets").glob("*.png"):
            if file.stem not in self.sheets:
                file.unlink(missing_ok=True)

    def write_index(self, rows: Mapping[Key, list[Any]]) -> None:
        """Write the index, its data and the pages of layers, of the units whose rows are there."""
        keys = [key for key in self.plan.keys if key in rows]
        shards = [
            script("vital.units", [i // SHARD, [rows[key] for key in keys[i : i + SHARD]]])
            for i in range(0, len(keys), SHARD)
        ]
        names = [f"units-{i}.js" for i in range(len(shards))]
        for name, data in zip(names, shards, strict=True):
            put(self.folder / "data" / name, data)
        layers, start = [], 0
        for layer in self.plan.layers:
            count = sum(key in rows for key in layer.keys)
            layers.append(_Shown(layer, start, count, self._previews(layer, rows)))
            start += count
        told = {
            "pictures": self.pictures,
            "layers": [
                [visible(one.layer.name), f"{one.layer.root}/{one.layer.folder}", one.start, one.count]
                for one in layers
            ],
            "shards": [sha256(data)[:8] for data in shards],
            "size": SHARD,
        }
        data = script("vital.layers", told)
        put(self.folder / "data" / "layers.js", data)
        self._write_pages(layers, sha256(data)[:8], rows)
        for file in (self.folder / "data").glob("units-*.js"):
            if file.name not in names:
                file.unlink(missing_ok=True)

    def _write_pages(self, layers: Sequence[_Shown], stamp: str, rows: Mapping[Key, list[Any]]) -> None:
        options = self.plan.pictures
        for one in layers:
            at = f"{one.layer.root}/{one.layer.folder}"
            page = self._page(
                "layer.html", "../../", layer=one.layer, count=one.count, at=at, stamp=stamp, options=options
            )
            put(self.folder / at / "index.html", page)
        page = self._page(
            "index.html",
            "",
            heading=heading_of(self.title, len(rows)) if self.title == self.plan.runs.title else self.title,
            about=self.about,
            layers=layers,
            networks=self.plan.networks,
            stamp=stamp,
            options=options,
            runs=self.plan.runs.about(),
            tables=self.plan.runs.tables(),
            findings=self.plan.runs.findings(),
            images=self.sheets,
            done=sum(row[4] % 4 == DONE for row in rows.values()),
            labeled=sum(bool(row[2]) for row in rows.values()),
            count=len(rows),
            failures=[by_name(line) for line in self.plan.runs.failures()],
            missing=len(self.plan.keys) - len(rows),
        )
        put(self.folder / "index.html", page)

    def _previews(self, layer: Layer, rows: Mapping[Key, list[Any]]) -> list[_Preview]:
        """Some units of a layer, from its first to its last."""
        found = [key for key in layer.keys if key in rows and rows[key][9]]
        chosen = (
            [found[i * len(found) // PREVIEWS] for i in range(PREVIEWS)] if len(found) > PREVIEWS else found
        )
        return [self._preview(key, rows[key]) for key in chosen]

    def _preview(self, key: Key, row: Sequence[Any]) -> _Preview:
        picture = f"{self.plan.address(key).folder}/{self._first(row)}"
        return _Preview(picture, unit=row[0], title=row[2] or row[1], truth=row[10])

    def _first(self, row: Sequence[Any]) -> str:
        """The small picture that stands for a unit."""
        stem = next(stem for i, stem in enumerate(self.pictures) if row[9] >> i & 1)
        return f"{stem}.webp" if stem == "e00" else f"{stem}-s.webp"

    def write_downloads(self, records: Sequence[Path]) -> None:
        """Write units.csv and units.json, unit by unit. Raises `RunError`."""

        def lines() -> Iterator[bytes]:
            yield (",".join(COLUMNS) + "\n").encode()
            for file in records:
                yield csv_lines_of(read_json(file))

        def objects() -> Iterator[bytes]:
            for i, file in enumerate(records):
                yield (b",\n" if i else b"[\n") + file.read_bytes().rstrip()
            yield b"\n]\n" if records else b"[]\n"

        for name, parts in (("units.csv", lines()), ("units.json", objects())):
            with replacing(self.folder / name) as part, part.open("wb") as file:
                file.writelines(parts)


@dataclass(frozen=True)
class _Preview:
    """A unit on the first page: its small picture, its name, what it is called, and the truth where it is known."""

    picture: str
    unit: str
    title: str
    truth: str


class _Shown:
    """A layer on the first page: where its units stand in the index, how many there are, and some of them."""

    def __init__(self, layer: Layer, start: int, count: int, previews: list[_Preview]) -> None:
        self.layer, self.start, self.count, self.previews = layer, start, count, previews


def _part(name: str) -> str:
    return (
        part(name)
        if name in SHARED
        else (files("vital.reporting.site") / "pages" / name).read_text(encoding="utf-8")
    )
