from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from docs import catalogue
from vital import objectives, regularizers
from vital.terms import OBJECTIVES, REGULARIZERS


def test_the_catalogs_are_what_the_docstrings_say() -> None:
    late = [str(path.relative_to(catalogue.ROOT)) for path in catalogue.stale()]
    assert not late, f"{late} differ from the docstrings; run python docs/catalogue.py"


def test_every_registered_term_has_one_row_and_is_public() -> None:
    tables = [(OBJECTIVES, objectives, "objectives"), (REGULARIZERS, regularizers, "regularizers")]
    for registry, module, folder in tables:
        text = (catalogue.ROOT / folder / "README.md").read_text("utf-8")
        for entry in registry.entries.values():
            assert text.count(f"\n| `{entry.name}` |") == 1
            assert entry.item.__name__ in module.__all__


def test_the_root_folders_hold_the_same_objects() -> None:
    for name, module in [("objectives", objectives), ("regularizers", regularizers)]:
        root = importlib.import_module(name)
        assert Path(str(root.__file__)) == catalogue.ROOT / name / "__init__.py"
        for public in module.__all__:
            assert getattr(root, public) is getattr(module, public)


def test_every_row_has_as_many_cells_as_the_head() -> None:
    for text in catalogue.pages().values():
        rows = [line.replace(r"\|", "") for line in text.splitlines() if line.startswith("|")]
        assert len(rows) > 5
        assert {row.count("|") for row in rows} == {7}
        assert {row.count("`") for row in rows[2:]} == {6}


def test_a_stale_page_is_noticed_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue, "ROOT", tmp_path)
    for name in ("objectives", "regularizers"):
        (tmp_path / name).mkdir()
    assert catalogue.main(["--check"]) == 1
    assert not list(tmp_path.glob("*/README.md"))
    assert catalogue.main([]) == 0
    assert catalogue.main(["--check"]) == 0
    (tmp_path / "objectives" / "README.md").write_text("old", "utf-8")
    assert catalogue.main(["--check"]) == 1
    assert "stale: objectives/README.md" in capsys.readouterr().out


def test_an_entry_may_go_on_in_indented_lines() -> None:
    text = "Do it.\n\nFormula: a\n    + b\nSource: someone,\n    2020\n\nMore: words."
    assert catalogue.noted(text, "Formula") == "a + b"
    assert catalogue.noted(text, "Source") == "someone, 2020"
    with pytest.raises(ValueError, match="no line 'Units: …'"):
        catalogue.noted(text, "Units")


def test_every_row_has_its_picture_and_no_picture_is_left_over() -> None:
    pictures = {path.stem for path in (catalogue.ROOT / "docs" / "thumbnails").glob("*.jpg")}
    assert pictures == {*OBJECTIVES, *REGULARIZERS}
