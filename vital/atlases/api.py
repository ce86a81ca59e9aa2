"""`vital.atlas`: every unit of whole layers, in pictures and words, as a site that can be read while it grows."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from vital.activations.bank import check_inputs
from vital.atlases.changes import Watch
from vital.atlases.context import LOCKS, Context
from vital.atlases.engine import Engine, Outcome, engine_of
from vital.atlases.plan import STAGES, Piece, Request, chosen, read_shard, units_of
from vital.atlases.progress import StageProgress
from vital.atlases.site import SiteWriter
from vital.atlases.stages import fatal, is_done, take_back
from vital.backends import ImageTextEncoder
from vital.data import ImageSet
from vital.describing.api import describers_of, is_world
from vital.describing.base import DESCRIBERS, missing_needs
from vital.describing.candidates.concept_lists import WORLD, concepts_for, read_concepts
from vital.describing.evaluation.significance import JudgeOptions
from vital.errors import DataError, RunError, UsageError, VitalError, unknown
from vital.models import Model
from vital.models.weights_hash import hashed_once
from vital.rendering import METHODS, make_method
from vital.rendering.api import units_per_batch
from vital.utils.io import path_of
from vital.utils.options import check_seed, check_whole, options_of, parameters_of
from vital.utils.public import public
from vital.utils.text import shortened

PICTURES, WORDS = ("vital", "vital-scene"), ("clip-dissect",)
"""The methods that are taken where none are named: pictures of the unit alone and in its surroundings, and words."""


@dataclass(frozen=True)
class Atlas:
    """What an atlas has become: where it is, how many pieces of its plan are done, and which units failed and why."""

    site: Path
    run: Path
    done: int
    pieces: int
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.done == self.pieces


@public
def atlas(
    model: Model,
    layers: str | Sequence[str],
    images: ImageSet,
    out: str | Path,
    *,
    methods: str | Sequence[str] | None = None,
    concepts: str | Path | Iterable[str] | None = None,
    encoder: str | ImageTextEncoder | None = None,
    per_layer: int | None = None,
    tokens: str | None = None,
    count: int = 8,
    top: int = 50,
    seed: int = 0,
    batch: int | None = None,
    only: str | Sequence[str] = (),
    shard: str | None = None,
    engine: str = "local",
    address: str | None = None,
    actors: int | None = None,
    progress: bool = True,
    **options: Any,
) -> Atlas:
    """Make a site of every unit of layers: the images that excite it, prototypes, and words.

    The work is a plan of small pieces. Each leaves its files in the folder `run` inside `out`; a call that was stopped
    goes on when it is made again, and ends with the same files. The site in `out` is written again and again meanwhile.

    Parameters
    ----------
    model
        The network.
    layers
        Names of layers, whose units are all shown, or units such as "layer4:0-63".
    images
        The images.
    out
        The folder of the site.
    methods
        Names from `vital.METHODS` and `vital.describing.DESCRIBERS`. Where no pictures are among them, vital and
        vital-scene are made; where no words are, CLIP-Dissect says them if concepts or an encoder are given, or for
        the known-answer world.
    concepts
        The words to choose from: a file with one a line, a list, or "world".
    encoder
        What reads words and pictures: a name (see `vital.backends`) or an object.
    per_layer
        How many units of each layer are shown, from the first; by default all.
    tokens
        In a layer of tokens: those that count, by default "patches".
    count
        The number of images that are shown of each unit.
    top
        The number of images that the bank keeps of each unit.
    seed
        What is left to chance goes by it.
    batch
        The number of units of a piece, which share their passes; by default 16 on a CPU and 32 on a GPU.
    only
        Stages ("bank", "exemplars", "prototypes", "words", "site") and units: the pieces that are done now.
    shard
        The share of one of several machines that work in one folder, such as "1/4". A call without it does what is
        left, and finishes the site.
    engine
        What does the pieces: "local", in this process, or "ray", on the devices of a Ray cluster.
    address
        Where the Ray cluster is, "HOST:PORT" or "auto"; by default one of this machine is made for the run.
    actors
        The number of Ray's processes that share the CPUs of each node; by default each GPU has one, and where there
        are none, two CPUs have one.
    progress
        Whether to show a bar, or a line every half a minute where there is no terminal.
    **options
        Options of the methods that have them, and `alpha` and `n_random_models` of the judge of words.

    Returns
    -------
    Atlas
        Where it is, and which units failed.

    Raises
    ------
    UsageError, UnknownNameError, InvalidValueError, UnitError, DataError
        For what does not exist or is not allowed, each with one sentence that says what to change.
    RunError
        For a folder that holds another atlas, with what differs, or that cannot be written.

    Examples
    --------
    >>> import tempfile, torch, vital
    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), size=(16, 16))
    >>> pictures = vital.load_images(torch.rand(5, 3, 16, 16))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = vital.atlas(net, "1", pictures, folder, methods="fourier", steps=2, per_layer=2, progress=False)
    ...     made.finished, (made.run / "units" / "1_0" / "fourier-0.png").is_file()
    (True, True)

    """
    do = engine_of(engine, address=address, actors=actors)
    context = prepare(
        model, layers, images, out, methods=methods, concepts=concepts, encoder=encoder, per_layer=per_layer,
        tokens=tokens, count=count, top=top, seed=seed, batch=batch, **options,
    )  # fmt: skip
    share = None if shard is None else read_shard(shard)
    return carry_out(context, only=_listed(only), shard=share, engine=do, progress=progress)


def prepare(
    model: Model,
    layers: str | Sequence[str],
    images: ImageSet,
    out: str | Path,
    *,
    methods: str | Sequence[str] | None = None,
    concepts: str | Path | Iterable[str] | None = None,
    encoder: str | ImageTextEncoder | None = None,
    per_layer: int | None = None,
    tokens: str | None = None,
    count: int = 8,
    top: int = 50,
    seed: int = 0,
    batch: int | None = None,
    spec: str | None = None,
    opened: Mapping[str, str] | None = None,
    **options: Any,
) -> Context:
    """Read everything that `atlas` is asked for, before any work.

    `spec` is how the network was named, and `opened` how the images were. Raises what `atlas` raises.
    """
    for name, number in {"per_layer": per_layer, "count": count, "top": top}.items():
        if number is not None:
            check_whole(name, number, 1)
    names = _listed(methods or ())
    if strange := [name for name in names if name not in METHODS and name not in DESCRIBERS]:
        raise unknown("method", strange[0], [*METHODS, *DESCRIBERS])
    pictures = [name for name in names if name in METHODS] or list(PICTURES)
    world = isinstance(model, Model) and is_world(model)
    wanted = world or concepts is not None or encoder is not None
    words = [name for name in names if name in DESCRIBERS] or (list(WORDS) if wanted else [])
    _check_options(options, pictures, words)
    check_inputs(model, images, None)
    made = {name: make_method(name, **_own(options, METHODS[name])) for name in pictures}
    describers, judge = describers_of(words, _told(options, words)) if words else ({}, JudgeOptions())
    backends = _backends(words[0], concepts, encoder or (WORLD if world else None)) if words else {}
    units = units_of(
        model, [layers] if isinstance(layers, str) else layers, per_layer=per_layer, tokens=tokens
    )
    request = Request(
        units,
        made,
        describers,
        judge,
        backends,
        units_per_batch(model, batch),
        count,
        top,
        check_seed(seed),
    )
    return Context(path_of(out), model, images, request, spec, opened)


def _listed(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _own(options: Mapping[str, Any], kind: type) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in options_of(kind)}


def _told(options: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """The options that describers, or the judge of what they say, have."""
    kinds: list[type] = [JudgeOptions, *(DESCRIBERS[name] for name in words)]
    return {name: value for name, value in options.items() if any(name in options_of(kind) for kind in kinds)}


def _check_options(options: Mapping[str, Any], pictures: Sequence[str], words: Sequence[str]) -> None:
    """Raise `UnknownNameError` for an option that none of the methods has."""
    kinds: list[type] = [*(METHODS[name] for name in pictures), *(DESCRIBERS[name] for name in words)]
    kinds += [JudgeOptions] if words else []
    known = {name for kind in kinds for name in options_of(kind)}
    for name in options:
        if name not in known:
            raise unknown(
                f"option of {', '.join([*pictures, *words])}", name, sorted({*known, *parameters_of(atlas)})
            )


def _backends(method: str, concepts: Any, encoder: Any) -> dict[str, Any]:
    """What words are made with. Raises `UsageError` with what is lacking."""
    concepts = concepts_for(encoder, concepts)
    given = {"concepts": concepts, "encoder": encoder}
    if lacking := missing_needs([name for name, value in given.items() if value is None]):
        raise UsageError(f"{method} needs {lacking}")
    return {**given, "concepts": read_concepts(concepts)}


def carry_out(
    context: Context,
    *,
    only: Sequence[str] = (),
    shard: tuple[int, int] | None = None,
    engine: str | Engine = "local",
    progress: bool = True,
) -> Atlas:
    """Do what is left of an atlas, or of a part of it. Raises what `atlas` raises."""
    do = engine_of(engine) if isinstance(engine, str) else engine
    wanted = chosen(context.pieces, context.model, only, shard)
    with hashed_once():
        watch = Watch(context.images)
        context.claim()
        todo = [piece for piece in wanted if not is_done(piece, context)]
        site = SiteWriter(context)
        failed = _do(partial(do, todo, context), context, StageProgress.of(todo), watch, site, progress)
        left = [piece for piece in context.pieces if not is_done(piece, context)]
        if not left or (shard is None and (not only or "site" in only)):
            site.write()
        if not left:
            _tidy(context.run)
    told = {**_statuses(context, wanted), **failed}
    return Atlas(context.site, context.run, len(context.pieces) - len(left), len(context.pieces), told)


def _tidy(run: Path) -> None:
    """Remove the locks of a run that is done, and the halves of files that killed processes left."""
    shutil.rmtree(run / LOCKS, ignore_errors=True)
    for half in run.rglob(".*.part"):
        half.unlink(missing_ok=True)


def _do(
    outcomes: Callable[[], Iterable[Outcome]],
    context: Context,
    progress: StageProgress,
    watch: Watch,
    site: SiteWriter,
    shown: bool,
) -> dict[str, str]:
    """Take in the outcomes of pieces; the units that failed, and why."""
    failed: dict[str, str] = {}
    new: list[Piece] = []
    context.tell = progress.tell
    try:
        with progress.shown(shown):
            for outcome in outcomes():
                progress.tell(outcome.piece, 1.0)
                new.append(outcome.piece)
                failed |= {f"{name} ({outcome.piece.stage})": why for name, why in outcome.failed.items()}
                if not watch.looked:
                    _check_images(watch, new, context)
                    new.clear()
                site.write_sometimes()
        _check_images(watch, new, context)
    except VitalError as error:
        if fatal(error):
            stop(error, context)
        raise
    return failed


def _check_images(watch: Watch, new: Sequence[Piece], context: Context) -> None:
    """Raise `DataError` where images have changed, and take back what was made since they were last looked at."""
    changed = watch.changed(now=True)
    if not changed:
        return
    for piece in new:
        take_back(piece, context)
    raise DataError(
        f"images changed during the run: {shortened(changed)}; what was made since the last look at them is taken "
        f"back, and {kept(context)}; with the images as they were the same command goes on, for others choose another "
        "folder"
    )


def kept(context: Context) -> str:
    """How much of an atlas is there."""
    done = sum(is_done(piece, context) for piece in context.pieces)
    return f"{done} of {len(context.pieces)} pieces are kept in {str(context.site)!r}"


def stop(error: VitalError, context: Context) -> NoReturn:
    """Raise what stops an atlas, with what was kept and how to go on."""
    cause = error.__cause__
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "free some space, and" if full else "mend it, and"
    raise RunError(f"{error}; {kept(context)}; {advice} the same command goes on") from cause


def _statuses(context: Context, pieces: Iterable[Piece]) -> dict[str, str]:
    """The pictures that did not come out, and why, as their records say."""
    found = {}
    for piece in pieces:
        if piece.stage == "prototypes":
            run = context.pictures(piece.method)
            for name in piece.units:
                if run.complete([name]) and (status := str(run.to_dict(name)["status"])) != "done":
                    found[f"{name} ({piece.method})"] = status
    return found


__all__ = ["STAGES", "Atlas", "atlas", "carry_out", "kept", "prepare", "stop"]
