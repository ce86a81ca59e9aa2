import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vital import build_bank, load_bank, load_images, load_model
from vital.data import joined
from vital.errors import DataError

Cli = Callable[..., Any]


def test_a_bank_is_made_kept_and_lists_what_it_skipped(vital: Cli, here: Path, pictures: Path) -> None:
    made = vital("bank", "net.py:make", "--layers", "0, 2", "--images", pictures, "--out", "b.safetensors")
    assert made.code == 0
    assert made.out.startswith("b.safetensors: 16 images, layers 0, 2, class, ")
    assert made.err.startswith("vital: skipped cat/broken.png: ")
    before = (here / "b.safetensors").stat().st_mtime_ns, (here / "b.safetensors").read_bytes()
    assert (
        vital("bank", "net.py:make", "--layers", "0,2", "--images", pictures, "--out", "b.safetensors").code
        == 0
    )
    assert (here / "b.safetensors").read_bytes() == before[1]


def test_a_bank_that_is_read_back_ranks_as_before(vital: Cli, here: Path, pictures: Path) -> None:
    vital("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", "b.safetensors", "--top", 5)
    model, found = load_model("net.py:make"), load_images(pictures)
    again, fresh = (
        load_bank("b.safetensors", model, found),
        build_bank(model, ["2"], found, top=5, disk=False),
    )
    assert again.key == fresh.key
    assert again.layers == ("2", "class")
    assert again.strongest("2:3", 5) == fresh.strongest("2:3", 5)


def test_a_bank_alone_renders_what_its_images_render(vital: Cli, here: Path, pictures: Path) -> None:
    vital("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", "b.safetensors")
    common = ("render", "net.py:make", "class:0", "2:1", "--steps", 2)
    assert vital(*common, "--bank", "b.safetensors", "--out", "one").code == 0
    assert vital(*common, "--images", pictures, "--out", "two").code == 0
    for unit in ("class_0", "2_1"):
        one, two = (next((here / run / "units" / unit).glob("vital-0.png")) for run in ("one", "two"))
        pixels = [Image.open(path).tobytes() for path in (one, two)]
        assert pixels[0] == pixels[1]


@pytest.mark.parametrize("change", ["images", "weights", "preprocessing"])
def test_a_bank_of_something_else_is_refused_by_name(
    vital: Cli, here: Path, pictures: Path, change: str
) -> None:
    from dataclasses import replace

    vital("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", "b.safetensors")
    if change == "images":
        (pictures / "cat" / "broken.png").unlink()
    model = load_model("net.py:make", seed=int(change == "weights"))
    model = replace(model, mean=(0.5,)) if change == "preprocessing" else model
    with pytest.raises(
        DataError, match=f"the bank 'b.safetensors' was made of other {change}; make it again"
    ):
        load_bank("b.safetensors", model, load_images(pictures))


@pytest.mark.parametrize("content", [None, b"no bank"])
def test_a_file_that_is_no_bank_is_one_sentence(
    vital: Cli, here: Path, pictures: Path, content: bytes | None
) -> None:
    if content is not None:
        (here / "b").write_bytes(content)
    answer = vital(f"render net.py:make class:0 --images {pictures} --bank b --steps 2 --out run")
    assert (answer.code, answer.err) == (
        (2, "vital: there is no bank b; make it with vital bank\n")
        if content is None
        else (1, "vital: 'b' is not a bank that can be read; make one with vital bank or build_bank\n")
    )


