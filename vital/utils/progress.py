"""How far a job is: a bar in a notebook or on a terminal, elsewhere a line every half a minute.

One bar is shown at a time: a job inside another is told in the bar of the outer one.
"""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TextIO, TypeVar

LINE_SECONDS = 30.0
"""How often a line is written where there is no terminal."""
NOTEBOOK_DELAY = 1.0
"""How long a job in a notebook takes before it has a bar."""
REFRESH_SECONDS = 0.1
FORM = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}, {rate_fmt}{postfix}"

T = TypeVar("T")
_OPEN: list[Progress] = []
"""The jobs that are shown now, the outermost first."""


class Progress:
    """A job: what it is, and how much of it is done; shown between `with` and its end where that is wanted.

    `stream` is standard error unless given. `begun` is what is counted as done of parts that are not finished: it moves
    the bar, and is not among the parts that are told.

    >>> with Progress("images", 8, "image", shown=False) as bar:
    ...     bar.update(3)
    ...     bar.counted()
    'images 3 of 8 images'
    """

    def __init__(
        self,
        what: str,
        total: float,
        unit: str = "step",
        *,
        shown: bool | None = True,
        done: float = 0,
        stream: TextIO | None = None,
    ) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self.wanted, self.note = bool(shown), ""
        self.begun = 0.0
        self.stream: TextIO = stream or sys.stderr
        self._start, self._before = time.monotonic(), done
        self._bar: Any = None
        self._outer: Progress | None = None
        self._ended: threading.Event | None = None
        self._looked = 0.0

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        if not self.wanted:
            return self
        self._outer = _OPEN[-1] if _OPEN else None
        _OPEN.append(self)
        notebook = in_notebook()
        if self._outer is not None:
            self._show()
        elif notebook or self.stream.isatty():
            self._bar = _bar(self, NOTEBOOK_DELAY if notebook else 0.0)
        else:
            self._ended = threading.Event()
            threading.Thread(target=self._write_lines, args=(self._ended,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self in _OPEN:
            _OPEN.remove(self)
        if self._ended is not None:
            self._ended.set()
        if self._bar is not None:
            self.done = self.total if error is None else self.done  # else a notebook takes it for failed
            self._show(now=True)
            self._bar.close()
            self._bar = None
        if self._outer is not None:
            self._outer.say("")

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each counted when the next is asked for."""
        for item in items:
            yield item
            self.update()

    def update(self, count: float = 1) -> None:
        """Take in that so much more is done."""
        self.done += count
        self._show()

    def say(self, note: str) -> None:
        """Tell something beside the numbers, such as a loss."""
        self.note = note
        self._show()

    def restart(self, what: str, total: float, done: float = 0, seconds: float = 0.0) -> None:
        """Go over to another job, of which some may be done: what was done of it in the last so many seconds counts."""
        self.what, self.total, self.done = what, total, done
        self._start, self._before = time.monotonic() - seconds, 0.0 if seconds else done
        if self._bar is not None:
            self._bar.reset(total)
            self._bar.initial, self._bar.start_t = self._before, self._bar.start_t - seconds
        self._show()

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self._start

    def counted(self) -> str:
        """What it is, and how much of it is done."""
        if not self.total or not self.unit:
            return self.what
        return f"{self.what} {int(self.done - self.begun + 1e-6)} of {int(self.total + 1e-6)} {self.unit}s"

    def line(self) -> str:
        """How much is done, how fast, for how long, and how long the rest takes at this pace."""
        gone, new = self.seconds, self.done - self._before
        parts = [self.counted()]
        if new > 0 and gone > 0:
            if self.unit:
                parts.append(pace(new / gone, self.unit))
            parts.append(f"{duration(gone)} gone")
            parts.append(f"about {duration(gone * max(0.0, self.total - self.done) / new)} left")
        else:
            parts.append(f"{duration(gone)} gone")
        return ", ".join([*parts, self.note] if self.note else parts)

    def _show(self, *, now: bool = False) -> None:
        clock = time.monotonic()
        if not self.wanted or (not now and clock - self._looked < REFRESH_SECONDS):
            return
        self._looked = clock
        if self._outer is not None and self in _OPEN:
            self._outer.say(f"{self.counted()}{f', {self.note}' if self.note else ''}")
        elif self._bar is not None:
            self._bar.n = min(self.done, self.total)
            self._bar.set_description_str(self.counted(), refresh=False)
            self._bar.set_postfix_str(self.note, refresh=False)
            if self.seconds >= self._bar.delay:
                self._bar.refresh()

    def _write_lines(self, ended: threading.Event) -> None:
        while not ended.wait(LINE_SECONDS):
            if self.what:
                self.stream.write(f"vital: {self.line()}\n")
                self.stream.flush()


def aside(text: str) -> None:
    """Write a line to standard error, above the bar where one is shown."""
    if any(job._bar is not None for job in _OPEN):  # noqa: SLF001
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)
    else:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def in_notebook() -> bool:
    """Whether this is a notebook of Jupyter or one like it, such as Colab."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", ())


def _bar(job: Progress, delay: float) -> Any:
    """The bar of tqdm for this place; without ipywidgets, a notebook has one of text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    return tqdm(
        desc=job.counted(), total=job.total, initial=job.done, unit=job.unit or "part", bar_format=FORM,
        file=job.stream, leave=False, delay=delay, dynamic_ncols=True,
    )  # fmt: skip


def pace(rate: float, unit: str) -> str:
    """Say how fast it goes.

    >>> pace(2.5, "image"), pace(0.05, "unit")
    ('2.5 images/s', '20 s/unit')
    """
    return f"{rate:.3g} {unit}s/s" if rate >= 1 else f"{1 / rate:.3g} s/{unit}"


def duration(seconds: float) -> str:
    """Say how long something takes.

    >>> duration(42.3), duration(312), duration(9000), duration(400_000)
    ('42 s', '5 min', '2.5 h', '4.6 days')
    """
    for unit, length, decimals in (("days", 86400, 1), ("h", 3600, 1), ("min", 60, 0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.{decimals}f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
