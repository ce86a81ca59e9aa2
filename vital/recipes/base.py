"""Methods: frozen recipes that compose public parts for units; their fields are the options that users set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

from vital.engine import Optimiser
from vital.errors import BadValue, unknown
from vital.models import Model
from vital.reference import ReferenceBank
from vital.registry import Registry
from vital.terms import Term
from vital.types import Parameterisation, View
from vital.units import Unit

T = TypeVar("T")


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
    """A way to render units. A concrete method is a frozen dataclass; every field has a default.

    `needs_images` says whether it needs reference images.
    """

    needs_images: ClassVar[bool]

    @abstractmethod
    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the parts for these units of this network."""

    def problem(self, unit: Unit, bank: ReferenceBank | None, seed: int) -> str:
        """Say why this unit cannot be rendered where others can; empty, as by default, where it can."""
        del unit, bank, seed
        return ""

    def options(self) -> dict[str, Any]:
        """The fields and their values: the provenance of what the method makes."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]


METHODS: Registry[type[Method]] = Registry("method")


def method(name: str, /, **options: Any) -> Method:
    """Make a method by name, with options; texts are read as the option's own type.

    >>> method("fourier", steps="64").steps
    64
    """
    return made_with(METHODS, name, options)


def made_with(registry: Registry[type[T]], name: str, options: dict[str, Any]) -> T:
    """Make the recipe that a registry holds under a name; texts are read as the option's own type."""
    kind = registry[name]
    kinds = {k: h for k, h in get_type_hints(kind).items() if k in {f.name for f in fields(kind)}}  # type: ignore[arg-type]
    for option in options:
        if option not in kinds:
            raise unknown(f"option of {name}", option, kinds)
    return kind(**{k: read_option(k, v, kinds[k]) if isinstance(v, str) else v for k, v in options.items()})


def read_option(name: str, text: str, kind: Any) -> Any:
    """Turn a text into a number, a truth value, a text, or a comma-separated tuple of these.

    >>> read_option("weights", "1,2.5", tuple[float, ...])
    (1.0, 2.5)
    """
    try:
        if get_origin(kind) is tuple:
            return tuple(get_args(kind)[0](part) for part in text.split(",") if part)
        if get_origin(kind) is Literal:
            return {choice: choice for choice in get_args(kind)}[text]
        return TRUTH[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        kinds = {int: "a whole number", float: "a number", bool: "true or false"}
        choices = (
            ", ".join(map(str, get_args(kind))) if get_origin(kind) is Literal else "numbers with commas"
        )
        allowed = kinds.get(kind, choices)
        raise BadValue(f"option {name} is {text!r}; allowed is {allowed}") from None


TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def image_size(model: Model, size: int) -> tuple[int, int]:
    """The size to render at: the option, or the network's own where the option is 0."""
    return (size, size) if size else model.size
