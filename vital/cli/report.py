"""`vital report`: run folders as one self-contained HTML page, or as a site of many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from vital.cli import completion
from vital.cli import options as opt
from vital.cli.backends import PlacementOptions, load_named, say_unplaced
from vital.cli.common import megabytes, names_of, say_ignored, watched
from vital.cli.talk import wrote
from vital.errors import UsageError

Runs = Annotated[list[Path], Argument(metavar="RUN", help="Run folders; units of one network share a card.")]
Out = Annotated[
    Path | None, Option("--out", metavar="FILE", help="The page; of one RUN its report.html unless given.")
]
SiteFolder = Annotated[
    Path | None, Option("--site", metavar="DIR", help="Write a site here instead: a page for every unit.")
]
Title = Annotated[
    str | None, Option(metavar="TEXT", help="The heading; by default the network and the number of units.")
]


Encoder = Annotated[
    str | None,
    Option(
        metavar="ENCODER",
        help="What says how far labels agree: sentence-transformers:NAME; else words in common.",
        autocompletion=completion.text_encoders,
    ),
]


@opt.grouped
def report(
    runs: Runs,
    *,
    out: Out = None,
    site: SiteFolder = None,
    title: Title = None,
    encoder: Encoder = None,
    placement: PlacementOptions,
) -> None:
    """Write one HTML page of the runs, or a site of many.

    Both show pictures, words, scores, and the truth where a run holds it: vital demo writes it. The page is one file
    that asks for nothing else: it can be mailed, and opened without a network. A page of several runs needs --out, so
    that it does not take the place of the page of one. With many units take --site: a folder of static pages with
    search, for any host, or to be opened as it is. Written again, it renews what has changed.
    """
    if site is not None:
        if out is not None:
            raise UsageError(f"--out {out} is for one page and --site {site} for many; give one of them")
        if encoder is not None:
            raise UsageError(
                f"--encoder {encoder} is for one page; a site compares labels by the words in common"
            )
        say_ignored("a site takes no encoder", *names_of(PlacementOptions))
        _write_site(site, runs, title)
        return
    from vital.reporting.api import page_file, write_page
    from vital.reporting.sections import page_of

    say_unplaced(encoder)
    file = page_file(out or runs[0], runs)
    eyes = load_named({"text_encoder": encoder}, None, placement).get("text_encoder")
    page = page_of(runs, title, encoder=eyes, progress=watched())
    write_page(page, file)
    wrote(file)
    waiting = f", {page.waiting} of them under way" if page.waiting else ""
    typer.echo(f"{file}: {len(page.units)} units{waiting}, {megabytes(file.stat().st_size)}")


def _write_site(folder: Path, runs: list[Path], title: str | None) -> None:
    from vital.reporting import write_site

    done = write_site(folder, *runs, title=title, progress=watched())
    wrote(done.index)
    removed = f", {done.removed} removed" if done.removed else ""
    typer.echo(f"{done.index}: {done.units} units, {done.written} of them written{removed}")
