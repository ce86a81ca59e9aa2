from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

Cli = Callable[..., Any]


@pytest.fixture
def answer(vital: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(here / "hub"))
    (here / "hub" / "checkpoints").mkdir(parents=True)
    (here / "hub" / "checkpoints" / "resnet50-1234.pth").write_bytes(b"x" * 2_000_000)
    (here / "cache").mkdir()
    (here / "cache" / "one").write_bytes(b"x" * 500_000)
    found = vital("doctor")
    assert found.code == 0
    text: str = found.out
    return text


def test_versions_devices_and_threads_are_shown(answer: str) -> None:
    rows = [line.split() for line in answer.splitlines()]
    assert ["torch", torch.__version__.partition("+")[0]] in rows
    assert ["cpu", str(torch.get_num_threads()), "threads"] in rows


def test_cached_weights_and_the_size_of_the_cache_are_shown(answer: str, here: Path) -> None:
    rows = [line.split()[:3] for line in answer.splitlines()]
    assert ["resnet50-1234.pth", "2.0", "MB"] in rows
    assert [str(here / "cache"), "0.5", "MB"] in rows


def test_a_missing_package_names_its_extra(vital: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def missing(name: str) -> str:
        if name in ("timm", "kornia"):
            raise metadata.PackageNotFoundError
        return "1.2.3"

    monkeypatch.setattr(metadata, "version", missing)
    lines = vital("doctor").out.splitlines()
    assert [line.split() for line in lines if line.startswith("timm")] == [
        [
            "timm",
            "-",
            "optional:",
            "pip",
            "install",
            "'vital-fv[timm]',",
            "or",
            "'.[timm]'",
            "in",
            "a",
            "clone",
        ]
    ]
    assert any(line.split() == ["kornia", "-", "missing:", "pip", "install", "vital-fv"] for line in lines)


def test_a_package_that_cannot_be_imported_is_named(vital: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    def broken(name: str) -> None:
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist\nmore")
        raise RuntimeError(f"{name} is broken\nmore")

    monkeypatch.setattr(importlib, "import_module", broken)
    said = vital("doctor").out
    assert "does not work: kornia is broken\n" in said
    assert "does not fit torch " in said
    assert "install both from one index: pip install --force-reinstall torch torchvision" in said
