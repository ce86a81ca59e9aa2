"""Which picture a penalty looks at."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vital.errors import InvalidValueError
from vital.tracing import Trace

Of = Literal["image", "seen", "input"]


def check_of(of: str) -> None:
    """Raise `InvalidValueError` for a picture that a trace does not have."""
    if of not in ("image", "seen", "input"):
        raise InvalidValueError(f"of is {of!r}; allowed are 'image', 'seen' and 'input'")


def picture(trace: Trace, of: Of) -> Tensor:
    """Pick the picture as it will be saved, after the random transforms, or after normalization: (B, C, H, W)."""
    return {"image": trace.image, "seen": trace.seen, "input": trace.input}[of]
