"""`vital describe` and `vital dissect`: units, or all units of whole layers, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vital.cli.common import (
    images_of,
    listed,
    open_images,
    open_model,
    read_settings,
    show_skipped,
    table,
    watched,
)
from vital.cli.options import (
    BankFile,
    CaptionerName,
    Concepts,
    Device,
    EncoderName,
    GeneratorName,
    Images,
    InputSize,
    Labels,
    Layers,
    Methods,
    ModelName,
    NeededImages,
    Seed,
    SummariserName,
    UnitNames,
    Weights,
    WordsFolder,
    WordsSettings,
)
from vital.errors import UsageError

if TYPE_CHECKING:
    from vital.data import ImageSet
    from vital.describing.api import Words
    from vital.models import Model
    from vital.records import Description
    from vital.units import Unit

SHOWN = 40
"""How many rows are printed."""


def describe(
    model: ModelName,
    units: UnitNames,
    out: WordsFolder,
    images: Images = None,
    bank: BankFile = None,
    labels: Labels = None,
    methods: Methods = "clip-dissect",
    concepts: Concepts = None,
    encoder: EncoderName = None,
    captioner: CaptionerName = None,
    summarizer: SummariserName = None,
    generator: GeneratorName = None,
    seed: Seed = 0,
    settings: WordsSettings = None,
    weights: Weights = None,
    device: Device = None,
    input_size: InputSize = None,
) -> None:
    """Say in words what each unit responds to, with the right to say nothing.

    Writes labels.csv, labels.json and scores.csv to the folder RUN. Labels are chosen on images of even numbers and
    scored on the others. A label is taken back where other units of the layer, or units of networks with random
    weights, go as well with it.
    """
    from vital.activations import load_bank
    from vital.describing.api import prepared
    from vital.describing.run_folder import check_folder
    from vital.models.identity import identity

    net = open_model(model, weights, device, input_size)
    check_folder(out, identity(net, model))
    chosen = net.units(units)
    opened = _opened(images, bank, labels)
    given = {"encoder": encoder, "captioner": captioner, "summarizer": summarizer, "generator": generator}
    words = prepared(
        net,
        chosen,
        bank=load_bank(bank, net, opened) if bank else None,
        images=opened,
        methods=listed(methods, "--methods"),
        concepts=concepts,
        makers=given,
        seed=seed,
        progress=watched(),
        options=read_settings(settings or []),
    )
    _say(
        out, net, model, words, chosen, {"images": str(images or bank), "concepts": concepts, "makers": given}
    )


def dissect(
    model: ModelName,
    layers: Layers,
    images: NeededImages,
    out: WordsFolder,
    concepts: Concepts = None,
    encoder: EncoderName = None,
    tokens: str = "",
    labels: Labels = None,
    seed: Seed = 0,
    settings: WordsSettings = None,
    weights: Weights = None,
    device: Device = None,
    input_size: InputSize = None,
) -> None:
    """Say in words what every unit of whole layers responds to, by CLIP-Dissect.

    In layers of tokens, --tokens says which of them count: patches, cls or all. Writes what vital describe writes.
    """
    from vital.describing.api import prepared
    from vital.describing.run_folder import check_folder
    from vital.models.identity import identity

    net = open_model(model, weights, device, input_size)
    check_folder(out, identity(net, model))
    units = whole_layers(net, listed(layers, "--layers"), tokens)
    opened = open_images(images, labels)
    words = prepared(
        net,
        units,
        bank=None,
        images=opened,
        methods=["clip-dissect"],
        concepts=concepts,
        makers={"encoder": encoder},
        seed=seed,
        progress=watched(),
        options=read_settings(settings or []),
    )
    _say(
        out,
        net,
        model,
        words,
        units,
        {"images": str(images), "concepts": concepts, "makers": {"encoder": encoder}},
    )


def whole_layers(model: Model, layers: Sequence[str], tokens: str = "") -> list[Unit]:
    """All units of layers. Raises `UnknownNameError`, `UnitError` and `UsageError`.

    >>> from torch import nn
    >>> from vital.models import Model
    >>> [str(unit) for unit in whole_layers(Model(nn.Conv2d(3, 2, 1), size=(8, 8)), ["class"])]
    ['class:0', 'class:1']
    """
    from vital.tracing import list_layers
    from vital.units import TOKENS, find_layer

    if tokens and tokens not in TOKENS:
        raise UsageError(f"--tokens is {tokens!r}; allowed are {', '.join(TOKENS)}")
    known = list_layers(model)
    found = []
    for name in layers:
        layer = find_layer(name, known)
        which = f"#{tokens}" if tokens and layer.kind == "tokens" else ""
        found.append(f"{name}:0-{layer.channels - 1}{which}")
    return model.units(found)


def _opened(images: Path | None, bank: Path | None, labels: Path | None) -> ImageSet:
    if images is not None:
        return open_images(images, labels)
    if bank is None:
        raise UsageError("words need probe images; give --images DIR or --bank FILE")
    return images_of(bank, labels)


def _say(
    out: Path, net: Model, spec: str, words: Words, units: Sequence[Unit], request: Mapping[str, Any]
) -> None:
    """Describe, write, and print what was said and how well it holds."""
    from vital.describing.evaluation.table import shown_rows
    from vital.describing.run_folder import save_words
    from vital.models.identity import identity

    said = words.describe(list(dict.fromkeys(units)))
    rows = words.scores(said)
    options = {name: method.options() for name, method in words.described.items()}
    save_words(out, identity(net, spec), {**request, "methods": options}, said, rows)
    typer.echo(table(["unit", "method", "label", "p", "score"], [_shown(d) for d in said[:SHOWN]]))
    if len(said) > SHOWN:
        typer.echo(f"… {len(said)} rows in all, in {out / 'labels.csv'}")
    typer.echo(f"the values of whole layers take {words.megabytes(said):.1f} MB of memory")
    if rows:
        typer.echo(
            "\nheld-out images, candidates whether or not they stand; in brackets what is not to be trusted\n"
        )
        typer.echo(table(*shown_rows(rows)))
    show_skipped(words.tools.images)


def _shown(d: Description) -> tuple[str, ...]:
    label = d.label or f"- (candidate: {d.candidate})"
    return d.unit.title, d.method, label, "-" if d.p_value is None else f"{d.p_value:.3f}", f"{d.score:.4g}"
