import sys
from pathlib import Path

import pytest
import torch

import vital
from tests import toy
from vital.callbacks import End, Step, WandB
from vital.errors import MissingDependencyError

FAST = {"method": "fourier", "steps": 4, "progress": False}


class Run:
    """Stands for a run of wandb."""

    def __init__(self) -> None:
        self.logged: list[dict[str, object]] = []
        self.summary: dict[str, object] = {}

    def log(self, facts: dict[str, object]) -> None:
        self.logged.append(facts)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    made = type(sys)("wandb")
    made.Image = lambda picture: picture.size  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", made)


@pytest.mark.usefixtures("library")
def test_a_run_of_wandb_hears_losses_pictures_and_statuses() -> None:
    run = Run()
    watch = WandB(run=run, every=2, images_every=3)
    watch.on_begin(["a"], 4)
    for number in range(1, 5):
        watch.on_step(
            Step(number, 4, torch.tensor([1.0 / number]), names=("a",),
                 make_images=lambda: torch.zeros(1, 3, 8, 8))
        )  # fmt: skip
    watch.on_end(End(("a",), torch.zeros(1, 3, 8, 8), ("done",)))
    watch.close()
    assert [facts["step"] for facts in run.logged] == [1, 2, 3, 4, 4]
    assert [facts["step"] for facts in run.logged if "a/picture" in facts] == [1, 3, 4]
    assert run.logged[1]["a/loss"] == 0.5
    assert run.summary == {"a/status": "done"}


@pytest.mark.slow
def test_wandb_itself_keeps_a_run_offline(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    board = WandB("toys", mode="offline", dir=str(tmp_path), every=1)
    made = vital.render(toy.model(), "act2:0", callback=board, **FAST)
    summary = dict(board.run.summary)
    board.close()
    assert summary["act2:0/status"] == made[0].status
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert list(tmp_path.glob("wandb/offline-run-*/files/media/images/**/*.png"))


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingDependencyError, match=r"vital-fv\[wandb\]"):
        WandB()
