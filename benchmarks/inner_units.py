"""Inner units of a trained ImageNet network: do prototypes excite them as natural images do, and by the same features?

Renders units of three depths by each method, with references from a folder of images, and gives the percentile of each
prototype's activation among those images, and how far the distribution of its features lies from that of the unit's
strongest images at layers that no method optimized (mean squared distance of sorted activations over the variance).

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
from typing import Any

import torch

import vital
from benchmarks.common import machine, report, start
from benchmarks.kept import Kept, Row
from vital import objectives as obj
from vital.errors import InvalidValueError
from vital.rendering.api import groups
from vital.tracing import Tracer, list_layers

METHODS = ("vital", "fourier", "maco")
PERCENTILE, SHARE = 99.0, 20 / 24
EACH_TIME = 4


def chosen(model: vital.Model, layers: Sequence[str], each: int) -> list[str]:
    """Spread units over the channels of the layers."""
    known = list_layers(model)
    return [
        f"{layer}:{(2 * i + 1) * known[layer].channels // (2 * each)}"
        for layer in layers
        for i in range(each)
    ]


def distances(
    bank: vital.ReferenceBank, made: Sequence[vital.Prototype], layers: Sequence[str]
) -> list[float]:
    """How far each picture lies from its unit's strongest images at layers before the unit's own."""
    known, found = list_layers(bank.model), []
    for p in made:
        before = [name for name in layers if known[name].order < known[p.unit.layer].order]
        term = obj.Alignment(bank.template(p.unit, before, count=8), scale="variance")
        with torch.no_grad(), Tracer(bank.model, before) as tracer:
            found.append(float(term(tracer(p.image[None].to(bank.model.device)))) / len(before))
    return found


def check_held_out(model: vital.Model, layers: Sequence[str], held_out: Sequence[str]) -> None:
    """Raise `InvalidValueError` for a layer with units that no held-out layer lies before."""
    known = list_layers(model)
    for layer in layers:
        if not any(known[name].order < known[layer].order for name in held_out):
            raise InvalidValueError(
                f"--held-out is {', '.join(held_out)}, and none of these lies before {layer}; give one that does"
            )


def settings(
    bank: vital.ReferenceBank, name: str, options: dict[str, Any], held_out: Sequence[str]
) -> dict[str, Any]:
    """All that decides the rows of one method, but for the unit."""
    model = bank.model
    return {
        "method": repr(vital.make_method(name, **options)),
        "network": [model.name, model.weights_hash(), model.code_hash(), *model.size],
        "images": bank.images.hash(),
        "held out": list(held_out),
    }


def shown(
    bank: vital.ReferenceBank,
    units: Sequence[str],
    name: str,
    held_out: Sequence[str],
    given: argparse.Namespace,
) -> list[Row]:
    """Render units by one method, a few at a time; what is measured is written at once where there is a folder."""
    options = {"steps": given.steps} if given.steps else {}
    if name == "maco" and given.crops:
        options["n_transforms"] = given.crops
    kept = Kept(given.out / f"{name}.jsonl" if given.out else None)
    own = settings(bank, name, options, held_out)
    left = [unit for unit in bank.model.units(units) if not kept.find(own | {"unit": str(unit)})]
    for few in groups(left, EACH_TIME):
        began = time.perf_counter()
        made = vital.render(bank.model, few, method=name, bank=bank, progress=False, **options)
        seconds = (time.perf_counter() - began) / len(few)
        for p, distance in zip(made, distances(bank, made, held_out), strict=True):
            row = {
                "unit": str(p.unit),
                "percentile": float(p.provenance["percentile"]),
                "distance": distance,
                "done": p.status == "done",
                "seconds": seconds,
            }
            if given.out:
                (given.out / f"{name}-{p.unit.slug}.png").write_bytes(p.to_png())
            kept.add(own | {"unit": str(p.unit)}, row)
    return [row for unit in units if (row := kept.find(own | {"unit": unit}))]


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """What all units of one method come to."""
    found = [row["percentile"] for row in rows]
    return {
        "at_99": sum(value >= PERCENTILE for value in found),
        "percentile": statistics.median(found),
        "distance": statistics.median(row["distance"] for row in rows),
        "silent": sum(not row["done"] for row in rows),
        "seconds": sum(row["seconds"] for row in rows),
        "percentiles": found,
        "distances": [row["distance"] for row in rows],
    }


def measure(given: argparse.Namespace) -> dict[str, object]:
    """Render by all methods and measure."""
    model = vital.load_model(given.model, weights=given.weights, size=given.input_size or None)
    layers, held_out = given.layers.split(","), given.held_out.split(",")
    check_held_out(model, layers, held_out)
    bank = vital.build_bank(model, layers, vital.load_images(given.images), progress=True)
    units = chosen(model, layers, given.each)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
    rows = {}
    for name in given.methods.split(","):
        rows[name] = summary(shown(bank, units, name, held_out, given))
        print(name, rows[name], flush=True)
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
    parser.add_argument("--crops", type=int, help="maco's crops per step, if not its own 32")
    parser.add_argument("--input-size", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, help="a folder for pictures and rows; what stands there already is not made again"
    )
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
