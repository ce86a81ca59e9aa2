"""Inner units of a trained ImageNet network: do prototypes excite them as natural images do, and by the same features?

Renders units of three depths by each method, with references from a folder of images, and gives the percentile of each
prototype's activation among those images, and how far the distribution of its features lies from that of the unit's
strongest images at layers that no method optimised (mean squared distance of sorted activations over the variance).

Goals, for `vital`: at least 5 of 6 units (20 of 24) at the 99th percentile or above, and closer at the held-out layers
than `fourier` and `maco`.

    python -m benchmarks.inner_units MODEL --weights FILE --images DIR --layers L,L,L --held-out L,L --out runs/inner
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch

import vital
from benchmarks.common import machine, report, start
from vital import objectives as obj
from vital.trace import Tracer, survey

METHODS = ("vital", "fourier", "maco")
PERCENTILE, SHARE = 99.0, 20 / 24


def chosen(model: vital.Model, layers: Sequence[str], each: int) -> list[str]:
    """Spread units over the channels of the layers."""
    known = survey(model)
    return [
        f"{layer}:{(2 * i + 1) * known[layer].channels // (2 * each)}"
        for layer in layers
        for i in range(each)
    ]


def distances(
    bank: vital.ReferenceBank, made: Sequence[vital.Prototype], layers: Sequence[str]
) -> list[float]:
    """How far each picture lies from its unit's strongest images at layers before the unit's own."""
    known, found = survey(bank.model), []
    for p in made:
        before = [name for name in layers if known[name].order < known[p.unit.layer].order]
        term = obj.Alignment(bank.template(p.unit, before, count=8), scale="variance")
        with torch.no_grad(), Tracer(bank.model, before) as tracer:
            found.append(float(term(tracer(p.image[None].to(bank.model.device)))) / len(before))
    return found


def measure(given: argparse.Namespace) -> dict[str, object]:
    """Render by all methods and measure."""
    model = vital.load_model(given.model, weights=given.weights, size=given.input_size or None)
    layers, held_out = given.layers.split(","), given.held_out.split(",")
    bank = vital.reference_bank(model, layers, vital.images(given.images), progress=True)
    units = chosen(model, layers, given.each)
    rows = {}
    for name in given.methods.split(","):
        began = time.perf_counter()
        options = {"steps": given.steps} if given.steps else {}
        if name == "maco" and given.crops:
            options["crops"] = given.crops
        made = vital.render(model, units, method=name, bank=bank, progress=False, **options)
        found = [float(p.provenance["percentile"]) for p in made]
        rows[name] = {
            "at_99": sum(value >= PERCENTILE for value in found),
            "percentile": statistics.median(found),
            "distance": statistics.median(distances(bank, made, held_out)),
            "percentiles": found,
            "silent": sum(p.status != "done" for p in made),
            "seconds": time.perf_counter() - began,
        }
        print(name, rows[name], flush=True)
        if given.out:
            given.out.mkdir(parents=True, exist_ok=True)
            made.sheet(given.each, 128).save(given.out / f"{name}.png")
    own, others = rows["vital"], [row for name, row in rows.items() if name != "vital"]
    return {
        "units": units,
        "held_out": held_out,
        "rows": rows,
        "pass": own["at_99"] >= SHARE * len(units)
        and all(own["distance"] < row["distance"] for row in others),
        "machine": machine(),
    }


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    for name in ("weights", "images", "layers", "held-out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--each", type=int, default=8, help="units per layer")
    parser.add_argument("--steps", type=int, default=0, help="0: each method's own")
    parser.add_argument("--crops", type=int, default=0, help="maco's crops per step; 0: its own 32")
    parser.add_argument("--input-size", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a folder for contact sheets")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    result = measure(given)
    rows: list[list[object]] = [
        ["method", "at 99 %", "median percentile", "distance, held out", "silent", "seconds"]
    ]
    for name, r in result["rows"].items():  # type: ignore[attr-defined]
        shown = [
            r["at_99"],
            f"{r['percentile']:.1f}",
            f"{r['distance']:.3f}",
            r["silent"],
            f"{r['seconds']:.0f}",
        ]
        rows.append([name, *shown])
    rows.append(["goals hold" if result["pass"] else "goals missed", *[""] * 5])
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
