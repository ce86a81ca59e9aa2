"""All that is to be known of a GPU in one command, within ten minutes on one like an H100.

- a step of the methods as a multiple of the bare pass, 64 units at once, float32 and bf16, ResNet-50 and ViT-B/16;
- how often a step waits for the device (`torch.cuda.set_sync_debug_mode`);
- units per hour of layer4 of ResNet-50, from whole groups as `vital.render` makes them, the plan included;
- whether the pictures are the same in bf16: the numbers of `vital.metrics.natural_statistics`, and how far the pictures
  correlate at 16 x 16 places, beside the pictures of another seed.

Rows are kept in the folder `--out` and written to the file of results and the page as they come, so that a session
that ends keeps what was measured and the next goes on. A row that fails says why and stops no other; one for which no
time is left is missing. On a CPU it runs too, without the waits.

    python -m benchmarks.gpu --device cuda --minutes 10
    python -m benchmarks.gpu --arch tiny --minutes 1
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import vital
from benchmarks.common import start
from benchmarks.gpu_tables import result
from benchmarks.kept import Kept, Row, arguments, published
from benchmarks.networks import DTYPES, NETWORKS, Case, bank_of, images, keys_of, network, planned, units_of
from benchmarks.phases import held, phases
from benchmarks.timing import Windows, measured, wait
from vital.errors import InvalidValueError, first_line
from vital.metrics import natural_statistics, picture_statistics
from vital.optim import Step
from vital.rendering.api import carry_out, groups, render_group, units_per_batch

CASES = (
    Case("vital", "class"), Case("vital", "inner"), Case("vital-scene", "class"),
    Case("fourier", "class"), Case("pixels", "class"), Case("deep-inversion", "class"),
)  # fmt: skip
LAYER = {"resnet50": "layer4", "tiny": "layer3"}
"""The layer whose units are rendered by the hour."""
SYNCING = "synchronizing CUDA operation"
PLACES = 16


@dataclass(frozen=True)
class Task:
    """One row: what it is of, and how it is made."""

    settings: dict[str, Any]
    make: Callable[[], Row]


class Bench:
    """The networks of a session, each loaded once, and how rows are made of them."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.windows = Windows(given.windows, given.window)
        self.model, self.bank = cache(self._model), cache(self._bank)

    def _model(self, arch: str, dtype: str) -> vital.Model:
        return network(arch, device=self.given.device, dtype=dtype, published=self.given.published)

    def _bank(self, arch: str, dtype: str) -> vital.ReferenceBank:
        model, folder = self.model(arch, dtype), self.given.images
        return bank_of(model, vital.load_images(folder) if folder else images(side=model.size[0]))

    def step(self, arch: str, dtype: str, case: Case) -> Row:
        """Time a step beside the bare pass."""
        model, bank = self.model(arch, dtype), self.bank(arch, dtype)
        return measured(model, bank, case, self.given.batch, self.windows)

    def syncs(self, arch: str, dtype: str, case: Case) -> Row:
        """Count how often a step waits for the device, the most over all kinds of steps."""
        if not self.given.device.startswith("cuda"):
            raise InvalidValueError("waits are seen on a GPU alone; on a CPU benchmarks.ops counts them")
        model, units = self.model(arch, dtype), units_of(self.model(arch, dtype), case.kind, 8)
        plan = planned(model, self.bank(arch, dtype), case, units)
        found = {str(phase): waits(model, held(plan, phase, 5), keys_of(units)) for phase in phases(plan)}
        return {"syncs": max(found.values()), "phases": found}

    def layer(self, arch: str, dtype: str) -> Row:
        """Render whole groups of a layer's units, and say how many an hour makes."""
        model, layer = self.model(arch, dtype), LAYER[arch]
        size, began = units_per_batch(model), time.perf_counter()
        bank = vital.build_bank(model, [layer], self.bank(arch, dtype).images, progress=False, disk=False)
        building = time.perf_counter() - began
        units = model.units(f"{layer}:0-{vital.list_layers(model)[layer].channels - 1}")
        method, taken = self.preset("vital"), []
        first, *others = [group for group in groups(units, size) if len(group) == size] or [units]
        render_group(model, first, replace(method, steps=4), bank, 0)
        for group in (others or [first])[: self.given.groups]:
            wait(model.device)
            began = time.perf_counter()
            render_group(model, group, method, bank, 0)
            wait(model.device)
            taken.append((time.perf_counter() - began) / len(group))
        unit = sum(taken) / len(taken)
        counts = {"units": len(units), "group": len(first), "groups": len(taken), "bank seconds": building}
        return {"layer": layer, **counts, "units per hour": 3600 / unit, "hours": len(units) * unit / 3600}

    def pictures(self, arch: str) -> Row:
        """Hold the pictures in bf16 against those in float32, and against those of another seed."""
        whole, other = (self.rendered(arch, "float32", seed) for seed in (0, 1))
        half = self.rendered(arch, "bf16", 0)
        bank = self.bank(arch, "float32")
        usual = picture_statistics(bank.tensor(bank.images.spread(32)))
        sets = {"float32": whole, "bf16": half, "other seed": other}
        looks = {name: natural_statistics(made, usual) for name, made in sets.items()}
        found = {
            statistic: {name: float(look[statistic].nanmean()) for name, look in looks.items()}
            for statistic in looks["float32"]
        }
        return {"statistics": found, "alike": {"bf16": alike(whole, half), "other seed": alike(whole, other)}}

    def rendered(self, arch: str, dtype: str, seed: int) -> Tensor:
        """Pictures of class and inner units, half of each."""
        model, bank = self.model(arch, dtype), self.bank(arch, dtype)
        half = max(1, self.given.pictures // 2)
        units = [*units_of(model, "class", half), *units_of(model, "inner", half)]
        made = render_group(model, units, self.preset("vital"), bank, seed)
        return torch.stack([prototype.image.float() for prototype in made])

    def preset(self, name: str) -> vital.Method:
        """The method, at its own number of steps unless another is asked for."""
        return vital.make_method(name, **({"steps": self.given.steps} if self.given.steps else {}))

    def tasks(self) -> Iterator[Task]:
        """All rows, the ones that matter most first."""
        for arch in self.given.arch:
            for case in CASES:
                for dtype in DTYPES:
                    yield self._task(self.step, arch=arch, dtype=dtype, case=case)
            for case in CASES:
                yield self._task(self.syncs, arch=arch, dtype="float32", case=case)
            if arch in LAYER:
                for dtype in DTYPES:
                    yield self._task(self.layer, arch=arch, dtype=dtype)
            yield self._task(self.pictures, arch=arch)

    def _task(self, make: Callable[..., Row], **what: Any) -> Task:
        said = {name: str(value) for name, value in what.items()}
        own = ("batch", "steps", "windows", "window", "groups", "pictures", "published", "device")
        how = {name: getattr(self.given, name) for name in own} | {"images": str(self.given.images)}
        return Task({"part": make.__name__, **said, "how": how}, lambda: make(**what))


def waits(model: vital.Model, plan: Any, keys: list[str]) -> int:
    """How often a step in the middle of a run waits for a GPU."""
    seen: list[int] = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")

        def after(step: Step) -> None:
            del step
            seen.append(sum(SYNCING in str(one.message) for one in said))

        torch.cuda.set_sync_debug_mode("warn")
        try:
            carry_out(model, plan, keys=keys, callback=after)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return max(now - before for before, now in pairwise(seen[1:-1]))


def alike(a: Tensor, b: Tensor) -> float:
    """How far pictures correlate with their partners, seen at few places: the mean over pairs."""
    small = [torch.nn.functional.adaptive_avg_pool2d(one, PLACES).flatten(1) for one in (a, b)]
    centered = [one - one.mean(1, keepdim=True) for one in small]
    return float(torch.nn.functional.cosine_similarity(*centered).mean())


def made(task: Task, kept: Kept, deadline: float) -> Row:
    """The row of a task: as kept, new, or a sentence that says why there is none."""
    known = kept.find(task.settings)
    if known and "error" not in known:
        return task.settings | known
    if time.monotonic() > deadline:
        return task.settings | {"error": "no time was left"}
    try:
        row = task.make()
    except Exception as why:  # noqa: BLE001  one row must not cost the others
        row = {"error": first_line(why)}
    row = kept.add(task.settings, row)
    print(
        {name: value for name, value in (task.settings | row).items() if name not in {"how", "machine"}},
        flush=True,
    )
    return task.settings | row


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    numbers = {"minutes": 10, "batch": 64, "windows": 4, "window": 4, "groups": 1, "pictures": 16, "steps": 0}
    parser = arguments(__doc__, "runs/gpu", numbers, ["published"])
    parser.add_argument("--arch", nargs="+", choices=NETWORKS, default=["resnet50", "vit_b_16"])
    parser.add_argument("--images", type=Path, help="a folder of images for the bank; clouds by default")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Measure what there is time for, and write it as it comes."""
    given = parsed(words)
    start()
    deadline = time.monotonic() + 60 * given.minutes
    bench, kept = Bench(given), Kept(given.out / "rows.jsonl")
    rows: list[Row] = []
    tasks, found = list(bench.tasks()), {}
    for task in tasks:
        rows.append(made(task, kept, deadline))
        there = [row for row in rows if "error" not in row]
        found = published("gpu", result(rows, len(tasks) - len(rows), given), there, given.results)
    return int(not found["pass"])


if __name__ == "__main__":
    sys.exit(main())
