"""`vital atlas`: every unit of whole layers, as a site that grows while it is made and goes on where it stopped."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vital.cli import atlas_options as own
from vital.cli import options as opt
from vital.cli.common import listed, megabytes, opened_as, show_skipped, table, warn_of_words, watched
from vital.cli.config import keep_config
from vital.cli.engine_options import EngineOptions
from vital.cli.stopping import stoppable
from vital.cli.talk import log, wrote
from vital.errors import UsageError
from vital.utils.io import resolved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vital.atlases import Atlas, Context, Piece

SHOWN = 10
"""How many reasons of failure are printed."""
WORDS_BY = "--encoder and --concepts give some, and --encoder world brings its own"


@opt.grouped
def atlas(
    model: opt.ModelName,
    layers: own.AtlasLayers,
    source: opt.NeededImageOptions,
    out: own.AtlasFolder,
    *,
    methods: own.AtlasMethods = None,
    concepts: opt.Concepts = None,
    encoder: opt.EncoderName = None,
    per_layer: own.PerLayer = None,
    tokens: opt.Tokens = None,
    count: opt.HowMany = 8,
    top: opt.Top = 50,
    steps: opt.Steps = None,
    size: opt.Size = None,
    seed: opt.Seed = 0,
    batch: opt.Batch = None,
    settings: opt.Settings = None,
    only: own.Only = None,
    shard: own.Shard = None,
    engine: EngineOptions,
    estimate: own.Estimate = None,
    network: opt.NetworkOptions,
) -> None:
    """Make a site of every unit of whole layers.

    Each unit has the images that excite it, prototypes of the unit alone and in its surroundings, and words. The work
    is done in small pieces, which are kept in SITE/run as they end; the same command again goes on where it stopped.
    The page of the site can be looked at from the beginning. The exit code is 1 when a unit failed.
    """
    from vital.atlases import prepare
    from vital.atlases.api import carry_out, kept
    from vital.atlases.plan import chosen, read_shard

    do = engine.make()
    share = None if shard is None else read_shard(shard)
    names = [name for part in only or () for name in listed(part, "--only")]
    net, pictures = network.open(model, source.image_labels), source.open()
    context = prepare(
        net, listed(layers, "--layers"), pictures, out, methods=listed(methods, "--methods") if methods else None,
        concepts=concepts, encoder=encoder, per_layer=per_layer, tokens=tokens, count=count, top=top, seed=seed,
        batch=batch, spec=model, opened=opened_as(source.images, source.image_labels),
        **_options(steps, size, settings),
    )  # fmt: skip
    with stoppable(lambda: kept(context)):
        asked = chosen(context.pieces, net, names, share)
        warn_of_words(net, concepts, encoder)
        if not context.request.describers:
            log.info("no words, which are optional; %s", WORDS_BY)
        if estimate is not False:
            context.check()
            _tell(context, asked)
        if estimate:
            return
        keep_config()
        made = carry_out(context, only=names, shard=share, engine=do, progress=watched())
    show_skipped(pictures)
    typer.echo(f"{made.site / 'index.html'}: {made.done} of {made.pieces} pieces are done")
    wrote(made.site / "index.html")
    show_failed(made)
    if made.failed:
        raise typer.Exit(1)


def _options(steps: int | None, size: int | None, settings: Sequence[str] | None) -> dict[str, str | int]:
    """The options of the methods, each given once."""
    given: dict[str, str | int] = dict(opt.read_settings(settings or []))
    for name, value in {"steps": steps, "size": size}.items():
        if value is not None:
            if name in given:
                raise UsageError(f"{name} is given by --{name} and by --set; give it once")
            given[name] = value
    return given


def _tell(context: Context, pieces: Sequence[Piece]) -> None:
    """Say what is left to do, and what time and disk that takes."""
    from vital.atlases import estimate
    from vital.utils.progress import duration

    costs = estimate(context, pieces)
    if not costs:
        return
    rows = [
        [c.stage, c.pieces or "-", duration(c.seconds) if c.pieces else "-", megabytes(int(c.bytes))]
        for c in costs
    ]
    seconds, size = sum(cost.seconds for cost in costs), sum(cost.bytes for cost in costs)
    rows.append(["all", sum(cost.pieces for cost in costs), duration(seconds), megabytes(int(size))])
    units, done = len(context.units), len(pieces) - sum(cost.pieces for cost in costs)
    typer.echo(
        f"{units} units in {len(context.pieces)} pieces; {done} of the {len(pieces)} asked for are done\n"
    )
    typer.echo(table(["left", "pieces", "about", "on disk"], rows))
    typer.echo(f"\npictures come to {context.run / 'units'}, the site to {context.site / 'index.html'}")
    free = shutil.disk_usage(existing(context.site)).free
    if size > free:
        log.warning("%s are free on the disk of %r, less than that", megabytes(free), str(context.site))


def existing(path: Path) -> Path:
    """The folder, or the nearest above it that exists.

    >>> existing(Path("/no/such/folder"))
    PosixPath('/')
    """
    return next(folder for folder in (resolved(path), *resolved(path).parents) if folder.is_dir())


def show_failed(made: Atlas) -> None:
    """Say which units failed, and why, on standard error."""
    from vital.utils.text import shortened

    show_reasons(made.failed)
    if made.failed:
        log.error("%d results failed: %s", len(made.failed), shortened(list(made.failed), 20))


def show_reasons(failed: Mapping[str, str]) -> None:
    """Say the first reasons, each once, with those for which it holds."""
    from vital.utils.text import shortened

    reasons: dict[str, list[str]] = {}
    for name, why in failed.items():
        reasons.setdefault(why, []).append(name)
    for why, names in list(reasons.items())[:SHOWN]:
        log.error("%s: %s", shortened(names), why)
