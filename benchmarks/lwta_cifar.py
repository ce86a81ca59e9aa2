"""On CIFAR-10: accuracy and activity of a small residual network and a small transformer, dense and competing.

Each is trained from the same random weights with the same budget, dense and with blocks of 2, 4, 8 and 16, and
measured on test images. The defaults are a reduced budget: 5,000 training images and a few epochs, so that the
accuracies say how the networks compare, not what they could reach.

    python -m benchmarks.lwta_cifar --data FOLDER --out runs/lwta-cifar

FOLDER holds `train5k.npz` (or the file that --train names) and `test.npz`, each with `images` and `labels`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vital
from benchmarks.common import machine, report
from vital.files import as_json, write
from vital.images import ImageSet
from vital.lwta import convert
from vital.lwta.competition import Competition
from vital.lwta.fit import Fit, fit
from vital.lwta.infer import accuracy, activity
from vital.models import Model

EXAMPLES = Path(__file__).parents[1] / "examples"


def network(kind: str, competitors: int) -> Model:
    """Make a network with the same random weights for every number of competitors."""
    model = vital.load_model(f"{EXAMPLES / f'cifar_{kind}.py'}:{kind}", weights="none")
    example = torch.zeros(2, model.channels, *model.size)
    return replace(model, module=convert(model.module, competitors, example=example))


def one(kind: str, competitors: int, how: Fit, train: ImageSet, test: ImageSet, out: Path) -> dict[str, Any]:
    """Train and measure one network."""
    begin, model = time.process_time(), network(kind, competitors)
    fit(model, train, out / f"{kind}-u{competitors}", how)
    row = {"network": kind, "competitors": competitors, "seconds": time.process_time() - begin}
    row |= {"accuracy": accuracy(model, test), "mean of 6": None, "active": None}
    if competitors > 1:
        shares = activity(model, test).values()
        row |= {
            "mean of 6": accuracy(model, test, samples=6),
            "active": sum(m for m, _, _ in shares) / len(shares),
        }
        row |= {
            "active, least": min(low for _, low, _ in shares),
            "active, most": max(high for _, _, high in shares),
        }
    return row


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/lwta-cifar"))
    parser.add_argument("--train", default="train5k.npz")
    parser.add_argument("--tested", type=int, default=2_000)
    parser.add_argument("--networks", default="resnet,vit")
    parser.add_argument("--competitors", default="1,2,4,8,16")
    parser.add_argument("--sampling", type=float, default=0.5)
    for name, default in (("epochs", 6), ("batch", 64), ("seed", 0), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    test = np.load(given.data / "test.npz")
    known = vital.images(given.data / given.train)
    fresh = vital.images(test["images"][: given.tested], labels=test["labels"][: given.tested].tolist())
    how = Fit(
        epochs=given.epochs, batch=given.batch, seed=given.seed, competition=Competition(given.sampling)
    )
    path = given.out / "results.json"
    rows = json.loads(path.read_text())["rows"] if path.is_file() else []
    for kind in given.networks.split(","):
        for competitors in map(int, given.competitors.split(",")):
            if any((r["network"], r["competitors"]) == (kind, competitors) for r in rows):
                continue
            rows.append(one(kind, competitors, how, known, fresh, given.out))
            write(
                path,
                as_json({"rows": rows, "images": len(known), "epochs": given.epochs, "machine": machine()}),
            )
            print(rows[-1], flush=True)
    columns = [
        "network",
        "competitors",
        "accuracy",
        "mean of 6",
        "active",
        "active, least",
        "active, most",
        "seconds",
    ]
    report(
        {"rows": rows, "machine": machine()},
        [columns, *[[r.get(c, "") for c in columns] for r in rows]],
        given.json,
    )


if __name__ == "__main__":
    main()
