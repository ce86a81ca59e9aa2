import contextlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vital.cli.grouping import BUILT_IN
from vital.data.open import SETS

Cli = Callable[..., Any]


def test_the_version_is_printed(vital: Cli) -> None:
    import vital as package

    assert vital("--version").out == f"vital {package.__version__}\n"


def test_help_lists_the_commands(vital: Cli) -> None:
    answer = vital("--help")
    assert answer.code == 0
    assert all(f"\n  {name} " in answer.out for name in ("layers", "bank", "render", "methods", "doctor"))


@pytest.mark.parametrize("group", [(), ("lwta",)])
def test_every_command_is_told_whole_at_eighty_columns(
    vital: Cli, group: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = vital(*group, "--help").out.split("Commands:\n")[1].splitlines()
    assert listed
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rendr"], "No such command 'rendr'"),
        (["layers"], "Missing argument 'MODEL'"),
        (["render", "net.py:make", "class:0"], "Missing option '--out'"),
        (["render", "net.py:make", "class:0", "--out", "r", "--steps", "0"], "--steps"),
    ],
)
def test_a_wrong_command_line_ends_with_two(vital: Cli, words: list[str], said: str) -> None:
    answer = vital(*words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("net.py:mak class:0", 2, "unknown function in net.py 'mak'; did you mean 'make'?"),
        ("nat.py:make class:0", 2, "there is no file nat.py; did you mean 'net.py'?"),
        ("net.py:make class:bea", 2, "unknown class 'bea'; did you mean 'bee'?"),
        ("net.py:make class:7", 2, "class:7 does not exist: layer 'class' has the units 0 to 4"),
        ("net.py:make layer4:7", 2, "the network has no layer 'layer4'; it has "),
        ("--set natural=0", 2, "fourier has no option 'natural'; it is one of vital, vital-scene"),
        ("--method furier", 2, "unknown method 'furier'; did you mean 'fourier'?"),
        ("--set lrr=3", 2, "unknown option of fourier 'lrr'; did you mean 'lr'?"),
        ("--set name=3", 2, "unknown option of fourier 'name'; known are: start"),
        ("--set lr", 2, "--set 'lr' is not a setting; write --set FIELD=VALUE"),
        ("--set lr=x", 2, "lr is 'x'; allowed are numbers above 0"),
        ("--set lr=1 --set lr=2", 2, "--set gives lr twice: '1' and '2'"),
        ("--steps 2 --set steps=3", 2, "steps is given by --steps and by --set"),
        ("--frames 1", 2, "--frames is 1; give 0 for none, or at least 2"),
        ("--image-labels l.csv", 2, "--image-labels l.csv needs its images; give --images DIR too"),
        ("--bank b", 2, "there is no bank b; make it with vital bank, or give --images DIR"),
        ("--method vital", 2, "the method vital needs reference images; give --images DIR"),
        ("--method vital --images no", 2, "there is no file or folder no"),
        ("--device tpu9", 2, "the device 'tpu9' cannot be used here"),
        ("--weights w.pt", 2, "there is no weights file w.pt"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(
    vital: Cli, here: Path, words: str, code: int, said: str
) -> None:
    unit = "net.py:make class:0" if words.startswith("--") else ""
    method = "" if "--method" in words else "--method fourier"
    answer = vital(f"render {unit} {words} {method} --out run")
    assert answer.code == code
    assert answer.out == ""
    assert answer.err.startswith(f"vital: {said}")
    assert answer.err.count("\n") == 1
    assert not (here / "run").exists()


def test_the_names_in_the_help_are_those_of_the_package() -> None:
    from vital.cli import compare, lwta, score
    from vital.comparing import CONTROLS
    from vital.comparing.api import DEFAULT, OTHERS
    from vital.describing.evaluation.importers import IMPORTERS
    from vital.lwta.predict import SAMPLES

    assert compare.DEFAULTS.split(",") == [*DEFAULT]
    assert (compare.CONTROLS, compare.OTHERS) == (CONTROLS, OTHERS)
    assert score.FORMATS.split(", ") == [*IMPORTERS]
    assert inspect.signature(lwta.train).parameters["samples"].default == SAMPLES


def test_a_defect_is_one_line_that_says_how_to_see_its_traceback(
    vital: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vital.tracing.list_layers", lambda _: Path("there").read_bytes())
    answer = vital("layers", "net.py:make")
    assert answer.code == 1
    assert answer.err.startswith("vital: <lambda> failed: FileNotFoundError: ")
    monkeypatch.setattr("vital.tracing.list_layers", len)
    answer = vital("layers", "net.py:make")
    assert answer.code == 1
    assert answer.err == (
        "vital: vital failed: TypeError: object of type 'Model' has no len(); if what you gave is allowed, this is a "
        "defect of vital: please report it (VITAL_DEBUG=1 shows its traceback)\n"
    )
    monkeypatch.setenv("VITAL_DEBUG", "1")
    answer = vital("layers", "net.py:make")
    assert answer.err.startswith("Traceback (most recent call last):\n")
    assert answer.err.endswith(
        "TypeError: object of type 'Model' has no len()\n" + answer.err.splitlines()[-1] + "\n"
    )


@pytest.mark.parametrize(
    "ending", ["raise SystemExit", "import sys; sys.exit(0)", "exit('bye')", "raise KeyError('k')"]
)
@pytest.mark.parametrize("where", ["def forward(self, x):\n        ", "def __len__(self):\n        "])
def test_a_network_cannot_end_the_program(vital: Cli, here: Path, ending: str, where: str) -> None:
    (here / "end.py").write_text(
        f"from torch import nn\nclass End(nn.Conv2d):\n    {where}{ending}\n"
        "def make():\n    net = End(3, 2, 1)\n    if hasattr(net, '__len__'): len(net)\n    return net\n"
    )
    answer = vital("layers", "end.py:make")
    assert (answer.code, answer.out) == (1, "")
    assert "end.py, line 4, in " in answer.err
    assert answer.err.count("\n") == 1
    assert answer.err.endswith("(VITAL_DEBUG=1 shows its traceback)\n")


def test_a_warning_is_one_line(vital: Cli, here: Path) -> None:
    text = (here / "net.py").read_text().replace('"dog", "elk"', '"dog"')
    (here / "net.py").write_text(text)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        answer = vital("layers", "net.py:make")
    assert answer.code == 0
    said, next_step, _ = answer.err.partition("vital: go on with")
    assert next_step
    assert said == "vital: warning: net:make: 4 class names for 5 outputs, so the names are dropped\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--count", "1000000000"), "--count is 1000000000; allowed is nothing above 1000000"),
        (("--count", "1001"), "--count is 1001; allowed are whole numbers from 1, and none above 1000"),
        (("--frames", "1000000000"), "--frames is 1000000000; allowed is nothing above 1000000"),
        (("--seed", "1" + "0" * 20), "--seed is 100000000000000000000; allowed are whole numbers below"),
    ],
)
def test_a_number_that_nobody_can_mean_is_refused(vital: Cli, words: tuple[str, ...], said: str) -> None:
    answer = vital("render", "net.py:make", "class:0", "--method", "pixels", "--out", "r", *words)
    assert answer.code == 2
    assert said in answer.err


