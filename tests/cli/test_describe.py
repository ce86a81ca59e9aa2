import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vital.backends import NoAnswerError
from vital.describing import read_labels
from vital.world.scenes.dataset import images

Cli = Callable[..., Any]
pytestmark = pytest.mark.filterwarnings("ignore:none of the")  # 60 pictures do not show every class twice


@pytest.fixture
def scenes(here: Path) -> Path:
    shown = images(60, seed=5)
    np.savez(here / "scenes.npz", images=np.stack([shown[i] for i in range(60)]))
    (here / "words.txt").write_text("red\n\ngreen\n red \nsnow\nstriped sphere\n")
    return here / "scenes.npz"


def test_describe_writes_labels_scores_and_details(vital: Cli, scenes: Path, here: Path) -> None:
    words = f"describe world planted:2 class:9 --images {scenes} --concepts {here}/words.txt"
    words += f" --methods clip-dissect,activation-ranges --out {here}/run"
    answer = vital(words)
    assert answer.code == 0, answer.err
    assert "constant word" in answer.out
    rows = read_labels(here / "run" / "labels.csv")
    assert [(row["unit"], row["method"]) for row in rows] == [
        (unit, method)
        for unit in ("planted:2", "class:9")
        for method in ("clip-dissect", "activation-ranges")
    ]
    assert rows[0]["candidate"] == "red"
    with (here / "run" / "scores.csv").open() as file:
        names = [row["row"] for row in csv.DictReader(file)]
    assert names == ["clip-dissect", "activation-ranges", "constant word", "shuffled units", "random weights"]
    details = json.loads((here / "run" / "labels.json").read_text())
    assert details["labels"][0]["details"]["held-out"]["correlation"] > 0
    first = {file.name: file.read_bytes() for file in (here / "run").iterdir()}
    assert vital(words).code == 0
    assert {file.name: file.read_bytes() for file in (here / "run").iterdir()} == first


def test_dissect_names_every_unit_of_a_layer_beside_earlier_words_and_pictures(
    vital: Cli, scenes: Path, here: Path
) -> None:
    shown = f"--images {scenes} --concepts {here}/words.txt --set n_random_models=0 --out {here}/run"
    vital(f"render world class:9 --method fourier --steps 1 --out {here}/run")
    assert vital(f"describe world class:9 {shown}").code == 0
    answer = vital(f"dissect world --layers planted {shown}")
    assert answer.code == 0, answer.err
    units = [row["unit"] for row in read_labels(here / "run" / "labels.csv")]
    assert units == ["class:9", *(f"planted:{i}" for i in range(44))]
    assert "45 rows" not in answer.out
    assert re.search(r"the values of whole layers take \d+\.\d kB of memory", answer.out)
    assert (here / "run" / "units" / "class_9" / "fourier-0.png").is_file()


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (("--concepts", "nowhere.txt"), 2, "there is no file nowhere.txt for --concepts"),
        (("--methods", "clip"), 2, "did you mean 'clip-dissect'"),
        (("--encoder", "nothing"), 2, "unknown kind of image-text encoder"),
        (("--set", "alpha=2"), 2, "alpha is 2"),
        (("--images", "none"), 2, "there is no file or folder none"),
    ],
)
def test_a_wrong_request_writes_nothing(
    vital: Cli, scenes: Path, here: Path, change: tuple[str, str], code: int, said: str
) -> None:
    asked = {"--images": scenes, "--concepts": "words.txt", "--out": "run", change[0]: change[1]}
    answer = vital("describe", "world", "class:9", *(word for pair in asked.items() for word in pair))
    assert (answer.code, said in answer.err) == (code, True), answer.err
    assert not (here / "run").exists()


def test_without_images_or_encoder_it_says_what_to_give(vital: Cli, scenes: Path, here: Path) -> None:
    assert "--images DIR or --bank FILE" in vital("describe", "world", "class:9", "--out", "run").err
    answer = vital(f"describe net.py:make class:1 --images {scenes} --concepts words.txt --out run")
    assert (answer.code, "needs an image-text encoder" in answer.err) == (2, True)


def test_a_folder_of_another_network_is_refused(vital: Cli, scenes: Path, here: Path) -> None:
    shown = ("--images", scenes, "--concepts", "words.txt", "--set", "n_random_models=0", "--out", "run")
    assert vital("describe", "world", "class:9", *shown).code == 0
    answer = vital("describe", "world", "class:9", *shown, "--weights", "random")
    assert answer.code == 1
    assert "belongs to another network" in answer.err


def test_backends_are_chosen_and_asked_as_the_command_line_says(vital: Cli, scenes: Path, here: Path) -> None:
    asked = f"describe world class:9 --images {scenes} --methods dnd --set n_random_models=0 --set n_images=2 --out"
    small = "--set n_shown=2 --set n_real=20 --set n_generated=2 --set n_candidates=2 --backend-device cpu"
    first = vital(f"{asked} run {small} --captioner world --generator world")
    assert first.code == 0, first.err
    replayed = vital(f"{asked} again {small} --captioner world --generator world --replay")
    assert replayed.code == 0, replayed.err
    assert (here / "run" / "labels.csv").read_bytes() == (here / "again" / "labels.csv").read_bytes()
    spent = vital(f"{asked} spent {small} --captioner world --generator world --fresh --calls 1")
    assert (spent.code, "the budget of 1 calls is spent" in spent.err) == (1, True), spent.err
    wrong = vital(f"{asked} wrong {small} --summarizer openai:m@localhost:1/v1")
    assert (wrong.code, "starts with http:// or https://" in wrong.err) == (2, True), wrong.err
    assert not (here / "wrong").exists()


def test_a_refusal_is_the_units_status_and_the_exit_code_is_1(
    vital: Cli, scenes: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        name = "small"

        def summarize(self, captions: list[str], count: int, images: Any = None) -> list[str]:
            raise NoAnswerError("small refused to answer: I will not.")

    monkeypatch.setattr("vital.backends.load_summarizer", lambda spec, **options: Refusing())
    asked = f"describe world class:9 planted:2 --images {scenes} --methods dnd,clip-dissect --out run"
    asked += " --concepts words.txt --captioner world --summarizer transformers:small"
    for setting in ("n_random_models=0", "n_images=2", "n_shown=2", "n_real=20"):
        asked += f" --set {setting}"
    done = vital(asked)
    assert done.code == 1
    assert "vital: dnd of planted:2: no answer: small refused to answer: I will not." in done.err
    rows = {(row["unit"], row["method"]): row for row in read_labels(here / "run" / "labels.csv")}
    assert len(rows) == 4
    assert rows["class:9", "dnd"]["reason"] == "no answer: small refused to answer: I will not."
    assert rows["planted:2", "clip-dissect"]["candidate"] == "red"


def test_the_words_of_the_world_are_not_taken_in_silence(vital: Cli, scenes: Path, here: Path) -> None:
    asked = (
        f"describe net.py:make class:1 --images {scenes} --encoder world --set n_random_models=0 --out run"
    )
    assert "vital: the words are those of the built-in world, which net:make may" in vital(asked).err
    assert "built-in world" not in vital(f"{asked} --concepts words.txt").err
