"""For how long dead rectifiers let gradients through: until each image gets gradients without."""

from __future__ import annotations

import torch
from torch import Tensor

from vital.tracing import Redirect
from vital.utils.devices import Later

FIRST = 4
"""The steps after which it is first seen who needs it; then it is after twice as many each time."""


class Waking:
    """Redirects gradients for the images that need it: those for which it had to be done since the last look.

    An image's picture does not depend on what the others need. At most `steps` steps are redirected.
    """

    def __init__(self, images: int, steps: int, device: torch.device) -> None:
        self.steps, self.count, self.next = steps, 0, FIRST
        self.needed = torch.ones(images, dtype=torch.bool, device=device)
        self._acted: Tensor | None = None
        self._any: Later | None = None
        self._awake = False

    @property
    def on(self) -> bool:
        """Whether any image may still need it."""
        if self._any and (found := self._any.read()) is not None:
            self._any, self._awake = None, not found
        return self.count < self.steps and not self._awake

    def redirect(self) -> Redirect | None:
        """What redirects in the next pass; None where nothing has to be."""
        return Redirect(self.needed) if self.on else None

    def look(self, redirect: Redirect | None) -> None:
        """Note, after the backward pass, for which images it had to be done."""
        self.count += 1
        if redirect is None:
            return
        acted = torch.zeros_like(self.needed) if redirect.acted is None else redirect.acted
        self._acted = acted if self._acted is None else self._acted | acted
        if self.count == self.next:
            self.needed, self._acted, self.next = self.needed & self._acted, None, 2 * self.next
            self._any = Later(self.needed.any())
