"""Try an installed vital that has nothing but its own dependencies: python -I .ci/bare.py CHECKOUT.

Runs every command of the README that needs no download, as it stands, and asks for parts that need an extra.
"""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

CHECKOUT = Path(sys.argv[1])
VITAL = str(Path(sys.executable).with_name("vital"))
DOWNLOADED = ("torchvision:", "timm:", "open_clip:", "hf:")
OWN = ("path/to/", "my_")
LACKING = {
    "timm": "layers timm:resnet18",
    "clip": "describe world class:0 --images world --encoder open_clip:ViT-B-32 --out a",
    "caption": "layers hf:microsoft/resnet-18",
    "sentences": "agree a.csv b.csv --encoder sentence-transformers:all-MiniLM-L6-v2",
    "ray": "atlas world --layers layer1 --images world --engine ray --out b",
}
"""By extra, a command that needs it."""
AT_ONCE = 60
"""Seconds in which a missing extra must be told, on a busy machine."""


def commands() -> list[str]:
    """The README's commands of `vital`, one line each; without those that download, or want files of one's own."""
    blocks = re.findall(r"```bash\n(.*?)```", (CHECKOUT / "README.md").read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [
        line
        for line in lines
        if line.startswith("vital ") and not any(n in line for n in (*DOWNLOADED, *OWN))
    ]


def run(line: str) -> tuple[int, str, float]:
    """Run a command; its exit code, what it said, and its seconds."""
    begin = time.monotonic()
    words = shlex.split(line, comments=True)
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # two beside another job take several times as long
    done = subprocess.run(
        [VITAL, *words], capture_output=True, text=True, check=False, timeout=900, env=one_thread
    )
    return done.returncode, done.stdout + done.stderr, time.monotonic() - begin


def main() -> None:
    """Check what is installed, then run."""
    held = {str(path) for path in metadata.files("vital-fv") or ()}
    tops = {name.partition("/")[0] for name in held if not name.startswith("..")}
    assert tops == {"vital", f"vital_fv-{metadata.version('vital-fv')}.dist-info"}, tops
    meant = {
        path for path in (CHECKOUT / "vital").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert {path.relative_to(CHECKOUT).as_posix() for path in meant} <= held, (
        "files of vital are not in the wheel"
    )
    assert not any(importlib.util.find_spec(name) for name in ("tests", "benchmarks", "timm", "transformers"))
    assert len(commands()) > 4
    for line in ("--version", "doctor", "methods", *(line.removeprefix("vital ") for line in commands())):
        code, said, seconds = run(line)
        print(f"{seconds:6.1f} s  vital {line}", flush=True)
        assert code == 0, said
    for name in ("a.csv", "b.csv"):
        Path(name).write_text("layer,unit,method,label\n,class:0,one,cube\n,class:0,two,cube\n", "utf-8")
    for extra, line in LACKING.items():
        code, said, seconds = run(line)
        print(f"{seconds:6.1f} s  vital {line}: extra {extra}", flush=True)
        assert code, said
        assert f"pip install 'vital-fv[{extra}]'" in said, said
        assert seconds < AT_ONCE, said


if __name__ == "__main__":
    main()
