import sys
from pathlib import Path

import pytest

import vital
from tests import toy
from vital.callbacks import TensorBoard
from vital.errors import MissingDependencyError

FAST = {"method": "fourier", "steps": 4, "progress": False}


def test_tensorboard_reads_losses_pictures_and_statuses_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = TensorBoard(tmp_path, every=1, images_every=2)
    made = vital.render(toy.model(), ["act2:0", "act2:1"], callback=board, **FAST)
    board.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    tags = events.Tags()
    losses = [event.value for event in events.Scalars("act2:0/loss")]
    assert losses == pytest.approx(made[0].losses["total"], abs=1e-6)
    assert [event.step for event in events.Images("act2:1/picture")] == [1, 2, 4]
    picture = events.Images("act2:1/picture")[-1]
    assert (picture.height, picture.width) == tuple(made[1].image.shape[1:])
    (status,) = events.Tensors("act2:0/status/text_summary")
    assert status.tensor_proto.string_val == [made[0].status.encode()]
    assert tags["scalars"] == [f"act2:{i}/loss{part}" for i in (0, 1) for part in ("", "/Channel")]


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingDependencyError, match=r"vital-fv\[tensorboard\]"):
        TensorBoard(tmp_path)
