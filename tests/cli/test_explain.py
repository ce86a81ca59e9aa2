"""`vital explain` from the command line."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

import vital
from vital.cli import main
from vital.describing.run_folder import COLUMNS
from vital.utils.io import as_csv
from vital.world.scenes.dataset import images


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explain") / "scene.png"
    Image.fromarray(images(1, seed=5)[0]).save(path)
    return path


@pytest.mark.filterwarnings("ignore:none of the")  # few pictures
def test_it_prints_a_table_and_writes_json_text_and_picture(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.csv"
    said = vital.describe(
        vital.load_model("world:competing"),
        ["layer4.relu2:0-7"],
        images=images(64, seed=6),
        n_random_models=0,
        progress=False,
        alpha=1.0,
    )
    said.to_csv(labels)
    command = [
        "explain",
        "world:competing",
        str(picture),
        "--layers",
        "layer4.relu2",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main([*command, "--unit-labels", str(labels), "--count", "40"]) == 0
    shown = capsys.readouterr().out
    assert "contribution" in shown
    written = json.loads((tmp_path / "run" / "explanation.json").read_text())
    assert len(written["winners"]) == 144 // 4
    known = {str(d.unit): d.label for d in said}
    assert {w["label"] for w in written["winners"] if w["unit"] in known} <= {*known.values()}
    assert any(w["label"] for w in written["winners"])
    assert (tmp_path / "run" / "explanation.txt").read_text().count("layer4.relu2") == 1
    with Image.open(tmp_path / "run" / "explanation.png") as shown_picture:
        assert shown_picture.width > 100


def test_sentences_may_be_asked_for(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "world:competing", str(picture), "--text", "--by", "relevance"]) == 0
    shown = capsys.readouterr().out
    assert "layer4.relu2: 36 blocks" in shown
    assert "contribution" not in shown


def test_a_folder_of_several_images_is_refused(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture.read_bytes())
    assert main(["explain", "world:competing", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path) in said
    assert "holds 2 images; allowed is one image" in said


def test_a_dense_network_is_refused(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "world", str(picture)]) == 1
    assert "no competing layers" in capsys.readouterr().err


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    net = vital.load_model("world")
    said = vital.describe(
        net, ["layer4:0-3"], images=images(64, seed=6), n_random_models=0, progress=False, alpha=1.0
    )
    said.to_csv(tmp_path / "labels.csv")
    return tmp_path / "labels.csv"


def test_labels_that_cannot_belong_here_are_told(
    picture: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["explain", "world:competing", str(picture), "--layers", "layer4.relu2", "--unit-labels"]
    assert main([*asked, str(labels)]) == 0
    said = capsys.readouterr().err
    assert f"'{labels}' has words of world, not of world:competing" in said
    assert f"no winner has a label in '{labels}', which names layer4:0, layer4:1, layer4:2\n" in said
    assert main([*asked, str(picture)]) == 1
    assert "scene.png', line 1: the byte 0x89 is no text in UTF-8" in capsys.readouterr().err


def test_labels_of_this_network_are_no_news(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = dict.fromkeys(COLUMNS, "") | {"method": "by hand"}
    units = [cells | {"layer": "layer4.relu2", "unit": f"layer4.relu2:{i}"} for i in range(144)]
    others = [unit | {"label": "another thing", "model": "world"} for unit in units]
    own = [
        unit | {"label": "a thing", "model": ("", "world:competing")[i % 2]} for i, unit in enumerate(units)
    ]
    labels = tmp_path / "labels.csv"
    labels.write_bytes(as_csv(COLUMNS, [*others, *own]))
    asked = ["explain", "world:competing", str(picture)]
    asked += ["--layers", "layer4.relu2", "--unit-labels", str(labels)]
    assert main([*asked, "--text"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert re.search(r"layer4\.relu2: 36 blocks; largest by gradient: \d+ a thing \([+-]", shown.out)
    labels.write_bytes(as_csv(COLUMNS, units))
    assert main(asked) == 0
    assert f"no winner has a label in '{labels}', in which no label stands\n" in capsys.readouterr().err
