"""What is lost when processes of a Ray cluster are killed: one atlas, two processes, twenty kills.

An atlas of a tiny network in float64 is made in this process, and again by the engine `ray` on a cluster of this
machine, where a process that works on a piece is killed (SIGKILL) again and again. Counted are pieces that are not done
at the end (lost), pieces that were done more than once (double), and files that differ from those of one process.

Goals: none of each.

    python -m benchmarks.ray_kills
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

import vital
from benchmarks.common import machine, report, start

KILLS, BETWEEN = 20, 3
"""How many processes are killed, and how many pieces are done from one kill to the next."""
BUSY = b"ray::Worker.work"
"""What Ray calls a process that works on a piece."""
OPTIONS: dict[str, Any] = {
    "methods": ["vital", "fourier"],
    "steps": 24,
    "count": 2,
    "batch": 1,
    "progress": False,
}


def network() -> vital.Model:
    """Two layers with 36 units."""
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 12, 3, stride=2), nn.Softplus(), nn.Conv2d(12, 24, 3, stride=2), nn.Softplus()]
    module = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10))
    return vital.Model(module.double().eval(), name="tiny", size=(32, 32))


def make(folder: Path, **more: Any) -> vital.atlases.Atlas:
    """The atlas in a folder."""
    images = vital.load_images(torch.rand(24, 3, 32, 32, generator=torch.Generator().manual_seed(0)).numpy())
    return vital.atlas(network(), ["1", "3"], images, folder / "site", **OPTIONS, **more)


def files(folder: Path) -> dict[str, bytes]:
    """What an atlas holds, by path, without what says when and how long."""
    found = (path for path in sorted((folder / "site").rglob("*")) if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in found
        if path.name not in ("log.jsonl", ".lock") and not path.name.startswith(".stamps")
    }


def done(folder: Path) -> list[str]:
    """The pieces that were done, as often as they were."""
    log = folder / "site" / "run" / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    events = []
    for line in lines:
        with suppress(ValueError):  # a line that a killed process did not end
            events.append(json.loads(line))
    return [event["piece"] for event in events if event.get("event") == "piece"]


def busy() -> list[int]:
    """The processes that work on a piece, among those that come from this one."""
    parents, named = {}, []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):
            pid = int(entry.name)
            parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if (entry / "cmdline").read_bytes().startswith(BUSY):
                named.append(pid)
    return [pid for pid in named if os.getpid() in _above(pid, parents)]


def _above(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid


@contextmanager
def killing(folder: Path, count: int) -> Iterator[list[int]]:
    """Kill processes while the body runs; those that were killed."""
    killed: list[int] = []
    ended, draw = threading.Event(), random.Random(0)  # noqa: S311  no secret

    def kill() -> None:
        seen = 0
        while len(killed) < count and not ended.wait(draw.uniform(0.02, 0.3)):
            if len(done(folder)) >= seen and (there := busy()):
                killed.append(draw.choice(there))
                os.kill(killed[-1], signal.SIGKILL)
                seen = len(done(folder)) + BETWEEN

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        ended.set()
        killer.join()


@contextmanager
def cluster() -> Iterator[Any]:
    """A small Ray cluster of this machine, with two CPUs."""
    import ray

    ray.init(
        "local",
        num_cpus=2, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False,
        logging_level="ERROR", _node_ip_address="127.0.0.1",
    )  # fmt: skip
    try:
        yield ray
    finally:
        ray.shutdown()


def measure(folder: Path, kills: int) -> dict[str, Any]:
    """Make the atlas both ways and compare."""
    make(folder / "whole")
    begin = time.perf_counter()
    with cluster(), killing(folder / "killed", kills) as killed:
        made = make(folder / "killed", engine="ray", actors=2)
    seconds = time.perf_counter() - begin
    whole, again = files(folder / "whole"), files(folder / "killed")
    differing = sorted(name for name in whole.keys() | again.keys() if whole.get(name) != again.get(name))
    counts = Counter(done(folder / "killed"))
    result = {
        "pieces": made.pieces,
        "kills": len(killed),
        "lost": made.pieces - made.done,
        "double": sum(count > 1 for count in counts.values()),
        "files": len(whole),
        "differing": len(differing),
        "gave_up": sum("processes that worked on it died" in why for why in made.failed.values()),
        "seconds": seconds,
    }
    goals = result["kills"] >= kills and not any(result[name] for name in ("lost", "double", "differing"))
    return result | {"names": differing[:10], "pass": goals, "machine": machine()}


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), given.kills)
    rows = [["what", "number", "goal"]]
    goals = {"kills": str(given.kills), "lost": "0", "double": "0", "differing": "0"}
    rows += [
        [name, str(result[name]), goals.get(name, "")]
        for name in result
        if name not in ("names", "pass", "machine")
    ]
    rows += [["goals hold" if result["pass"] else "goals missed", "", ""]]
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
