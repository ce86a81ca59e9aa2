"""How far do numbers about pictures agree with people? The agreement of each with the answers of a blind reading.

Takes sets of the world that were read (`python -m benchmarks.blind_reading`), cuts the pictures out of the sheets, and
tells for each number how it correlates, over pictures, with whether the reader named solid and material: of all
pictures, and without the real scenes. A number whose interval holds 0 ranks no method.

    python -m benchmarks.eye_agreement runs/blind-world
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import vital
from benchmarks.blind_reading.pictures import REAL
from benchmarks.blind_reading.places import WORLD
from benchmarks.blind_reading.sheets import MOST, SIDE, corner, sheet_files
from benchmarks.common import machine, report, start
from vital.comparing.hog import HogClassifier
from vital.comparing.records import squinted
from vital.comparing.world import fresh_scenes
from vital.errors import DataError
from vital.metrics import Interval, agreement, natural_statistics
from vital.types import Images
from vital.units import Unit
from vital.utils.io import read_json
from vital.world.networks.judge import fitted, judged
from vital.world.scenes.dataset import images as scenes


def pictures(folder: Path, count: int) -> Images:
    """The pictures of a set in the order of their numbers, at the size of the world's networks: (count, 3, 64, 64)."""
    pages = [Image.open(file).convert("RGB") for file in sheet_files(folder)]
    found = []
    for number in range(count):
        left, top = corner(number % MOST, SIDE)
        cut = pages[number // MOST].crop((left, top, left + SIDE, top + SIDE))
        found.append(torch.from_numpy(np.asarray(cut).copy()).permute(2, 0, 1).float() / 255)
    return fitted(torch.stack(found))


def numbers(shown: Images, units: Sequence[Unit], model: vital.Model) -> dict[str, Tensor]:
    """All numbers of each picture, (B,), the higher the better by their own lights."""
    real = fitted(torch.cat([batch for _, batch in scenes(256, seed=99).batches(model, 64)]))
    found = {
        "judge": _named(shown, units),
        "judge, squinting": _named(squinted(shown), units),
    }
    found["HOG"] = torch.tensor(HogClassifier(fresh_scenes(), model).agrees(shown, units))
    for name, values in natural_statistics(shown, real).items():
        near = values.log().abs() if name in ("contrast", "saturation") else values.abs()
        found[f"{name}, nearness to natural"] = -near.nan_to_num(0.0, posinf=9.0, neginf=9.0)
    return found


def _named(shown: Images, units: Sequence[Unit]) -> Tensor:
    """Whether the judge names solid and material: 1 or 0."""
    seen = [f"{words['material']} {words['solid']}" for words in judged(shown)]
    return torch.tensor([float(said == unit.label) for said, unit in zip(seen, units, strict=True)])


def measure(folders: Sequence[Path]) -> dict[str, Any]:
    """The agreement of each number with the readings of all sets together."""
    model = vital.load_model(WORLD)
    values: dict[str, list[Tensor]] = {}
    right: list[bool] = []
    made: list[bool] = []
    for folder in folders:
        answers = read_json(folder / "read.json")["answers"]
        if not answers or "both" not in answers[0]["right"]:
            raise DataError(f"{str(folder)!r} is no set of the world that was read")
        units = model.units([f"class:{one['class']}" for one in answers])
        for name, found in numbers(pictures(folder, len(answers)), units, model).items():
            values.setdefault(name, []).append(found)
        right += [one["right"]["both"] for one in answers]
        made += [one["method"] != REAL for one in answers]
    hits, drawn = torch.tensor(right).double(), torch.tensor(made)
    rows: dict[str, dict[str, Interval]] = {}
    for name, parts in values.items():
        whole = torch.cat(parts).double()
        rows[name] = {
            "all pictures": agreement(whole.tolist(), hits.tolist()),
            "without real scenes": agreement(whole[drawn].tolist(), hits[drawn].tolist()),
        }
    return {"rows": rows, "pictures": len(right), "machine": machine()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, help="sets of the world that were read")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    result = measure(given.folders)
    rows: list[list[object]] = [["number", "all pictures", "without real scenes"]]
    for name, cells in result["rows"].items():
        rows.append([name, *(f"{c.mean:.2f} [{c.low:.2f}, {c.high:.2f}]" for c in cells.values())])
    result["rows"] = {
        n: {k: [c.mean, c.low, c.high, c.n] for k, c in cells.items()} for n, cells in result["rows"].items()
    }
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
