"""Worker processes: pictures are decoded and brought to the network's size while the network computes.

Workers write what they read into memory that they share with this process, so that nothing is copied through pipes.
A picture with which anything goes wrong is read again by this process, which says what is to be said of it.
"""

from __future__ import annotations

import mmap
import multiprocessing as mp
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing.process import BaseProcess
from typing import Any, Protocol
from weakref import finalize

import torch
from torch import Tensor

from vital.data.sources import Picture, Source
from vital.data.views import size_of
from vital.errors import DataError, first_line
from vital.utils.foreign import RAISED

PIECE = 16
"""How many pictures a worker reads at a time."""
AHEAD = 3
"""How many pieces are under way for each worker: one that it reads, one that it reads next, and one that is used."""
MOST = 8
"""The most workers that are started without being asked for."""
WORTH_SECONDS = 2.0
"""How long this process would have to read for workers to be worth their start."""
LOOKED_AT = 16_000_000
"""How many bytes of a pickled source are looked at, to see whether it can be handed on."""

Pixels = tuple[int, int]
"""The (height, width) of a picture itself."""


class Preprocessor(Protocol):
    """The part of a model that turns a picture into (C, H, W) in [0, 1]."""

    def preprocess(self, image: Picture) -> Tensor:
        """Bring one picture to the network's size and channels."""


@dataclass(frozen=True, eq=False)
class _Desk:
    """What a worker works with; `notes` holds, per place, the picture that is being read there and by which process."""

    source: Source
    preprocessor: Preprocessor
    places: Tensor
    notes: Tensor


_desks: list[_Desk] = []


