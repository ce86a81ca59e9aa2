"""The engine: one loop for every method."""

from vital.engine.loop import Rendering as Rendering
from vital.engine.loop import Step as Step
from vital.engine.loop import optimise as optimise
from vital.engine.pace import Optimiser as Optimiser
from vital.engine.pace import checkpoints as checkpoints

__all__ = ["Optimiser", "Rendering", "Step", "checkpoints", "optimise"]
