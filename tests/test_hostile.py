"""Commands bear run folders with damaged files; `python -m tests.hostile` tries all wounds."""

from pathlib import Path

import pytest

from tests.hostile import failures, good, wounds


@pytest.mark.slow
def test_commands_bear_damaged_runs(tmp_path: Path) -> None:
    folder = good(tmp_path)
    found = [
        (wound.file, wound.name, *told) for wound in wounds(folder, 8) for told in failures(folder, wound)
    ]
    assert found == []
