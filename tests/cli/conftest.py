import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vital.cli import main

NET = """
from pathlib import Path

import torch
from torch import nn

SIZE = 16
CLASSES = ("ant", "bee, honey bee", "cat", "dog", "elk")


def make():
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )


class Sick(nn.Module):
    def __init__(self):
        nn.Module.__init__(self)
        self.body = make()

    def forward(self, x):
        return self.body(x) + torch.tensor([0.0, float("nan"), 0.0, 0.0, 0.0])


def sick():
    return Sick()


class Blind(Sick):
    def forward(self, x):
        return self.body(x.round())


def blind():
    return Blind()


class Narrow(Sick):
    def forward(self, x):
        room = int(Path("room").read_text()) if torch.is_grad_enabled() else 9
        if len(x) > room:
            raise torch.OutOfMemoryError(f"CUDA out of memory. {len(x)} images")
        return self.body(x)


def narrow():
    return Narrow()
"""


WEIGHTS = re.compile(r"^vital: weights: as .*\n", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a small network in net.py and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


@pytest.fixture
def vital(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """The command line, run in this process: a text of words, and words that are taken as they are.

    Answers leave out that weights are as the file of the network made them, which nearly every test would repeat.
    """

    def run(line: str, *words: object) -> Answer:
        capsys.readouterr()
        code = main([*line.split(), *map(str, words)])
        said = capsys.readouterr()
        return Answer(code, said.out, WEIGHTS.sub("", said.err))

    return run


@pytest.fixture
def pictures(here: Path) -> Path:
    """Three images of each of five classes, by folder, and one that is damaged."""
    draw = np.random.default_rng(0)
    for name in ("ant", "bee", "cat", "dog", "elk"):
        (here / "pictures" / name).mkdir(parents=True)
        for i in range(3):
            pixels = draw.integers(0, 255, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(here / "pictures" / name / f"{i}.png")
    (here / "pictures" / "cat" / "broken.png").write_bytes(b"no picture")
    return here / "pictures"
