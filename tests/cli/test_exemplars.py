import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vital import build_bank, load_images, load_model
from vital.rendering import exemplars

Cli = Callable[..., Any]


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.copy()


def test_exemplars_are_written_with_their_heat_and_beside_prototypes(
    vital: Cli, here: Path, pictures: Path
) -> None:
    words = f"exemplars net.py:make 3:1 class:bee --images {pictures} --count 3 --out run"
    answer = vital(words)
    assert answer.code == 0
    assert answer.err.startswith("vital: skipped cat/broken.png: ")
    bank = build_bank(load_model("net.py:make"), ["3"], load_images(pictures), disk=False)
    for unit, name in (("3:1", "3_1"), ("class:1", "class_1")):
        expected = exemplars(bank, unit, 3)
        kept = json.loads((here / "run" / "units" / name / "exemplars.json").read_text())
        assert [(e["name"], e["by"]) for e in kept["exemplars"]] == [(e.name, e.by) for e in expected]
        shown = opened(here / "run" / "units" / name / "exemplars.png")
        assert shown.tobytes() == expected.to_grid().tobytes()
        assert all(e.name in answer.out for e in expected)
    assert answer.out.splitlines()[-1].startswith(f"{Path('run', 'units')}: exemplars.png of each unit")
    assert not (here / "run" / "exemplars.png").exists()
    drawn = ("render", "net.py:make", "class:bee", "--images", pictures, "--steps", 2, "--out", "run")
    assert vital(*drawn).code == 0
    again = vital(words)
    assert again.code == 0
    assert again.out.splitlines()[-1] == f"{Path('run', 'exemplars.png')}: the prototypes beside them"
    one = opened(here / "run" / "exemplars.png").height
    assert vital(*drawn, "--seed", 1).code == 0
    assert vital(words).code == 0
    assert opened(here / "run" / "exemplars.png").height == 2 * one


def test_by_relevance_for_another_unit_and_from_a_bank(vital: Cli, here: Path, pictures: Path) -> None:
    assert vital("bank", "net.py:make", "--layers", "3", "--images", pictures, "--out", "b").code == 0
    answer = vital("exemplars net.py:make 3:4 --bank b --by relevance --for class:cat --count 2 --out run")  # fmt: skip
    assert answer.code == 0
    assert "lrp zplus for class:2" in answer.out.splitlines()[0]
    assert len(json.loads((here / "run" / "units" / "3_4" / "exemplars.json").read_text())["exemplars"]) == 2


def test_a_unit_at_which_no_relevance_arrives_is_a_status_and_an_exit_code(
    vital: Cli, pictures: Path
) -> None:
    asked = ("--images", pictures, "--count", 2, "--out", "run")
    answer = vital(
        "exemplars", "net.py:make", "3:1", "3:4", "--by", "relevance", "--for", "class:cat", *asked
    )
    assert answer.code == 1
    assert [line.endswith("no relevance") for line in answer.out.splitlines()[1:5]] == [
        True,
        True,
        False,
        False,
    ]
    assert "no relevance arrived for 3:1; choose other units" in answer.err
    assert vital("exemplars", "net.py:make", "3:4", "--condition", "1:0-7", *asked).code == 0
    answer = vital("exemplars", "net.py:make", "class:cat", "--condition", "3:1", *asked)
    assert answer.code == 1
    assert "lrp zplus through 3:1" in answer.out


def test_by_relevance_for_the_class_of_each_image(vital: Cli, here: Path, pictures: Path) -> None:
    for target in ("label", "predicted"):
        asked = ("--by", "relevance", "--for", target, "--images", pictures, "--count", 2, "--out", "run")
        answer = vital("exemplars", "net.py:make", "3:3", *asked)
        assert f"lrp zplus for {target}" in answer.out
        kept = json.loads((here / "run" / "units" / "3_3" / "exemplars.json").read_text())["exemplars"]
        bank = build_bank(load_model("net.py:make"), ["3"], load_images(pictures), disk=False)
        expected = exemplars(bank, "3:3", 2, by="relevance", for_unit=target)
        assert [(e["name"], e["of"]) for e in kept] == [(e.name, e.of) for e in expected]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "vital: images are needed; give --images DIR or --bank FILE\n"),
        (
            ("--images", "pictures", "--by", "chance"),
            "vital: by is 'chance'; allowed are activation, relevance\n",
        ),
    ],
)
def test_wrong_requests_are_one_sentence(
    vital: Cli, pictures: Path, given: tuple[str, ...], words: str
) -> None:
    del pictures
    answer = vital("exemplars", "net.py:make", "3:1", *given, "--out", "run")
    assert (answer.code, answer.err) == (2, words)


def test_a_folder_of_another_network_is_refused(vital: Cli, here: Path, pictures: Path) -> None:
    drawn = ("render", "net.py:make", "class:0", "--method", "fourier", "--steps", 2, "--weights", "random")
    assert vital(*drawn, "--out", "run").code == 0
    text = (here / "run" / "run.json").read_text()
    now = json.loads(text)
    now["model"]["weights_hash"] = "other"
    (here / "run" / "run.json").write_text(json.dumps(now))
    answer = vital("exemplars", "net.py:make", "class:0", "--images", pictures, "--out", "run")
    assert answer.code == 1
    assert "belongs to another network; choose another folder" in answer.err


def test_by_relevance_needs_to_know_for_what(vital: Cli, pictures: Path) -> None:
    answer = vital("exemplars net.py:make 3:1 --by relevance --out run --images", pictures)
    assert answer.code == 2
    assert "--by relevance needs --for UNIT" in answer.err
