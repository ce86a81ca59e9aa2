"""A run is of a few kinds of steps, which cost differently; each is held alone in a short run to be measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from vital.optim.waking import FIRST
from vital.rendering import Plan


@dataclass(frozen=True)
class Phase:
    """A kind of step: at half the size or not, and whether dead rectifiers let gradients through."""

    half: bool
    redirect: bool

    def __str__(self) -> str:
        return f"{'half' if self.half else 'full'} size{', redirect' if self.redirect else ''}"


def phases(plan: Plan) -> dict[Phase, float]:
    """Which kinds of steps the run of a plan is made of, with their shares, where units are awake.

    >>> from vital import params as par
    >>> found = phases(Plan([], par.Fourier(8, coarse=0.6), steps=256, redirect=128))
    >>> {str(phase): round(share, 2) for phase, share in found.items()}
    {'half size, redirect': 0.02, 'half size': 0.58, 'full size': 0.4}
    """
    coarse, last = getattr(plan.parameterization, "coarse", 0.0), max(1, plan.steps - 1)
    kinds = Counter(
        Phase(step / last < coarse, step < min(plan.redirect, FIRST)) for step in range(plan.steps)
    )
    return {phase: count / plan.steps for phase, count in kinds.items()}


def settled(plan: Plan) -> dict[Phase, float]:
    """Return the same without the few steps that are redirected, which are too few to be timed.

    >>> from vital import params as par
    >>> found = settled(Plan([], par.Fourier(8, coarse=0.6), steps=256, redirect=128))
    >>> {str(phase): round(share, 2) for phase, share in found.items()}
    {'half size': 0.59, 'full size': 0.41}
    """
    shares = {phase: share for phase, share in phases(plan).items() if not phase.redirect}
    return {phase: share / sum(shares.values()) for phase, share in shares.items()}


def held(plan: Plan, phase: Phase, steps: int) -> Plan:
    """Plan a run of `steps` steps of this kind, and a last one at full size, which is not to be counted.

    There are at most as many as are redirected where units are awake.
    """
    steps = min(steps, FIRST) if phase.redirect else steps
    canvas = plan.parameterization
    if hasattr(canvas, "coarse"):
        canvas = replace(canvas, coarse=1 - 0.5 / steps if phase.half else 0.0)  # type: ignore[type-var]
    redirect = steps + 1 if phase.redirect else 0
    return replace(plan, parameterization=canvas, steps=steps + 1, redirect=redirect)


def over_run(values: Mapping[Phase, float], shares: Mapping[Phase, float]) -> float:
    """The mean over the steps of a run.

    >>> half, full = Phase(half=True, redirect=False), Phase(half=False, redirect=False)
    >>> over_run({half: 1.0, full: 3.0}, {half: 0.5, full: 0.5})
    2.0
    """
    return sum(values[phase] * share for phase, share in shares.items())
