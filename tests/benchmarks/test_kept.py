"""Rows of benchmarks are kept as they come, found again under their own settings alone, and shown on one page."""

import json
from pathlib import Path

import pytest

from benchmarks.fv_page import page
from benchmarks.kept import RESULTS, Kept, about, key_of, published, section


def test_a_row_is_found_again_under_the_same_settings_alone(tmp_path: Path) -> None:
    Kept(tmp_path / "rows.jsonl").add({"steps": 5, "unit": "a"}, {"value": 1.0})
    again = Kept(tmp_path / "rows.jsonl")
    assert (again.find({"unit": "a", "steps": 5}) or {})["value"] == 1.0
    assert again.find({"unit": "a", "steps": 6}) is None
    assert again.find({"unit": "a"}) is None


def test_a_row_that_is_there_is_not_made_again() -> None:
    kept, made = Kept(None), []

    def make() -> dict[str, int]:
        made.append(1)
        return {"value": len(made)}

    assert [kept.of({"steps": s}, make)["value"] for s in (1, 1, 2)] == [1, 1, 2]


def test_lines_that_were_cut_off_or_have_no_settings_are_nothing_and_harm_nothing(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"unit": "a", "value": 1}\n{"settings": {"unit": "a"}, "ro')
    kept = Kept(file)
    assert kept.find({"unit": "a"}) is None
    kept.add({"unit": "b"}, {"value": 2})
    assert (Kept(file).find({"unit": "b"}) or {})["value"] == 2


def test_settings_are_told_apart_by_their_values_and_not_by_their_order() -> None:
    assert key_of({"a": 1, "b": (2,)}) == key_of({"b": [2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


@pytest.fixture
def partly(tmp_path: Path) -> dict[str, object]:
    row = Kept(None).add({"u": 4}, {"class": 0.9})
    said = {
        "title": "Some units",
        "budget": "Two steps.",
        "seeds": 3,
        "tables": [[["U", "class"], ["4", "90"]]],
    }
    said |= {"verdicts": ["U = 4 within 1 point: lost"], "missing": ["U = 16, seed 0"], "pass": False}
    published("some", said, [row], tmp_path / "results")
    found: dict[str, object] = json.loads((tmp_path / "results" / "some.json").read_text())
    assert "## Some units" in (tmp_path / "results" / "README.md").read_text()
    return found


def test_a_partial_result_says_what_is_missing_who_won_and_where_it_ran(partly: dict[str, object]) -> None:
    text = "\n".join(section(partly))
    for said in (
        "## Some units",
        "3 seeds",
        "thread",
        "torch",
        "| 4 | 90 |",
        "lost",
        "not measured: U = 16, seed 0",
    ):
        assert said in text
    assert {"machines", "rows", "seeds"} <= set(partly)


def test_the_page_takes_up_both_kinds_of_results(partly: dict[str, object]) -> None:
    whole = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(RESULTS.glob("*.json"))]
    text = page([partly, *(one for one in whole if "scores" in one)])
    assert text.index("## world, own steps") < text.index("## Some units")


def test_means_show_their_range() -> None:
    assert about([0.5]) == "50.0"
    assert about([0.25, 0.5]) == "37.5 (25.0 to 50.0)"
