"""Which strips of an image a place of a layer sees: the network is run on images with a strip of NaN."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vital.models import Model
from vital.tracing import Tracer

SIDES = (0, 1, 2, 3)
"""Top, left, bottom and right."""

BATCH = 16


@dataclass(frozen=True)
class Line:
    """The margins on one side of the image of a row of places, of which the last is the farthest from that side.

    A margin is the number of rows or columns, counted from that side, that a place does not see. `last` and `before`
    are those of the last two places; `even` says whether the others follow from them.
    """

    length: int
    last: int
    before: int
    even: bool

    def at(self, inward: int) -> int:
        """The margin of the place that is `inward` places away from the side, 0 where the field is cut.

        >>> [Line(5, 6, 4, True).at(i) for i in range(5)]
        [0, 0, 2, 4, 6]
        """
        found = self.beyond(inward)
        return self.last * (inward == self.length - 1) if found is None else max(0, found)

    def beyond(self, inward: int) -> int | None:
        """The margin if the image went on beyond its edge (below 0: outside); None where that cannot be known.

        >>> Line(5, 6, 4, True).beyond(0)
        -2
        """
        if not self.even or self.before < 1:
            return None
        return self.last - (self.last - self.before) * (self.length - 1 - inward)


@dataclass(frozen=True, eq=False)
class Seen:
    """What has been found out about a layer: which places see a strip (side, width), and the margins' steps."""

    strips: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Probe:
    """Looks which strips of the image the places of one layer see, and keeps the answers in `known`.

    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), size=(6, 6))
    >>> Probe(net, "0").margins([(0, 5), (2, 5)])  # place 5 is row 1, column 1: rows 1 to 3 of 6
    [1, 2]
    """

    model: Model
    layer: str
    known: Seen = field(default_factory=Seen, repr=False)

    def margins(self, wanted: Sequence[tuple[int, int]]) -> list[int]:
        """How many rows or columns from a side a place does not see, per (side, place); 0 where it sees nothing."""
        sizes = [self.model.size[side % 2] for side, _ in wanted]
        unseen, seen = [0] * len(wanted), [size + 1 for size in sizes]
        while open_ := [i for i in range(len(wanted)) if seen[i] - unseen[i] > 1]:
            tried = {i: _next(unseen[i], seen[i], sizes[i]) for i in open_}
            self._look({(wanted[i][0], strip) for i, strip in tried.items()})
            for i, strip in tried.items():
                side, place = wanted[i]
                (seen if self.known.strips[side, strip][place] else unseen)[i] = strip
        return [0 if n == size else n for n, size in zip(unseen, sizes, strict=True)]

    def lines(self, rows: int, columns: int) -> list[Line]:
        """The margins on the four sides of a map of `rows` by `columns` places."""
        if not self.known.lines:
            inward = {side: _inward(columns if side % 2 else rows) for side in SIDES}
            found = self.margins(
                [(side, _place(side, i, rows, columns)) for side in SIDES for i in inward[side]]
            )
            for side in SIDES:
                margins = found[4 * side : 4 * side + 4]
                guess = Line(inward[side][0] + 1, margins[0], margins[1], even=True)
                even = [guess.at(i) for i in inward[side]] == margins
                self.known.lines.append(Line(guess.length, guess.last, guess.before, even))
        return self.known.lines

    @torch.no_grad()
    def _look(self, strips: Iterable[tuple[int, int]]) -> None:
        """Run the network on an image per strip, and keep which places became NaN."""
        new = sorted(set(strips) - self.known.strips.keys())
        # Other algorithms of a convolution mix neighboring pixels and would spread the NaN.
        with Tracer(self.model, [self.layer]) as tracer, torch.backends.cudnn.flags(enabled=False):
            for start in range(0, len(new), BATCH):
                part = new[start : start + BATCH]
                images = torch.stack([self._image(*strip) for strip in part])
                act = tracer(images.to(self.model.device))[self.layer]
                for strip, found in zip(part, act.isnan().any(1).flatten(1).cpu(), strict=True):
                    self.known.strips[strip] = found

    def _image(self, side: int, width: int) -> Tensor:
        image = torch.full((self.model.channels, *self.model.size), 0.5, dtype=self.model.image_dtype)
        lines = image if side % 2 == 0 else image.transpose(1, 2)
        lines[:, slice(width) if side < 2 else slice(lines.shape[1] - width, None)] = torch.nan
        return image


def _next(unseen: int, seen: int, size: int) -> int:
    """The next strip to try: twice as wide until one is seen, then halfway."""
    return min(max(1, 2 * unseen), size) if seen > size else (unseen + seen) // 2


def _inward(length: int) -> list[int]:
    """The places that are looked at: the last, the one before it, the middle one and the first."""
    return [length - 1, max(0, length - 2), (length - 1) // 2, 0]


def _place(side: int, inward: int, rows: int, columns: int) -> int:
    """A place in the middle of a map's other axis, `inward` places from a side."""
    along = inward if side < 2 else (rows, columns)[side % 2] - 1 - inward
    return along * columns + columns // 2 if side % 2 == 0 else rows // 2 * columns + along
