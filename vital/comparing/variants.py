"""The rows of a comparison: the pictures of every method, and those of the controls of the main one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vital.activations import ReferenceBank
from vital.comparing.context import NATURAL
from vital.comparing.controls import rerouted, shuffled
from vital.comparing.cost import memory
from vital.comparing.records import REAL, Score, Shown, stacked
from vital.comparing.renderer import Renderer
from vital.comparing.score_cache import ScoreCache, network_key
from vital.errors import InvalidValueError, ModelError, UnfinishedError
from vital.models.random import random_weights
from vital.rendering import Method
from vital.rendering.api import bank_for
from vital.utils.hashing import key_of

RANDOM, SHUFFLED, OTHER, TWINS = "random weights", "shuffled references", "other references", "shortcut twins"
CONTROLS = (REAL, RANDOM, SHUFFLED, OTHER, TWINS)


@dataclass(frozen=True)
class Request:
    """What is to be shown: methods by name, each with `seeds` seeds or the number in `seeds_by_name`, and controls.

    The controls have the number of seeds under "controls", or that of the main method.
    """

    methods: Mapping[str, Method]
    controls: tuple[str, ...] = CONTROLS
    seeds: int = 3
    seeds_by_name: Mapping[str, int] = field(default_factory=dict)

    def on_twins(self) -> Request:
        """The same with no more seeds than those under "twins"."""
        most = self.seeds_by_name.get("twins", self.seeds)
        few = {name: min(most, n) for name, n in self.seeds_by_name.items() if name != "twins"}
        return replace(self, seeds=min(most, self.seeds), seeds_by_name=few)

    def seeds_of(self, method: str) -> range:
        """The seeds of a method."""
        return range(self.seeds_by_name.get(method, self.seeds))

    def seeds_of_controls(self, main: str) -> range:
        """The seeds of the controls of a method."""
        return range(self.seeds_by_name.get("controls", len(self.seeds_of(main))))

    def rendered(self, layers: Sequence[str]) -> dict[str, int]:
        """How many pictures the methods and each control take, for units of these layers; nothing where it is none.

        >>> from vital import make_method
        >>> Request({"vital": make_method("vital")}, (REAL, RANDOM, OTHER), 2).rendered(["layer3"])
        {'the methods': 2, 'the control random weights': 2}
        """
        found = {"the methods": len(layers) * sum(len(self.seeds_of(name)) for name in self.methods)}
        lead = next((n for n, m in self.methods.items() if m.needs_images), next(iter(self.methods), None))
        if lead is None:
            return {}
        alone = 1 in Counter(layers).values()
        for name in _BANKS:
            needless = name != RANDOM and not self.methods[lead].needs_images
            if name in self.controls and not needless and not (name == OTHER and alone):
                found[f"the control {name}"] = len(layers) * len(self.seeds_of_controls(lead))
        return found

    def main(self, shown: Sequence[Shown]) -> str:
        """The method that controls are made of: the first that needs references, else the first."""
        names = [one.method for one in shown]
        return next((n for n in names if n in self.methods and self.methods[n].needs_images), names[0])


def render_methods(
    renderer: Renderer, request: Request, others: bool = False
) -> tuple[list[Shown], list[str]]:
    """The pictures of all methods that this network allows, and why others are left out.

    Raises `ModelError` where no method is left and there are no `others`.
    """
    shown, notes = [], []
    for name, method in request.methods.items():
        seeds = request.seeds_of(name)
        try:
            shown.append(renderer.shown(name, method, seeds))
            notes += missing_seeds(shown[-1], seeds)
        except (ModelError, UnfinishedError) as error:
            notes.append(f"{name} is left out: {error}")
    if not shown and notes and not others:
        raise ModelError("; ".join(notes))
    return shown, notes


def render_controls(renderer: Renderer, request: Request, main: str) -> tuple[list[Shown], list[str]]:
    """The pictures of the controls of the main method, and why others are left out."""
    shown, notes, seeds, method = [], [], request.seeds_of_controls(main), request.methods.get(main)
    if REAL in request.controls:
        shown.append(real_images(renderer, len(request.seeds_of(main))))
    for name, bank in _BANKS.items():
        if method and name in request.controls and (name == RANDOM or method.needs_images):
            try:
                other = bank(renderer)
                path = renderer.path / "controls" / name.replace(" ", "-")
                own = replace(
                    renderer, path=path, model=other.model, bank=other, where=f"{renderer.where}, {name}"
                )
                made = own.shown(main, method, seeds)
                shown.append(made.named(f"{main}, {name}"))
                notes += missing_seeds(shown[-1], seeds)
            except (InvalidValueError, ModelError, UnfinishedError) as error:
                notes.append(f"the control {name} is left out: {error}")
    return shown, notes


def missing_seeds(shown: Shown, seeds: Sequence[int]) -> list[str]:
    """Say which of the seeds that were asked for are not among the pictures."""
    missing = [str(seed) for seed in seeds if seed not in shown.seeds]
    return [f"{shown.method} is measured without seed {', '.join(missing)}: not rendered"] if missing else []


_BANKS: Mapping[str, Callable[[Renderer], ReferenceBank]] = {
    RANDOM: lambda renderer: bank_for(
        random_weights(renderer.model), renderer.bank.images, renderer.units, progress=renderer.progress
    ),
    SHUFFLED: lambda renderer: shuffled(renderer.bank),
    OTHER: lambda renderer: rerouted(renderer.bank, renderer.units),
}
"""What a control changes: the bank, and in one case its network."""


def real_images(renderer: Renderer, each: int) -> Shown:
    """Natural images of each unit, other ones than pictures are held against: what no method can be asked to beat."""
    parts = []
    for unit in renderer.units:
        found = renderer.bank.references(unit, NATURAL + each).indices[-each:]
        parts += [(unit, rank, image) for rank, image in enumerate(renderer.bank.tensor(found))]
    return stacked(REAL, parts).named(REAL)


def weighed(renderer: Renderer, shown: Sequence[Shown], request: Request, cache: ScoreCache) -> list[Shown]:
    """Carried out methods with what the tensors of one batch take (`vital.comparing.cost.memory`), measured once."""
    return [replace(one, memory=_memory(renderer, request.methods[one.method], cache)) for one in shown]


def _memory(renderer: Renderer, method: Method, cache: ScoreCache) -> float:
    """Read or measure it; NaN where it is not kept and nothing is to be rendered."""
    group, kind = renderer.together, type(method).__qualname__
    key = key_of("memory, warm", network_key(renderer.model), kind, method.options(), [*map(str, group)])

    def weighing() -> list[Score]:
        if not renderer.render_missing:
            raise UnfinishedError
        return [Score("", "peak MB", memory(renderer.model, group, method, renderer.bank))]

    try:
        (score,) = cache.scores("", key, weighing)
    except UnfinishedError:
        return math.nan
    return score.value
