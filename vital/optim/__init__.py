"""The optimization loop: one for every method."""

from vital.optim.loop import Rendering, Step, optimize
from vital.optim.optimizer import Optimizer, checkpoints

__all__ = ["Optimizer", "Rendering", "Step", "checkpoints", "optimize"]
