"""`vital describe` and `vital dissect`: units, or all units of whole layers, in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vital.cli import options as opt
from vital.cli.backends import AnswerOptions, BackendOptions, PlacementOptions, load_named
from vital.cli.common import (
    listed,
    megabytes,
    names_of,
    say_ignored,
    show_skipped,
    table,
    warn_of_words,
    watched,
)
from vital.cli.engine_options import EngineOptions
from vital.cli.talk import log, wrote
from vital.errors import UsageError

if TYPE_CHECKING:
    from vital.activations import ReferenceBank
    from vital.backends.response_cache import ResponseCache
    from vital.data import ImageSet
    from vital.describing.api import Words
    from vital.describing.base import Describer
    from vital.describing.evaluation.significance import JudgeOptions
    from vital.models import Model
    from vital.records import Description
    from vital.units import Unit

    Asked = tuple[dict[str, Describer], JudgeOptions]

SHOWN = 40
"""How many rows are printed."""


@opt.grouped
def describe(
    model: opt.ModelName,
    units: opt.UnitNames,
    out: opt.WordsFolder,
    source: opt.BatchedImageOptions,
    *,
    methods: opt.Methods = "clip-dissect",
    concepts: opt.Concepts = None,
    backends: BackendOptions,
    placement: PlacementOptions,
    answers: AnswerOptions,
    seed: opt.Seed = 0,
    settings: opt.WordsSettings = None,
    network: opt.NetworkOptions,
) -> None:
    """Say in words what each unit responds to.

    The answer may be that nothing is known. Writes labels.csv, labels.json and scores.csv to the folder RUN. Labels
    are chosen on one half of the images and judged on the other. A label is taken back where other units of the
    layer, or units of networks with random weights, go as well with it; what cannot be judged says why. The exit code
    is 1 when a language model refused to answer for a unit.
    """
    names, cache = listed(methods, "--methods"), answers.cache()
    asked = _asked(names, settings)
    net = _opened(network, model, out, source.image_labels)
    chosen = net.units(units)
    opened = source.needed("words need probe images")
    bank = source.read_bank(net, opened)
    specs = asdict(backends)
    request = {"images": str(source.images or source.bank), "concepts": concepts, "backends": specs}
    _say_unused(names)
    loaded = load_named(specs, net, placement, answers, cache)
    _say(
        out, model, net, chosen, asked, request,
        loaded=loaded, cache=cache, images=opened, bank=bank, seed=seed,
    )  # fmt: skip


@opt.grouped
def dissect(
    model: opt.ModelName,
    layers: opt.Layers,
    source: opt.BatchedNeededImageOptions,
    out: opt.WordsFolder,
    *,
    concepts: opt.Concepts = None,
    encoder: opt.EncoderName = None,
    placement: PlacementOptions,
    tokens: opt.Tokens = None,
    seed: opt.Seed = 0,
    settings: opt.WordsSettings = None,
    engine: EngineOptions,
    network: opt.NetworkOptions,
) -> None:
    """Say in words what all units of whole layers respond to.

    The method is CLIP-Dissect. In layers of tokens, --tokens says which of them count: patches, cls or all. Writes
    what vital describe writes. With --engine ray each process has some of the units.
    """
    from vital.atlases.commands import words_in_parts

    do, asked = engine.elsewhere(), _asked(["clip-dissect"], settings)
    net = _opened(network, model, out)
    units = whole_layers(net, listed(layers, "--layers"), tokens)
    specs = {"encoder": encoder}
    request = {"images": str(source.images), "concepts": concepts, "backends": specs}
    opened, loaded = source.open(), load_named(specs, net, placement)
    sent = loaded.get("encoder") if placement.given() else encoder
    _say(
        out, model, net, units, asked, request,
        loaded=loaded, images=opened, seed=seed,
        ask=do and partial(words_in_parts, folder=out, engine=do, encoder=sent, progress=watched()),
    )  # fmt: skip


def _asked(methods: Sequence[str], settings: Sequence[str] | None) -> Asked:
    """The methods and their judge, before a network is loaded that a wrong name would have kept waiting."""
    from vital.describing.api import describers_of

    return describers_of(methods, opt.read_settings(settings or []))


def _say_unused(methods: Sequence[str]) -> None:
    """Say which backends none of these methods takes; what those of others take is not known."""
    from vital.describing import DESCRIBERS

    kinds = [DESCRIBERS[name] for name in methods if name in DESCRIBERS]
    if all(kind.__module__.startswith("vital.") and "captioner" not in kind.needs for kind in kinds):
        say_ignored(
            f"{' and '.join(methods)} {'take' if len(methods) > 1 else 'takes'} no captions",
            *("captioner", "summarizer", "generator"),
            *names_of(AnswerOptions),
        )


def whole_layers(model: Model, layers: Sequence[str], tokens: str | None = None) -> list[Unit]:
    """All units of layers. Raises `UnknownNameError`, `UnitError` and `UsageError`.

    >>> from torch import nn
    >>> from vital.models import Model
    >>> [str(unit) for unit in whole_layers(Model(nn.Conv2d(3, 2, 1), size=(8, 8)), ["class"])]
    ['class:0', 'class:1']
    """
    from vital.tracing import list_layers
    from vital.units import TOKENS, layer_with_units

    if tokens is not None and tokens not in TOKENS:
        raise UsageError(f"--tokens is {tokens!r}; allowed are {', '.join(TOKENS)}")
    known = list_layers(model)
    found = []
    for name in layers:
        layer = layer_with_units(name, known)
        which = f"#{tokens}" if tokens and layer.kind == "tokens" else ""
        found.append(f"{name}:0-{layer.channels - 1}{which}")
    return model.units(found)


def _opened(network: opt.NetworkOptions, model: str, out: Path, labels: Path | None = None) -> Model:
    """Load the network, whose words the folder can hold."""
    from vital.describing.run_folder import check_folder
    from vital.models.identity import identity

    net = network.open(model, labels)
    check_folder(out, identity(net, model))
    return net


def _say(
    out: Path,
    spec: str,
    net: Model,
    units: Sequence[Unit],
    asked: Asked,
    request: Mapping[str, Any],
    *,
    loaded: Mapping[str, Any],
    cache: ResponseCache | None = None,
    images: ImageSet,
    bank: ReferenceBank | None = None,
    seed: int,
    ask: Callable[[Words, list[Unit]], Sequence[Description]] | None = None,
) -> None:
    """Describe, write, and print what was said and how well it holds."""
    from vital.describing.api import prepared
    from vital.describing.evaluation.table import shown_rows, verdict_lines
    from vital.describing.methods.captioning import NO_ANSWER
    from vital.describing.run_folder import save_words
    from vital.models.identity import identity

    warn_of_words(net, request["concepts"], loaded.get("encoder"))
    words = prepared(
        net,
        units,
        asked,
        bank=bank,
        images=images,
        concepts=request["concepts"],
        backends=loaded,
        cache=cache,
        seed=seed,
        progress=watched(),
    )
    chosen = list(dict.fromkeys(units))
    said = ask(words, chosen) if ask else words.describe(chosen)
    rows = words.scores(said)
    options = {name: method.options() for name, method in words.described.items()}
    save_words(out, identity(net, spec), {**request, "methods": options}, said, rows)
    wrote(out / "labels.csv")
    typer.echo(table(["unit", "method", "label", "p", "score", "verdict"], [_shown(d) for d in said][:SHOWN]))
    more = "… " if len(said) > SHOWN else ""
    typer.echo(f"{more}{len(said)} rows in all, in {out / 'labels.csv'}")
    for line in verdict_lines(said):
        typer.echo(line)
    typer.echo(f"the values of whole layers take {megabytes(round(1e6 * words.megabytes(said)))} of memory")
    if rows:
        typer.echo(
            "\nheld-out images, candidates whether or not they stand; in brackets what is not to be trusted\n"
        )
        typer.echo(table(*shown_rows(rows)))
    show_skipped(images)
    if unanswered := [d for d in said if d.reason.startswith(f"{NO_ANSWER}:")]:
        for d in unanswered:
            log.error("%s of %s: %s", d.method, d.unit.title, d.reason)
        raise typer.Exit(1)


def _shown(d: Description) -> tuple[str, ...]:
    label = d.label or (f"- (candidate: {d.candidate})" if d.candidate else "-")
    p = "-" if d.p_value is None else f"{d.p_value:.3g}"
    return d.unit.title, d.method, label, p, f"{d.score:.4g}" if math.isfinite(d.score) else "-", d.verdict