def test_a_wrong_layer_is_answered_with_near_names(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital("bank", "net.py:make", "--layers", "20", "--images", pictures, "--out", "b.safetensors")
    assert answer.code == 2
    assert "the network has no layer '20'; did you mean '2'" in answer.err
    assert not (here / "b.safetensors").exists()


def test_no_layer_at_all_is_one_sentence(vital: Cli, pictures: Path) -> None:
    answer = vital("bank", "net.py:make", "--layers", ",", "--images", pictures, "--out", "b")
    assert (answer.code, answer.err) == (2, "vital: --layers is ','; give names with commas between them\n")


def test_a_folder_in_the_way_is_one_sentence(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", here)
    assert answer.code == 1
    assert answer.err.startswith("vital: cannot ")
    assert answer.err.count("\n") == 1


@pytest.fixture
def parts(vital: Cli, here: Path, pictures: Path) -> list[str]:
    """Three banks, of the images of some classes each."""
    found = []
    for name, classes in (("a", ["ant", "bee"]), ("b", ["cat"]), ("c", ["dog", "elk"])):
        for folder in classes:
            shutil.move(pictures / folder, here / name / folder)
        words = ("--layers", "3", "--images", name, "--out", f"{name}.safetensors", "--top", 5)
        assert vital("bank", "net.py:make", *words).code == 0
        found.append(f"{name}.safetensors")
    return found


def test_a_merged_bank_is_that_of_all_images_and_renders_alone(
    vital: Cli, here: Path, parts: list[str]
) -> None:
    made = vital("merge", "net.py:make", *parts, "--out", "all.safetensors")
    assert made.code == 0
    assert made.out.startswith("all.safetensors: 16 images of 3 banks, layers 3, class, ")
    whole, model = joined([load_images(here / name) for name in "abc"]), load_model("net.py:make")
    again = load_bank("all.safetensors", model, whole)
    fresh = build_bank(model, ["3"], whole, top=5, disk=False)
    assert again.key == fresh.key
    assert again.strongest("3:3", 5) == fresh.strongest("3:3", 5)
    drawn = vital("render net.py:make class:0 class:3 --bank all.safetensors --steps 2 --out run")
    assert drawn.code == 0


def test_merged_banks_can_be_merged_again(vital: Cli, parts: list[str]) -> None:
    assert vital("merge", "net.py:make", *parts[:2], "--out", "ab.safetensors").code == 0
    assert vital("merge", "net.py:make", "ab.safetensors", parts[2], "--out", "all.safetensors").code == 0
    drawn = vital("render net.py:make class:2 --bank all.safetensors --steps 2 --out run")
    assert drawn.code == 0
    refused = vital("render net.py:make class:2 --bank all.safetensors --image-labels l.csv --out two")
    assert refused.err == (
        "vital: --image-labels l.csv cannot be given for all.safetensors, whose parts have their own\n"
    )


def test_banks_that_do_not_fit_and_names_that_are_taken_are_refused(
    vital: Cli, here: Path, parts: list[str]
) -> None:
    words = ("--layers", "2", "--images", "c", "--out", "other.safetensors", "--top", 5)
    assert vital("bank", "net.py:make", *words).code == 0
    answer = vital("merge", "net.py:make", parts[0], "other.safetensors", "--out", "all.safetensors")
    assert answer.code == 1
    assert "were made of other layers and cannot be merged" in answer.err
    assert not (here / "all.safetensors").exists()
    (here / "mine").write_text("precious")
    answer = vital("merge", "net.py:make", *parts, "--out", "mine")
    assert answer.err == "vital: 'mine' is there already and is no bank; choose another name\n"
    assert (here / "mine").read_text() == "precious"


def test_a_bank_finds_its_images_from_other_folders_or_says_what_to_give(
    vital: Cli, here: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "labels.csv").write_text("file,index\nant/0.png,3\n")
    words = (
        "--layers",
        "2",
        "--images",
        "pictures",
        "--image-labels",
        "labels.csv",
        "--out",
        "b.safetensors",
    )
    assert vital("bank", "net.py:make", *words).code == 0
    (here / "else" / "where").mkdir(parents=True)
    monkeypatch.chdir(here / "else" / "where")
    asked = (f"{here / 'net.py'}:make", "class:3", "--steps", 2, "--bank")
    assert vital("render", *asked, here / "b.safetensors", "--out", "one").code == 0
    for name in ("pictures", "labels.csv", "b.safetensors"):
        shutil.move(here / name, here / "else" / name)
    moved = vital("render", *asked, "../b.safetensors", "--out", "two")
    assert moved.code == 0, moved.err
    (here / "else" / "labels.csv").unlink()
    lost = vital("render", *asked, "../b.safetensors", "--out", "three")
    told = "vital: the {} of --bank ../b.safetensors are no longer at '{}'; give {} too\n"
    assert (lost.code, lost.err) == (2, told.format("labels", here / "labels.csv", "--image-labels CSV"))
    shutil.rmtree(here / "else" / "pictures")
    lost = vital("render", *asked, "../b.safetensors", "--out", "three")
    assert lost.err == told.format("images", here / "pictures", "--images DIR")


def test_a_home_folder_that_the_shell_left_alone_is_found(
    vital: Cli, here: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = here / "home of mine"
    shutil.copytree(pictures, home / "pics")
    shutil.copy(here / "net.py", home / "own.py")
    monkeypatch.setenv("HOME", str(home))
    bank = ("bank", "~/own.py:make", "--layers", "2", "--images=~/pics", "--out=~/b.safetensors")
    assert vital(*bank).code == 0
    assert (home / "b.safetensors").is_file()
    assert not (here / "~").exists()
    assert len(load_images("~/pics")) == 16
    assert load_model("~/own.py:make").classes[0] == "ant"


def test_what_is_no_bank_is_told_before_its_images_are_looked_for(
    vital: Cli, here: Path, pictures: Path
) -> None:
    assert (
        vital("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", "own.safetensors").code
        == 0
    )
    whole = (here / "own.safetensors").read_bytes()
    (here / "cut.safetensors").write_bytes(whole[:100])
    (here / "empty.safetensors").write_bytes(b"")
    for given, says in {
        "ow.safetensors": "there is no bank ow.safetensors; did you mean 'own.safetensors'?",
        "cut.safetensors": "--bank cut.safetensors is no bank, or is damaged; make it with vital bank",
        "empty.safetensors": "--bank empty.safetensors is no bank, or is damaged; make it with vital bank",
        "net.py": "--bank net.py is no bank, or is damaged; make it with vital bank",
        ".": "--bank . is a folder; give the file that vital bank wrote",
    }.items():
        made = vital("render", "net.py:make", "class:ant", "--bank", given, "--out", "run")
        assert made.code == 2
        assert says in made.err
    made = vital("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", ".")
    assert (
        made.code,
        "cannot write '.': it is a folder; give the name of a file for the bank" in made.err,
    ) == (1, True)


def test_a_bank_that_is_given_twice_is_not_merged(vital: Cli, here: Path, pictures: Path) -> None:
    vital("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", "b.safetensors")
    made = vital("merge", "net.py:make", "b.safetensors", here / "b.safetensors", "--out", "m.safetensors")
    assert (made.code, "a bank is given twice" in made.err) == (2, True)


def test_the_images_beside_a_bank_are_found_through_a_link(
    vital: Cli, here: Path, pictures: Path, tmp_path: Path
) -> None:
    (here / "kept").mkdir()
    shutil.copytree(pictures, here / "pics")
    vital("bank", "net.py:make", "--layers", "2", "--images", "pics", "--out", "b.safetensors")
    shutil.move(here / "pics", here / "kept" / "pics")
    shutil.move(here / "b.safetensors", here / "kept" / "b.safetensors")
    (here / "link.safetensors").symlink_to(here / "kept" / "b.safetensors")
    made = vital("exemplars", "net.py:make", "2:0", "--bank", "link.safetensors", "--out", "run")
    assert made.code == 0


def test_shards_are_images_and_are_found_again(vital: Cli, here: Path, pictures: Path) -> None:
    import tarfile

    (pictures / "cat" / "broken.png").unlink()
    for number, folder in enumerate(("ant", "cat")):
        with tarfile.open(here / f"s-{number}.tar", "w") as tar:
            for path in sorted((pictures / folder).iterdir()):
                tar.add(path, f"{folder}-{path.name}")
    words = ("bank", "net.py:make", "--layers", "2", "--images", "s-{0..1}.tar", "--workers", 2)
    made = vital(*words, "--out", "b.safetensors")
    assert made.code == 0, made.err
    asked = ("exemplars", "net.py:make", "2:1", "--bank", "b.safetensors", "--out", "run")
    assert vital(*asked, "--workers", 0).code == 0
    (here / "s-1.tar").unlink()
    lost = vital(*asked)
    assert (lost.code, lost.err.partition("no longer")[1]) == (2, "no longer")


def test_workers_below_none_are_refused(vital: Cli, here: Path, pictures: Path) -> None:
    words = ("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", "b", "--workers", "-1")
    assert vital(*words).code == 2


@pytest.mark.parametrize(
    "words",
    [
        "bank empty.py:make --layers none,conv --out b.safetensors",
        "dissect empty.py:make --layers none --concepts words.txt --encoder world --out run",
        "exemplars empty.py:make none:0 --out run",
        "atlas empty.py:make --layers none --out site",
    ],
)
def test_a_layer_without_units_is_one_sentence(vital: Cli, here: Path, pictures: Path, words: str) -> None:
    (here / "words.txt").write_text("red\ngreen\n")
    (here / "empty.py").write_text(
        "import torch\nfrom torch import nn\nSIZE = 16\n"
        "class None_(nn.Module):\n    def forward(self, x):\n        return x[:, :0]\n"
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.conv, self.none, self.last = nn.Conv2d(3, 4, 3), None_(), nn.Conv2d(4, 4, 3)\n"
        "    def forward(self, x):\n        x = self.conv(x)\n"
        "        return self.last(torch.cat([x, self.none(x)], 1)).mean((2, 3))\n"
        "def make():\n    return Net()\n"
    )
    answer = vital(f"{words} --images {pictures}")
    assert (answer.code, answer.err) == (2, "vital: layer 'none' has no units; choose another\n")
