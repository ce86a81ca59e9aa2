"""The law of the batch: an image gives the same numbers each time, alone and among others. Where it breaks, and why."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

from torch import Tensor
from torch.nn.modules.batchnorm import _NormBase

from vital.models import Model
from vital.models.model import HALF
from vital.tracing.passes import Call, Numbers, Shape, random_state, record_some
from vital.utils.foreign import described

AGAIN, ALONE, ALONE_HALF = 1e-5, 1e-2, 1e-1
"""How far numbers may be apart, relative to their size: in two equal passes, and alone (in half precision)."""

PASSES = 32
"""How often a network is shown two images again that draws random numbers, until some make a difference."""

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


def again(model: Model, images: Tensor, together: Sequence[Call]) -> list[Call]:
    """Another pass over images: the first that gives other numbers, where the network draws random ones.

    Where none of many does, a warning says which part draws.
    """
    for _ in range(PASSES):
        before = random_state()
        found, _ = record_some(model, images)
        if before == random_state() or _differing(_pairs(together, found), AGAIN):
            return found
    guilty = next((call for call in record_some(model, images, draws=True)[0] if call.drew), None)
    where = f" through {_named(model, guilty)}" if guilty else ""
    warnings.warn(
        f"{model.name} draws random numbers in eval mode{where}; they made no difference in {PASSES} passes, and "
        "where they do its pictures differ from time to time; let it draw only where self.training is true",
        stacklevel=2,
    )
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
    guilty = next((pair for pair in found if not _fed_apart(*pair, tolerance)), None)
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


def _fed_apart(one: Call, other: Call, tolerance: float) -> bool:
    """Whether any tensor that a part was given differs."""
    return any(_apart(a, b, tolerance) for a, b in zip(one.given, other.given, strict=False))


def _same_layout(two: Shape, one: Shape) -> bool:
    """Whether two shapes are the same but for the number of images."""
    return len(two) == len(one) and sum(a != b for a, b in zip(two, one, strict=True)) <= 1


def _named(model: Model, call: Call) -> str:
    kind = type(model.module.get_submodule(call.part)).__name__
    return f"{call.part!r} ({kind})" if call.part else f"the forward of {kind}"


def _says_random(model: Model, guilty: Call) -> str:
    return (
        f"it gives other numbers each time, through {_named(model, guilty)}, which draws at random or keeps a state "
        "in eval mode too; let it do so only where self.training is true"
    )


def _says_company(model: Model, two: Call, one: Call) -> str:
    where, part = _named(model, two), model.module.get_submodule(two.part)
    if not _same_layout(two.shape or (), one.shape or ()):
        return f"{where} gives {two.shape} for two images and {one.shape} for one; name the axis in squeeze"
    hint = "write it so that each image stands for itself"
    if isinstance(part, _NormBase) and part.running_mean is None:
        hint = "it has no running statistics; build it with track_running_stats=True, and load weights that hold them"
    return f"its numbers for an image depend on the images beside it, through {where}; {hint}"
