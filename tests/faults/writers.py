"""Sixteen processes that write the same at once: python writers.py KIND FOLDER prints their exit codes."""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from vital.utils import io

WRITERS = 16
SIZE = 200_000
"""The bytes of the file that all write."""


def write_file(folder: Path, number: int) -> None:
    """Write one file thirty times, and find it whole each time."""
    for _ in range(30):
        io.write(folder / "a.txt", f"{number:x}" * SIZE)
        text = (folder / "a.txt").read_text()
        assert text == text[0] * SIZE


def write_lines(folder: Path, number: int) -> None:
    """Add to one file thirty times."""
    for i in range(30):
        io.append_json(folder / "a.jsonl", [[number, i]])


def write_entry(folder: Path, number: int) -> None:
    """Make one entry of the cache, ten times over, and records of a pack."""
    import torch

    from vital.utils import tensor_cache, tensor_pack

    for i in range(10):
        made = tensor_cache.cached(folder / "entry.safetensors", lambda: {"a": torch.arange(1000)})
        assert torch.equal(made["a"], torch.arange(1000))
        tensor_cache.keep(folder / "entry.safetensors", made, {"of": "entry"})
        tensor_pack.put(folder / "all.pack", f"{number:012}{i:012}", {"a": torch.tensor([number, i])}, {})
        found = tensor_pack.get(folder / "all.pack", f"{number:012}{i:012}")
        assert found is not None
        assert found[0]["a"].tolist() == [number, i]


def write_report(folder: Path, number: int) -> None:
    """Write one page of a run."""
    from vital.cli import main

    del number
    assert main(["report", str(folder / "run"), "--quiet"]) == 0


def _prepare(kind: str, folder: Path) -> None:
    """Load what the writers need, and make what they start from."""
    if kind in ("entry", "report"):
        import torch

        torch.set_num_threads(1)
    if kind == "report":
        from vital.cli import main

        asked = ["--method", "fourier", "--steps", "2", "--out", str(folder / "run"), "--quiet"]
        assert main(["render", "world", "class:0-1", *asked]) == 0


KINDS: dict[str, Callable[[Path, int], None]] = {
    "file": write_file,
    "lines": write_lines,
    "entry": write_entry,
    "report": write_report,
}


def main() -> None:
    """Let all begin at once, and print how each ended."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    _prepare(kind, folder)
    read, write = os.pipe()
    pids = []
    for number in range(WRITERS):
        if not (pid := os.fork()):
            os.close(write)
            os.read(read, 1)  # until the other end is closed
            try:
                KINDS[kind](folder, number)
            except BaseException:  # noqa: BLE001 - whatever it is, it is shown
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    os.close(write)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]))


if __name__ == "__main__":
    main()
