"""What the benchmarks share: where they ran, medians with spread, and how they print."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch

THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))


def start() -> None:
    """Fix what would otherwise differ between runs; OMP_NUM_THREADS may ask for fewer threads."""
    torch.set_num_threads(min(THREADS, torch.get_num_threads()))
    torch.manual_seed(0)


def machine() -> dict[str, Any]:
    """The machine and the versions, for the record."""
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return gpu | {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles of repeated measurements."""
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": middle, "q1": low, "q3": high, "n": len(values)}


def report(result: Mapping[str, Any], rows: Sequence[Sequence[object]], as_json: bool) -> None:
    """Print one JSON object, or the rows as a table."""
    if as_json:
        print(json.dumps(result, indent=1))
        return
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
