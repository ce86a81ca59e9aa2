"""All rows of a GPU in one command: kept as they come, and one that fails costs no other."""

import argparse
import json
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, gpu_tables, throughput
from benchmarks.kept import Kept
from benchmarks.networks import network

SHORT = [
    "--arch",
    "tiny",
    "--batch",
    "2",
    "--window",
    "1",
    "--windows",
    "3",
    "--pictures",
    "2",
    "--steps",
    "4",
]


def run(out: Path, *words: str) -> dict:
    gpu.main([*SHORT, "--out", str(out), "--results", str(out / "results"), *words])
    return json.loads((out / "results" / "gpu.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_on_a_cpu_it_runs_to_its_end_and_goes_on_from_what_is_kept(tmp_path: Path) -> None:
    found = run(tmp_path, "--minutes", "1")
    rows = (tmp_path / "rows.jsonl").read_text()
    assert {"step", "layer"} <= {row["part"] for row in found["rows"]}
    assert any("waits are seen on a GPU alone" in line for line in found["missing"])
    assert found["pass"] is False
    page = (tmp_path / "results" / "README.md").read_text(encoding="utf-8")
    assert "## Steps on a GPU" in page
    assert "| tiny | float32 | vital, class |" in page
    again = run(tmp_path, "--minutes", "0")
    assert again["rows"] == found["rows"]
    assert (tmp_path / "rows.jsonl").read_text() == rows


def test_a_session_without_time_says_what_is_missing(tmp_path: Path) -> None:
    found = run(tmp_path, "--minutes", "0")
    assert found["rows"] == []
    assert "step, tiny, float32, vital, class: no time was left" in found["missing"]
    assert found["pass"] is False


def test_a_row_that_fails_says_why_and_is_tried_again(tmp_path: Path) -> None:
    kept, tries = Kept(tmp_path / "rows.jsonl"), []

    def make() -> dict:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("out of memory\nand more")
        return {"value": 1}

    task = gpu.Task({"part": "step"}, make)
    assert "out of memory" in gpu.made(task, kept, float("inf"))["error"]
    assert gpu.made(task, kept, float("inf"))["value"] == 1
    assert gpu.made(task, kept, float("inf"))["value"] == 1
    assert len(tries) == 2


def test_pictures_of_two_types_are_held_beside_those_of_another_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "network", lambda arch, **_: network(arch))  # bf16 is float32 here
    given = gpu.parsed([*SHORT, "--out", str(tmp_path)])
    found = gpu.Bench(given).pictures("tiny")
    assert found["alike"]["bf16"] == pytest.approx(1, abs=1e-4)
    assert found["alike"]["other seed"] < 0.9
    looks = found["statistics"]["contrast"]
    assert looks["float32"] == looks["bf16"] != looks["other seed"]


def quartiles(median: float) -> dict[str, float]:
    return {"q1": median, "median": median, "q3": median}


def test_goals_that_are_missed_are_said() -> None:
    given = argparse.Namespace(batch=64, published=False)
    step = {
        "part": "step", "arch": "resnet50", "dtype": "bf16", "case": "vital, class", "over bare": quartiles(1.2),
        "bare seconds": 0.1, "units per minute": 30.0, "peak MB": 100.0,
    }  # fmt: skip
    assert gpu_tables.result([step], 0, given)["pass"] is True
    slow = gpu_tables.result([step, step | {"over bare": quartiles(1.5)}], 0, given)
    assert slow["pass"] is False
    assert [line.rsplit(" ", 1)[1] for line in slow["verdicts"]] == ["held", "missed"]
    assert gpu_tables.result([step], 3, given)["missing"] == ["3 rows, not begun"]


def pictures(bf16: float, other: float, correlation: float) -> dict:
    looks = {"contrast": {"float32": 1.0, "bf16": bf16, "other seed": other}}
    return {
        "part": "pictures",
        "arch": "a",
        "statistics": looks,
        "alike": {"bf16": correlation, "other seed": 0.5},
    }


@pytest.mark.parametrize(
    ("row", "fine"),
    [
        (pictures(1.02, 1.0, 0.9), True),
        (pictures(1.2, 1.3, 0.9), True),
        (pictures(1.2, 1.1, 0.9), False),
        (pictures(1.0, 1.0, 0.4), False),
    ],
)
def test_pictures_are_the_same_where_bf16_moves_them_less_than_a_seed(row: dict, fine: bool) -> None:
    assert [held for _, held in gpu_tables.of_pictures([row])] == [fine]


def test_pictures_are_alike_by_their_forms_and_not_by_their_brightness() -> None:
    a, b = torch.rand(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert gpu.alike(a, a / 2 + 0.1) == pytest.approx(1, abs=1e-4)
    assert abs(gpu.alike(a, b)) < 0.2


def test_throughput_is_told_for_each_number_of_units(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--arch", "tiny", "--methods", "pixels", "--kinds", "class", "--windows", "3", "--json"]
    throughput.main([*few, "--batches", "1", "2"])
    rows = json.loads(capsys.readouterr().out)["measured"]
    assert [row["batch"] for row in rows] == [1, 2]
    assert all(row["units per minute"] > 0 and row["peak MB"] > 0 for row in rows)
