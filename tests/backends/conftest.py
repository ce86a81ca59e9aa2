from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from tests.backends import tiny


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Make a tiny network once: `made("llava", mute=True)` is the folder that it was written to."""
    folders: dict[tuple, Path] = {}

    def make(kind: str, **options: object) -> Path:
        key = (kind, *sorted(options.items()))
        if key not in folders:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                folders[key] = getattr(tiny, kind)(tmp_path_factory.mktemp(kind), **options)
        return folders[key]

    return make


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty cache of the hub, and no network."""
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


@pytest.fixture
def hidden(monkeypatch):
    """Hide packages as if they were not installed."""

    def hide(*packages: str) -> None:
        class Hidden:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in packages:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

        for name in [n for n in sys.modules if n.partition(".")[0] in packages]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [Hidden(), *sys.meta_path])

    return hide
