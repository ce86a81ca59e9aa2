"""Who is told how a search or a training goes on: `Callback`, `TensorBoard`, `WandB`."""

from vital.callbacks.base import Callback, End, Step
from vital.callbacks.tensorboard import TensorBoard
from vital.callbacks.wandb import WandB

__all__ = ["Callback", "End", "Step", "TensorBoard", "WandB"]
