"""Packages that are not there are named before any work."""

from __future__ import annotations

import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vital.cli import extras

Cli = Callable[..., Any]
ROOT = Path(__file__).parents[2]

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
IMPORTED = {
    "timm": "timm", "open_clip_torch": "open_clip", "transformers": "transformers", "datasets": "datasets",
    "accelerate": "accelerate", "diffusers": "diffusers", "httpx": "httpx", "tenacity": "tenacity",
    "ray": "ray", "sentence-transformers": "sentence_transformers",
    "tensorboard": "tensorboard", "wandb": "wandb",
}  # fmt: skip
"""What the extras bring, as it is imported."""
ELSEWHERE = {
    "datasets": "named where a folder of that kind is opened, before anything is computed",
    "accelerate": "diffusers takes it where it is there",
    "tensorboard": "named where vital.callbacks.TensorBoard is made; no command has it",
    "wandb": "named where vital.callbacks.WandB is made; no command has it",
}
"""What the door does not look for, and why."""

NET = "net.py:make --weights random"
NEEDING = [
    (f"compare {NET} class:0 --images images.npz --judge timm:resnet18 --out run", "timm", "timm"),
    (f"compare {NET} class:0 --images images.npz --encoder open_clip:a/b --out run", "open_clip", "clip"),
    ("render timm:resnet18 class:0 --images images.npz --out run", "timm", "timm"),
    ("render lwta:4/timm:resnet18 class:0 --images images.npz --out run", "timm", "timm"),
    ("layers hf:google/vit-base-patch16-224", "transformers", "caption"),
    ("bank open_clip:RN50/openai --layers visual --images images.npz --out run.safetensors", "open_clip", "clip"),
    (f"describe {NET} class:0 --images images.npz --encoder hf:a/b --out run", "transformers", "caption"),
    (f"describe {NET} class:0 --images images.npz --captioner transformers:a --out run", "transformers", "caption"),
    (f"describe {NET} class:0 --images images.npz --summarizer openai:a --out run", "httpx", "llm"),
    (f"describe {NET} class:0 --images images.npz --summarizer openai:a --out run", "tenacity", "llm"),
    (f"describe {NET} class:0 --images images.npz --summarizer transformers:a --out run", "transformers", "llm"),
    (f"describe {NET} class:0 --images images.npz --generator diffusers:a --out run", "diffusers", "generate"),
    (f"dissect {NET} --layers 3 --images images.npz --encoder open_clip:a/b --out run", "open_clip", "clip"),
    (f"atlas {NET} --layers 3 --images images.npz --engine ray --out run", "ray", "ray"),
    (f"atlas {NET} --layers 3 --images images.npz --encoder open_clip:a --out run", "open_clip", "clip"),
    ("report run --encoder sentence-transformers:a", "sentence_transformers", "sentences"),
    ("score labels.csv --names names.txt --encoder sentence-transformers:a", "sentence_transformers", "sentences"),
    ("agree labels.csv --encoder sentence-transformers:a", "sentence_transformers", "sentences"),
    ("classes dog --names names.txt --encoder sentence-transformers:a", "sentence_transformers", "sentences"),
]  # fmt: skip
ALONE = [
    f"layers {NET}",
    f"bank {NET} --layers 1,3 --images images.npz --out bank.safetensors",
    f"merge {NET} bank.safetensors --out merged.safetensors",
    f"render {NET} class:0 --method fourier --steps 2 --out run",
    f"exemplars {NET} class:0 --bank bank.safetensors --count 2 --out run",
    f"circuit {NET} 3:0 --layers 1 --bank bank.safetensors --count 1 --steps 2 --out circuit",
    "describe world class:0 --images world.npz --set n_random_models=0 --out words",
    "score words/labels.csv --model world --images world.npz --encoder world",
    "report run",
    "methods",
    "doctor",
]


@pytest.fixture(autouse=True)
def images(here: Path) -> None:
    draw = np.random.default_rng(0)
    for name, side in (("images.npz", 16), ("world.npz", 64)):
        pixels = draw.integers(0, 255, (24, side, side, 3), dtype=np.uint8)
        np.savez(here / name, images=pixels, labels=np.arange(24) % 5)


@pytest.mark.parametrize(("line", "package", "extra"), NEEDING)
def test_a_missing_package_is_named_before_any_work(
    vital: Cli, here: Path, monkeypatch: pytest.MonkeyPatch, line: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    began = time.process_time()
    answer = vital(line)
    assert time.process_time() - began < 1
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.endswith(f": pip install 'vital-fv[{extra}]', or '.[{extra}]' in a clone\n"), answer.err
    assert answer.err.count("\n") == 1
    assert not any(path.name.startswith("run") for path in here.iterdir())


@pytest.mark.filterwarnings("ignore:none of the")  # 24 pictures do not show every class
def test_all_else_works_without_any(vital: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in IMPORTED.values():
        monkeypatch.setitem(sys.modules, package, None)
    for line in ALONE:
        answer = vital(line)
        assert "pip install" not in answer.err, line
        assert answer.code == 0 or "units failed" in answer.err, (line, answer.err)


def test_every_package_of_an_extra_is_looked_for() -> None:
    known = {package for package, *_ in _needs()}
    brought = {
        requirement.partition(">=")[0]
        for name, own in EXTRAS.items()
        if name not in ("all", "dev", "docs")
        for requirement in own
    }
    assert {IMPORTED[name] for name in brought} == known | {*ELSEWHERE}


def test_what_is_looked_for_is_brought_by_the_extra_that_is_named() -> None:
    brought = {name: [one.partition(">=")[0] for one in own] for name, own in EXTRAS.items()}
    assert [need for need in _needs() if need[1] not in brought[need[2]]] == []


def _needs() -> list[extras.Need]:
    tables = (extras.MODELS, *extras.BACKENDS.values())
    return [extras.RAY, *(need for table in tables for needs in table.values() for need in needs)]
