"""A bank in parts is that of one go, to the byte."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import vital
from tests import toy
from vital.activations import parts
from vital.activations.begun import Begun
from vital.activations.build import planned
from vital.activations.parts import bank_of_parts, parts_of, save_part
from vital.data.imageset import NothingReadableError
from vital.errors import RunError


@pytest.fixture
def images(tmp_path: Path) -> vital.ImageSet:
    """Files, some of which cannot be read: all of one part, and one of another."""
    folder, draw = tmp_path / "images", np.random.default_rng(0)
    folder.mkdir()
    for i in range(70):
        file = folder / f"{i:03d}.png"
        if 32 <= i < 64 or i == 5:
            file.write_bytes(b"no picture")
        else:
            Image.fromarray(draw.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(file)
    return vital.load_images(folder, workers=0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 32 images."""
    monkeypatch.setattr(parts, "CHUNK", 32)


def made(images: vital.ImageSet, folder: Path) -> tuple[Any, list[Path], dict[str, Any]]:
    model = toy.model(double=True)
    made_of = planned(model, ["act1"], images, top=5)
    files = []
    for number, part in reversed(list(enumerate(parts_of(images)))):
        files.insert(0, folder / f"{number}.safetensors")
        save_part(model, images, part, files[0], made_of)
    return model, files, made_of


@pytest.mark.usefixtures("small")
def test_parts_are_put_together_to_the_bank_of_one_go(images: vital.ImageSet, tmp_path: Path) -> None:
    model, files, made_of = made(images, tmp_path)
    assert len(files) == 3
    fresh = vital.load_images(tmp_path / "images", workers=0)
    bank_of_parts(model, fresh, files, made_of).save(tmp_path / "parts")
    vital.build_bank(model, ["act1"], images, top=5, path=tmp_path / "whole")
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
    assert len(fresh.skipped) == 33


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("batch", [5, 12, 70])
def test_parts_hold_whole_batches(images: vital.ImageSet, tmp_path: Path, batch: int) -> None:
    images = replace(images, batch=batch)
    model, files, made_of = made(images, tmp_path)
    assert all(part.start % min(batch, 32) == 0 for part in parts_of(images))
    assert len(files) > 1
    bank_of_parts(model, images, files, made_of).save(tmp_path / "parts")
    vital.build_bank(model, ["act1"], images, top=5, path=tmp_path / "whole")
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", ["empty", "cut", "another"])
def test_a_damaged_part_is_removed_and_told(images: vital.ImageSet, tmp_path: Path, kind: str) -> None:
    model, files, made_of = made(images, tmp_path)
    if kind == "another":
        save_file({"other": torch.zeros(3)}, files[0])
    else:
        files[0].write_bytes(files[0].read_bytes()[:100] if kind == "cut" else b"")
    with pytest.raises(RunError, match=r"0\.safetensors' was damaged and is removed; the same command makes"):
        bank_of_parts(model, images, files, made_of)
    assert not files[0].exists()


@pytest.mark.usefixtures("small")
def test_where_no_part_holds_an_image_that_is_told(images: vital.ImageSet, tmp_path: Path) -> None:
    model, files, made_of = made(images, tmp_path)
    with pytest.raises(NothingReadableError, match="none of the 70 images could be read"):
        bank_of_parts(model, images, files[1:2], made_of)


@pytest.mark.parametrize("notes", [{}, {"done": "x", "skipped": []}, {"done": 3, "skipped": 4}])
def test_a_damaged_begun_pass_begins_anew(
    images: vital.ImageSet, tmp_path: Path, notes: dict[str, Any]
) -> None:
    from vital.utils import tensor_cache

    tensor_cache.save(tmp_path / ".bank.begun", {"a": torch.zeros(1)}, {"key": "k", **notes})
    begun = Begun(tmp_path / "bank", images, "k", {})
    assert (begun.tables, begun.done) == (None, 0)
