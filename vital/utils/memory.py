"""Whether memory suffices, and for how much."""

from __future__ import annotations

from collections.abc import Callable

import torch

from vital.errors import OutOfMemoryError

_SAID = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "alloc_failed",
    "storage size calculation overflowed",
)
SHARE = 0.8
"""The share of the free memory that is counted on: some is lost between blocks, and others take some."""


def short_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory does not suffice.

    >>> short_of_memory(torch.OutOfMemoryError()), short_of_memory(RuntimeError("shapes differ"))
    (True, False)
    >>> short_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))
    True
    """
    if isinstance(error, OutOfMemoryError | torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error).lower() for said in _SAID)


def times_that_fit(device: torch.device, run: Callable[[], object]) -> int:
    """How often what a call takes of a CUDA device's memory fits into what is free, at least once."""
    torch.cuda.reset_peak_memory_stats(device)
    held = torch.cuda.memory_allocated(device)
    run()
    taken = torch.cuda.max_memory_allocated(device) - held
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(SHARE * free / max(1, taken)))
