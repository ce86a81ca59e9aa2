"""How far an atlas is: a bar on a terminal, else a line every half a minute."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from tqdm import tqdm

from vital.atlases.plan import Piece

LINE_SECONDS = 30.0
"""How often a line is written where there is no terminal."""


@dataclass(eq=False)
class Progress:
    """The stage that is worked on, and how much of it is done, in units of the network; stages may take turns."""

    totals: dict[str, int]
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    stage: str = ""
    done: float = 0
    _shares: dict[str, float] = field(default_factory=dict, init=False)
    _left: dict[str, tuple[float, float]] = field(default_factory=dict, init=False)
    _start: float = 0
    _bar: tqdm | None = field(default=None, init=False)

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Progress:
        """The progress over some pieces."""
        totals: dict[str, int] = {}
        for piece in pieces:
            totals[piece.stage] = totals.get(piece.stage, 0) + max(1, len(piece.units))
        return cls(totals)

    def tell(self, piece: Piece, share: float) -> None:
        """Take in that a share of a piece is done."""
        if piece.stage != self.stage:
            self._begin(piece.stage)
        before = self._shares.get(piece.name, 0.0)
        self._shares[piece.name] = share
        self.done += (share - before) * max(1, len(piece.units))
        if self._bar is not None:
            self._bar.set_description(self._counted(), refresh=False)
            self._bar.update((share - before) * max(1, len(piece.units)))

    def line(self) -> str:
        """The stage, how much of it is done, and how long the rest of it takes at this pace."""
        gone, rest = time.monotonic() - self._start, self.totals.get(self.stage, 0) - self.done
        left = f", about {duration(gone * rest / self.done)} left" if self.done else ""
        return f"{self._counted()}, {duration(gone)} gone{left}"

    def _begin(self, stage: str) -> None:
        self._left[self.stage] = self.done, self._start
        self.done, self._start = self._left.get(stage, (0.0, time.monotonic()))
        self.stage = stage
        if self._bar is not None:
            self._bar.reset(self.totals[stage])
            self._bar.update(self.done)

    def _counted(self) -> str:
        of = self.totals.get(self.stage, 0)
        return (
            self.stage
            if self.stage in ("", "bank")
            else f"{self.stage} {int(self.done + 1e-6)} of {of} units"
        )

    @contextmanager
    def shown(self, wanted: bool = True) -> Iterator[None]:
        """Show it until the block ends."""
        if not wanted:
            yield
        elif self.stream.isatty():
            form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
            with tqdm(bar_format=form, leave=False, file=self.stream, total=1) as self._bar:
                yield
            self._bar = None
        else:
            ended = threading.Event()
            writer = threading.Thread(target=self._write_lines, args=(ended,), daemon=True)
            writer.start()
            try:
                yield
            finally:
                ended.set()
                writer.join()

    def _write_lines(self, ended: threading.Event) -> None:
        while not ended.wait(LINE_SECONDS):
            if self.stage:
                self.stream.write(f"vital: {self.line()}\n")
                self.stream.flush()


def duration(seconds: float) -> str:
    """Say how long something takes.

    >>> duration(42.3), duration(312), duration(9000), duration(400_000)
    ('42 s', '5 min', '2.5 h', '4.6 days')
    """
    for unit, length, decimals in (("days", 86400, 1), ("h", 3600, 1), ("min", 60, 0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.{decimals}f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
