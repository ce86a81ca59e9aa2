"""The notebooks: stored with clean outputs, and each runs from its first cell to its last."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MEGABYTES = 1.5
PATHS = re.compile(r"(?<![\w./:])/(?:root|home|tmp|Users|work|var|opt|usr|mnt)/|[A-Z]:\\\\")
WARNED = re.compile(r"warning|deprecated|Traceback", re.IGNORECASE)


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook) -> list:
    return [output for cell in code(notebook) for output in cell.outputs]


def said(output) -> str:
    """The text of an output: what it printed, or its form in words and HTML."""
    texts = [output.get("text", ""), *(v for k, v in output.get("data", {}).items() if k.startswith("text/"))]
    return "\n".join(texts)


def test_there_are_five() -> None:
    assert [path.name[:3] for path in NOTEBOOKS] == ["01_", "02_", "03_", "04_", "05_"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stored_and_clean(path: Path) -> None:
    assert path.stat().st_size < MEGABYTES * 1e6
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    shown = outputs(notebook)
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 2
    assert [o for o in shown if o.output_type == "error" or o.get("name") == "stderr"] == []
    for text in map(said, shown):
        assert not PATHS.search(text), text
        assert not WARNED.search(text), text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_of_code_installs_the_package_where_it_is_not(path: Path) -> None:
    first = code(nbformat.read(path, 4))[0].source
    assert 'find_spec("vital") is None' in first
    assert "%pip install -q" in first
    assert "vital-fv" in first


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_shows_as_much_as_is_stored(path: Path, tmp_path: Path, monkeypatch) -> None:
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    stored, again = nbformat.read(path, 4), nbformat.read(path, 4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(again, timeout=600, kernel_name="python3", resources=resources).execute()
    assert [o for o in outputs(again) if o.output_type == "error" or o.get("name") == "stderr"] == []
    assert [[o.output_type for o in c.outputs] for c in code(again)] == [
        [o.output_type for o in c.outputs] for c in code(stored)
    ]
