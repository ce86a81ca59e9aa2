"""What an atlas is to hold, and the pieces of work that make it.

A piece is named by strings and numbers alone, so that it can be sent to another process. The pieces of a request are
always the same, whoever does them and in which order, and units that share a pass are never parted: so the files of an
atlas that was killed, or that several machines made together, are those of one that ran through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vital.activations.matrix import readout_key
from vital.describing.base import Describer
from vital.describing.evaluation.significance import TOGETHER, JudgeOptions
from vital.errors import InvalidValueError, UnitError, said, unknown
from vital.models import Model
from vital.rendering.api import groups
from vital.rendering.methods.base import Method
from vital.tracing import list_layers
from vital.units import TOKENS, Unit, layer_with_units
from vital.units.unit import parse

STAGES = ("bank", "exemplars", "prototypes", "words", "site")
"""What is done, in this order; the site is written again and again while the others are."""


@dataclass(frozen=True)
class Piece:
    """One piece of work: a stage, the method where there are several, and the units that it is done for.

    >>> Piece("prototypes", 3, ("class:1",), "vital").name
    'prototypes-vital-00003'
    """

    stage: str
    number: int = 0
    units: tuple[str, ...] = ()
    method: str = ""

    @property
    def whole(self) -> bool:
        """Whether all others wait for it, as for a bank that one process makes."""
        return self.stage == "bank" and not self.units

    @property
    def name(self) -> str:
        """A name for files."""
        number = f"{self.number:05d}" if self.units else ""
        return "-".join(filter(None, (self.stage, self.method, number)))


@dataclass(frozen=True)
class Request:
    """What an atlas holds: which units, which pictures and words of each, and what is left to chance.

    `batch` is the number of units of a piece, `count` that of the exemplars of a unit, and `top` that of the images
    which the bank keeps of each. `backends` says how the words are made: concepts and encoder.
    """

    units: tuple[Unit, ...]
    methods: Mapping[str, Method]
    describers: Mapping[str, Describer] = field(default_factory=dict)
    judge: JudgeOptions = field(default_factory=JudgeOptions)
    backends: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 16
    count: int = 8
    top: int = 50
    seed: int = 0


def pieces_of(request: Request) -> tuple[Piece, ...]:
    """The pieces of a request, in the order in which one process does them."""
    names, size = tuple(map(str, request.units)), request.batch
    parts = [tuple(part) for part in groups(names, size)]
    found = [Piece("bank")]
    found += [Piece("exemplars", number, part) for number, part in enumerate(parts)]
    found += [
        Piece("prototypes", number, part, method)
        for number, part in enumerate(parts)
        for method in request.methods
    ]
    found += [
        Piece("words", number, part, method)
        for number, part in enumerate(_by_layer(request.units))
        for method in request.describers
    ]
    return tuple(found)


def _by_layer(units: Iterable[Unit]) -> Iterator[tuple[str, ...]]:
    """The units of each layer, as many as are judged at once."""
    layers: dict[str, list[str]] = {}
    for unit in units:
        layers.setdefault(readout_key(unit), []).append(str(unit))
    for names in layers.values():
        yield from (tuple(part) for part in groups(names, TOGETHER))


def chosen(
    pieces: Sequence[Piece], model: Model, only: Sequence[str] = (), shard: tuple[int, int] | None = None
) -> list[Piece]:
    """Some pieces of a plan: those of the stages and units in `only`, and of these the share of one machine.

    A unit stands for the pieces that it is in. Raises `UnknownNameError` and `UnitError`.
    """
    stages = {name for name in only if name in STAGES}
    named = _named(pieces, model, [name for name in only if name not in stages])
    found = [piece for piece in pieces if not stages or piece.stage in stages]
    if named:
        found = [piece for piece in found if not piece.units or named & set(piece.units)]
    if shard:
        number, of = shard
        found = [piece for piece in found if not piece.units or piece.number % of == number - 1]
    return found


def _named(pieces: Sequence[Piece], model: Model, names: Sequence[str]) -> set[str]:
    """The units of a plan that are meant; a unit of a token layer may go without its tokens."""
    planned = [unit for piece in pieces if piece.stage == "exemplars" for unit in piece.units]
    known: dict[str, set[str]] = {}
    for text in planned:
        for name in {text, text.partition("#")[0]}:
            known.setdefault(name, set()).add(text)
    found = set[str]()
    for name in names:
        if ":" not in name:
            raise unknown("stage or unit", name, STAGES)
        for unit in parse(name):
            text = str(unit if unit.index is not None else model.unit(unit))
            if text not in known:
                raise UnitError(
                    f"{name} is not among the {len(planned)} units of the atlas; see its --layers"
                )
            found |= known[text]
    return found


def read_shard(text: str) -> tuple[int, int]:
    """Read the share of one machine. Raises `InvalidValueError`.

    >>> read_shard("2/8")
    (2, 8)
    """
    number, slash, of = text.partition("/")
    numbers = slash and all(part.isdecimal() and len(part) < 10 for part in (number, of))
    if not (numbers and 1 <= int(number) <= int(of)):
        raise InvalidValueError(f"shard is {said(text)}; write I/N, such as 1/4 for the first of four")
    return int(number), int(of)


def units_of(
    model: Model, layers: Iterable[str], *, per_layer: int | None = None, tokens: str | None = None
) -> tuple[Unit, ...]:
    """The units of whole layers, or of each the first `per_layer`; a name with a colon is a unit or a range of them.

    In a layer of tokens `tokens` says which count, by default the patches. Raises `UnknownNameError`, `UnitError` and
    `InvalidValueError`.

    >>> from torch import nn
    >>> net = Model(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), size=(8, 8))
    >>> [str(unit) for unit in units_of(net, ["0", "1:2-3"], per_layer=2)]
    ['0:0', '0:1', '1:2', '1:3']
    """
    if tokens is not None and tokens not in TOKENS:
        raise InvalidValueError(f"tokens is {tokens!r}; allowed are {', '.join(TOKENS)}")
    known, found = list_layers(model), list[Unit]()
    for name in layers:
        if ":" in name and name not in known:
            found += model.units(name)[:per_layer]
            continue
        layer = layer_with_units(name, known)
        last = min(layer.channels, per_layer or layer.channels) - 1
        found += model.units(
            f"{name}:0-{last}" + (f"#{tokens or 'patches'}" if layer.kind == "tokens" else "")
        )
    if not found:
        raise InvalidValueError("no layer is given; an atlas needs at least one")
    return tuple(dict.fromkeys(found))


def spelled(units: Iterable[Unit]) -> dict[str, str]:
    """The units of each layer in few words, in their order.

    >>> spelled(Unit.parse(text) for text in ("a:1", "a:2", "a:3", "b:7", "a:0"))
    {'a': '1-3,0', 'b': '7'}
    """
    found: dict[str, list[list[int]]] = {}
    for unit in units:
        name = unit.source or unit.layer
        place = name + str(unit).removeprefix(f"{name}:{unit.channel}")
        runs = found.setdefault(place, [])
        if runs and runs[-1][1] + 1 == unit.channel:
            runs[-1][1] = unit.channel
        else:
            runs.append([unit.channel, unit.channel])
    return {
        place: ",".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)
        for place, runs in found.items()
    }
