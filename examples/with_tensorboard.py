"""Watch units being rendered in TensorBoard: their losses by term, their pictures and what came of them.

python examples/with_tensorboard.py [FOLDER [STEPS]] && tensorboard --logdir runs/board
"""

import sys
from pathlib import Path

import vital
from vital.callbacks import Callback, TensorBoard


class Best(Callback):
    """Your own callback: the unit with the lowest loss so far."""

    def __init__(self) -> None:
        self.loss, self.unit = float("inf"), ""

    def on_step(self, step):
        loss, row = step.losses.min(0)
        if float(loss) < self.loss:
            self.loss, self.unit = float(loss), step.names[row]


def main(folder: Path = Path("runs/board"), steps: int = 256) -> None:
    model, board, best = vital.load_model("world"), TensorBoard(folder), Best()
    units = ["class:striped torus", "layer4:52"]
    made = vital.render(model, units, method="fourier", steps=steps, callback=[board, best])
    board.close()
    print(made, best.unit, round(best.loss, 3), sep="\n")
    print(f"tensorboard --logdir {folder}")


if __name__ == "__main__":
    main(*(kind(text) for kind, text in zip((Path, int), sys.argv[1:], strict=False)))
