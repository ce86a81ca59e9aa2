"""The optimization loop: one for every method."""

from vital.callbacks import Step
from vital.optim.loop import Rendering, optimize
from vital.optim.optimizer import Optimizer, checkpoints

__all__ = ["Optimizer", "Rendering", "Step", "checkpoints", "optimize"]