def _begin(desk: _Desk, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not that of a command, which a fork inherits
    torch.set_num_threads(1)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    _desks.append(desk)


def _leave_with(parent: int) -> None:
    """End this process when the one that started it has been killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _read(place: int, indices: Sequence[int]) -> list[Pixels | None]:
    """Read pictures into a place: the size of each, None where it did not go as it should."""
    desk, sizes = _desks[0], list[Pixels | None]()
    rows = desk.places[place]
    for row, index in zip(rows, indices, strict=False):
        desk.notes[place] = torch.tensor([index, os.getpid()])
        try:
            picture = desk.source.read(index)
            pixels = desk.preprocessor.preprocess(picture)
            fits = pixels.shape == row.shape and pixels.dtype == row.dtype
            row.copy_(pixels if fits else row)
            sizes.append(size_of(picture) if fits else None)
        except RAISED:
            sizes.append(None)
    desk.notes[place, 0] = -1
    return sizes


@dataclass(eq=False)
class Team:
    """Workers that read the pictures of one source for one preprocessing; `names` and `of` are for what is said."""

    source: Source
    preprocessor: Preprocessor
    like: Tensor
    count: int
    names: Sequence[str]
    of: str
    broken: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        forks = "fork" in mp.get_all_start_methods() and sys.platform == "linux"
        places = AHEAD * self.count
        self._places = _shared((places, PIECE, *self.like.shape), self.like.dtype, forks=forks)
        self._notes = _shared((places, 2), torch.int64, forks=forks)
        self._notes.fill_(-1)
        self._free = list(range(places))
        desk = _Desk(self.source, self.preprocessor, self._places, self._notes)
        before = set(mp.active_children())
        self._pool = ProcessPoolExecutor(
            self.count, mp.get_context("fork" if forks else "spawn"), _begin, (desk, os.getpid())
        )
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # of a fork beside threads, none of which it needs
            self._pool.submit(os.getpid).result()
        self._members = set(mp.active_children()) - before
        finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)

    def fits(self, preprocessor: Preprocessor, like: Tensor, count: int) -> bool:
        """Whether these workers do for other pictures of the source."""
        same = self.preprocessor == preprocessor and self.count == count and not self.broken
        return same and self.like.shape == like.shape and self.like.dtype == like.dtype

    def batches(
        self,
        parts: Sequence[Sequence[int]],
        again: Callable[[int], tuple[Tensor, Pixels] | None],
        *,
        pin: bool,
    ) -> Iterator[tuple[list[int], Tensor, list[Pixels]]]:
        """Read batches in their order: those of the pictures that can be read, their views, and their own sizes.

        `again` reads a picture in this process, where it did not go as it should in a worker.
        """
        pieces = chain.from_iterable(_pieces(part) for part in parts)
        results = self._results(pieces)
        try:
            for part in parts:
                rows = torch.empty((len(part), *self.like.shape), dtype=self.like.dtype, pin_memory=pin)
                sizes: list[Pixels | None] = []
                while len(sizes) < len(part):
                    read, told = next(results)
                    rows[len(sizes) : len(sizes) + len(told)] = read
                    sizes += told
                for place, index in enumerate(part):
                    if sizes[place] is None and (found := again(index)):
                        rows[place], sizes[place] = found
                kept = [place for place, size in enumerate(sizes) if size is not None]
                whole = len(kept) == len(part)
                yield (
                    [part[place] for place in kept],
                    rows if whole else rows[kept],
                    [size for size in sizes if size is not None],
                )
        finally:
            results.close()

    def _results(
        self, pieces: Iterator[Sequence[int]]
    ) -> Generator[tuple[Tensor, list[Pixels | None]], None, None]:
        """What the workers read of pieces, in their order; it stands where it is until the next is asked for."""
        waiting: deque[tuple[int, Sequence[int], Future[list[Pixels | None]]]] = deque()
        try:
            while True:
                while self._free and (piece := next(pieces, None)):
                    place = self._free.pop()
                    try:
                        waiting.append((place, piece, self._pool.submit(_read, place, list(piece))))
                    except BrokenProcessPool:
                        self._free.append(place)
                        raise
                if waiting:
                    place, piece, job = waiting[0]
                    sizes = job.result()
                    yield self._places[place, : len(piece)], sizes
                    waiting.popleft()
                    self._free.append(place)
                elif piece := next(pieces, None):  # another reader has all places
                    yield self._places[0, : len(piece)], [None] * len(piece)
                else:
                    return
        except BrokenProcessPool as error:
            self.broken = True
            raise self._lost() from error
        finally:
            for place, _, job in waiting:
                if not (self.broken or job.cancel()):
                    job.exception()
                self._free.append(place)

    def _lost(self) -> DataError:
        """What is said of a worker that ended."""
        ended_of(self._members, 5)
        ended = [m for m in self._members if m.exitcode not in (None, 0, -signal.SIGTERM)]
        reading = {pid: index for index, pid in self._notes.tolist() if index >= 0}
        lost = next((m for m in ended if m.pid in reading), ended[0] if ended else None)
        index = reading.get(lost.pid) if lost else next(iter(reading.values()), None)
        where = f"the image {self.names[index]} of {self.of}" if index is not None else f"images of {self.of}"
        code = lost.exitcode if lost and lost.exitcode is not None else 0
        how = f"was killed (signal {-code}), as where memory does not suffice" if code < 0 else "ended"
        return DataError(
            f"the worker process that read {where} {how}; look at that image, or read with fewer --workers "
            "(workers=), 0 for none"
        )


def ended_of(members: Collection[BaseProcess], seconds: float) -> list[BaseProcess]:
    """Wait for processes to end, up to so many seconds: those that have.

    Another thread may have taken an exit code and not told it yet, when `join` comes back and `is_alive` says yes.
    """
    until = time.monotonic() + seconds
    waiting = set(members)
    while (waiting := {m for m in waiting if m.exitcode is None}) and time.monotonic() < until:
        next(iter(waiting)).join(0.05)
        time.sleep(0.01)
    return [member for member in members if member.exitcode is not None]


def _pieces(part: Sequence[int]) -> Iterator[Sequence[int]]:
    return (part[start : start + PIECE] for start in range(0, len(part), PIECE))


def _shared(shape: tuple[int, ...], dtype: torch.dtype, *, forks: bool) -> Tensor:
    """Memory that workers see too; of a fork it is no file, so that a small /dev/shm is no limit."""
    if not forks:
        file_backed: Tensor = torch.zeros(shape, dtype=dtype).share_memory_()  # type: ignore[no-untyped-call]
        return file_backed
    count = torch.Size(shape).numel() * dtype.itemsize
    return torch.frombuffer(mmap.mmap(-1, count), dtype=dtype).view(shape)


def workers_for(asked: int | None) -> int:
    """How many workers read where so many are asked for, None leaving it open: as many as processors, up to 8.

    None are started inside a worker process, nor unasked where starting one runs the script again.
    """
    if mp.current_process().daemon:
        return 0
    if asked is not None:
        return asked
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    return min(MOST, cores) if cores > 1 else 0


class _Sink:
    """Takes what is pickled, up to a limit."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: Any) -> int:
        """Count the bytes; raises `OverflowError` beyond the limit."""
        self.size += memoryview(data).nbytes
        if self.size > LOOKED_AT:
            raise OverflowError
        return memoryview(data).nbytes


def why_not_handed_on(source: Source) -> str:
    """Why a source cannot be handed to other processes, as one with an open file; empty where it can."""
    try:
        pickle.Pickler(_Sink()).dump(source)
    except OverflowError:
        return ""
    except RAISED as error:
        return first_line(error)
    return ""


def team_for(
    held: Team | None,
    source: Source,
    preprocessor: Preprocessor,
    like: Tensor,
    count: int,
    names: Sequence[str],
    of: str,
) -> Team | None:
    """Start workers, or take those that are `held` already; None, with a warning, where there can be none."""
    if held and held.fits(preprocessor, like, count):
        return held
    if why := why_not_handed_on(source):
        warnings.warn(
            f"{of} is read in this process alone, for it cannot be pickled for workers: {why}; define its classes and "
            "functions at the top of a file, or give workers=0",
            stacklevel=2,
        )
        return None
    try:
        return Team(source, preprocessor, like, count, names, of)
    except (OSError, RuntimeError, BrokenProcessPool) as error:
        warnings.warn(
            f"{of} is read in this process alone, for no worker can be started: {first_line(error)}; give workers=0",
            stacklevel=2,
        )
        return None
