"""What is told while pictures are searched for or a network is trained, and to whom."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor

from vital.errors import InvalidValueError
from vital.types import Images
from vital.utils.foreign import RAISED, described, foreign


@dataclass(frozen=True)
class Step:
    """A step that was made: its number, the number of all, and the loss of each image.

    `redirect` says whether dead rectifiers let gradients through in it. `names` says which images these are: units, or
    keys of `vital.optimize`. `terms()` and `images()` cost some time, and are made when they are asked for.
    """

    number: int
    of: int
    losses: Tensor = field(repr=False)
    redirect: bool = False
    names: tuple[str, ...] = ()
    bands: tuple[int, ...] = ()
    make_terms: Callable[[], Mapping[str, Tensor]] = field(default=dict, repr=False)
    make_images: Callable[[], Images | None] = field(default=lambda: None, repr=False)

    def terms(self) -> Mapping[str, Tensor]:
        """The loss of each image by each part of its term, and in "total", (B,)."""
        return self.make_terms()

    def images(self) -> Images | None:
        """The images as they are now, (B, C, H, W) in [0, 1] on the CPU; None in a training."""
        return self.make_images()


@dataclass(frozen=True)
class End:
    """What came of images that were searched together: which they are, themselves, and the status of each.

    A training ends without images. `results` are the prototypes of `vital.render`.
    """

    names: tuple[str, ...]
    images: Tensor | Sequence[Tensor] = field(default=(), repr=False)
    status: tuple[str, ...] = ()
    bands: tuple[int, ...] = ()
    results: Sequence[Any] = field(default=(), repr=False)


class Callback:
    """Is told how a search or a training goes on: a subclass has what it wants of these three methods.

    `vital.render` tells of each batch of units in turn.

    >>> class Last(Callback):
    ...     def on_step(self, step):
    ...         self.loss = float(step.losses.mean())
    >>> import torch
    >>> watch = Last()
    >>> watch.on_step(Step(1, 2, torch.ones(1)))
    >>> watch.loss
    1.0
    """

    def on_begin(self, names: Sequence[str], steps: int) -> None:
        """Hear which images are searched from now on, in how many steps."""

    def on_step(self, step: Step) -> None:
        """Hear of a step that was made."""

    def on_end(self, end: End) -> None:
        """Hear what came of the images."""


Callbacks: TypeAlias = Callback | Callable[[Step], None] | Iterable[Callback | Callable[[Step], None]] | None
"""What is accepted as a callback: one, a function that is called with each step, several of them, or none."""


class _Function(Callback):
    def __init__(self, function: Callable[[Step], None]) -> None:
        self.function = function

    def on_step(self, step: Step) -> None:
        self.function(step)


class _Several(Callback):
    def __init__(self, parts: Sequence[Callback]) -> None:
        self.parts = parts

    def on_begin(self, names: Sequence[str], steps: int) -> None:
        for part in self.parts:
            part.on_begin(names, steps)

    def on_step(self, step: Step) -> None:
        for part in self.parts:
            part.on_step(step)

    def on_end(self, end: End) -> None:
        for part in self.parts:
            part.on_end(end)


class _Told(_Several):
    """Callbacks whose failures are said to be theirs."""

    def on_begin(self, names: Sequence[str], steps: int) -> None:
        with foreign("the callback failed"):
            super().on_begin(names, steps)

    def on_step(self, step: Step) -> None:
        with foreign("the callback failed"):
            super().on_step(step)

    def on_end(self, end: End) -> None:
        with foreign("the callback failed"):
            super().on_end(end)


class _Guarded(Callback):
    """A callback that is left out once it has failed, which a warning says."""

    def __init__(self, callback: Callback, name: str) -> None:
        self.callback, self.name, self.failed = callback, name, False

    def _tell(self, what: str, *facts: Any) -> None:
        if self.failed:
            return
        try:
            getattr(self.callback, what)(*facts)
        except Warning:  # one that is to be an error
            raise
        except RAISED as error:
            self.failed = True
            warnings.warn(
                f"the callback {self.name} failed: {described(error)}; the work goes on without it",
                stacklevel=2,
            )

    def on_begin(self, names: Sequence[str], steps: int) -> None:
        self._tell("on_begin", names, steps)

    def on_step(self, step: Step) -> None:
        self._tell("on_step", step)

    def on_end(self, end: End) -> None:
        self._tell("on_end", end)


def callbacks_of(given: Callbacks) -> list[Callback]:
    """The callbacks among what was given. Raises `InvalidValueError`."""
    if given is None:
        return []
    if isinstance(given, Callback):
        return [given]
    if isinstance(given, type):
        raise InvalidValueError(f"callback is the class {given.__name__}; call it first")
    if callable(given):
        return [_Function(given)]
    if isinstance(given, Iterable) and not isinstance(given, str):  # type: ignore[unreachable]
        return [one for part in given for one in callbacks_of(part)]
    raise InvalidValueError(
        f"callback is {given!r}; allowed are a vital.callbacks.Callback, a function of a Step, and a list of them"
    )


def told(given: Callbacks) -> Callback:
    """All callbacks as one. A failure of one of them ends the work, as a `ForeignCodeError`."""
    return _Told(callbacks_of(given))


def guarded(given: Callbacks) -> list[Callback]:
    """The callbacks, each of which is left out with a warning once it has failed: no work is lost to them."""
    return [_Guarded(one, _name(one)) for one in callbacks_of(given)]


def _name(callback: Callback) -> str:
    own = callback.function if isinstance(callback, _Function) else type(callback)
    return getattr(own, "__name__", type(own).__name__)
