"""Describers: frozen dataclasses that put units into words; their fields are the options that users set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from vital.activations import ReferenceBank
from vital.backends import BuiltIn, Captioner, ImageGenerator, ImageTextEncoder, Summarizer
from vital.backends.response_cache import CachedBackend, ResponseCache
from vital.data import ImageSet
from vital.errors import UsageError
from vital.models import Model
from vital.records import Description, Prototype
from vital.units import Unit
from vital.utils.options import check_options, made_with
from vital.utils.parts import check_part_class
from vital.utils.registry import Registry


@dataclass(frozen=True, eq=False)
class Context:
    """What describers work with: a network, probe images with their bank, and backends of words and pictures.

    A describer takes what it needs and says what is missing (`Describer.needs`). `concepts` are the words to choose
    from. `prototypes` draws pictures of units for a seed when it is asked to. Labels are chosen on one half of the
    probe images, and judged on the other, which had no part in it; `split_seed` says which (see `ImageSet.part`).
    """

    model: Model
    images: ImageSet | None = None
    bank: ReferenceBank | None = None
    concepts: tuple[str, ...] = field(default=(), repr=False)
    encoder: ImageTextEncoder | None = None
    captioner: Captioner | None = None
    summarizer: Summarizer | None = None
    generator: ImageGenerator | None = None
    prototypes: Callable[[Sequence[Unit], int], list[Prototype]] | None = None
    seed: int = 0
    split_seed: int = 0
    progress: bool = False


class Describer(ABC):
    """A way to put units into words. A concrete one is a frozen dataclass; every field has a default.

    A line of meaning for each field stands in the section `Options:` of the docstring, and its type says what is
    allowed (vital/utils/options.py). `needs` names the fields of the context that must be there.
    """

    needs: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        check_options(self)

    @abstractmethod
    def describe(self, context: Context, units: Sequence[Unit]) -> list[Description]:
        """Say what each unit responds to, in the order of the units."""

    def options(self) -> dict[str, Any]:
        """The fields and their values: the provenance of what the describer says."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]


DESCRIBERS: Registry[type[Describer]] = Registry(
    "describer", group="vital.describers", kind=Describer, check=check_part_class
)

_GIVEN_BY = {
    "images": "probe images: --images DIR or --bank FILE",
    "bank": "probe images: --images DIR or --bank FILE",
    "concepts": "words to choose from: --concepts FILE, or world for the built-in list",
    "encoder": "an image-text encoder: --encoder open_clip:NAME/PRETRAINED, or world, which needs no download",
    "captioner": "a captioner: --captioner world or transformers:NAME",
    "summarizer": "a summarizer: --summarizer built-in or openai:MODEL",
    "generator": "an image generator: --generator world or diffusers:NAME",
    "prototypes": "prototypes, which need images: --images DIR or --bank FILE",
}


def describer(name: str, /, **options: Any) -> Describer:
    """Make a describer by name, with options; texts are read as the option's own type."""
    return made_with(DESCRIBERS, name, options)


def check_needs(name: str, what: Describer, context: Context) -> None:
    """Raise `UsageError` with all that a describer needs and the context lacks."""
    if lacking := missing_needs([need for need in what.needs if not getattr(context, need)]):
        raise UsageError(f"{name} needs {lacking}")


def missing_needs(needs: Sequence[str]) -> str:
    """What is needed, each with the option that gives it.

    >>> missing_needs(["concepts"])
    'words to choose from: --concepts FILE, or world for the built-in list'
    """
    return "; and ".join(dict.fromkeys(_GIVEN_BY[need] for need in needs))


def probe_images(context: Context) -> ImageSet:
    """The probe images of a context: its own, or those of its bank. Raises `UsageError` where it has none."""
    if context.images is None and context.bank is None:
        raise UsageError("words need probe images: give images or a bank")
    return context.images if context.images is not None else context.bank.images  # type: ignore[union-attr]


def cached_backends(context: Context, cache: ResponseCache | None = None) -> Context:
    """Wrap the captioner, summarizer and generator of a context, but for those that are wrapped already.

    The built-in summarizer is left as it is: it is as fast as a look-up.
    """
    own = cache or ResponseCache()
    backends = {kind: getattr(context, kind) for kind in ("captioner", "summarizer", "generator")}
    found: dict[str, Any] = {
        kind: getattr(own, kind)(backend)
        for kind, backend in backends.items()
        if backend and not isinstance(backend, CachedBackend | BuiltIn)
    }
    return replace(context, **found)
