"""Engines: what does pieces of work, in this process or elsewhere.

An engine takes pieces and a context and yields an `Outcome` as each piece ends, in any order. It calls `attempt`, in
whichever process, with the piece and a copy of the context; both can be pickled. An engine with options is a dataclass
of them, and its objects are called.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from vital.atlases.context import Context
from vital.atlases.plan import Piece
from vital.atlases.stages import Failed, fatal, is_done, work
from vital.errors import UsageError, VitalError
from vital.utils.foreign import explained
from vital.utils.registry import Registry


@dataclass(frozen=True)
class Outcome:
    """How a piece ended: the units that failed, and why. `busy` is one that another process has."""

    piece: Piece
    failed: Mapping[str, str] = field(default_factory=dict)
    busy: bool = False


Engine: TypeAlias = Callable[[Iterable[Piece], Context], Iterator[Outcome]]
ENGINES: Registry[Any] = Registry("engine")
ENGINES.register_lazy("ray", "vital.atlases.ray_engine:Ray")


def engine_of(name: str, **options: Any) -> Engine:
    """The engine of a name, with those of its options that are not None.

    Raises `UnknownNameError`, `UsageError` for options that it does not have, and what the engine raises where it
    cannot be used here.

    >>> engine_of("local", actors=2)
    Traceback (most recent call last):
    ...
    vital.errors.UsageError: the engine local has no actors; choose another engine, such as ray
    """
    found, given = ENGINES[name], {option: value for option, value in options.items() if value is not None}
    known = [one.name for one in fields(found)] if isinstance(found, type) else []
    if strange := [option for option in given if option not in known]:
        raise UsageError(f"the engine {name} has no {strange[0]}; choose another engine, such as ray")
    engine: Engine = found(**given) if isinstance(found, type) else found
    return engine


@ENGINES.register("local")
def local(pieces: Iterable[Piece], context: Context) -> Iterator[Outcome]:
    """Do the pieces in this process, one after the other; those that another process has at last."""
    busy = []
    for piece in pieces:
        outcome = attempt(piece, context)
        if outcome.busy:
            busy.append(piece)
        else:
            yield outcome
    for piece in busy:
        yield attempt(piece, context, wait=True)


def attempt(piece: Piece, context: Context, *, wait: bool = False) -> Outcome:
    """Do a piece that is not done yet and that no other process has; with `wait`, once it has let go.

    A unit that fails is part of the outcome. Raises `VitalError` where nothing can go on: without a bank, or where
    files cannot be written.
    """
    with context.held(piece, wait=wait or piece.whole) as own:
        if not own:
            return Outcome(piece, busy=True)
        if is_done(piece, context):
            return Outcome(piece)
        context.tell(piece, 0.0)
        start, busy = time.perf_counter(), time.process_time()
        failed, trace = _outcome(piece, context)
        spent = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - busy}
        context.log(
            "piece", piece=piece.name, units=list(piece.units), **{k: round(v, 3) for k, v in spent.items()},
            **({"failed": failed} if failed else {}), **({"traceback": trace} if trace else {}),
        )  # fmt: skip
        if piece.stage == "words":
            context.save_failed(piece, failed)
        return Outcome(piece, failed)


def _outcome(piece: Piece, context: Context) -> tuple[Failed, str]:
    """The units that failed, and the traceback where the reason is not explained."""
    try:
        return work(piece, context), ""
    except Exception as error:
        if fatal(error) or piece.stage == "bank":
            raise
        known = isinstance(error, VitalError)
        why = str(error if known else explained(error))
        return dict.fromkeys(piece.units, why), "" if known else traceback.format_exc()
