"""Randomness that belongs to a unit and to nothing else.

What an image draws comes from the run's seed and the image's own key, so that what a unit looks like does not depend
on which units share its batch. `generator` draws one thing after another; `Random` draws for all rows of a batch at
once, from counters (Philox 4x32-10, Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from vital.utils.hashing import number_of

Words = TypeVar("Words", np.ndarray, Tensor)
ROUNDS, MASK = 10, 0xFFFFFFFF
MULTIPLIERS, WEYL = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)
SMALL = 64
"""Up to so many numbers a row are drawn on the host: that is faster than to launch so many kernels."""


def seed_of(*key: object) -> int:
    """A 63-bit seed from any key: SHA-256 over the parts' texts.

    >>> seed_of(0, "class:1") == seed_of(0, "class:1") != seed_of(0, "class:2")
    True
    """
    return number_of("\x1f".join(map(str, key)))


def generator(*key: object) -> torch.Generator:
    """A CPU generator that is the same for the same key on every machine.

    >>> a, b = generator(0, "class:1"), generator(0, "class:1")
    >>> bool(torch.rand(1, generator=a) == torch.rand(1, generator=b))
    True
    """
    return torch.Generator().manual_seed(seed_of(*key))


@contextmanager
def seeding_torch(source: torch.Generator, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators from `source`, those of the CPU and of `device`, and give them back afterwards.

    >>> with seeding_torch(generator(0), torch.device("cpu")):
    ...     first = torch.rand(1)
    >>> with seeding_torch(generator(0), torch.device("cpu")):
    ...     bool(torch.rand(1) == first)
    True
    """
    seed = int(torch.randint(2**62, (), generator=source))
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng([device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def key_schedule(keys: Sequence[int]) -> np.ndarray:
    """The two words of a key in each round of `philox`, (rounds, 2, B, 1), for B keys of 64 bits."""
    words = np.array([[key >> shift & MASK for key in keys] for shift in (0, 32)], np.int64)
    added = np.arange(ROUNDS)[:, None] * np.array(WEYL, np.int64)
    schedule: np.ndarray = words[..., None] + added[..., None, None]
    return schedule


def philox(counter: Words, schedule: Words) -> tuple[Words, Words]:
    """Philox 4x32-10: the random words 0 and 2, and 1 and 3, for each counter (4, B, n), which is overwritten.

    The words are of 32 bits, in int64. NumPy arrays and tensors give the same words.

    >>> even, odd = philox(np.zeros((4, 1, 1), np.int64), key_schedule([0]))
    >>> [f"{word.item():x}" for pair in zip(even, odd) for word in pair]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    lib = _library(counter)
    shift_right: Any = torch.bitwise_right_shift if lib is torch else np.right_shift
    even, odd = counter[::2], counter[1::2]
    product = lib.empty_like(even)
    for key in schedule:
        lib.multiply(even[1], MULTIPLIERS[1], out=product[0])  # it wraps around, and so holds all 64 bits
        lib.multiply(even[0], MULTIPLIERS[0], out=product[1])
        shift_right(product, 32, out=even)
        even ^= odd
        even ^= key
        even &= MASK  # for the others may have bits above the 32
        odd, product = product, odd
    odd &= MASK
    return even, odd


class Random:
    """Random numbers for each row of a batch, from the row's own key.

    A number depends on the key of its row, the step, how many draws of the step came before, and its own place in the
    draw, and on nothing else: it is the same for a row alone, in any batch and on any device.

    Parameters
    ----------
    keys
        A key of up to 64 bits for each row of the batch, such as `seed_of` gives.
    device
        Where the numbers are needed.
    step
        The step of the run.

    Examples
    --------
    >>> both, alone = Random([seed_of("a"), seed_of("b")]), Random([seed_of("b")])
    >>> both.uniform(-1, 1, 3).shape
    torch.Size([2, 3])
    >>> both.at(5).normal(2)[1].equal(alone.at(5).normal(2)[0])
    True

    """

    def __init__(self, keys: Sequence[int], device: torch.device | str = "cpu", step: int = 0) -> None:
        self._schedule = key_schedule(keys)
        self._on_device = torch.from_numpy(self._schedule).to(device)
        self.device = self._on_device.device
        self.step, self.draws = step, 0

    def __len__(self) -> int:
        return len(self._schedule[0, 0])

    def at(self, step: int) -> Random:
        """Return the same for another step, before its first draw."""
        other = copy.copy(self)
        other.step, other.draws = step, 0
        return other

    def uniform(
        self, low: float = 0.0, high: float = 1.0, *shape: int, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Draw from U(low, high), (B, *shape). By default neither 0 nor 1 is drawn."""
        drawn = _fractions(_rows(*self._words(math.prod(shape))))
        return self._given(low + (high - low) * drawn, shape, dtype)

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Draw from N(0, 1), (B, *shape)."""
        words = self._words(math.prod(shape))
        lib = _library(words[0])
        first, second = _fractions(lib.stack(words))
        radius, angle = lib.sqrt(-2 * lib.log(first)), 2 * math.pi * second  # Box and Muller
        return self._given(_rows(radius * lib.cos(angle), radius * lib.sin(angle)), shape, dtype)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Draw one of the whole numbers from `low` to `high`, both included: int64, (B, *shape)."""
        drawn = _rows(*self._words(math.prod(shape)))
        return self._given(low + (drawn * (high - low + 1) >> 32), shape, torch.int64)

    def choice(self, values: Sequence[float], *, dtype: torch.dtype = torch.float32) -> Tensor:
        """Draw one of the values, (B,)."""
        first = self._words(1)[0][0, :, 0]
        return self._given(np.asarray(values, np.float64)[first * len(values) >> 32], (), dtype)

    def generators(self) -> list[torch.Generator]:
        """Make a CPU generator for each row, for code that draws from such a one."""
        even, odd = self._words(1)
        seeds = (even[0, :, 0] << 31 ^ odd[0, :, 0]).tolist()
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    def _words(self, count: int) -> tuple[Any, Any]:
        """Random words for a draw of `count` a row, 4 in each block: two arrays (2, B, blocks), of NumPy where few."""
        few, shape = count <= SMALL, (4, len(self), -(-count // 4))
        lib: Any = np if few else torch
        where = {} if few else {"device": self.device}
        counter = lib.zeros(shape, dtype=lib.int64, **where)
        counter[0] = lib.arange(shape[2], **where)
        counter[1], counter[2] = self.draws, self.step
        self.draws += 1
        return philox(counter, self._schedule if few else self._on_device)

    def _given(self, drawn: np.ndarray | Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """What was drawn, (B, at least so many) or (B,), as a tensor (B, *shape) on the device."""
        rows = torch.as_tensor(drawn.reshape(len(self), -1)[:, : math.prod(shape)])
        return rows.reshape(len(self), *shape).to(dtype).to(self.device, non_blocking=True)


def _library(array: np.ndarray | Tensor) -> Any:
    """The module with the functions for an array: torch, or NumPy."""
    return torch if isinstance(array, Tensor) else np


def _fractions(words: Any) -> Any:
    """Numbers between 0 and 1 from words, which are overwritten.

    They have 24 bits of which the last is 1: single precision holds these, and never rounds them to 0 or 1.
    """
    words >>= 8
    words |= 1
    return (words.to(torch.float32) if isinstance(words, Tensor) else words) * 2.0**-24


def _rows(even: Any, odd: Any) -> Any:
    """What was made from the words 0 and 2 and from 1 and 3, (2, B, blocks) each, as one row (B, 4 · blocks)."""
    return _library(even).stack((even[0], odd[0], even[1], odd[1]), -1).reshape(even.shape[1], -1)
