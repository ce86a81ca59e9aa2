"""`vital compare`: methods beside each other, in numbers and in pictures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, cast

import typer
from typer import Option

from vital.cli import completion
from vital.cli import options as opt
from vital.cli.backends import PlacementOptions, load_named, say_unplaced
from vital.cli.common import listed, show_skipped, table, watched
from vital.cli.talk import wrote
from vital.errors import InvalidValueError, UsageError

if TYPE_CHECKING:
    from vital.comparing import ClassJudge, Comparison
    from vital.comparing.budget import Budget
    from vital.models import Model

DEFAULTS = "vital,fourier,maco,deep-inversion"
CONTROLS = ("real images", "random weights", "shuffled references", "other references", "shortcut twins")
"""Methods and controls as `vital.compare` has them, written out, so that the help needs no import of it."""
OTHERS = "others"
"""How `vital.compare` names all methods whose seeds are not given."""

Methods = Annotated[
    str,
    Option(
        metavar="METHOD,METHOD",
        help="Methods to compare; vital methods lists them.",
        autocompletion=completion.methods,
    ),
]
Pictures = Annotated[
    list[str] | None, Option(metavar="NAME=DIR", help="Pictures made elsewhere: DIR/UNIT.png.")
]
Seeds = Annotated[
    list[str] | None,
    Option(
        metavar="N|METHOD=N", help="Pictures of each unit by each method, 3 by default, or by one of them."
    ),
]
BudgetName = Annotated[
    str | None,
    Option(
        metavar="steps|time",
        help="Give all methods as many steps, or as much time, as the first.",
        autocompletion=completion.of("steps", "time"),
    ),
]
Judges = Annotated[
    list[str] | None,
    Option(
        "--judge",
        metavar="MODEL[@WEIGHTS]",
        help="Another network with the same classes, as an independent classifier.",
    ),
]
EncoderName = Annotated[
    str | None,
    Option(
        "--encoder",
        metavar="ENCODER",
        help="What is asked in words: world, open_clip:NAME/PRETRAINED or hf:NAME.",
        autocompletion=completion.encoders,
    ),
]
Prompt = Annotated[str, Option(metavar="TEXT", help='How the encoder is asked, such as "a photo of a {}".')]
HeldOut = Annotated[
    str | None, Option(metavar="LAYER,LAYER", help="Layers to measure at that no method aligns.")
]
Controls = Annotated[
    str | None,
    Option(
        metavar="CONTROL,CONTROL",
        help=f"What stands beside the methods, of {', '.join(CONTROLS)}; by default all.",
    ),
]
NoControls = Annotated[bool, Option("--no-controls", help="Show no controls.")]
CurveSteps = Annotated[
    str | None, Option(metavar="N,N", help="Numbers of steps, for curves of quality against cost.")
]
Fields = Annotated[
    list[str] | None, Option("--set", metavar="METHOD.FIELD=VALUE", help="Any option of a method.")
]


@opt.grouped
def compare_command(
    model: opt.ModelName,
    units: opt.UnitNames,
    out: opt.RunFolder,
    source: opt.ImageOptions,
    *,
    methods: Methods = DEFAULTS,
    pictures: Pictures = None,
    seeds: Seeds = None,
    judge: Judges = None,
    encoder: EncoderName = None,
    placement: PlacementOptions,
    prompt: Prompt = "{}",
    held_out: HeldOut = None,
    controls: Controls = None,
    no_controls: NoControls = False,
    budget: BudgetName = None,
    curve_steps: CurveSteps = None,
    batch: opt.Batch = None,
    settings: Fields = None,
    network: opt.NetworkOptions,
) -> None:
    """Compare methods by the pictures that they make of units.

    Controls stand beside them. Writes comparison.csv (all scores), table.csv, table.md, table.tex, montage.png and,
    with --curve-steps, curves.csv and curves.png into the folder RUN, where pictures and scores are kept: a method
    added later is rendered and measured alone.
    """
    from vital.comparing import compare, write_comparison

    if controls is not None and no_controls:
        raise UsageError("--controls and --no-controls are both given; give one of them")
    say_unplaced(encoder, "prompt")
    net = network.open(model, source.image_labels)
    natural = source.needed("a comparison needs natural images to measure against")
    found = compare(
        net,
        units,
        methods=listed(methods, "--methods") if methods else [],
        bank=source.read_bank(net, natural),
        images=natural,
        out=out,
        seeds=_seeds(seeds or []),
        pictures=parsed(pictures or [], "--pictures", "NAME=DIR"),
        controls=_controls(controls, no_controls),
        options=_options(settings or []),
        budget=cast("Budget | None", budget),
        curve_steps=_numbers(curve_steps),
        batch=batch,
        judges=[_judge(name, net, network) for name in judge] if judge else None,
        encoder=load_named({"encoder": encoder}, net, placement).get("encoder"),
        held_out=None if held_out is None else listed(held_out, "--held-out"),
        prompt=prompt,
        spec=model,
        progress=watched(),
    )
    files = write_comparison(found, out)
    wrote(*files)
    typer.echo(f"{_shown(found)}\n\n{', '.join(map(str, files))}")
    show_skipped(natural)


def _shown(found: Comparison) -> str:
    """A row for each metric, what it comes to, and the notes; on a terminal as wide as it has room for."""
    if not sys.stdout.isatty():
        return str(found)
    header, *rows = found.table.tall()
    return "\n\n".join([table(header, rows), found.table.conclusion(), *found.notes])


def _seeds(texts: Sequence[str]) -> dict[str, int]:
    """Read N and METHOD=N.

    >>> _seeds(["2", "maco=1"])
    {'others': 2, 'maco': 1}
    """
    pairs = [text if "=" in text else f"{OTHERS}={text}" for text in texts]
    return {name: _number(n, "--seeds") for name, n in parsed(pairs, "--seeds", "N or METHOD=N").items()}


def _controls(names: str | None, none: bool) -> Sequence[str]:
    if none:
        return ()
    return CONTROLS if names is None else listed(names, "--controls")


def _numbers(text: str | None) -> list[int]:
    return [] if text is None else [_number(n, "--curve-steps") for n in listed(text, "--curve-steps")]


def _judge(text: str, own: Model, network: opt.NetworkOptions) -> ClassJudge:
    from vital.comparing import ClassJudge

    name, _, weights = text.partition("@")
    return ClassJudge(replace(network, weights=weights or None, output=None, head=None).open(name), own)


def parsed(texts: list[str], option: str, form: str) -> dict[str, str]:
    """Read NAME=VALUE texts.

    >>> parsed(["published=pictures/vital"], "--pictures", "NAME=DIR")
    {'published': 'pictures/vital'}
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise InvalidValueError(f"{option} {text!r} is not understood; write {option} {form}")
        found[name] = value
    return found


def _options(pairs: list[str]) -> dict[str, dict[str, str]]:
    """Read METHOD.FIELD=VALUE pairs.

    >>> _options(["vital.steps=64"])
    {'vital': {'steps': '64'}}
    """
    found: dict[str, dict[str, str]] = {}
    for pair in pairs:
        place, equals, value = pair.partition("=")
        method, dot, field = place.partition(".")
        if not equals or not dot or not field:
            raise InvalidValueError(f"--set {pair!r} is not a setting; write --set METHOD.FIELD=VALUE")
        found.setdefault(method, {})[field] = value
    return found


def _number(text: str, option: str) -> int:
    if not text.isdigit() or not int(text):
        raise InvalidValueError(f"{option} holds {text!r}; allowed are whole numbers from 1")
    return int(text)
