"""`vital report`: one self-contained HTML page from run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from vital.cli.common import megabytes, watched

Runs = Annotated[list[Path], Argument(metavar="RUN", help="Run folders; units of one network share a card.")]
Out = Annotated[
    Path | None, Option("--out", metavar="FILE", help="The page; of one RUN its report.html unless given.")
]
Title = Annotated[str | None, Option(help="The heading; the names of the runs unless given.")]


Encoder = Annotated[
    str | None,
    Option(
        metavar="SPEC",
        help="What says how far labels agree: sentence-transformers:NAME; else words in common.",
    ),
]


def report(runs: Runs, out: Out = None, title: Title = None, encoder: Encoder = None) -> None:
    """Write one HTML page with all units of the runs.

    It shows pictures, words, scores and the truth where it is known. The page is one file that asks for nothing else:
    it can be mailed, and opened without a network. A page of several runs needs --out, so that it does not take the
    place of the page of one.
    """
    from vital.backends import load_text_encoder
    from vital.reporting.api import page_file, write_page
    from vital.reporting.collect import page_of

    file = page_file(out or runs[0], runs)
    eyes = None if encoder is None else load_text_encoder(encoder)
    page = page_of(runs, title, encoder=eyes, progress=watched())
    write_page(page, file)
    typer.echo(f"{file}: {len(page.cards)} units, {megabytes(file.stat().st_size)}")
