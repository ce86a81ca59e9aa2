from pathlib import Path

import pytest
from PIL import Image

from vital.utils.pictures import is_whole


@pytest.mark.parametrize("ending", [".png", ".gif"])
def test_a_file_that_was_cut_off_is_not_whole(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"picture{ending}"
    Image.radial_gradient("L").save(file)
    written = file.read_bytes()
    assert is_whole(file)
    for left in (0, 1, 8, len(written) // 2, len(written) - 1):
        file.write_bytes(written[:left])
        assert not is_whole(file), left


def test_what_is_no_file_is_not_whole(tmp_path: Path) -> None:
    assert not is_whole(tmp_path)
    assert not is_whole(tmp_path / "missing.json")
    (tmp_path / "one.json").write_text("{}")
    assert is_whole(tmp_path / "one.json")