@pytest.mark.parametrize(
    "raised", ["GeneratorExit", "type('Own', (BaseException,), {})('odd')", "SystemExit(0)"]
)
def test_whatever_a_network_raises_is_one_sentence(vital: Cli, tmp_path: Path, raised: str) -> None:
    (tmp_path / "odd.py").write_text(f"def make():\n    raise {raised}\n")
    answer = vital("layers", f"{tmp_path / 'odd.py'}:make")
    assert answer.code == 1
    assert "make failed" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_stream_that_takes_nothing_more_is_one_sentence(
    vital: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115
    monkeypatch.setattr("sys.stdout", full)
    answer = vital("layers", "net.py:make")
    with contextlib.suppress(OSError):
        full.close()
    assert (answer.code, answer.err) == (1, "vital: cannot write: No space left on device\n")


def test_without_a_stream_to_print_to_the_work_is_done(vital: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert vital("layers", "net.py:make").code == 0


def test_links_that_lead_to_each_other_are_no_run_folder(vital: Cli, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    answer = vital("report", str(tmp_path / "loop"), "--out", str(tmp_path / "page.html"))
    assert answer.code == 2
    assert "there is no run folder" in answer.err


@pytest.mark.parametrize(
    "given", ["x.py:f class:0", "world class:0 --images imagse", "world class:0 --weights w.pt"]
)
def test_a_file_that_is_not_there_is_told_without_loading_pytorch(given: str, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    code = "import sys; from vital.cli import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    words = [sys.executable, "-c", code, "render", *given.split(), "--out", "run"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout == "2 False\n", ended.stderr
    assert ended.stderr.startswith("vital: there is no ")
    assert ("did you mean 'images'?" in ended.stderr) == ("imagse" in given)


def test_the_sets_of_images_that_have_names_are_known_to_the_command_line() -> None:
    assert list(SETS) == list(BUILT_IN)
