"""Methods: frozen recipes that compose public parts for a list of units. Their fields are the options that users set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from vital.engine import Optimiser
from vital.errors import BadValue, unknown
from vital.models import Model
from vital.reference import ReferenceBank
from vital.registry import Registry
from vital.terms import Term
from vital.types import Parameterisation, View
from vital.units import Unit


@dataclass(frozen=True)
class Plan:
    """All that the engine needs for some units: one term per unit, and what they share."""

    terms: Sequence[Term]
    parameterisation: Parameterisation
    views: Sequence[View] = ()
    optimiser: Optimiser = field(default_factory=Optimiser)
    steps: int = 512
    copies: int = 1
    redirect: int = 0
    notes: Sequence[str] = ()


class Method(ABC):
    """A way to render units. A concrete method is a frozen dataclass; every field has a default."""

    @property
    @abstractmethod
    def needs_images(self) -> bool:
        """Whether the method needs reference images."""

    @abstractmethod
    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the parts for these units of this network."""

    def options(self) -> dict[str, Any]:
        """The fields and their values: the provenance of what the method makes."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]


METHODS: Registry[type[Method]] = Registry("method")


def method(name: str, /, **options: Any) -> Method:
    """Make a method by name, with options; texts are read as the option's own type.

    >>> method("fourier", steps="64").steps
    64
    """
    kind = METHODS[name]
    made = kind()
    known = {f.name: getattr(made, f.name) for f in fields(kind)}  # type: ignore[arg-type]
    for option in options:
        if option not in known:
            raise unknown(f"option of {name}", option, known)
    values = {k: read_option(k, v, known[k]) for k, v in options.items()}
    return replace(made, **values)  # type: ignore[type-var]


def read_option(name: str, value: Any, default: Any) -> Any:
    """Turn a text into the type of an option's default; other values pass through.

    >>> read_option("layers", "conv1,layer4", ())
    ('conv1', 'layer4')
    """
    if not isinstance(value, str) or isinstance(default, str):
        return value
    try:
        if isinstance(default, bool):
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[value.lower()]
        if isinstance(default, tuple):
            kind = type(default[0]) if default else str
            return tuple(kind(part) for part in value.split(",") if part)
        return type(default)(value)
    except (ValueError, KeyError):
        allowed = "true or false" if isinstance(default, bool) else f"a {type(default).__name__} like {default!r}"
        raise BadValue(f"option {name} is {value!r}; allowed is {allowed}") from None


def image_size(model: Model, size: int) -> tuple[int, int]:
    """The size to render at: the option, or the network's own where the option is 0."""
    return (size, size) if size else model.size
