import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from vital.models.pixels import to_tensor
from vital.units import unit as units

Cli = Callable[..., Any]
FAST = ("--weights", "random", "--method", "fourier", "--steps", 3)


def contents(folder: Path, *, typed: bool = False) -> dict[str, bytes]:
    """All files of a run but the log, and but the words that were typed unless they count too."""
    aside = ("log.jsonl",) if typed else ("log.jsonl", "config.toml")
    files = (Path(at) / name for at, _, names in os.walk(folder) for name in names)
    return {str(f.relative_to(folder)): f.read_bytes() for f in files if f.name not in aside}


def test_a_run_holds_pictures_records_and_a_sheet_and_prints_a_table(vital: Cli, here: Path) -> None:
    answer = vital("render", "net.py:make", "class:bee", "0:2-3", *FAST, "--size", 24, "--out", "run")
    assert (answer.code, answer.err) == (0, "")
    assert set(contents(here / "run", typed=True)) == {
        ".lock",
        "config.toml",
        "run.json",
        "sheet.png",
        *(
            f"units/{u}/fourier-0{e}"
            for u in ("class_1", "0_2", "0_3")
            for e in (".png", "-mask.png", ".json")
        ),
    }
    header, *rows = [line.split() for line in answer.out.splitlines()]
    assert header == [
        "unit",
        "class",
        "status",
        "value",
        "probability",
        "value",
        "at",
        "network",
        "size",
        "file",
    ]
    assert rows[0][:5] == ["class:1", "bee,", "honey", "bee", "done"]
    assert [row[0] for row in rows] == ["class:1", "0:2", "0:3"]
    assert all((here / row[-1]).is_file() for row in rows)
    with Image.open(here / "run" / "units" / "class_1" / "fourier-0.png") as picture:
        assert picture.size == (24, 24)
        assert "fourier, seed 0" in picture.text["Title"]


