"""What is no file is told in one sentence wherever one is read, and is not waited for."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vital.data import load_images
from vital.directions.sae_files import open_sae
from vital.errors import RunError, VitalError
from vital.models import load_model
from vital.models.weights import read_state
from vital.units.direction import read_direction
from vital.utils import tensor_cache, tensor_pack
from vital.utils.file_kinds import check_file, no_file
from vital.utils.io import read_json, read_picture, read_regular, read_text
from vital.utils.pictures import opened_picture


def opened(path: Path) -> None:
    with opened_picture(path):
        pass


READ: list[Callable[[Path], Any]] = [
    read_text, read_json, read_regular, read_picture, opened, tensor_cache.load, tensor_cache.notes_of,
    lambda path: tensor_pack.get(path, "x" * 24), lambda path: tensor_pack.put(path, "x" * 24, {}, {}),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["folder", "pipe"])
@pytest.mark.parametrize("read", READ)
def test_one_sentence_says_what_is_there_instead(
    tmp_path: Path, read: Callable[[Path], Any], kind: str
) -> None:
    path = tmp_path / "x.png"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises((RunError, OSError), match=f"it is no file, but a {kind}"):
        read(path)


def test_a_file_and_what_is_not_there_are_fine(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "dead").symlink_to("nowhere")
    for name in ("a", "dead", "none", "x" * 5000, "a\0b"):
        check_file(tmp_path / name)
        assert not no_file(tmp_path / name)


def test_what_to_do_follows(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^it is no file, but a folder; remove it$"):
        check_file(tmp_path, "remove it")


def test_a_pipe_among_images_is_listed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "b.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.warns(UserWarning, match=r"are left out: b\.png: it is no file, but a pipe$"):
        assert len(load_images(tmp_path)) == 1


GIVEN: dict[str, Callable[[Path], Any]] = {
    **dict.fromkeys(("a.tar", "a.npz", "a.npy", "a.png"), load_images),
    **dict.fromkeys(("a.pt", "a.safetensors", "a.npz "), read_state),
    "d.safetensors": lambda path: read_direction(f"{path}:0@conv"),
    **dict.fromkeys(("sae.pt", "sae.safetensors"), open_sae),
    "net.py": lambda path: load_model(f"{path}:make"),
}
"""What users give, and what reads it."""


@pytest.mark.parametrize("name", GIVEN)
def test_a_pipe_that_a_user_gives_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(path := tmp_path / name.strip())
    with pytest.raises(VitalError, match="it is no file, but a pipe"):
        GIVEN[name](path)
