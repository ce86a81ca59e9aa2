"""Files that are no image, or an odd one, among images: left out, listed, and the rest goes on."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vital import Model, load_images
from vital.data import open as opening
from vital.errors import DataError
from vital.utils import pictures

MODEL = Model(nn.Conv2d(3, 4, 3), size=(8, 8))
DRAW = np.random.default_rng(0)
GREY = DRAW.integers(0, 255, (9, 10), dtype=np.uint8)
COLOR = DRAW.integers(0, 255, (9, 10, 3), dtype=np.uint8)
ODD_FLOAT = np.array([[np.nan, 0.5], [np.inf, 1.0]], np.float32)

GOOD: dict[str, Image.Image] = {
    **{f"{mode}.png": Image.fromarray(COLOR).convert(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")},
    "sixteen.png": Image.fromarray(GREY.astype(np.uint16) * 257),
    "cmyk.jpg": Image.fromarray(COLOR).convert("CMYK"),
    "grey.jpg": Image.fromarray(GREY),
    "color.webp": Image.fromarray(COLOR),
    "color.bmp": Image.fromarray(COLOR),
    "color.gif": Image.fromarray(COLOR),
    "color.tif": Image.fromarray(COLOR),
    "sixteen.tif": Image.fromarray(GREY.astype(np.uint16) * 257),
    "grey.ppm": Image.fromarray(GREY),
}
ODD: dict[str, Image.Image] = {
    "float.tif": Image.fromarray(GREY.astype(np.float32)),
    "nan.tif": Image.fromarray(ODD_FLOAT),
    "int32.tif": Image.fromarray(GREY.astype(np.int32) - 1000),
    "large int32.tif": Image.fromarray(GREY.astype(np.int32) * 10**6),
}


def filled(folder: Path) -> Path:
    folder.mkdir()
    for name, picture in (GOOD | ODD).items():
        picture.save(folder / name)
    whole = (folder / "RGB.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "words.png").write_text("no picture")
    return folder


@pytest.mark.filterwarnings("ignore")
def test_a_set_goes_on_without_odd_images_and_names_them(tmp_path: Path) -> None:
    images = load_images(filled(tmp_path / "all"), workers=0)
    read = [
        i for which, batch in images.batches(MODEL, 4) for i in which if bool(torch.isfinite(batch).all())
    ]
    names, left = {images.names[i] for i in read}, {name for name, _ in images.skipped}
    assert names >= set(GOOD)
    assert left >= {"cut.png", "empty.png", "words.png", "nan.tif"}
    assert names | left == set(images.names)
    assert not names & left
    assert all(reason for _, reason in images.skipped)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_image_alone_is_one_sentence(name: str, tmp_path: Path) -> None:
    ODD[name].save(tmp_path / name)
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        list(load_images(tmp_path, workers=0).batches(MODEL, 4))


def test_pipes_and_devices_are_no_images(tmp_path: Path) -> None:
    Image.fromarray(COLOR).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "x.png")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    with pytest.warns(UserWarning, match=r"2 of the files and folders of .* are left out: "):
        images = load_images(tmp_path)
    assert images.names == ("a.png",)
    assert {name for name, _ in images.skipped} == {"x.png", "zero.jpg"}
    with pytest.raises(DataError, match="cannot be read: it is no file, but a pipe"):
        load_images([tmp_path / "x.png"])
    with pytest.raises(DataError):
        load_images(tmp_path / "x.png")
    assert len(images.hash()) == 16


def test_plain_files_are_not_looked_at_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(COLOR).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("nowhere")
    looked: list[str] = []
    monkeypatch.setattr(opening, "no_file", lambda path: looked.append(Path(path).name) or "")
    assert sorted(opening._walk(tmp_path)) == ["a.png", "b.png"]
    assert looked == ["b.png"]


def test_an_image_with_too_many_pixels_is_left_out_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_PIXELS", 50)
    Image.fromarray(COLOR).save(tmp_path / "large.png")
    Image.fromarray(COLOR[:4, :4]).save(tmp_path / "small.png")
    images = load_images(tmp_path, workers=0)
    assert [i for which, _ in images.batches(MODEL) for i in which] == [1]
    ((name, reason),) = images.skipped
    assert (name, "it has 10 x 9 pixels; allowed are" in reason) == ("large.png", True)


@pytest.mark.filterwarnings("ignore")
def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    import resource

    Image.new("1", (13_300, 13_300)).save(tmp_path / "bomb.png")
    Image.fromarray(COLOR).save(tmp_path / "small.png")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    images = load_images(tmp_path, workers=0)
    assert [i for which, _ in images.batches(MODEL) for i in which] == [1]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


def test_a_folder_that_cannot_be_read_is_named_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ant", "bee"):
        (tmp_path / name / "below").mkdir(parents=True)
        Image.fromarray(COLOR).save(tmp_path / name / "a.png")
        Image.fromarray(COLOR).save(tmp_path / name / "below" / "b.png")
    scan = os.scandir

    def guarded(path: Any) -> Any:
        if str(path).endswith("bee/below"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(opening.os, "scandir", guarded)
    with pytest.warns(UserWarning, match=r"are left out: bee/below: Permission denied"):
        images = load_images(tmp_path)
    assert images.names == ("ant/a.png", "ant/below/b.png", "bee/a.png")
    assert images.skipped == (("bee/below", "Permission denied"),)


def test_names_that_are_no_text_are_shown_and_their_files_are_read(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(folder)).mkdir()
    data = io.BytesIO()
    Image.fromarray(COLOR).save(data, "PNG")
    Path(os.fsdecode(folder + b"/\xff.png")).write_bytes(data.getvalue())
    images = load_images(tmp_path, workers=0)
    assert images.names == ("caf\\xe9/\\xff.png",)
    assert images.class_names == ("caf\\xe9",)
    assert [len(batch) for _, batch in images.batches(MODEL)] == [1]
    assert images.part().shape == (1,)
    assert len(images.hash()) == 16


def test_links_that_lead_to_each_other_are_left_out_and_listed(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b").symlink_to("c")
    (tmp_path / "c").symlink_to("b")
    with pytest.warns(UserWarning, match="b: Too many levels of symbolic links; c: Too many"):
        found = load_images(tmp_path)
    assert found.names == ("a.png",)
    assert {name for name, _ in found.skipped} == {"b", "c"}