def test_the_text_of_a_unit_is_read_once(vital: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, parse = list[str](), units.parse

    def counted(text: Any) -> Any:
        read.extend([text] if isinstance(text, str) else [])
        return parse(text)

    monkeypatch.setattr(units, "parse", counted)
    assert vital("render", "net.py:make", "class:bee", *FAST, "--out", "run").code == 0
    assert read == ["class:bee"]


def test_options_and_seed_reach_the_method_and_the_records(vital: Cli, here: Path) -> None:
    vital(
        "render net.py:make class:1",
        *FAST,
        "--set",
        "lr=0.2",
        "--seed",
        7,
        "--batch",
        3,
        "--out",
        "run",
    )
    (asked,) = json.loads((here / "run" / "run.json").read_text())["renders"]
    assert asked["options"]["lr"] == 0.2
    assert asked["options"]["steps"] == 3
    assert (asked["seed"], asked["batch"], asked["images"]) == (7, 3, None)
    record = json.loads((here / "run" / "units" / "class_1" / "fourier-7.json").read_text())
    assert record["provenance"]["options"]["lr"] == 0.2
    assert record["seed"] == 7


def test_nothing_that_varies_between_runs_is_in_the_files(vital: Cli, here: Path) -> None:
    for run in ("one", "two"):
        assert vital("render", "net.py:make", "class:0-2", *FAST, "--frames", 3, "--out", run).code == 0
        time.sleep(1.1 if run == "one" else 0)
    assert contents(here / "one", typed=True) == contents(here / "two", typed=True)
    assert not any(str(here).encode() in data for data in contents(here / "one").values())


def test_frames_are_a_gif_and_a_sheet(vital: Cli, here: Path) -> None:
    assert vital("render", "net.py:make", "class:1", *FAST, "--frames", 4, "--out", "run").code == 0
    folder = here / "run" / "units" / "class_1"
    with Image.open(folder / "fourier-0.gif") as way, Image.open(folder / "fourier-0-frames.png") as sheet:
        assert way.n_frames == 4  # type: ignore[attr-defined]
        assert sheet.size == (4 * 20 + 4, 20 + 4)


def test_references_come_from_images_or_from_a_bank_alike(vital: Cli, here: Path, pictures: Path) -> None:
    fixed = f"--method vital --steps 2 --images {pictures} --set layers=0,2 --set n_references=2"
    assert vital(f"bank net.py:make --layers 2 --images {pictures} --out b").code == 0
    first = vital(f"render net.py:make class:1 {fixed} --out one")
    second = vital(f"render net.py:make class:1 {fixed} --bank b --out two")
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "vital: skipped cat/broken.png" in first.err
    one, two = (Image.open(here / run / "units" / "class_1" / "vital-0.png") for run in ("one", "two"))
    assert one.tobytes() == two.tobytes()
    (asked,) = json.loads((here / "one" / "run.json").read_text())["renders"]
    assert asked["images"]["count"] == 16


def test_a_unit_that_diverges_fails_alone(vital: Cli, here: Path) -> None:
    answer = vital("render", "net.py:sick", "class:0-2", *FAST, "--out", "run")
    assert answer.code == 1
    assert answer.err == "vital: 1 of 3 units failed: class:1\n"
    told = [
        json.loads((here / "run" / "units" / f"class_{i}" / "fourier-0.json").read_text())["status"]
        for i in range(3)
    ]
    assert told == ["done", "diverged at step 1", "done"]
    again = vital("render", "net.py:sick", "class:0-2", *FAST, "--out", "run")
    assert (again.code, again.err, again.out) == (answer.code, answer.err, answer.out)


def test_a_group_with_a_missing_file_is_rendered_again_and_no_other(vital: Cli, here: Path) -> None:
    words = ("render", "net.py:make", "class:0-3", *FAST, "--batch", 2, "--out", "run")
    vital(*words)
    whole = contents(here / "run")
    (here / "run" / "units" / "class_2" / "fourier-0-mask.png").unlink()
    vital(*words)
    assert contents(here / "run") == whole
    groups = [json.loads(line)["units"] for line in (here / "run" / "log.jsonl").read_text().splitlines()]
    assert groups == [["class:0", "class:1"], ["class:2", "class:3"], ["class:2", "class:3"]]


def test_another_method_in_the_folder_is_refused(vital: Cli) -> None:
    assert vital("render", "net.py:make", "class:0", *FAST, "--out", "run").code == 0
    answer = vital("render", "net.py:make", "class:0", *FAST, "--set", "lr=0.5", "--out", "run")
    assert answer.code == 1
    assert "with other settings: options.lr was 0.05 and is now 0.5; choose another folder" in answer.err


def test_the_type_and_the_layout_of_the_network_are_recorded_and_another_is_refused(
    vital: Cli, here: Path
) -> None:
    words = ("render", "net.py:make", "class:0", *FAST, "--out", "run")
    assert vital(*words, "--channels-last", "--dtype", "bf16").code == 0
    record = json.loads((here / "run" / "run.json").read_text())["model"]
    assert (record["channels_last"], record["dtype"]) == (True, "bfloat16 (autocast)")
    answer = vital(*words, "--dtype", "bf16")
    assert answer.code == 1
    assert "channels_last was True and is now False" in answer.err


def test_a_direction_whose_file_changed_is_another_unit(vital: Cli, here: Path) -> None:
    words = ("render", "net.py:make", "d.safetensors:4@1", *FAST, "--out", "run")
    save_file({"rows": torch.eye(8)}, here / "d.safetensors")
    assert vital(*words).code == 0
    save_file({"rows": torch.eye(8), "more": torch.eye(8)}, here / "e.safetensors")  # elsewhere
    assert vital(*words).code == 0
    save_file({"rows": 2 * torch.eye(8)}, here / "d.safetensors")
    answer = vital(*words)
    assert answer.code == 1
    assert "with other settings: directions.d.safetensors:4@1 was " in answer.err


def test_a_request_that_fails_can_be_mended_in_the_same_folder(vital: Cli) -> None:
    words = ("render", "net.py:make", "class:0", *FAST, "--out", "run")
    assert vital(*words, "--set", "lr=-1").err == "vital: lr is -1.0; allowed are numbers above 0\n"
    assert vital(*words).code == 0


@pytest.fixture
def control_c() -> Iterator[None]:
    """Control-C is heard also where the tests were started with it ignored, as by a script in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("control_c")
def test_control_c_says_what_is_kept_and_the_rest_follows(vital: Cli, here: Path) -> None:
    text = (here / "net.py").read_text()
    stop = (
        "    def forward(self, x):\n        import os, signal\n        Net.n += 1\n"
        "        if str(Net.n) == os.environ.get('STOP'):\n            os.kill(os.getpid(), signal.SIGINT)\n"
        "        return self.body(x)\n"
    )
    net = "\n\nclass Net(nn.Module):\n    n = 0\n    def __init__(self):\n        nn.Module.__init__(self)\n"
    (here / "net.py").write_text(text + net + "        self.body = make()\n\n" + stop)
    words = ("render", "net.py:Net", "class:0-3", *FAST, "--batch", 1, "--out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOP", "16")
        answer = vital(*words, "run")
    assert answer.code == 130
    assert answer.err.startswith("vital: stopped; ")
    assert "the same command goes on with the others" in answer.err
    kept = int(answer.err.split()[2])
    assert 0 < kept < 4
    assert f"{kept} of 4 units are kept in 'run'" in answer.err
    assert vital(*words, "run").code == 0
    assert vital(*words, "straight").code == 0
    assert contents(here / "run", typed=True) == contents(here / "straight", typed=True)


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bytes(vital: Cli, here: Path) -> None:
    words = [
        "render",
        "net.py:make",
        "class:0-3",
        "--weights",
        "random",
        "--method",
        "fourier",
        "--size",
        "32",
    ]
    words += ["--steps", "50", "--batch", "1", "--frames", "3", "--out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    process = subprocess.Popen([sys.executable, "-m", "vital", *words, "killed"], env=environment)
    first = here / "killed" / "units" / "class_0" / "fourier-0.json"
    end = time.monotonic() + 60
    while not first.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 1 <= len(list((here / "killed").rglob("*.json"))) - 1 < 4
    assert not (here / "killed" / "sheet.png").exists()

    assert vital(*words, "killed").code == 0
    assert vital(*words, "straight").code == 0
    straight = contents(here / "straight")
    assert len(straight) == 3 + 4 * 5
    assert contents(here / "killed") == straight


def record_of(folder: Path, unit: str, stem: str = "fourier-0") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "units" / unit / f"{stem}.json").read_text())
    return found


def test_one_picture_has_one_value_in_table_record_png_and_report(
    vital: Cli, here: Path, pictures: Path
) -> None:
    asked = ("--method", "maco", "--steps", 2, "--set", "n_transforms=2", "--images", pictures)
    words = ("render", "net.py:make", "class:1", "0:2", "--weights", "random", *asked, "--out", "run")
    answer = vital(*words, "--size", 24)
    assert answer.code == 0, answer.err
    header, first, second = (re.split(r"  +", line) for line in answer.out.splitlines())
    numbers = ["value", "probability", "percentile", "value at network size"]
    assert header == ["unit", "class", "status", *numbers, "file"]
    assert second[4] == "-"
    assert vital("report", "run").code == 0
    page = (here / "run" / "report.html").read_text()
    for folder, row in (("class_1", first), ("0_2", second)):
        facts = record_of(here / "run", folder, "maco-0")["provenance"]
        shown = [
            f"{facts['value']:.4g}",
            f"{facts['percentile']:.4g}",
            f"{facts['value_at_network_size']:.4g}",
        ]
        assert [row[3], row[5], row[6]] == shown
        with Image.open(here / "run" / "units" / folder / "maco-0.png") as picture:
            assert json.loads(picture.text["vital"])["provenance"] == facts
        assert f"activation {shown[0]} ({shown[2]} at the network&#39;s size)" in page
    likely = 100 * record_of(here / "run", "class_1", "maco-0")["provenance"]["probability"]
    assert first[4] == f"{likely:.1f} %"
    assert f"probability {likely:.1f} %" in page
    assert vital(*words, "--size", 24).out == answer.out


def test_a_picture_that_never_moved_fails_and_says_what_to_do(vital: Cli, here: Path) -> None:
    answer = vital("render", "net.py:blind", "class:0-1", *FAST, "--out", "run")
    assert answer.code == 1
    assert [re.split(r"  +", line)[2] for line in answer.out.splitlines()[1:]] == ["unmoved", "unmoved"]
    first, second = answer.err.splitlines()
    assert first.startswith("vital: class:0, class:1: unmoved: no gradient reached the picture, ")
    assert second == "vital: 2 of 2 units failed: class:0, class:1"
    assert record_of(here / "run", "class_0")["status"] == first.partition("class:1: ")[2]


def test_what_was_lacking_stands_below_the_table(vital: Cli, here: Path, pictures: Path) -> None:
    for name in ("bee", "cat", "dog", "elk"):
        shutil.rmtree(pictures / name)
    (pictures / "ant" / "2.png").unlink()
    words = ("render", "net.py:make", "class:ant", "0:0", "--weights", "random", "--images", pictures)
    answer = vital(*words, "--steps", 3, "--set", "n_references=8", "--size", 24, "--out", "run")
    starts = (
        "2 reference images where 8 were asked for",
        "all labeled images are of the class ant, and backgrounds of that class may be in the picture",
        "most images are smaller than the picture (such as 20 × 24 pixels, the picture 24 × 24), and its finest",
    )
    lines = answer.err.splitlines()
    assert [
        line.startswith(f"vital: class:0, 0:0: {start}") for line, start in zip(lines, starts, strict=True)
    ] == [True] * 3
    assert (answer.code, len(lines)) == (0, 3)
    assert vital("report", "run").code == 0
    page = (here / "run" / "report.html").read_text()
    assert "<bdi>2 reference images where 8 were asked for</bdi>" in page


@pytest.mark.parametrize("given", [("--size", 12), ("--set", "size=12")])
def test_a_size_below_the_networks_own_is_said(vital: Cli, given: tuple[object, ...]) -> None:
    answer = vital("render", "net.py:make", "class:0", *FAST, *given, "--out", "run")
    assert (answer.code, answer.err.count("\n")) == (0, 1)
    assert answer.err.startswith(
        "vital: the size 12 is below the network's own 16 × 16, so the picture lacks "
    )


def test_a_size_that_is_the_networks_own_or_above_is_not_said(vital: Cli) -> None:
    for size in (16, 17):
        assert vital("render", "net.py:make", "class:0", *FAST, "--size", size, "--out", f"{size}").err == ""


def test_a_network_whose_code_changed_does_not_go_on(vital: Cli, here: Path) -> None:
    words = ("render", "net.py:make", "class:0", *FAST, "--out", "run")
    assert vital(*words).code == 0
    (here / "net.py").write_text((here / "net.py").read_text().replace("stride=2", "stride=1"))
    answer = vital(*words)
    assert answer.code == 1
    assert "the folder 'run' belongs to another run: model.code was" in answer.err


def test_a_class_without_images_fails_alone(vital: Cli, here: Path, pictures: Path) -> None:
    shutil.rmtree(pictures / "elk")
    words = f"render net.py:make class:ant class:elk class:dog --weights random --images {pictures}"
    answer = vital(f"{words} --set selection=class --steps 2 --frames 2 --out run")
    assert answer.code == 1
    assert "vital: 1 of 3 units failed: class:4" in answer.err
    records = [
        json.loads((here / f"run/units/{u}/vital-0.json").read_text())
        for u in ("class_0", "class_4", "class_3")
    ]
    sentence = "pictures holds no image of class 4 (elk); add some, or choose another class"
    assert [record["status"] for record in records] == ["done", sentence, "done"]


def test_a_terminal_has_a_bar_unless_it_is_to_be_quiet(
    vital: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("render", "net.py:make", "class:0-1", *FAST, "--batch", 1, "--out")
    assert vital(*words, "piped").err == ""
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True, raising=False)
    assert "2 of 2 units" in vital(*words, "shown").err
    assert vital(*words, "quiet", "--quiet").err == ""


def test_a_device_that_is_full_loses_nothing_and_the_same_command_goes_on(vital: Cli, here: Path) -> None:
    words = ("render", "net.py:narrow", "body.0:0-1", "class:0-1", *FAST, "--batch", 2, "--out")
    (here / "room").write_text("9")
    assert vital(*words, "straight").code == 0
    straight = contents(here / "straight")

    (here / "room").write_text("1")
    assert vital(*words, "run").code == 0
    names = ("body.0_0", "body.0_1", "class_0", "class_1")
    for unit in names:
        one, other = (here / name / "units" / unit / "fourier-0.png" for name in ("straight", "run"))
        apart = to_tensor(Image.open(one)) - to_tensor(Image.open(other))
        assert float(apart.abs().max()) <= 1 / 255 + 1e-6

    shutil.rmtree(here / "run" / "units" / "class_1")
    (here / "room").write_text("0")
    answer = vital(*words, "run")
    assert answer.code == 1
    assert (
        "class:0, class:1: out of memory: not even this picture alone fits into cpu; choose a smaller"
        in answer.err
    )
    records = [json.loads((here / "run" / "units" / name / "fourier-0.json").read_text()) for name in names]
    assert [record["status"] == "done" for record in records] == [True, True, False, False]

    (here / "room").write_text("9")
    assert vital(*words, "run").code == 0
    ended = contents(here / "run")
    assert {name for name in ended if ended[name] != straight[name]} <= {
        name for name in straight if "body" in name or name == "sheet.png"
    }


def test_the_weights_are_hashed_once_in_a_run(
    vital: Cli, here: Path, pictures: Path, hashes: list[str]
) -> None:
    few = ("--weights", "random", "--steps", 2, "--batch", 1, "--images", pictures)
    assert vital("render net.py:make 0:0-1 class:0", *few, "--out", "run").code == 0
    assert len(hashes) == 1
    known = json.loads((here / "run" / "run.json").read_text())["model"]["weights_hash"]
    assert known == hashes[0][:16]


BANDS = """
from torch import nn

SIZE = 16
BANDS = (3, 2, 1)


def make():
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    return nn.Sequential(nn.Conv2d(12, 8, 5, stride=2), nn.ReLU(), *head)
"""


def test_networks_of_many_bands_keep_them_all(vital: Cli, here: Path) -> None:
    (here / "net.py").write_text(BANDS)
    assert vital("render", "net.py:make", "class:1", *FAST, "--out", "run").code == 0
    folder = here / "run" / "units" / "class_1"
    kept = np.load(folder / "fourier-0.npy")
    assert (kept.shape, kept.dtype) == ((12, 16, 16), np.float32)
    with Image.open(folder / "fourier-0.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), (kept[[3, 2, 1]] * 255).round().transpose(1, 2, 0))
    before = contents(here / "run")
    (folder / "fourier-0.npy").unlink()
    assert vital("render", "net.py:make", "class:1", *FAST, "--out", "run").code == 0
    assert contents(here / "run") == before
    assert vital("report", "run").code == 0
    assert "bands 3, 2, 1 of 12" in (here / "run" / "report.html").read_text()
    assert vital("render", "net.py:make", "class:1", *FAST, "--bands", "5,6,7", "--out", "other").code == 0
    with Image.open(here / "other" / "units" / "class_1" / "fourier-0.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), (kept[[5, 6, 7]] * 255).round().transpose(1, 2, 0))
    wrong = vital("render", "net.py:make", "class:1", *FAST, "--bands", "1,2,12", "--out", "no")
    told = "vital: make: the bands are 1, 2, 12; allowed are three of the channels 0 to 11, or one"
    assert (wrong.code, wrong.err.strip().replace("net:make", "make")) == (2, told)
    words = vital("render", "net.py:make", "class:1", *FAST, "--bands", "red", "--out", "no")
    assert words.err == "vital: --bands is 'red'; give three numbers of channels, such as 3,2,1, or one\n"


NAMELESS = """
from torch import nn

SIZE = 16


def make():
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    return nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), *head)
"""


def names_of(table: str) -> str:
    return table.splitlines()[1]


@pytest.mark.parametrize(
    "text",
    [
        "ant\ntabby, tabby cat\ncat\ndog\nelk\n",
        'index,name\n1,"tabby, tabby cat"\n4,elk\n',
    ],
)
def test_a_file_with_class_names_gives_them_their_meaning(vital: Cli, here: Path, text: str) -> None:
    (here / "net.py").write_text(NAMELESS)
    (here / "names.txt").write_text(text)
    words = ("net.py:make", "class:tabby", *FAST, "--out", "run")
    assert vital("render", *words).err == (
        "vital: the network has no class names, so class:tabby cannot be found; write class:INDEX, or give them with "
        "--classes FILE or classes=\n"
    )
    found = vital("render", *words, "--classes", "names.txt")
    assert (found.code, found.err) == (0, "")
    assert "tabby, tabby cat" in found.out
    assert (here / "run" / "units" / "class_1" / "fourier-0.png").is_file()


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("file,index,name\nant/0.png,2,tabby\nbee/0.png,0,elk\n", 2),
        ("file,name\nant/0.png,tabby\nbee/0.png,elk\ncat/0.png,ant\ndog/0.png,bee\nelk/0.png,cat\n", 4),
    ],
)
def test_labels_of_images_that_are_names_give_them_their_meaning(
    vital: Cli, here: Path, pictures: Path, text: str, index: int
) -> None:
    (here / "net.py").write_text(NAMELESS)
    (here / "labels.csv").write_text(text)
    words = ("net.py:make", "class:tabby", "--images", pictures, "--image-labels", "labels.csv")
    found = vital("render", *words, "--steps", 2, "--out", "run")
    assert found.code == 0, found.err
    assert (here / "run" / "units" / f"class_{index}").is_dir()


def test_class_names_that_do_not_fit_are_refused(vital: Cli, here: Path) -> None:
    (here / "names.txt").write_text("ant\nbee\n")
    words = ("net.py:make", "class:0", *FAST, "--out", "run", "--classes", "names.txt")
    assert vital("render", *words).err == (
        "vital: there are 2 class names for the 5 outputs of net:make; give one for each\n"
    )
    (here / "names.txt").write_text("index,name\n7,ant\n")
    assert vital("render", *words).err == (
        "vital: net:make has no class 7, which is named 'ant'; give names for 0 to 4\n"
    )


def test_options_that_do_not_apply_are_told(vital: Cli, here: Path, pictures: Path) -> None:
    words = ("net.py:make", "class:0", "2:1", "--images", pictures, "--steps", 2)
    found = vital("render", *words, "--method", "vital-reference", "--set", "selection=top", "--out", "one")
    assert (
        "vital: 2:1: selection=top does not apply: the references of an inner unit are the images that excite it most, "
        "of one weight\n"
    ) in found.err
    found = vital("render", "net.py:make", "class:0", *FAST, "--images", pictures, "--out", "two")
    assert found.err == "vital: --images is ignored: the method fourier takes no images\n"


def test_the_options_say_what_the_outputs_are_and_which_tensor_is_class(vital: Cli, here: Path) -> None:
    (here / "two.py").write_text(
        "from net import make\nfrom torch import nn\n\n\nclass Two(nn.Module):\n"
        "    def __init__(self):\n        nn.Module.__init__(self)\n"
        "        self.body, self.one = make(), nn.Linear(5, 1)\n\n    def forward(self, x):\n"
        "        y = self.body(x)\n        return {'many': y, 'one': self.one(y)}\n"
    )
    words = ("render", "two.py:Two", "class:0", *FAST, "--head", "one", "--out")
    silent = vital(*words, "silent")
    assert (
        "two:Two does not say what its outputs are, and they are taken as plain values; say output"
        in silent.err
    )
    likely = vital(*words, "likely", "--output", "sigmoid")
    assert "does not say" not in likely.err
    assert "probability" in likely.out.splitlines()[0]
    assert "probability" not in silent.out.splitlines()[0]
    assert vital(*words, "softmax", "--output", "softmax").code == 2
    assert "allowed are softmax, sigmoid" in vital(*words, "logits", "--output", "logits").err
    answer = vital("layers", "two.py:Two", "--head", "none")
    assert answer.code == 2
    assert "unknown output of two:Two 'none'; did you mean 'one'?" in answer.err
    assert vital(*words, "likely").code == 1  # another meaning is another network


def test_count_renders_the_pictures_of_seeds_from_the_first_on_and_more_are_added(
    vital: Cli, here: Path
) -> None:
    how = ("render", "net.py:make", "class:bee", "0:2", *FAST, "--size", 24)
    answer = vital(*how, "--seed", 4, "--count", 2, "--out", "run")
    assert (answer.code, answer.err) == (0, "")
    header, *rows = [line.split() for line in answer.out.splitlines()]
    assert header[:3] == ["unit", "class", "seed"]
    assert [(row[0], row[-1]) for row in rows] == [
        (unit, f"run/units/{unit.replace(':', '_')}/fourier-{seed}.png")
        for unit in ("class:1", "0:2")
        for seed in (4, 5)
    ]
    before = contents(here / "run")
    assert vital(*how, "--seed", 5, "--out", "alone").code == 0
    alone = contents(here / "alone")
    assert all(before[name] == content for name, content in alone.items() if "-5" in name)
    assert vital(*how, "--seed", 4, "--count", 3, "--out", "run").code == 0
    after = contents(here / "run")
    assert {name for name in after if name not in before} == {
        f"units/{unit}/fourier-6{end}"
        for unit in ("class_1", "0_2")
        for end in (".png", "-mask.png", ".json")
    }
    assert all(after[name] == before[name] for name in before if name.startswith("units"))


def test_a_run_of_several_seeds_that_was_cut_short_goes_on_to_the_same_bytes(vital: Cli, here: Path) -> None:
    how = ("render", "net.py:make", "class:bee", *FAST, "--size", 24, "--count", 3)
    assert vital(*how, "--out", "whole").code == 0
    assert vital(*how, "--out", "run").code == 0
    for seed in (1, 2):
        (here / f"run/units/class_1/fourier-{seed}.json").unlink()
    assert vital(*how, "--out", "run").code == 0
    whole, run = contents(here / "whole"), contents(here / "run")
    assert whole == run


def test_fit_shows_a_canvas_at_the_networks_size(vital: Cli, here: Path) -> None:
    how = ("render", "net.py:make", "class:bee", *FAST, "--size", 12)
    answer = vital(*how, "--fit", "--out", "run")
    assert (answer.code, answer.err) == (0, "")
    record = json.loads((here / "run/units/class_1/fourier-0.json").read_text())
    assert record["provenance"]["options"]["fit"] is True
    with Image.open(here / "run/units/class_1/fourier-0.png") as picture:
        assert picture.size == (12, 12)
    with_set = vital(*how, "--set", "fit=true", "--out", "set")
    assert contents(here / "set") == contents(here / "run")
    assert "network" not in with_set.out.splitlines()[0]
    twice = vital(*how, "--fit", "--set", "fit=true", "--out", "twice")
    assert twice.code == 2
    assert "fit is given by --fit and by --set; give it once" in twice.err


def test_progress_tells_how_many_seeds_are_rendered(
    vital: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vital.utils.progress.LINE_SECONDS", 0.001)
    words = ("render", "net.py:make", "class:0", *FAST)
    assert re.search(r"rendering [0-2] of 3 seeds", vital(*words, "--count", 3, "--out", "three").err)
    assert "seeds" not in vital(*words, "--out", "one").err


def test_a_picture_starts_from_an_image_whose_content_counts(vital: Cli, here: Path) -> None:
    Image.fromarray(np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3).astype(np.uint8)).save(here / "a.png")
    how = ("render", "net.py:make", "class:bee", *FAST, "--set", "start=a.png", "--set", "start_weight=1")
    answer = vital(*how, "--set", "start_layer=0", "--out", "run")
    assert (answer.code, answer.err) == (0, "")
    record = json.loads((here / "run/units/class_1/fourier-0.json").read_text())
    assert record["losses"]["ImageDistance"][0] == pytest.approx(0, abs=1e-6)
    assert json.loads((here / "run/run.json").read_text())["renders"][0]["files"].keys() == {"start"}
    before = contents(here / "run")
    assert vital(*how, "--set", "start_layer=0", "--out", "run").code == 0
    assert contents(here / "run") == before
    Image.new("RGB", (16, 16), (90, 20, 30)).save(here / "a.png")
    again = vital(*how, "--set", "start_layer=0", "--out", "run")
    assert again.code == 1
    assert "with other settings: files.start was" in again.err
    gone = vital(*how[:-4], "--set", "start=gone.png", "--out", "gone")
    assert gone.code != 0
    assert gone.err.count("\n") == 1
    assert "gone.png" in gone.err


def test_a_folder_of_images_is_no_place_for_results(vital: Cli, pictures: Path) -> None:
    before = sorted(pictures.rglob("*"))
    for out in (pictures, pictures / "runs" / "a"):
        answer = vital("render", "net.py:make", "class:bee", "--images", pictures, "--out", out)
        assert answer.code == 2
        assert f"--out {out} lies in the folder of the images, {pictures}" in answer.err
    assert sorted(pictures.rglob("*")) == before
