from pathlib import Path

import pytest
from PIL import Image

from vital.data import load_images
from vital.errors import DataError, RunError
from vital.utils.io import read_picture
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


def test_what_other_programs_would_be_asked_to_read_is_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, asked = tmp_path / "picture.png", list[object]()
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *args, **_: asked.append(args))
    file.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n")
    with Image.open(file) as known:
        assert known.format == "EPS"
    with pytest.raises(RunError, match="cannot identify image file"):
        read_picture(file)
    with pytest.raises(DataError, match="cannot identify"):
        load_images([file])[0]
    assert not asked
