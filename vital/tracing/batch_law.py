"""The law of the batch: an image gives the same numbers each time, alone and among others. Where it breaks, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from torch.nn.modules.batchnorm import _NormBase

from vital.models import Model
from vital.models.model import HALF
from vital.tracing.passes import Call, Numbers, Shape
from vital.utils.foreign import described

AGAIN, ALONE, ALONE_HALF = 1e-5, 1e-2, 1e-1
"""How far numbers may be apart, relative to their size: in two equal passes, and alone (in half precision)."""

Pairs = list[tuple[Call, Call]]


def faults(
    model: Model,
    together: Sequence[Call],
    again: Sequence[Call],
    alone: Sequence[Call],
    ended: BaseException | None,
) -> dict[str, str]:
    """Which parts break the law, and why, from three passes: over two images, twice, and over the first of them.

    `ended` is what ended the last before its end. A layer before what is at fault keeps the law.
    """
    found: dict[str, str] = {}
    if random := _differing(_pairs(together, again), AGAIN):
        found = dict.fromkeys((call.name for call, _ in random), _says_random(model, random[0][0]))
    if swayed := _differing(_pairs(together, alone), ALONE_HALF if model.dtype in HALF else ALONE):
        found = dict.fromkeys((call.name for call, _ in swayed), _says_company(model, *swayed[0])) | found
    if ended is not None:
        why = f"the network does not run on one image alone: {described(ended)}"
        found = dict.fromkeys({c.name for c in together} - {c.name for c in alone}, why) | found
    return found


def _pairs(one: Sequence[Call], other: Sequence[Call]) -> Pairs:
    """The calls of two passes that belong together: those of a part in their order."""
    later = dict(_numbered(other))
    return [(call, later[key]) for key, call in _numbered(one) if key in later]


def _numbered(found: Sequence[Call]) -> Iterator[tuple[tuple[str, int], Call]]:
    seen: Counter[str] = Counter()
    for call in found:
        seen[call.name] += 1
        yield (call.name, seen[call.name]), call


def _differing(pairs: Pairs, tolerance: float) -> Pairs:
    """The calls that returned other numbers; first the one at fault, which ends first of those given the same."""
    found = [pair for pair in pairs if _apart(pair[0].made, pair[1].made, tolerance)]
    guilty = next((pair for pair in found if not _apart(pair[0].given, pair[1].given, tolerance)), None)
    return sorted(found, key=lambda pair: pair is not guilty)


def _apart(one: Numbers | None, other: Numbers | None, tolerance: float) -> bool:
    """Whether the first image's numbers differ; of tensors that have no images nothing is said."""
    if one is None or other is None:
        return False
    if not _same_layout(one.shape, other.shape):
        return True
    changed = [axis for axis, (a, b) in enumerate(zip(one.shape, other.shape, strict=True)) if a != b]
    axis = changed[0] if changed else 0
    if axis > 1 or (a := one.first[axis]) is None or (b := other.first[axis]) is None or len(a) != len(b):
        return False
    return float((a - b).norm()) > tolerance * float(a.norm())


def _same_layout(two: Shape, one: Shape) -> bool:
    """Whether two shapes are the same but for the number of images."""
    return len(two) == len(one) and sum(a != b for a, b in zip(two, one, strict=True)) <= 1


def _named(model: Model, call: Call) -> str:
    kind = type(model.module.get_submodule(call.name)).__name__
    return f"{call.name!r} ({kind})" if call.name else f"the forward of {kind}"


def _says_random(model: Model, guilty: Call) -> str:
    return (
        f"it gives other numbers each time, through {_named(model, guilty)}, which draws at random or keeps a state "
        "in eval mode too; let it do so only where self.training is true"
    )


def _says_company(model: Model, two: Call, one: Call) -> str:
    where, part = _named(model, two), model.module.get_submodule(two.name)
    if not _same_layout(two.shape or (), one.shape or ()):
        return f"{where} gives {two.shape} for two images and {one.shape} for one; name the axis in squeeze"
    hint = "write it so that each image stands for itself"
    if isinstance(part, _NormBase) and part.running_mean is None:
        hint = "it has no running statistics; build it with track_running_stats=True, and load weights that hold them"
    return f"its numbers for an image depend on the images beside it, through {where}; {hint}"
