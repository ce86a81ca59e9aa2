"""The options of `vital atlas` alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from vital.cli import completion

AtlasLayers = Annotated[
    str,
    Option(
        "--layers",
        metavar="LAYER,LAYER",
        autocompletion=completion.layers,
        help="The layers whose units are shown, all of them, or units such as layer4:0-63.",
    ),
]
AtlasFolder = Annotated[
    Path, Option("--out", metavar="SITE", help="The folder of the site; a stopped atlas goes on.")
]
AtlasMethods = Annotated[
    str | None,
    Option(
        "--methods",
        metavar="METHOD,METHOD",
        help="Pictures and words, as vital methods lists them; by default vital,vital-scene and, where words can be "
        "had, clip-dissect.",
        autocompletion=completion.all_methods,
    ),
]
PerLayer = Annotated[
    int | None, Option(min=1, metavar="N", help="Units of each layer, from the first; by default all.")
]
Only = Annotated[
    list[str] | None,
    Option(
        metavar="STAGE|UNIT,...",
        help="Do the pieces of these alone: bank, exemplars, prototypes, words, site, or units.",
    ),
]
Shard = Annotated[
    str | None,
    Option(
        metavar="I/N",
        help="The share of one of N machines in one folder; without it, what is left is done, and the site.",
    ),
]
Estimate = Annotated[
    bool | None,
    Option(
        "--estimate/--no-estimate",
        help="Say what time and disk it takes, and stop; or begin at once. By default it is said, and begun.",
    ),
]
