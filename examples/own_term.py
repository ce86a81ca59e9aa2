"""Your own objective, run by the loop: a channel that answers in the middle of the picture and nowhere else.

python examples/shapes.py && python examples/own_term.py [FOLDER [STEPS]]
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch

import vital
from vital import params as par
from vital import regularizers as reg
from vital import transforms
from vital.utils.drawing import contact_sheet, to_pil


@dataclass(frozen=True, repr=False)
class Centered(vital.Term):
    """A channel's mean outside the middle minus its mean inside, per image; `share` is the middle's side.

    Lower is better, so the picture gets what excites the channel into its middle. The dataclass gives equality and
    the expression that makes the term; `layers` tells the loop what to record.
    """

    unit: str
    share: float = 0.4

    @property
    def layers(self) -> tuple[str, ...]:
        return (vital.Unit.parse(self.unit).layer,)

    def __call__(self, trace):
        unit = vital.Unit.parse(self.unit)
        act = trace[unit.layer][:, unit.index]
        rows, columns = (
            torch.linspace(-1, 1, n, device=act.device).abs() <= self.share for n in act.shape[1:]
        )
        inside = rows[:, None] & columns[None, :]
        return act[:, ~inside].mean(1) - act[:, inside].mean(1)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if sys.argv[1:] else "runs/shapes")
    steps = int(sys.argv[2]) if sys.argv[2:] else 128
    model = vital.load_model("examples/shapes.py:network", weights=folder / "weights.safetensors")
    terms = [Centered(f"3:{channel}") + 0.1 * reg.TotalVariation() for channel in range(8)]
    made = vital.optimize(model, terms, par.Fourier(64), [transforms.Jitter(4)], steps=steps)
    for term, before, after in zip(
        terms, made.losses["Centered"][:, 0], made.losses["Centered"][:, -1], strict=True
    ):
        print(f"{term!r}: {before:.3f} -> {after:.3f}")
    contact_sheet([to_pil(image) for image in made.images]).save(folder / "own_term.png")
