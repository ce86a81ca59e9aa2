"""The documentation as a site: it is built without a warning, and shows what the files of the repository say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs import hooks

ROOT = Path(__file__).parents[1]


def test_links_to_files_of_the_repository_go_to_their_pages() -> None:
    text = "[a](../benchmarks/README.md#words) [b](../examples/own_term.py) [c](words.md#files) [d](https://x.org)"
    assert hooks.linked(text, "results.md", "docs/results.md") == (
        "[a](results/methods.md#words) [b](examples.md) [c](words.md#files) [d](https://x.org)"
    )
    shown = hooks.linked("![x](../docs/thumbnails/l1.jpg)", "regularizers.md", "regularizers/README.md")
    assert shown == "![x](thumbnails/l1.jpg)"


def test_a_file_without_a_page_is_named_and_a_lost_one_stays_a_fault() -> None:
    assert hooks.linked("[law](../LICENSE)", "faq.md", "docs/faq.md") == "law (`LICENSE`)"
    assert hooks.linked("[no](../nothing.md)", "faq.md", "docs/faq.md") == "[no](../nothing.md)"


def test_what_stands_in_a_block_of_code_is_no_link() -> None:
    text = "```python\nf[0](../LICENSE)\n```"
    assert hooks.linked(text, "faq.md", "docs/faq.md") == text


def test_every_command_and_option_has_a_sentence() -> None:
    page = (hooks.ROOT / "docs" / "commands.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    assert "## vital lwta train" in page
    assert len(rows) > 150
    assert [row for row in rows if not row.split(" | ")[-1].strip(" |")] == []


def test_every_public_name_is_in_the_python_reference() -> None:
    import vital

    pages = "\n".join(hooks.reference(*made) for made in hooks.PYTHON.values())
    listed = set(re.findall(r"^::: (\S+)$", pages, re.MULTILINE))
    wanted = {f"vital.{name}" for name in hooks.public_names(vital)}
    assert wanted <= listed
    assert {"vital.objectives.Channel", "vital.terms.Term", "vital.lwta.convert"} <= listed


def test_docstrings_become_markdown() -> None:
    pytest.importorskip("griffe")
    from docs.docstrings import as_markdown

    options = "Options:\n    lr: The rate,\n        or so.\n    n: A number.\n"
    text = f"Do it.\n\nFormula: a * b\n    + c\nSource: someone\n\n{options}"
    assert as_markdown(text) == (
        "Do it.\n\n**Formula.** `a * b + c`\n\n**Source.** someone\n\n\n"
        "Options:\n\n- `lr`: The rate, or so.\n- `n`: A number.\n"
    )


def test_a_catalog_becomes_sections() -> None:
    page = hooks.generated()["regularizers.md"]
    assert "\n## l1\n\n![l1](../docs/thumbnails/l1.jpg)\n\nKeep pixels near a grey value" in page
    assert "`mean |x − center|`" in page
    assert page.count("\n## ") == page.count("*Source.* ") == page.count("```python")


def test_every_picture_of_the_gallery_is_there_and_made_by_its_script() -> None:
    from docs.gallery import PICTURES

    page = (ROOT / "docs" / "gallery.md").read_text("utf-8")
    shown = set(re.findall(r"\]\((?!thumbnails)([\w/]+)\.jpg\)", page))
    assert shown | {"units"} == set(PICTURES)
    assert all((ROOT / "docs" / f"{name}.jpg").is_file() for name in PICTURES)
    held = (ROOT / "docs" / "gallery").iterdir()
    assert {file.stem for file in held} == {Path(name).name for name in shown if "/" in name}


def test_formulas_are_drawn_by_the_browser_alone() -> None:
    pytest.importorskip("latex2mathml")
    shown = hooks.with_formulas('<p><span class="arithmatex">\\(a &lt; b\\)</span></p>')
    assert shown.startswith("<p><math")
    assert "arithmatex" not in shown


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings", "latex2mathml"):
        pytest.importorskip(package)
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "WARNING" not in done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]+\.(?:js|css|woff2?)"', text), page
        assert not re.search(r"\$\$|\\frac|\\sum", text), f"{page} shows a formula as text"
