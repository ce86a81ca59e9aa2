"""Units to the sections of a report, with their pictures inside: from run folders, or from what Python holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from vital.backends import TextEncoder
from vital.errors import InvalidValueError, RunError
from vital.records import Description, Prototype
from vital.rendering.natural_exemplars import Exemplar
from vital.reporting.addresses import address, file_name
from vital.reporting.cards import Drawn, UnitData, label_row, seen
from vital.reporting.collect import Runs, heading_of, natural_order
from vital.reporting.findings import in_parts, table_of
from vital.reporting.images import Sizes, embed_image, embedded
from vital.reporting.records import (
    Finding,
    Opener,
    Page,
    Picture,
    Reference,
    Run,
    Table,
    UnitSection,
    headline,
)
from vital.reporting.views import Around, key_of, view_of
from vital.utils.io import explained
from vital.utils.progress import Progress

SHEET = 2048
"""How wide and high a montage is at most."""
FRAMES_BYTES = 1_000_000
"""How large the frames of a prototype may be to be inside a page."""


def page_of(
    paths: Sequence[str | Path],
    title: str | None = None,
    *,
    encoder: TextEncoder | None = None,
    progress: bool = False,
) -> Page:
    """Read run folders into one page; units of the same network in several folders share a section.

    `encoder` says how far labels agree; without one the words in common do. Where another process is writing a folder
    the page shows what is whole, and says what is not.

    Raises `RunError` for a folder that holds no run or is damaged, and `DataError` for a table that cannot be read.
    """
    runs = Runs(paths)
    found = sorted((runs.data(key) for key in runs.units), key=lambda one: natural_order(str(one.unit)))
    titles = {
        (one.network, str(one.unit)): headline([label_row(d) for _, d in one.said]) or one.name
        for one in found
    }
    sizes = Sizes.of(len(found))
    with Progress("units", len(found), "unit", shown=progress) as bar:
        sections = tuple(
            _section(one, sizes, encoder, partial(_refer, titles, one.network)) for one in bar.each(found)
        )
    findings = runs.findings()
    faults = [fault for one in found for fault in one.faults]
    if faults and not runs.in_use():
        raise faults[0]
    heading = title or heading_of(runs.title, len(sections))
    return Page(heading, runs.about(), sections, runs.tables(), findings, _sheets(findings))


def page_from(
    protos: Sequence[Prototype],
    labels: Sequence[Description],
    table: Sequence[Mapping[str, Any]] = (),
    exemplars: Sequence[Exemplar] = (),
    title: str | None = None,
    encoder: TextEncoder | None = None,
) -> Page:
    """Gather what Python holds into the records of a page, units in the order in which they come."""
    found: dict[str, UnitData] = {}
    for unit in [*(p.unit for p in protos), *(e.unit for e in exemplars), *(d.unit for d in labels)]:
        found.setdefault(str(unit), UnitData(unit))
    for proto in protos:
        own = found[str(proto.unit)].drawn
        stem = f"{file_name(proto.method)}-{proto.seed}"
        stem = f"{stem}.{len(own)}" if stem in {one.stem for one in own} else stem
        own.append(Drawn(proto.to_dict(), proto.to_pil, partial(proto.to_pil, masked=True), stem=stem))
    for one in exemplars:
        found[str(one.unit)].seen.append(seen(one))
    for said in labels:
        found[str(said.unit)].said.append(("", said))
    sizes = Sizes.of(len(found))
    sections = tuple(_section(one, sizes, encoder) for one in found.values())
    of = [*(str(p.provenance.get("model") or "") for p in protos), *(said.model for said in labels)]
    models = dict.fromkeys(filter(None, of))
    network = " and ".join(models)
    heading = title or heading_of(network or "vital", len(sections))
    runs = (Run(network, facts={"network": network}),) if models else ()
    return Page(heading, runs, sections, _tables(table))


def _section(
    found: UnitData,
    sizes: Sizes,
    encoder: TextEncoder | None = None,
    refer: Callable[[str], Reference] = Reference,
) -> UnitSection:
    """Make the section of a unit; what cannot be read joins its faults."""
    images: dict[str, Picture] = {}
    for made in found.drawn:
        large = partial(embed_image, side=sizes.prototype, quality=sizes.quality)
        if _put(images, found, made.stem, made.picture, partial(large, lossless=sizes.originals)):
            _put(images, found, f"{made.stem}-mask", made.masked, large)
            if made.frames and sizes.originals:
                _frames(images, found, made)
    small = partial(embed_image, side=sizes.example, quality=sizes.quality)
    for i, one in enumerate(found.seen[: sizes.examples]):
        if _put(images, found, f"e{i:02d}", one.picture, small):
            _put(images, found, f"e{i:02d}-heat", one.heat, small)
    around = Around(refer)
    view = view_of(found, address(found.unit), around, examples=sizes.examples, encoder=encoder)
    return UnitSection(view, images)


def _put(
    images: dict[str, Picture],
    found: UnitData,
    name: str,
    opened: Opener | None,
    embed: Callable[[Image.Image], Picture],
) -> bool:
    """Embed one picture; whether it was there and could be read."""
    if opened is None:
        return False
    try:
        images[name] = embed(opened())
    except RunError as error:
        found.faults.append(error)
        return False
    return True


def _frames(images: dict[str, Picture], found: UnitData, made: Drawn) -> None:
    """Embed the frames of a prototype as they are, where they are not too large."""
    file = made.frames or Path()
    try:
        with explained(file, "read"):
            data = file.read_bytes()
    except RunError as error:
        found.faults.append(error)
        return
    if data[:4] == b"GIF8" and len(data) <= FRAMES_BYTES:
        shown = images[made.stem]
        images[f"{made.stem}-frames"] = embedded(data, "gif", (shown.width, shown.height))


def _refer(titles: Mapping[tuple[str, str], str], network: str, text: str) -> Reference:
    """Refer to a unit: by its section where the page has one, and by its text alone otherwise."""
    key = key_of(titles, network, text)
    return Reference(text) if key is None else Reference(text, titles[key], f"#unit={quote(key[1])}")


def _sheets(findings: Iterable[Finding]) -> dict[str, Picture]:
    """The pictures of findings, by the names that the page gives them."""
    return {
        sheet_name(i, sheet.name): embed_image(sheet.picture(), SHEET, lossless=True)
        for i, found in enumerate(findings)
        for sheet in found.sheets
    }


def sheet_name(finding: int, file: str) -> str:
    """What a page calls the picture of a finding, by the finding's place on the page.

    >>> sheet_name(0, "montage.png")
    'finding-0-montage'
    """
    return f"finding-{finding}-{Path(file).stem}"


def _tables(rows: Sequence[Mapping[str, Any]]) -> tuple[Table, ...]:
    if not rows:
        return ()
    if wrong := next((row for row in rows if not isinstance(row, Mapping)), None):
        raise InvalidValueError(
            f"a row of the table is {wrong!r}; give rows by name of column, such as a dict"
        )
    header = list(dict.fromkeys(str(key) for row in rows for key in row))
    return in_parts(
        table_of("comparison", header, [[_text(row.get(key, "")) for key in header] for row in rows])
    )


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
