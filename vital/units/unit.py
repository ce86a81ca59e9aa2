"""Units by name: `layer4:162`, `layer4:162@3,3`, `class:tabby`, `blocks.9.mlp:55#cls`, `dirs.safetensors:3@layer4`.

Text has two doors. `Unit.parse` reads it and knows no network; `vital.Model.unit` finds the unit in a network. Public
functions take text or a `Unit` and call the second once; what is below them takes a `Unit`.

LAYER:INDEX            a channel; its value is the mean over space
LAYER:INDEX@ROW,COLUMN one position of a channel
LAYER:INDEX#cls        a channel of a token layer, read at the class token (#patches: mean over patches, #all)
LAYER:A-B              the channels A to B, both included
class:INDEX|NAME       an output of the network
LAYER[KEY]:INDEX       a channel of the tensor KEY, of several that the module LAYER returns (LAYER alone: the first)
FILE.safetensors:ROW@LAYER    a direction: row ROW of the matrix in the file, in the space of LAYER
                       (FILE.safetensors!KEY:ROW@LAYER where the file holds several; ROW@LAYER@ROW,COLUMN at one
                       position; ROW@LAYER#patches, #cls or #all where the layer holds tokens)
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vital.errors import UnitError, UnknownNameError, nearest
from vital.types import Layer
from vital.utils.class_names import class_index, plain
from vital.utils.public import public
from vital.utils.text import shortened

OUTPUT = "class"
TOKENS = ("cls", "patches", "all")
NUMBER = "[0-9]{1,18}"
MOST = 1_000_000
"""The most units of one range."""
SHOWN = 8
"""The most layers that a sentence lists."""
HELP = "write LAYER:INDEX, LAYER:A-B, LAYER:INDEX@ROW,COLUMN, LAYER:INDEX#cls, class:NAME or FILE.safetensors:ROW@LAYER"


@public
@dataclass(frozen=True)
class Unit:
    """One unit of a network: a channel of a layer, one position of it, some of its tokens, or a direction.

    `source` is the file of a direction and `index` its row there. `label` is the name of a class; of one that is given
    by its name alone, the index is None before it is found. `layout` is the layer in the network that the unit
    was found in by `Model.unit`, and None for a unit that no network knows of yet; it has no part in equality.

    >>> u = Unit.parse("layer4:162@3,3")
    >>> u.layer, u.index, u.position, str(u)
    ('layer4', 162, (3, 3), 'layer4:162@3,3')
    """

    layer: str
    index: int | None = None
    position: tuple[int, int] | None = None
    tokens: str = ""
    source: str = ""
    label: str = ""
    layout: Layer | None = field(default=None, compare=False, repr=False)

    @classmethod
    def parse(cls, text: str | Unit) -> Unit:
        """Read one unit; a range, or anything that is not a unit, raises `UnitError`."""
        return only(text, parse(text))

    def __str__(self) -> str:
        place = "" if self.position is None else "@{},{}".format(*self.position)
        place += f"#{self.tokens}" if self.tokens else ""
        if self.source:
            return f"{self.source}:{self.index}@{self.layer}{place}"
        what = self.label if self.index is None else str(self.index)
        return f"{self.layer}:{what}{place}"

    @property
    def channel(self) -> int:
        """The index, where it is known. Raises `UnitError` for a class by name that was not found in a network yet.

        >>> Unit.parse("class:3").channel
        3
        """
        if self.index is None:
            raise UnitError(f"{self} was not found in a network yet; model.unit({str(self)!r}) does it")
        return self.index

    @property
    def is_class(self) -> bool:
        """Whether it is an output of the network itself, and no direction among the outputs.

        >>> Unit.parse("class:3").is_class, Unit.parse("d.safetensors:0@class").is_class
        (True, False)
        """
        return self.layer == OUTPUT and not self.source

    @property
    def slug(self) -> str:
        """A file name: letters, digits, dot, dash and underscore only.

        >>> Unit.parse("class:3").slug
        'class_3'
        """
        return slug(str(self))

    @property
    def title(self) -> str:
        """The unit with its class name, where it has one."""
        return f"{self} ({self.label})" if self.label and self.index is not None else str(self)


def slug(text: str) -> str:
    """Turn the text of a unit into a file name: letters, digits, dot, dash and underscore only.

    >>> slug("layer4:162@3,3")
    'layer4_162_3_3'
    """
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_.")


def only(given: object, found: Sequence[Unit]) -> Unit:
    """The one unit that was found for what was given; raises `UnitError` for several or none."""
    if len(found) != 1:
        raise UnitError(f"{given!r} names {len(found)} units where one is wanted")
    return found[0]


def parse(text: str | Unit) -> list[Unit]:
    """Read a unit or a range of units.

    >>> [str(u) for u in parse("layer4:0-2")]
    ['layer4:0', 'layer4:1', 'layer4:2']
    """
    first, count = _read(text)
    if count > MOST:
        raise UnitError(f"{text!r} names {count} units; allowed are {MOST} at once")
    return [first] if count == 1 else [replace(first, index=first.channel + i) for i in range(count)]


def is_unit(text: str) -> bool:
    """Whether a text is that of one unit, as it stands in files.

    >>> is_unit("layer4:162"), is_unit("layer4:0-9"), is_unit("../secret")
    (True, False, False)
    """
    try:
        return _read(text)[1] == 1
    except UnitError:
        return False


def _read(text: str | Unit) -> tuple[Unit, int]:
    """Read a unit, or the first of a range, and how many there are."""
    if isinstance(text, Unit):
        return text, 1
    if match := re.fullmatch(
        rf"(.+\.safetensors(?:![^:]+)?):({NUMBER})@([^@#]+)(?:@({NUMBER}),({NUMBER}))?(?:#(\w+))?", text
    ):
        source, index, layer, row, column, tokens = match.groups()
        return Unit(layer, int(index), _position(row, column), _tokens(text, tokens), source), 1
    if re.fullmatch(rf".+\.safetensors(?:![^:]+)?:{NUMBER}", text):
        raise UnitError(f"{text!r} is not a unit: a direction needs its layer; write {text}@LAYER")
    is_class = text.startswith(f"{OUTPUT}:")
    name = (
        re.escape(OUTPUT) if is_class else ".+"
    )  # a layer's name may hold colons, and so may that of a class
    if match := re.fullmatch(
        rf"({name}):({NUMBER})(?:-({NUMBER}))?(?:@({NUMBER}),({NUMBER}))?(?:#(\w+))?", text
    ):
        return _numbered(text, match)
    if match := re.fullmatch(r"(.+\.(?:pt|pth|ckpt|bin))(?:![^:]+)?:\d+@([^@#]+)(?:#\w+)?", text):
        raise UnitError(
            f"{text!r} is not a unit: directions are read from .safetensors; `vital concepts MODEL --layer {match[2]} "
            f"--sae {match[1]} --out NAME.safetensors` writes those of a sparse autoencoder"
        )
    layer, colon, rest = text.partition(":")
    if not colon or not layer or not rest:
        raise UnitError(f"{text!r} is not a unit; {HELP}")
    if is_class:
        return Unit(OUTPUT, label=rest), 1
    raise UnitError(f"{text!r} is not a unit: {rest!r} is not an index; {HELP}")


def _numbered(text: str, match: re.Match[str]) -> tuple[Unit, int]:
    layer, first, last, row, column, tokens = match.groups()
    if last and int(last) < int(first):
        raise UnitError(f"{text!r} is an empty range: {last} is below {first}")
    unit = Unit(layer, int(first), _position(row, column), _tokens(text, tokens))
    return unit, int(last or first) - int(first) + 1


def _position(row: str | None, column: str | None) -> tuple[int, int] | None:
    return None if row is None or column is None else (int(row), int(column))


def _tokens(text: str, tokens: str | None) -> str:
    if tokens and tokens not in TOKENS:
        raise UnitError(f"{text!r} asks for the tokens {tokens!r}; allowed are #{', #'.join(TOKENS)}")
    return tokens or ""


def nearest_layers(name: str, layers: Sequence[str], count: int = 3) -> list[str]:
    """The layers that a name may mean: those that end with it, those that look like it, then those that hold it.

    >>> nearest_layers("5a", ["conv1", "inception5a.branch1", "inception5a", "inception5b"])
    ['inception5a', 'inception5a.branch1']
    """
    asked = name.lower().strip(".")
    holding = sorted(
        (k for k in layers if asked and asked in k.lower()), key=lambda k: (k.count("."), len(k))
    )
    ending = [k for k in holding if k.lower().endswith(asked)]
    return list(dict.fromkeys([*ending, *nearest(name, layers), *holding]))[:count]


def find_layer(name: str, layers: Mapping[str, Layer]) -> Layer:
    """The layer of that name; raises with the nearest names, or with the reason why it cannot be used."""
    if name not in layers:
        close = " or ".join(map(repr, nearest_layers(name, list(layers))))
        hint = f"did you mean {close}?" if close else f"it has {shortened(list(layers), SHOWN)}"
        every = "" if len(layers) <= SHOWN else f"{'' if close else ';'} vital layers MODEL lists them"
        raise UnknownNameError(f"the network has no layer {name!r}; {hint}{every}")
    if layers[name].problem:
        raise UnitError(f"layer {name!r} cannot be used: {layers[name].problem}")
    return layers[name]


def layer_with_units(name: str, layers: Mapping[str, Layer]) -> Layer:
    """The layer of that name, as `find_layer` has it; raises where it has no units."""
    found = find_layer(name, layers)
    if not found.channels:
        raise UnitError(f"layer {name!r} has no units; choose another")
    return found


def resolve(
    units: str | Unit | Iterable[str | Unit], layers: Mapping[str, Layer], classes: Sequence[str] = ()
) -> list[Unit]:
    """Read units and hold them against a network: every one exists, and what it means is not in doubt.

    Warns of layers that are one of several tensors of their module, where nobody said which.
    """
    specs = [units] if isinstance(units, str | Unit) or not isinstance(units, Iterable) else list(units)
    for spec in specs:
        if not isinstance(spec, str | Unit):
            raise UnitError(f"a unit is {spec!r}; allowed are texts such as 'layer4:3' and 'class:tabby'")
    counts = [_read(spec)[1] for spec in specs]
    if sum(counts) > MOST >= max(counts):
        raise UnitError(f"{sum(counts)} units are named; allowed are {MOST} at once")
    found = [unit for spec in specs for unit in _each(spec, layers, classes)]
    warn_of_choice(unit.layout for unit in found if unit.layout)
    return found


def _each(spec: str | Unit, layers: Mapping[str, Layer], classes: Sequence[str]) -> list[Unit]:
    """The units of one text, of which the last is looked at before a range is laid out."""
    first, count = _read(spec)
    if count > 1:
        _found(first, layers, classes)
        _found(replace(first, index=first.channel + count - 1), layers, classes)
    return [_found(unit, layers, classes) for unit in parse(spec)]


def warn_of_choice(layers: Iterable[Layer]) -> None:
    """Warn of layers that are the first of several tensors that their module returns; at one line, so once each."""
    for layer in {layer.name: layer for layer in layers}.values():
        if layer.others and layer.name == layer.module:
            warnings.warn(f"{layer.name!r} is {layer.choice}; write one of these for another", stacklevel=1)


def _found(unit: Unit, layers: Mapping[str, Layer], classes: Sequence[str]) -> Unit:
    """The unit as this network has it; one that was found in it before is the same object."""
    layer = layer_with_units(unit.layer, layers)
    found = replace(unit, layout=layer)
    if unit.layer == OUTPUT:
        index = class_index(unit.label, classes) if unit.index is None else unit.index
        found = replace(found, index=index, label=classes[index] if index < len(classes) else "")
    if not unit.source and not 0 <= found.channel < layer.channels:
        raise UnitError(
            f"{found} does not exist: layer {layer.name!r} has the units 0 to {layer.channels - 1}"
        )
    _check_place(found, layer)
    return unit if unit.layout is layer and unit == found else found


def _check_place(unit: Unit, layer: Layer) -> None:
    if layer.kind == "tokens" and not unit.tokens:
        raise UnitError(
            f"{unit} is ambiguous: layer {layer.name!r} has {layer.shape[1]} tokens; "
            f"write {unit}#patches, {unit}#all" + (f" or {unit}#cls" if layer.prefix else "")
        )
    if unit.tokens and layer.kind != "tokens":
        raise UnitError(
            f"{unit} asks for tokens, but layer {layer.name!r} is a {layer.kind} of shape {layer.shape}"
        )
    if unit.tokens == "cls" and not layer.prefix:
        raise UnitError(
            f"{unit} asks for the class token, but layer {layer.name!r} has none; write #patches or #all"
        )
    if unit.position is not None:
        height, width = layer.shape[1:] if layer.kind == "map" else (0, 0)
        if not (unit.position[0] < height and unit.position[1] < width):
            raise UnitError(
                f"{unit} lies outside layer {layer.name!r}, which is "
                + (f"{height} x {width}" if height else f"a {layer.kind} without positions")
            )


__all__ = [
    "OUTPUT",
    "TOKENS",
    "Unit",
    "class_index",
    "find_layer",
    "layer_with_units",
    "only",
    "parse",
    "plain",
    "resolve",
    "slug",
    "warn_of_choice",
]
