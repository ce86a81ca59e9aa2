"""How far an atlas is: the stage that is worked on, in units of the network."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from vital.atlases.plan import Piece
from vital.utils.progress import Progress

COUNTED = {"bank": "", "prototypes": "picture", "words": "label"}
"""What is counted in stages that do not count units; several methods make several pictures of each."""


@dataclass(eq=False)
class StageProgress:
    """The stage that is worked on, and how much of it is done, in units of the network; stages may take turns."""

    totals: dict[str, int]
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    stage: str = ""
    job: Progress = field(init=False)
    _shares: dict[str, float] = field(default_factory=dict, init=False)
    _left: dict[str, tuple[float, float]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.job = Progress("", 0, "unit", stream=self.stream)

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> StageProgress:
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
        self.job.update((share - before) * max(1, len(piece.units)))

    def line(self) -> str:
        """The stage, how much of it is done, and how long the rest of it takes at this pace."""
        return self.job.line()

    def _begin(self, stage: str) -> None:
        self._left[self.stage] = self.job.done, self.job.seconds
        done, seconds = self._left.get(stage, (0.0, 0.0))
        self.stage, self.job.unit = stage, COUNTED.get(stage, "unit")
        self.job.restart(stage, self.totals.get(stage, 0), done, seconds)

    @contextmanager
    def shown(self, wanted: bool = True) -> Iterator[None]:
        """Show it until the block ends."""
        self.job.wanted, self.job.stream = wanted, self.stream
        with self.job:
            yield
