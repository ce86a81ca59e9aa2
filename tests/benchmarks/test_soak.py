"""That a long life leaves nothing behind, on a small scale, and that the soak would find it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import soak
from benchmarks.soak import Held, Soak


@pytest.mark.slow
@pytest.mark.parametrize(("work", "count"), [("units", 60), ("sets of images", 400), ("one set, words", 600)])
def test_nothing_is_left_behind(work: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "PER_ROUND", 3)
    monkeypatch.setattr(soak, "ROUNDS", 10)
    found = soak.soaked(work, count)
    assert found.rounds[-1].done >= count
    assert found.leaks == []


def test_what_is_held_is_counted(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    before, ended = soak.taken(module, 0, tmp_path), threading.Event()
    held = [
        module[1].register_forward_hook(lambda *_: None),
        module.register_forward_pre_hook(lambda *_: None),
    ]
    everywhere = torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
    idle = threading.Thread(target=ended.wait)
    idle.start()
    (tmp_path / "left").write_text("")
    try:
        with (tmp_path / "left").open() as _:
            after = soak.taken(module, 1, tmp_path)
    finally:
        ended.set()
        idle.join()
        everywhere.remove()
    assert len(held) == 2
    assert (before.hooks, after.hooks) == (0, 3)
    assert after.threads == before.threads + 1
    assert after.files == before.files + 1
    assert (before.temporaries, after.temporaries) == (0, 1)


def test_what_grows_is_a_leak() -> None:
    def leaks(*rounds: Held) -> list[str]:
        return Soak("units", "units", [Held(0, 1.0)] * 4 + [*rounds], 1.0).leaks

    level = [Held(i, 100.0 + i % 2, 5, 0, 2) for i in range(1, 9)]
    assert leaks(*level) == []
    assert leaks(*level[:-1], Held(9, 100.0, 6, 1, 2)) == ["files", "hooks"]
    assert leaks(*(Held(i, 100.0 + 4 * i) for i in range(1, 9))) == ["memory"]


def test_it_prints_rounds_and_goals(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--only", "one set, bank", "--images", "100"]
    soak.main([*given, "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["pass"]
    assert result["soaks"][0]["rounds"][-1]["done"] >= 100
    soak.main(given)
    assert "holds" in capsys.readouterr().out
