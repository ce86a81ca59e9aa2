"""Render the catalog's thumbnails on the network of colored shapes.

    python examples/shapes.py && python docs/thumbnails.py [FOLDER]

Each objective alone on a Fourier canvas; each regularizer beside the logit of "blue triangle", strong enough to show.
Rows must then be written again: python docs/catalogue.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import vital
from vital import objectives as obj
from vital import params as par
from vital import regularizers as reg
from vital import transforms
from vital.terms import Term
from vital.utils.drawing import contact_sheet, to_pil

HERE = Path(__file__).resolve().parent
SIZE, STEPS = 64, 192


def terms(model: vital.Model, bank: vital.ReferenceBank) -> dict[str, Term]:
    """The loss behind each thumbnail, by the term's registered name."""
    disc, triangle = (bank.tensor(bank.strongest(f"class:{i}", 1)) for i in (0, 5))
    logit = obj.Logit("class:5", softmax=True)
    with vital.tracing.Tracer(model, ["3"]) as tracer:
        natural = float(tracer(triangle)["3"][:, 7].mean())
    return {
        "activation-difference": obj.ActivationDifference.of(model, "3", disc, triangle, power=2),
        "alignment": obj.Alignment(bank.template("class:5", ["0", "1", "2", "4"]), scale="variance"),
        "caricature": obj.Caricature.of(model, "3", triangle),
        "channel": obj.Channel("3:7"),
        "deepdream": obj.DeepDream("2"),
        "direction": obj.Direction("3", torch.linspace(-1, 1, 64), power=2),
        "diversity": obj.Channel("3:7") + 2.0 * obj.Diversity("3"),
        "feature-match": obj.FeatureMatch.of(model, "3", triangle),
        "interpolate": obj.Interpolate("class:0", "class:5"),
        "logit": obj.Logit("class:5"),
        "lucent": obj.FromLucent(lambda T: -T("3")[:, 1].mean(), ("3",)),
        "neuron": obj.Neuron("3:7@4,4"),
        "reach": 5.0 * obj.Reach("3:7", 2 * natural),
        "batch-norm": logit + 0.1 * reg.BatchNormStatistics.of(model),
        "blur": logit + 200.0 * reg.Blur(),
        "boundary": logit + 30.0 * reg.Boundary(width=16),
        "colors": logit + 30.0 * reg.Colors.of(bank.tensor(bank.images.spread(64))),
        "image-distance": logit + 30.0 * reg.ImageDistance(disc, "2"),
        "l1": logit + 10.0 * reg.L1(),
        "l2": logit + 30.0 * reg.L2(),
        "range": logit + 30.0 * reg.Range(0.3, 0.7),
        "spectrum": logit + 0.3 * reg.Spectrum(),
        "total-variation": logit + 10.0 * reg.TotalVariation(),
    }


def main() -> None:
    """Render every thumbnail into docs/thumbnails."""
    folder = Path(sys.argv[1] if sys.argv[1:] else "runs/shapes")
    model = vital.load_model("examples/shapes.py:network", weights=folder / "weights.safetensors")
    bank = vital.build_bank(model, [], vital.load_images(folder / "images.npz"))
    (HERE / "thumbnails").mkdir(exist_ok=True)
    asked_for = sys.argv[2:]
    for name, term in terms(model, bank).items():
        if asked_for and name not in asked_for:
            continue
        several = 3 if term.couples else 1
        canvas = par.Shared(par.Fourier(SIZE), several) if several > 1 else par.Fourier(SIZE)
        made = vital.optimize(model, term, canvas, [transforms.Roll(3)], steps=STEPS)
        sheet = contact_sheet([to_pil(image) for image in made.images], several)
        sheet.save(HERE / "thumbnails" / f"{name}.jpg", quality=85)
        print(f"{name:24s} {made.status[0]:24s} {float(made.losses['total'][0, -1]):.3f}")


if __name__ == "__main__":
    main()
