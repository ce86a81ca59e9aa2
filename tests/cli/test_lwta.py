"""`vital lwta train` from the command line."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

import vital
from vital.cli import main
from vital.lwta.layers import competing

FACTORY = """
from torch import nn

SIZE, CLASSES = 8, ("red", "blue")


def net():
    layers = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    return nn.Sequential(*layers)


def deep():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), net()[1:3], *net()[3:])
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 120, (32, 8, 8, 3), np.uint8)
    labels = np.arange(32) % 2
    for picture, label in zip(pictures, labels, strict=True):
        picture[..., 2 * label] += 100
    np.savez(tmp_path / "set.npz", images=pictures, labels=labels)
    (tmp_path / "nets.py").write_text(FACTORY)
    return tmp_path


def command(data: Path, out: str, *more: str) -> list[str]:
    where = ["--images", str(data / "set.npz"), "--out", str(data / out), "--batch-size", "8"]
    return ["lwta", "train", f"{data / 'nets.py'}:net", *where, *more]


def test_a_network_is_converted_trained_measured_and_found_again(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--test", str(data / "set.npz"), "--epochs", "12", "--lr", "0.02")
    assert main(command(data, "run", *more)) == 0
    shown = capsys.readouterr().out
    assert "accuracy 100.00%" in shown
    assert "0.2500" in shown
    results = json.loads((data / "run" / "results.json").read_text())
    assert results["active"] == {"2": [0.25, 0.25, 0.25]}
    again = vital.load_model(f"lwta:4/{data / 'nets.py'}:net", weights=data / "run" / "weights.safetensors")
    assert list(competing(again.module)) == ["2"]
    assert again.classes == ("red", "blue")


def test_a_test_set_without_labels_is_refused_before_the_training(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(data / "bare.npy", np.zeros((4, 8, 8, 3), np.uint8))
    assert main(command(data, "run", "--test", str(data / "bare.npy"))) == 1
    assert "has no labels" in capsys.readouterr().err
    assert not (data / "run").exists()


def test_what_is_written_and_the_name_are_as_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = ("--epochs", "1", "--competitors", "2")
    assert main(command(data, "run", *plain)) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert {p.name for p in (data / "run").iterdir()} == {
        "weights.safetensors",
        "training.json",
        "checkpoint.pt",
        "config.toml",
        ".lock",
    }
    name, option, weights = last.removeprefix("the network is ").split()
    assert (name, option) == (f"lwta:2/{data / 'nets.py'}:net", "--weights")
    assert json.loads((data / "run" / "training.json").read_text())["model"] == name
    assert list(competing(vital.load_model(name, weights=weights).module)) == ["2"]


def test_the_name_is_said_with_the_size_that_was_asked_for(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(data, "run", "--epochs", "1", "--input-size", "12")) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("weights.safetensors --input-size 12")


def test_the_same_network_spelled_otherwise_goes_on(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    for spec in ("nets.py:net", "./nets.py:net"):
        asked = command(data, "run", "--epochs", "1", "--weights", "random")
        assert main([spec if word.endswith(":net") else word for word in asked]) == 0


def test_the_same_command_ends_with_the_same_bytes(data: Path) -> None:
    for out in ("one", "two"):
        assert main(command(data, out, "--epochs", "2", "--weights", "random")) == 0
    one, two = ((data / out / "weights.safetensors").read_bytes() for out in ("one", "two"))
    assert one == two


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--competitors", "3"), "the layer '2' has 8 units"),
        (("--sampling", "0.5", "--skip", "1"), "activation module"),
    ],
)
def test_a_wrong_request_is_explained(
    data: Path, more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(data, "run", *more)) == 2
    assert said in capsys.readouterr().err


def test_a_name_with_patterns_can_be_given_to_a_shell(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = command(data, "run", "--epochs", "1", "--skip", "2.[0-9]")
    asked[2] = f"{data / 'nets.py'}:deep"
    assert main(asked) == 0
    line = capsys.readouterr().out.splitlines()[-1].removeprefix("the network is ")
    assert line.startswith("'lwta:4-2.[0-9]/")
    name, _, weights = shlex.split(line)
    assert list(competing(vital.load_model(name, weights=weights).module)) == ["1"]
