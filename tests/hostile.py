"""Run folders as a stranger could hand them over, and what every command that reads one makes of them.

    python tests/hostile.py [COUNT]    counts what fails over all wounds of all files, or over so many of them

A wound changes one file of a good run. A command may end well or with sentences; it may not end with an error that
nobody explained, hang, or read what lies outside the folder.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vital.cli import main

SECRET = "nobody may read this"  # noqa: S105
SECONDS = 60
"""How long a command may take."""
UNEXPLAINED = ("Traceback", "a defect of vital")
"""What a sentence of an error that nobody explained holds."""
NET = """
from torch import nn
SIZE = 16
CLASSES = ("ant", "bee, honey bee", "cat", "dog", "elk")
def make():
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
"""
VALUES: tuple[Any, ...] = (
    None, True, 7, -1, 10**30, 1.5, float("nan"), "", "x", "../../../secret", "/etc/passwd", "\x00", "=1+1", [], [None],
    {}, {"x": 1}, "a" * 5000, [[[[]]]], "²",
)  # fmt: skip
"""What stands in the place of a value of JSON."""
TEXTS = {
    "empty": b"", "no JSON": b"{", "a list": b"[]", "a number": b"7", "no text": b"\xff\xfe\x00", "null": b"null",
    "deep": b'{"a":' * 100_000, "deep list": b"[" * 100_000, "digits": b'{"schema": ' + b"9" * 5000 + b"}",
    "half a character": b'{"schema": 1, "renders": [], "model": {"name": "\\ud800"}}', "zeros": bytes(1000),
    "a formula": b"=cmd()\n", "quotes": b'"\n"a,b\n', "long": b"a," * 100_000,
}  # fmt: skip
"""What stands in the place of a whole file."""


@dataclass(frozen=True)
class Wound:
    """A change of one file; `deal` changes it."""

    file: str
    name: str
    deal: Callable[[Path], None]


def good(folder: Path) -> Path:
    """Make a folder with a network, images, and runs of all commands; the answer is the folder."""
    draw = np.random.default_rng(0)
    for name in ("ant", "bee", "cat", "dog", "elk"):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(8):
            pixels = draw.integers(0, 255, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{i}.png")
    (folder / "net.py").write_text(NET)
    (folder / "words.txt").write_text("red\ngreen\nsnow\nstriped sphere\n")
    Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "secret.png")
    (folder / "secret.json").write_text(json.dumps({"status": SECRET, "label": SECRET}))
    with inside(folder):
        for name in ("render", "exemplars", "describe", "circuit", "compare", "atlas"):
            code, _, err = ended(COMMANDS[name])
            assert code == 0, (name, err)
    from vital.reporting.facts import Histogram, Link, save_histogram, save_neighbors

    save_histogram(folder / "run", "class:1", Histogram((0.0, 1.0, 2.0), (3.0, 1.0), 4))
    save_neighbors(folder / "run", "class:1", [Link("3:3", 0.5)], "correlation")
    return folder


NETWORK = "net.py:make --weights random"
COMMANDS = {
    "render": f"render {NETWORK} class:bee 3:3 --method fourier --steps 2 --size 16 --out run",
    "exemplars": f"exemplars {NETWORK} class:bee --images pictures --count 2 --out run",
    "describe": f"describe {NETWORK} class:bee --images pictures --encoder world --concepts words.txt "
    "--set n_random_models=0 --methods clip-dissect --fresh --out run",
    "circuit": f"circuit {NETWORK} class:cat --layers 2 --images pictures --method fourier --steps 1 --seed 3 "
    "--out run",
    "compare": f"compare {NETWORK} class:0-1 --methods fourier,pixels --images pictures --seeds 1 "
    "--set fourier.steps=2 --set pixels.steps=2 --controls real_images --out compared",
    "atlas": f"atlas {NETWORK} --layers class --images pictures --methods fourier --steps 2 --per-layer 2 --out site",
    "report": "report run --out page.html",
    "report --site": "report run --site pages",
    "report compared": "report compared --out page.html",
    **{
        f"figure {kind}": f"figure run --kind {kind} --out run/figure.png"
        for kind in ("grid", "exemplars", "words", "circuit")
    },
    "figure compared": "figure compared --out compared/figure.png",
    "score": "score run/labels.csv --names names.txt",
    "agree": "agree run/labels.csv other.csv",
}
READS = {
    "run": (
        "report", "report --site", "render", "exemplars", "describe", "score", "agree", "circuit",
        "figure grid", "figure exemplars", "figure words", "figure circuit",
    ),
    "compared": ("compare", "report compared", "figure compared"),
    "site": ("atlas",),
}  # fmt: skip


def wounds(folder: Path, count: int | None = None, seed: int = 0) -> list[Wound]:
    """All wounds of all files of the runs in a folder, or so many of them, of all files in turn."""
    draw, every = random.Random(seed), list[list[Wound]]()  # noqa: S311
    for root in READS:
        for path in sorted((folder / root).rglob("*")):
            name = path.relative_to(folder).as_posix()
            kept = path.is_file() and path.suffix not in (".lock", ".webp", ".html", ".js", ".css", ".gz")
            if kept and (root != "site" or name.startswith("site/run/")):
                found = list(_of_file(name, path))
                draw.shuffle(found)
                every.append(found)
    draw.shuffle(every)
    turns = [wound for turn in zip_longest(*every) for wound in turn if wound is not None]
    return turns[:count]


def _of_file(name: str, path: Path) -> Iterator[Wound]:
    for what, data in TEXTS.items():
        yield Wound(name, what, lambda file, data=data: _replace(file, data))  # type: ignore[misc]
    for cut in (0.5, 0.95):
        data = path.read_bytes()[: int(cut * path.stat().st_size)]
        yield Wound(name, f"cut at {cut}", lambda file, data=data: _replace(file, data))  # type: ignore[misc]
    yield Wound(name, "a folder", lambda file: (file.unlink(), file.mkdir())[1])
    yield Wound(name, "missing", Path.unlink)
    yield Wound(name, "a pipe", lambda file: (file.unlink(), os.mkfifo(file))[1])
    if path.suffix != ".png":
        yield Wound(
            name, "a link", lambda file: (file.unlink(), file.symlink_to(Path("secret.json").absolute()))[1]
        )
    if path.suffix == ".json":
        yield from _of_json(name, json.loads(path.read_text()))
    if path.suffix == ".png":
        bomb = io.BytesIO()
        Image.new("1", (13_300, 13_300)).save(bomb, "PNG")
        yield Wound(name, "a bomb", lambda file: _replace(file, bomb.getvalue()))


def _of_json(name: str, value: Any) -> Iterator[Wound]:
    for place in _places(value):
        for new in VALUES:
            text = json.dumps(_changed(value, place, new)).encode()
            said = f"{'.'.join(map(str, place))} = {str(new)[:20]!r}"
            yield Wound(name, said, lambda file, text=text: _replace(file, text))  # type: ignore[misc]


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = (
        value.items()
        if isinstance(value, dict)
        else list(enumerate(value))[:2]
        if isinstance(value, list)
        else ()
    )
    for key, part in entries:
        yield (*above, key)
        if len(above) < 4:
            yield from _places(part, (*above, key))


def _changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    copied = json.loads(json.dumps(value))
    *way, last = place
    part = copied
    for key in way:
        part = part[key]
    part[last] = new
    return copied


def _replace(file: Path, data: bytes) -> None:
    file.unlink(missing_ok=True)
    file.write_bytes(data)


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder, with a cache of its own."""
    before, cache = Path.cwd(), os.environ.get("VITAL_CACHE")
    os.chdir(folder)
    os.environ["VITAL_CACHE"] = str(folder / "cache")
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.pop("VITAL_CACHE")
        if cache is not None:
            os.environ["VITAL_CACHE"] = cache


