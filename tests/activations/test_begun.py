import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import vital
from vital.activations import begun, build_bank
from vital.data import load_images
from vital.errors import DataError
from vital.tracing import list_layers


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(begun, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr("vital.activations.scan.CHUNK", 8)


@pytest.fixture
def net() -> vital.Model:
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
    )
    return vital.Model(layers, size=(12, 12))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for i in range(60):
        pixels = random.integers(0, 256, (14, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{i:02d}.png")
    for broken in ("03.png", "31.png"):
        (tmp_path / "pictures" / broken).write_bytes(b"rubbish")
    return tmp_path / "pictures"


class Stopped(BaseException):
    """As a pressed Control-C."""


def stop_at(net: vital.Model, images: int) -> list[int]:
    """Let the network fail when so many images have been shown; the list counts those of all passes."""
    seen = [0]

    def count(_: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        seen[0] += len(given[0])
        if images and seen[0] > images:
            raise Stopped

    net.module[0].register_forward_pre_hook(count)
    return seen


@pytest.mark.parametrize("stopped", [5, 20, 37, 55])
def test_a_stopped_bank_goes_on_and_ends_with_the_same_bytes(
    net: vital.Model, folder: Path, tmp_path: Path, stopped: int
) -> None:
    pictures = load_images(folder, workers=0)
    how = {"batch": 4, "top": 5, "disk": False}
    build_bank(net, ["0"], pictures, path=tmp_path / "whole", **how)
    out = tmp_path / "out"
    shown = stop_at(net, stopped)
    with pytest.raises(Stopped):
        build_bank(net, ["0"], load_images(folder, workers=0), path=out, **how)
    assert not out.exists()
    net.module[0]._forward_pre_hooks.clear()
    rest = stop_at(net, 0)
    again = load_images(folder, workers=0)
    build_bank(net, ["0"], again, path=out, **how)
    assert rest[0] < 60 - 4 if shown[0] > 20 else rest[0] <= 60
    assert out.read_bytes() == (tmp_path / "whole").read_bytes()
    assert again.skipped == pictures.skipped
    assert {file.name for file in tmp_path.iterdir()} == {"pictures", "whole", "out"}


def test_images_that_changed_in_between_are_refused(net: vital.Model, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    stop_at(net, 30)
    with pytest.raises(Stopped):
        build_bank(net, ["0"], load_images(folder, workers=0), path=out, batch=4, disk=False)
    net.module[0]._forward_pre_hooks.clear()
    (folder / "60.png").write_bytes((folder / "50.png").read_bytes())
    said = r"^the images of pictures have changed since '.*out' was begun with \d+ of them; .* remove '.*\.begun'"
    with pytest.raises(DataError, match=said):
        build_bank(net, ["0"], load_images(folder), path=out, batch=4, disk=False)
    build_bank(net, [], load_images(folder), path=out, batch=4, disk=False)  # another request begins anew
    assert out.exists()


@pytest.mark.parametrize("change", ["content", "gone"])
def test_images_that_change_meanwhile_are_refused(
    net: vital.Model, folder: Path, tmp_path: Path, change: str
) -> None:
    def meddle(*_: object) -> None:
        if change == "gone":
            (folder / "55.png").unlink(missing_ok=True)
        else:
            (folder / "55.png").write_bytes((folder / "50.png").read_bytes() + b" ")

    list_layers(net)  # once and for all, before anybody meddles
    net.module[0].register_forward_pre_hook(meddle)
    with pytest.raises(DataError, match=r"^55\.png of pictures changed while the bank was made"):
        build_bank(net, ["0"], load_images(folder), path=tmp_path / "out", batch=4, disk=False)
    assert not (tmp_path / "out").exists()


def test_a_rest_of_which_nothing_can_be_read_is_no_fault(
    net: vital.Model, folder: Path, tmp_path: Path
) -> None:
    for i in range(40, 60):
        (folder / f"{i}.png").write_bytes(b"rubbish")
    how = {"batch": 4, "disk": False}
    build_bank(net, ["0"], load_images(folder, workers=0), path=tmp_path / "whole", **how)
    images = load_images(folder, workers=0)

    out = tmp_path / "out"
    made = build_bank(net, ["0"], images, path=tmp_path / "other", **how)
    held = begun.Begun(out, images, made.key, made.made_of)
    held.keep(made.tables, 40)
    build_bank(net, ["0"], load_images(folder, workers=0), path=out, **how)
    assert out.read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_damaged_state_begins_anew(net: vital.Model, folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".out.begun").write_bytes(b"rubbish")
    build_bank(net, ["0"], load_images(folder), path=tmp_path / "out", disk=False)
    assert {file.name for file in tmp_path.iterdir()} == {"pictures", "out"}


PROGRAM = """
import sys, time, torch, vital
from torch import nn
from vital.activations import begun
begun.EVERY_SECONDS = 0.0
vital.activations.scan.CHUNK = 8
torch.manual_seed(0)
layers = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
net = vital.Model(layers, size=(12, 12))
pause = float(sys.argv[3])
layers[0].register_forward_pre_hook(lambda *_: time.sleep(pause))
vital.build_bank(net, ["0"], vital.load_images(sys.argv[1]), path=sys.argv[2], batch=4, disk=False)
"""


@pytest.mark.slow
def test_a_killed_bank_goes_on(folder: Path, tmp_path: Path) -> None:
    def command(out: str, pause: float) -> list[str]:
        return [sys.executable, "-c", PROGRAM, str(folder), str(tmp_path / out), str(pause)]

    subprocess.run(command("whole", 0), check=True)
    run = subprocess.Popen(command("out", 0.3))
    for _ in range(600):
        if (tmp_path / ".out.begun").exists():
            break
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert not (tmp_path / "out").exists()
    subprocess.run(command("out", 0), check=True)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()
