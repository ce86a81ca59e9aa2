"""`vital serve`: look at a site in a browser, on this machine alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from vital.cli.talk import wrote

Folder = Annotated[
    Path, Argument(metavar="SITE", help="A folder that vital report --site or an atlas wrote.")
]
Port = Annotated[int, Option(metavar="N", min=0, max=65535, help="The port; 0 takes a free one.")]


def serve(site: Folder, port: Port = 8000) -> None:
    """Show a site at an address of this machine, until Control-C.

    Nothing outside this machine can reach it. A site needs no server: it can be opened as a folder too, and put on any
    host for static files.
    """
    from vital.reporting.site.server import opened

    with opened(site, port) as server:
        wrote(f"http://127.0.0.1:{server.server_port}/")
        typer.echo(f"http://127.0.0.1:{server.server_port}/ shows {site}; Control-C ends it")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
