"""The optimization loop: one for every method."""

from vital.optim.loop import Rendering as Rendering
from vital.optim.loop import Step as Step
from vital.optim.loop import optimize as optimize
from vital.optim.optimizer import Optimizer as Optimizer
from vital.optim.optimizer import checkpoints as checkpoints

__all__ = ["Optimizer", "Rendering", "Step", "checkpoints", "optimize"]
