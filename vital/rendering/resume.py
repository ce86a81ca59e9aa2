"""Carrying out a request in a run folder: the groups that are not complete, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vital.activations import ReferenceBank
from vital.callbacks.base import Callbacks, guarded
from vital.data import ImageSet
from vital.models import Model
from vital.rendering.api import groups, method_name, render_group, units_per_batch
from vital.rendering.methods.base import Method
from vital.rendering.outcome import OUT_OF_MEMORY
from vital.rendering.run_folder import Render, Run
from vital.rendering.watching import Counted, Preview, Saved
from vital.tracing import digests
from vital.units import Unit
from vital.utils.logs import logger
from vital.utils.progress import Progress


def request_for(
    model: Model,
    units: Sequence[Unit],
    method: Method,
    *,
    seed: int = 0,
    batch: int | None = None,
    frames: int = 0,
    images: ImageSet | None = None,
    bank: ReferenceBank | None = None,
) -> Render:
    """The request for pictures of units by a method: all that decides what their files hold.

    A method that takes reference images is told from others by the `images`, or by the `bank` over them.
    """
    facts: dict[str, Any] | None = None
    shown = bank.images if bank is not None else images
    if method.needs_images and shown is not None:
        facts = {"hash": shown.hash(), "count": len(shown)} | ({"bank": bank.key} if bank is not None else {})
    names, together = tuple(map(str, units)), units_per_batch(model, batch)
    return Render(
        method_name(method),
        method.options(),
        seed,
        together,
        names,
        frames,
        facts,
        digests(units),
        model.channels,
        model.bands,
        method.files(),
    )


def resume_run(
    run: Run,
    model: Model,
    units: Sequence[Unit],
    method: Method,
    bank: Callable[[], ReferenceBank | None],
    *,
    progress: bool = False,
    callback: Callbacks = None,
    where: str = "",
) -> None:
    """Render the groups of a run that are not complete; `bank` is called where there is something to render.

    Units are written as they end, and what those of a batch look like meanwhile is in preview.png. A group with a unit
    for which memory did not suffice is rendered again. `where` is said beside the method while it goes on.
    """
    todo = [
        group for group in groups(units, run.render.batch) if not run.complete(group) or starved(run, group)
    ]
    kept = len(units) - sum(map(len, todo))
    if kept:
        logger.debug("%d of %d units are in %s already", kept, len(units), run.path)
    if not todo:
        return
    references, asked = bank(), run.render
    with (
        Progress(f"rendering by {asked.method}{where}", sum(map(len, todo)), "unit", shown=progress) as job,
        _preview(run) as preview,
    ):
        watch = [Saved(run), Counted(job), preview, *guarded(callback)]
        for group in todo:
            start, busy = time.perf_counter(), time.process_time()
            made = render_group(
                model, group, method, references, asked.seed, frames=asked.frames, callback=watch
            )
            seconds = round(time.perf_counter() - start, 3)
            run.log(
                "group",
                method=asked.method,
                seed=asked.seed,
                units=list(map(str, group)),
                seconds=seconds,
                cpu=round(time.process_time() - busy, 3),
            )
            for one in made:
                logger.debug("%s: %s, %.1f s", one.unit, one.status, seconds / len(made))


@contextmanager
def _preview(run: Run) -> Iterator[Preview]:
    shown = Preview(run.path)
    try:
        yield shown
    finally:
        shown.close()


def starved(run: Run, units: Sequence[str | Unit]) -> bool:
    """Whether memory did not suffice for one of these units, whose files are there. Raises `RunError`."""
    return any(str(run.to_dict(unit)["status"]).startswith(OUT_OF_MEMORY) for unit in units)
