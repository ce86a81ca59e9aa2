"""The work of each stage on one piece: how it is done, and how one sees by the files that it was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vital.atlases.context import Context
from vital.atlases.plan import Piece
from vital.atlases.relations import save_relations
from vital.errors import RunError, VitalError
from vital.rendering.api import render_group
from vital.rendering.natural_exemplars import exemplars
from vital.rendering.resume import starved
from vital.rendering.run_folder import EXEMPLARS, folder_name, kept_exemplars, save_exemplars
from vital.rendering.watching import Saved
from vital.reporting.facts import read_feeders, read_histogram, read_neighbors
from vital.utils import tensor_cache
from vital.utils.foreign import explained

Failed = dict[str, str]
"""The units for which a piece could not be done, and why."""


@dataclass(frozen=True)
class Stage:
    """How a piece is done, and the files that are written last; `done` where these alone do not say that it was."""

    work: Callable[[Piece, Context], Failed]
    last: Callable[[Piece, Context], list[Path]]
    done: Callable[[Piece, Context], bool] | None = None


def work(piece: Piece, context: Context) -> Failed:
    """Do a piece of work; the units that failed, and why. Raises `VitalError` where nothing can go on."""
    return WORK[piece.stage].work(piece, context)


def is_done(piece: Piece, context: Context) -> bool:
    """Whether all files of a piece are there."""
    stage = WORK[piece.stage]
    if stage.done:
        return stage.done(piece, context)
    return all(file.is_file() for file in stage.last(piece, context))


def take_back(piece: Piece, context: Context) -> None:
    """Remove those files of a piece that say that it is done; a bank goes from the cache too."""
    cached = [tensor_cache.file_of("banks", context.bank.key)] if piece.stage == "bank" else []
    for file in (*WORK[piece.stage].last(piece, context), *cached):
        with suppress(OSError):
            file.unlink(missing_ok=True)


def fatal(error: BaseException) -> bool:
    """Whether it ends all: a file cannot be written, as on a full disk, or a warning is an error."""
    return isinstance(error, Warning) or (
        isinstance(error, RunError) and isinstance(error.__cause__, OSError)
    )


def _bank(piece: Piece, context: Context) -> Failed:
    context.make_bank(piece)
    return {}


def _exemplars(piece: Piece, context: Context) -> Failed:
    failed: Failed = {}
    save_relations(piece.units, context)
    for number, name in enumerate(piece.units, 1):
        if not _is_shown(name, context):
            failed |= _kept(name, partial(_save_exemplars, name, context))
        context.tell(piece, number / len(piece.units))
    return failed


def _is_shown(name: str, context: Context) -> bool:
    """Whether what is known of a unit beside prototypes and words is there and can be read."""
    with suppress(RunError):
        shown = kept_exemplars(context.run, name)
        read_histogram(context.run, name)
        read_neighbors(context.run, name)
        read_feeders(context.run, name, {})
        return bool(shown) and all(one.is_there for one in shown)
    return False


def _save_exemplars(name: str, context: Context) -> None:
    save_exemplars(context.run, exemplars(context.bank, context.units[name], context.request.count))


def _exemplar_file(name: str, context: Context) -> Path:
    return context.run / "units" / folder_name(name) / EXEMPLARS


def _prototypes(piece: Piece, context: Context) -> Failed:
    try:
        _render(piece, piece.units, context)
    except VitalError as error:
        if fatal(error) or len(piece.units) == 1:
            raise
        failed: Failed = {}
        for name in piece.units:  # one of them is at fault; the others need not wait for it
            failed |= _kept(name, partial(_render, piece, [name], context))
        return failed
    return {}


def _render(piece: Piece, names: Sequence[str], context: Context) -> None:
    run, method = context.pictures(piece.method), context.request.methods[piece.method]
    bank = context.bank if method.needs_images else None
    render_group(
        context.model, [context.units[name] for name in names], method, bank, run.render.seed,
        frames=run.render.frames,
        callback=[Saved(run), lambda step: context.tell(piece, step.number / step.of)],
    )  # fmt: skip


def _rendered(piece: Piece, context: Context) -> bool:
    run = context.pictures(piece.method)
    with suppress(RunError):  # a damaged record
        return run.complete(piece.units) and not starved(run, piece.units)
    return False


def _has_bank(piece: Piece, context: Context) -> bool:
    notes = tensor_cache.notes_of(context.bank_file(piece))
    return notes is not None and "made_of" in notes


def _words(piece: Piece, context: Context) -> Failed:
    words = replace(context.words, described={piece.method: context.words.described[piece.method]})
    said = words.describe([context.units[name] for name in piece.units])
    context.save_words(piece, said)
    return {}


def _kept(name: str, make: Callable[[], None]) -> Failed:
    """Do something for one unit; where it fails, why."""
    try:
        make()
    except Exception as error:
        if fatal(error):
            raise
        return {name: str(error if isinstance(error, VitalError) else explained(error))}
    return {}


WORK: Mapping[str, Stage] = {
    "bank": Stage(_bank, lambda piece, context: [context.bank_file(piece)], _has_bank),
    "exemplars": Stage(
        _exemplars,
        lambda piece, context: [_exemplar_file(name, context) for name in piece.units],
        lambda piece, context: all(_is_shown(name, context) for name in piece.units),
    ),
    "prototypes": Stage(
        _prototypes,
        lambda piece, context: [context.pictures(piece.method).file(name, ".json") for name in piece.units],
        _rendered,
    ),
    "words": Stage(_words, lambda piece, context: [context.words_file(piece)]),
}
