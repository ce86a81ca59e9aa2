"""Shortcut twins within a comparison: whether a method shows what the network uses, from the same references.

Realism and faithfulness are two things: natural images of a class are as real as can be, and say nothing of what a
network uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import vital.world.networks.shortcut_models as world
from vital.comparing.records import Score, Shown
from vital.comparing.renderer import Renderer
from vital.comparing.score_cache import ScoreCache, pictures_key
from vital.comparing.variants import Request, render_controls, render_methods
from vital.errors import ModelError
from vital.rendering.api import bank_for
from vital.units import OUTPUT
from vital.utils.hashing import key_of
from vital.world.networks.weights import model
from vital.world.scenes.dataset import fingerprint
from vital.world.training.tasks import TWIN_CLASSES, TWIN_FACTORS

USED, OTHERS, FAITHFUL = "twins, used", "twins, others", "twins, faithful"


@dataclass(frozen=True, eq=False)
class Twin:
    """A network that uses one factor alone, with all that its classes are rendered from."""

    factor: str
    renderer: Renderer


def twins(renderer: Renderer) -> Iterator[Twin]:
    """The three twins, each with a run folder of its own below that of `renderer`, and a bank over the same images."""
    pictures = world.twin_images()
    for factor in TWIN_FACTORS:
        net = model(f"twin-{factor}")
        units = tuple(net.units(f"{OUTPUT}:0-{len(TWIN_CLASSES) - 1}"))
        bank = bank_for(net, pictures, units, progress=renderer.progress)
        path = renderer.path / "twins" / factor
        own = replace(
            renderer, path=path, model=net, units=units, bank=bank, spec=net.name, where=f" on {net.name}"
        )
        yield Twin(factor, own)


def rendered(request: Request) -> int:
    """How many pictures the twins take."""
    each = request.on_twins().rendered([OUTPUT] * len(TWIN_CLASSES))
    return len(TWIN_FACTORS) * sum(each.values())


def faithful(twin: Twin, shown: Shown) -> Iterator[Score]:
    """Whether the judge sees the class's value of the factor that the twin uses, and of the two others.

    `USED` is 1 or 0, `OTHERS` the mean over the two, `FAITHFUL` their difference: 1 for a picture of what the network
    uses and nothing else, 0 on average for one that shows all three, or none.
    """
    found = world.seen(shown.images, [unit.channel for unit in shown.units])
    others = [factor for factor in TWIN_FACTORS if factor != twin.factor]
    for i, (unit, seed) in enumerate(zip(shown.units, shown.seeds, strict=True)):
        used = float(found[twin.factor][i])
        rest = sum(found[factor][i] for factor in others) / len(others)
        for metric, value in ((USED, used), (OTHERS, rest), (FAITHFUL, used - rest)):
            yield Score(shown.method, metric, value, f"twin-{twin.factor} {unit}", seed)


def measured_twins(
    found: Sequence[Twin], request: Request, main: str, cache: ScoreCache
) -> tuple[list[Score], list[str]]:
    """The scores of all methods and controls on all twins, and what is left out; what was measured is read."""
    request, scores = request.on_twins(), list[Score]()
    notes: list[str] = []
    for twin in found:
        try:
            shown, left_out = render_methods(twin.renderer, request)
        except ModelError as error:
            notes.append(f"twin-{twin.factor}: {error}")
            continue
        controls, also = render_controls(twin.renderer, request, main)
        notes += [f"twin-{twin.factor}: {note}" for note in (*left_out, *also)]
        for one in (*shown, *controls):
            key = key_of("twins", fingerprint(), twin.factor, pictures_key(one))
            scores += cache.scores(one.method, key, partial(faithful, twin, one))
    return scores, notes