class HangsError(BaseException):
    """A command took longer than it may."""


def ended(command: str) -> tuple[int, str, str]:
    """Run a command in this process: its exit code, and what it printed."""

    def stop(*_: object) -> None:
        raise HangsError

    out, err = io.StringIO(), io.StringIO()
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    words = [word.replace("real_images", "real images") for word in command.split()]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                code = main(words)
            except HangsError:
                return -1, out.getvalue(), "Traceback: it hangs"
            except BaseException as error:  # noqa: BLE001  this is what is looked for
                return -1, out.getvalue(), f"Traceback: {error!r}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return code, out.getvalue(), err.getvalue()


def failures(folder: Path, wound: Wound) -> Iterator[tuple[str, str]]:
    """The commands that do not bear a wound, and what they said; the good runs are as they were afterwards."""
    root = wound.file.partition("/")[0]
    with inside(folder):
        (folder / "names.txt").write_text("ant\nbee\ncat\ndog\nelk\n")
        (folder / "other.csv").write_text("layer,unit,method,label\n,class:1,mine,snow\n")
        kept = Path(tempfile.mkdtemp(dir=folder)) / "kept"
        shutil.copytree(root, kept, symlinks=True)
        try:
            for name in READS[root]:
                shutil.rmtree(root)
                shutil.copytree(kept, root, symlinks=True)
                wound.deal(folder / wound.file)
                for left in ("page.html", "pages"):
                    shutil.rmtree(left, ignore_errors=True)
                    Path(left).unlink(missing_ok=True)
                code, out, err = ended(COMMANDS[name])
                pages = [Path("page.html"), *Path("pages").rglob("*.html"), *Path(root).rglob("*.csv")]
                told = out + err + "".join(p.read_text(errors="replace") for p in pages if p.is_file())
                if any(mark in err for mark in UNEXPLAINED) or code not in (0, 1, 2):
                    yield name, err.strip()[-300:]
                elif SECRET in told:
                    yield name, "it read what lies outside the folder"
        finally:
            shutil.rmtree(root)
            shutil.copytree(kept, root, symlinks=True)
            shutil.rmtree(kept.parent)


def run(count: int | None) -> int:
    """Count what fails, and show each failure."""
    with tempfile.TemporaryDirectory() as name:
        folder, failed, done = good(Path(name)), 0, 0
        for wound in wounds(folder, count):
            done += len(READS[wound.file.partition("/")[0]])
            for command, said in failures(folder, wound):
                failed += 1
                print(f"{command}: {wound.file}: {wound.name}: {said}", flush=True)
        print(f"{failed} of {done} fail")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]) if sys.argv[1:] else None))
