"""The site of an atlas: written from what the run folder holds, again and again while it grows."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vital.atlases.context import CLAIMING_SECONDS, Context
from vital.atlases.plan import Piece
from vital.describing.run_folder import COLUMNS, DETAILS, LABELS, read_labels
from vital.models.factory import AS_MADE
from vital.models.identity import identity
from vital.rendering.run_folder import versions
from vital.rendering.run_schema import SCHEMA, WordsFile, schema_of
from vital.reporting.collect import title_of
from vital.reporting.site import write_site
from vital.utils.io import as_csv, as_json, damaged, locked, read_json, write

REST, SHARE = 20.0, 0.05
"""How long a site stays as it is, at least, and the share of the time that writing it may take."""
SITE = Piece("site")
WORLD = (
    "Pictures and words of units of a small network that was trained on drawn scenes of objects with a shape, a "
    "texture and a color. The units of its layer planted were taught one concept each. Where the truth about a unit "
    "is known, it stands beside what was found."
)
"""What the site of the built-in network shows."""
UNTRAINED = "The weights are as the factory made them. Where it loads none, this is a network that has learned nothing."
"""What the site of a network says to which no weights were given."""
MADE_AGAIN = "remove it, and the same command makes it again"
"""What to do about damaged words."""


@dataclass(eq=False)
class SiteWriter:
    """Writes the site, and beside the pictures what all pieces say in words. One process at a time does it."""

    context: Context
    _next: float = field(default=0.0, init=False)

    def write_sometimes(self) -> None:
        """Write it, unless that was done a short while ago, or another process does it."""
        if time.monotonic() >= self._next:
            self.write(wait=False)

    def write(self, *, wait: bool = True) -> None:
        """Write it; without `wait`, unless another process does."""
        start = time.monotonic()
        with self.context.held(SITE, wait=wait) as own:
            if own:
                write_words(self.context)
                write_pages(self.context)
        spent = time.monotonic() - start
        self._next = time.monotonic() + max(REST, spent / SHARE)


def write_pages(context: Context) -> None:
    """Write the pages of the site from the run folder, under the name of the network."""
    network = context.spec or context.model.name
    about = WORLD if network == "world" else UNTRAINED if context.model.weights == AS_MADE else ""
    title = title_of({"spec": network, "weights": context.model.weights})
    write_site(context.site, context.run, title=title, about=about)


def write_words(context: Context) -> None:
    """Put what the pieces say in words together, in the order of the plan; rows of other methods stay as they are.

    Raises `RunError` and `DataError`.
    """
    files = [context.words_file(piece) for piece in context.pieces if piece.stage == "words"]
    said = [row for file in files if file.is_file() for row in _labels(file)]
    if not said:
        return
    table, details = context.run / LABELS, context.run / DETAILS
    own = {row["method"] for row in said}

    def others(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in rows if row["method"] not in own]

    with locked(context.run, wait=CLAIMING_SECONDS):
        rows = [{column: row[column] for column in COLUMNS} for row in said]
        write(table, as_csv(COLUMNS, [*rows, *others(read_labels(table) if table.exists() else [])]))
        facts = {"schema": SCHEMA, "versions": versions(), "model": identity(context.model, context.spec)}
        told = others(_labels(details) if details.exists() else [])
        write(details, as_json({**facts, "labels": [*said, *told]}))


def _labels(file: Path) -> list[dict[str, Any]]:
    """What a piece says in words. Raises `RunError` for a damaged file."""
    rows: list[dict[str, Any]] | None = read_json(file, schema_of(WordsFile), MADE_AGAIN).get("labels")
    if rows is None:
        raise damaged(file, "it has no labels", MADE_AGAIN)
    if lacking := [column for row in rows for column in COLUMNS if column not in row]:
        raise damaged(file, f"a label lacks {lacking[0]!r}", MADE_AGAIN)
    return rows
