"""Methods: frozen dataclasses that compose public parts for units; their fields are the options that users set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from vital.activations import ReferenceBank
from vital.errors import InvalidValueError
from vital.models import Model
from vital.optim import Optimizer
from vital.terms import Term
from vital.transforms import Roll
from vital.types import Parameterization, Transform
from vital.units import Unit
from vital.utils.options import check_options, made_with, options_of, shown
from vital.utils.parts import check_part_class, checked_list, named, told
from vital.utils.public import public
from vital.utils.registry import Registry


@dataclass(frozen=True)
class Plan:
    """All that the loop needs for some units: one term per unit, and what they share.

    With `fit` the network sees the picture, after the transforms, at its own input size.
    """

    terms: Sequence[Term]
    parameterization: Parameterization
    transforms: Sequence[Transform] = ()
    optimizer: Optimizer = field(default_factory=Optimizer)
    steps: int = 512
    n_transforms: int = 1
    redirect: int = 0
    notes: Sequence[str] = ()
    fit: bool = False


@public
class Method(ABC):
    """A way to render units. A concrete method is a frozen dataclass; every field has a default.

    A line of meaning for each field stands in the section `Options:` of the docstring, and its type says what is
    allowed (vital/utils/options.py). `needs_images` says whether it needs reference images.
    """

    needs_images: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_options(self)

    @abstractmethod
    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the parts for these units of this network."""

    def problem(self, unit: Unit, bank: ReferenceBank | None, seed: int) -> str:
        """Say why this unit cannot be rendered where others can; empty, as by default, where it can."""
        del unit, bank, seed
        return ""

    def unused(self, model: Model, unit: Unit, bank: ReferenceBank | None) -> dict[str, str]:
        """Say which options do not apply to a unit, or not as they are, and why; empty, as by default, where all do."""
        del model, unit, bank
        return {}

    def files(self) -> dict[str, str]:
        """The content of each file that an option names, as a hash; none by default."""
        return {}

    def options(self) -> dict[str, Any]:
        """The fields and their values: the provenance of what the method makes."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]


def unused_options(method: Method, model: Model, unit: Unit, bank: ReferenceBank | None) -> list[str]:
    """What is said of options that were set and do not apply to a unit, a sentence for each."""
    known, given = options_of(type(method)), method.options()
    return [
        f"{name}={shown(given[name])} {why}"
        for name, why in method.unused(model, unit, bank).items()
        if given[name] != known[name].default
    ]


def plan_for(
    method: Method, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int
) -> Plan:
    """What a method plans for units. Raises `InvalidValueError` unless that is a `Plan` with a term for each."""
    plan = method.plan(model, units, bank, seed)
    if not isinstance(plan, Plan):
        raise InvalidValueError(
            f"plan of the method {named(method)} returned {told(plan)}; allowed is a vital.rendering.Plan"
        )
    checked_list("the terms in the plan of the method", method, plan.terms, Term, len(units))
    if plan.notes:
        checked_list("the notes in the plan of the method", method, plan.notes, str, len(units))
    return plan


METHODS: Registry[type[Method]] = Registry(
    "method", group="vital.methods", kind=Method, check=check_part_class
)


@public
def make_method(name: str, /, **options: Any) -> Method:
    """Make a method by name, with options.

    Parameters
    ----------
    name
        A name from `vital.METHODS`.
    **options
        Options of the method; texts are read as the option's own type.

    Returns
    -------
    Method
        The method, for `vital.render`.

    Raises
    ------
    UnknownNameError
        For a method or an option that there is not.
    InvalidValueError
        For a value that is not allowed.

    Examples
    --------
    >>> make_method("fourier", steps="64").steps
    64

    """
    return made_with(METHODS, name, options)


def image_size(model: Model, size: int | None) -> tuple[int, int]:
    """The size to render at: the option, or the network's own where the option is None."""
    return model.size if size is None else (size, size)


def roll_by(share: float | None, published: int, size: tuple[int, int]) -> Roll:
    """A roll by up to a share of the shorter side, or by the published number of pixels where the share is None."""
    return Roll(published if share is None else round(share * min(size)))
