"""The engine: one loop for every method."""

from vital.optim.loop import Rendering as Rendering
from vital.optim.loop import Step as Step
from vital.optim.loop import optimise as optimise
from vital.optim.optimizer import Optimiser as Optimiser
from vital.optim.optimizer import checkpoints as checkpoints

__all__ = ["Optimiser", "Rendering", "Step", "checkpoints", "optimise"]
