from __future__ import annotations

from pathlib import Path

import pytest

from docs import options
from vital.describing import DESCRIBERS
from vital.rendering import METHODS


def test_the_page_says_what_the_docstrings_say() -> None:
    assert options.main(["--check"]) == 0, "a page is stale; run python docs/options.py"


def test_every_method_has_one_section() -> None:
    text = options.PAGE.read_text("utf-8")
    for name in (*METHODS, *DESCRIBERS):
        assert text.count(f"\n### {name}\n") == 1


def test_every_command_has_one_section_and_every_option_a_row() -> None:
    text = options.COMMANDS.read_text("utf-8")
    for name, command in options.commands():
        section = text.split(f"\n## vital {name}\n")[1].split("\n## ")[0]
        flags = [flag for one in command.params for flag in one.opts if flag.startswith("--")]
        assert [flag for flag in flags if f"`{flag}" not in section and flag != "--help"] == []


def test_a_stale_page_is_found_and_written_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = options.PAGE.read_text("utf-8")
    page = tmp_path / "methods.md"
    monkeypatch.setattr(options, "PAGE", page)
    monkeypatch.setattr(options, "ROOT", tmp_path)
    page.write_text(good.replace("| `steps` |", "| `stages` |", 1), "utf-8")
    assert options.main(["--check"]) == 1
    assert options.main([]) == 0
    assert page.read_text("utf-8") == good
    assert options.main(["--check"]) == 0
