"""The tables and verdicts of `benchmarks.gpu`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from benchmarks.kept import Row
from benchmarks.step_cost import GOALS
from benchmarks.timing import quartiles

SAME = {"contrast": 0.05, "saturation": 0.05, "spectral slope": 0.05, "clipped": 0.02}
"""How far the mean of a statistic may lie from that in float32, unless another seed brings it further."""

Table = list[list[str]]


def result(rows: Sequence[Row], left: int, given: argparse.Namespace) -> dict[str, Any]:
    """What the file of results holds, but for rows and machines."""
    parts: dict[str, list[Row]] = {name: [] for name in ("step", "syncs", "layer", "pictures")}
    for row in rows:
        if "error" not in row:
            parts[row["part"]].append(row)
    missing = [f"{told(row)}: {row['error']}" for row in rows if "error" in row]
    missing += [f"{left} rows, not begun"] if left else []
    verdicts = [*of_steps(parts["step"]), *of_syncs(parts["syncs"]), *of_pictures(parts["pictures"])]
    tables = [
        steps(parts["step"]),
        syncs(parts["syncs"]),
        layers(parts["layer"]),
        pictures(parts["pictures"]),
    ]
    weights = "published weights" if given.published else "weights from a seed"
    return {
        "title": "Steps on a GPU",
        "budget": f"{given.batch} units a step, {weights}; steps and bare passes in turn.",
        "seeds": 1,
        "tables": [table for table in tables if len(table) > 1],
        "verdicts": [line for line, _ in verdicts],
        "missing": missing,
        "pass": not missing and all(fine for _, fine in verdicts),
    }


def told(row: Row) -> str:
    """What a row is of."""
    return ", ".join(str(row[name]) for name in ("part", "arch", "dtype", "case") if name in row)


def steps(rows: Sequence[Row]) -> Table:
    """A step as a multiple of the bare pass."""
    head = [
        "network",
        "type",
        "method and unit",
        "step over bare",
        "IQR",
        "bare s",
        "units a minute",
        "peak MB",
    ]
    return [head] + [
        [
            *(row[name] for name in ("arch", "dtype", "case")), *quartiles(row["over bare"]),
            f"{row['bare seconds']:.4f}", f"{row['units per minute']:.1f}", f"{row['peak MB']:.0f}",
        ]
        for row in rows
    ]  # fmt: skip


def syncs(rows: Sequence[Row]) -> Table:
    """How often a step waits."""
    return [["network", "method and unit", "waits in a step"]] + [
        [row["arch"], row["case"], str(row["syncs"])] for row in rows
    ]


def layers(rows: Sequence[Row]) -> Table:
    """Units by the hour."""
    head = ["network", "type", "layer", "units", "a group", "units an hour", "hours in all", "bank s"]
    return [head] + [
        [
            row["arch"], row["dtype"], row["layer"], str(row["units"]), str(row["group"]),
            f"{row['units per hour']:.0f}", f"{row['hours']:.2f}", f"{row['bank seconds']:.0f}",
        ]
        for row in rows
    ]  # fmt: skip


def pictures(rows: Sequence[Row]) -> Table:
    """The numbers of pictures in both types."""
    found: Table = [["network", "of the pictures", "float32", "bf16", "another seed"]]
    for row in rows:
        for name, of in row["statistics"].items():
            found.append(
                [row["arch"], name, *(f"{of[one]:.3f}" for one in ("float32", "bf16", "other seed"))]
            )
        same, other = row["alike"]["bf16"], row["alike"]["other seed"]
        found.append([row["arch"], "correlation with float32", "1.000", f"{same:.3f}", f"{other:.3f}"])
    return found


def of_steps(rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """The goals of `benchmarks.step_cost`, where a network has some."""
    found = []
    for row in rows:
        method, kind = row["case"].split(", ")
        goal = GOALS.get(row["arch"], {}).get(f"{kind}_step_over_bare") if method == "vital" else None
        if goal is not None:
            fine = row["over bare"]["median"] <= goal
            found.append((f"{told(row)} at most {goal:g} x bare: {'held' if fine else 'missed'}", fine))
    return found


def of_syncs(rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """No step waits."""
    return [
        (f"{told(row)} never waits: {'missed' if row['syncs'] else 'held'}", not row["syncs"]) for row in rows
    ]


def of_pictures(rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """Pictures in bf16 look as in float32, and are more like them than those of another seed."""
    found = []
    for row in rows:
        fine = row["alike"]["bf16"] > row["alike"]["other seed"]
        for name, of in row["statistics"].items():
            off, usual = (abs(of[one] - of["float32"]) for one in ("bf16", "other seed"))
            fine &= not off > max(SAME[name], usual)  # not a number where pictures are too small for it
        found.append((f"{told(row)} in bf16 as in float32: {'held' if fine else 'missed'}", fine))
    return found
