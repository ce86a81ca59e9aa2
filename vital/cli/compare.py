"""`vital compare`: methods beside each other, in numbers and in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from vital.cli.common import images_of, listed, open_images, open_model, show_skipped, watched
from vital.cli.options import (
    BankFile,
    Device,
    Images,
    InputSize,
    Labels,
    ModelName,
    RunFolder,
    UnitNames,
    Weights,
)
from vital.errors import InvalidValueError, UsageError

if TYPE_CHECKING:
    from vital.comparing import ClassJudge, Judge
    from vital.models import Model

DEFAULTS = "vital,fourier,maco,deep-inversion"
CONTROLS = "real images,random weights,shuffled references,other references,shortcut twins"
"""Methods and controls as `compare` has them, written out, so that the help needs no import of it."""

Methods = Annotated[
    str, Option(metavar="METHOD,METHOD", help="Methods to compare; vital methods lists them.")
]
Folders = Annotated[
    list[str] | None, Option("--method", metavar="NAME=DIR", help="Pictures made elsewhere: DIR/UNIT.png.")
]
Seeds = Annotated[int, Option(min=1, help="Pictures of each unit by each method.")]
Fewer = Annotated[
    list[str] | None,
    Option(metavar="METHOD=N", help="Another number of seeds for one method, controls or twins."),
]
Equality = Annotated[
    str,
    Option(metavar="steps|seconds", help="Give all methods as many steps, or as much time, as the first."),
]
Together = Annotated[int, Option("--batch", min=0, help="Units per forward pass; 0: chosen by the device.")]
Judges = Annotated[
    list[str] | None,
    Option("--judge", metavar="MODEL[@WEIGHTS]", help="Another network with the same classes, as a witness."),
]
EncoderName = Annotated[
    str | None,
    Option("--encoder", metavar="ENCODER", help="world or open_clip:NAME/PRETRAINED, to ask in words."),
]
Prompt = Annotated[str, Option(help='How the encoder is asked, such as "a photo of a {}".')]
HeldOut = Annotated[str, Option(metavar="LAYER,LAYER", help="Layers to measure at that no method aligns.")]
Controls = Annotated[
    str, Option(metavar="CONTROL,CONTROL", help=f"Of {CONTROLS.replace(',', ', ')}; none for none.")
]
Budgets = Annotated[str, Option(metavar="N,N", help="Numbers of steps, for curves of quality against cost.")]
Fields = Annotated[
    list[str] | None, Option("--set", metavar="METHOD.FIELD=VALUE", help="Any option of a method.")
]


def compare_command(
    model: ModelName,
    units: UnitNames,
    out: RunFolder,
    images: Images = None,
    bank: BankFile = None,
    labels: Labels = None,
    methods: Methods = DEFAULTS,
    method: Folders = None,
    seeds: Seeds = 3,
    fewer: Fewer = None,
    judge: Judges = None,
    encoder: EncoderName = None,
    prompt: Prompt = "{}",
    held_out: HeldOut = "",
    controls: Controls = CONTROLS,
    equal: Equality = "",
    budgets: Budgets = "",
    batch: Together = 0,
    settings: Fields = None,
    weights: Weights = None,
    device: Device = None,
    input_size: InputSize = None,
) -> None:
    """Compare methods by the pictures that they make of units, beside controls.

    Writes comparison.csv (all scores), table.csv, table.md, table.tex, montage.png and, with --budgets, curves.png
    into the folder RUN, where pictures and scores are kept: a method added later is rendered and measured alone.
    """
    from vital.comparing import compare, write_comparison

    net = open_model(model, weights, device, input_size)
    natural = _natural(net, images, bank, labels)
    witnesses = [_judge(name, net, device, input_size) for name in judge or []]
    found = compare(
        net,
        units,
        out=out,
        seeds=seeds,
        spec=model,
        progress=watched(),
        **natural,
        **_wanted(methods, controls, settings, method, fewer, budgets, equal, batch),
        **_against(witnesses, encoder, prompt, held_out),
    )
    typer.echo(f"{found}\n\n{', '.join(map(str, write_comparison(found, out)))}")
    show_skipped(natural["images"])


def _wanted(
    methods: str,
    controls: str,
    settings: list[str] | None,
    folders: list[str] | None,
    fewer: list[str] | None,
    budgets: str,
    equal: str,
    batch: int,
) -> dict[str, Any]:
    """What is to be shown, as `compare` takes it."""
    counts = parsed(fewer or [], "--fewer", "METHOD=N")
    return {
        "methods": _names(methods, "--methods"),
        "controls": _names(controls, "--controls"),
        "options": _options(settings or []),
        "folders": parsed(folders or [], "--method", "NAME=FOLDER"),
        "fewer": {name: _number(count, "--fewer") for name, count in counts.items()},
        "equal": equal,
        "batch": batch,
        "budgets": [_number(text, "--budgets") for text in _names(budgets, "--budgets")],
    }


def _natural(net: Model, images: Path | None, bank: Path | None, labels: Path | None) -> dict[str, Any]:
    """The natural images, and the bank over them where there is one."""
    from vital.activations import load_bank

    if bank is not None:
        pictures = images_of(bank, labels) if images is None else open_images(images, labels)
        return {"images": pictures, "bank": load_bank(bank, net, pictures)}
    if images is None:
        raise UsageError(
            "a comparison needs natural images to measure against; give --images DIR or --bank FILE"
        )
    return {"images": open_images(images, labels)}


def _names(text: str, option: str) -> list[str]:
    """Names with commas between them; none for an empty text or "none"."""
    return listed(text, option) if text and text != "none" else []


def _against(judges: Sequence[Judge], encoder: str | None, prompt: str, held_out: str) -> dict[str, Any]:
    """What the pictures are measured against."""
    layers = _names(held_out, "--held-out")
    return {"judges": judges, "encoder": encoder, "prompt": prompt, "held_out": layers}


def _judge(text: str, own: Model, device: str | None, input_size: int | None) -> ClassJudge:
    from vital.comparing import ClassJudge

    name, _, weights = text.partition("@")
    return ClassJudge(open_model(name, weights or None, device, input_size), own)


def parsed(texts: list[str], option: str, form: str) -> dict[str, str]:
    """Read NAME=VALUE texts.

    >>> parsed(["published=pictures/vital"], "--method", "NAME=FOLDER")
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
