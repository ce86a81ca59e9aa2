"""Randomness that belongs to a unit and to nothing else.

Every image draws from its own generator, seeded from the run's seed and the image's key, so that what a unit
looks like does not depend on which units share its batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vital.utils.hashing import number_of


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
