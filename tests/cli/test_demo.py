import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from vital.cli import demo
from vital.describing.run_folder import read_labels, write_labels
from vital.records import Description
from vital.rendering.run_folder import kept_exemplars, runs
from vital.units import Unit
from vital.world.networks.check import Check, checked
from vital.world.scenes.concepts import Concept
from vital.world.scenes.ground_truth import Truth

OFFLINE = """
import socket, sys
from pathlib import Path
def refuse(*given): raise AssertionError("the demo asks for the network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from vital.cli import main
code = main(["demo", "--out", sys.argv[1]])
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(status["VmHWM"].split()[0], file=sys.stderr)  # its own: getrusage counts the parent's memory before exec too
sys.exit(code)
"""


def made(right: bool = True) -> Check:
    cube, cone = Concept((("solid", "cube"),)), Concept((("solid", "cone"),))
    truth = Truth(Unit.parse("class:0"), cube, 0.9876543, 0.1, 0.8, cone, 0.5)
    return Check(truth, "cube" if right else "cone", right, "red cube", 0.25)


def test_what_the_judge_sees_otherwise_stands_in_parentheses() -> None:
    unit = Unit.parse("class:0")
    said = Description(unit, "clip-dissect", "cube", 1.0, "cube")
    assert demo._row(made(), [said]) == ("class:0", "cube", "0.99", "cube", "red cube", "cube")
    assert demo._row(made(right=False), [said])[3] == "(cone)"
    assert demo._row(made(), [replace(said, label="")])[5] == "- (cube)"


def test_titles_are_the_unit_and_the_truth() -> None:
    check = made()
    named = replace(check, truth=replace(check.truth, unit=Unit("class", 0, label="cube")))
    other = replace(check, truth=replace(check.truth, unit=Unit("class", 0, label="cone")))
    planted = replace(check, truth=replace(check.truth, unit=Unit.parse("planted:1")))
    assert demo._title(named) == ["class:cube"]
    assert demo._title(other) == ["class:cone", "cube"]
    assert demo._title(planted) == ["planted:1", "cube"]


def test_the_labels_are_a_row_per_unit_and_method(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.csv", demo._said([made()], "world"))
    rows = read_labels(tmp_path / "labels.csv")
    assert [(row["unit"], row["layer"], row["method"], row["label"], row["score"]) for row in rows] == [
        ("class:0", "class", "truth", "cube", 0.987654),
        ("class:0", "class", "judge", "cube", 1),
        ("class:0", "class", "nearest words", "red cube", 0.25),
    ]


def test_pictures_are_held_against_the_truth(tmp_path: Path) -> None:
    from vital.world import Scene, Thing, render
    from vital.world.networks.weights import model

    pictures = render(
        [Scene(Thing("cube", "striped", "red", "white")), Scene(Thing("torus", "metal", "red"))]
    )
    net = model("classifier")
    units = [f"class:{net.classes.index(name)}" for name in ("striped cube", "glass star")]
    first, second = checked(net, units, pictures, progress=False)
    assert (first.truth.concept.name, first.seen, first.right) == ("striped cube", "striped cube", True)
    assert (second.truth.concept.name, second.seen, second.right) == ("glass star", "metal torus", False)
    assert {"cube", "striped", "red"} & set(first.words.split())
    assert torch.tensor([first.score, second.score]).abs().amax() <= 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.slow
def test_the_demo_needs_no_network_and_little_memory(tmp_path: Path) -> None:
    out = tmp_path / "run"
    ended = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(out)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0].split() == [
        "unit",
        "truth",
        "AUPRC",
        "judge",
        "sees",
        "nearest",
        "words",
        "clip-dissect",
        "prototype",
    ]
    assert len(lines) >= 1 + len(demo.UNITS)
    with Image.open(out / "run" / "sheet.png") as sheet:
        assert sheet.width >= len(demo.UNITS) * 128
    page = (out / "report.html").read_text()
    assert page.count('<article class="unit card"') == len(demo.UNITS)
    assert page.count("Images that excite it most") == len(demo.UNITS)
    assert lines[-1].endswith(str(out / "report.html"))
    assert len((out / "run" / "labels.csv").read_text().splitlines()) == 1 + 5 * len(demo.UNITS)
    assert (out / "index.html").is_file()
    (run,) = runs(out / "run")
    assert run.complete(run.render.units)
    assert len(run.render.units) == len(demo.UNITS)
    assert all(len(kept_exemplars(out / "run", unit)) == demo.EXEMPLARS for unit in run.render.units)
    assert 0.2 <= int(ended.stderr.splitlines()[-1]) / 1e6 <= 2  # kB
