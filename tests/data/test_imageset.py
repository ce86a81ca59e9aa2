import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vital.data import UnreadableImageError, load_images, sources
from vital.errors import DataError, InvalidValueError
from vital.models import Model

MODEL = Model(nn.Identity(), size=(4, 4))


@pytest.fixture
def folder(tmp_path):
    for i in range(6):
        Image.new("RGB", (6, 4), (40 * i, 0, 0)).save(tmp_path / f"{i}.png")
    return tmp_path


def test_a_batch_is_what_the_model_makes_of_each_picture(folder):
    pictures = load_images(folder)
    batch = pictures.tensor([4, 1], MODEL)
    assert torch.equal(batch, torch.stack([MODEL.preprocess(pictures[4]), MODEL.preprocess(pictures[1])]))
    assert batch[:, 0, 0, 0].tolist() == pytest.approx([160 / 255, 40 / 255])


def test_batches_stream_everything_once_with_progress(folder):
    seen, told = [], []
    for indices, batch in load_images(folder).batches(MODEL, 4, progress=lambda *at: told.append(at)):
        assert len(indices) == len(batch)
        seen += indices
    assert seen == [0, 1, 2, 3, 4, 5]
    assert told == [(4, 6), (6, 6)]
    some = load_images(folder).batches(MODEL, 2, indices=[5, 0, 3])
    assert [indices for indices, _ in some] == [[5, 0], [3]]


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\x89PNG\r\n\x1a\n cut"])
def test_unreadable_pictures_are_skipped_and_listed(folder, content):
    (folder / "2.png").write_bytes(content)
    pictures = load_images(folder)
    (folder / "5.png").unlink()
    assert pictures.skipped == ()
    kept, batch = pictures.load([1, 2, 5, 3], MODEL)
    assert (kept, len(batch)) == ([1, 3], 2)
    assert [name for name, _ in pictures.skipped] == ["2.png", "5.png"]
    assert all(reason and "\n" not in reason for _, reason in pictures.skipped)
    told = []
    assert [kept for kept, _ in pictures.batches(MODEL, 1, progress=lambda *at: told.append(at))] == [
        [0],
        [1],
        [3],
        [4],
    ]
    assert told[-1] == (6, 6)
    assert len(pictures.skipped) == 2
    with pytest.raises(UnreadableImageError, match=r"^the image 2\.png cannot be read: "):
        pictures[2]


def test_a_truncated_picture_is_skipped(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole[: len(whole) // 2])
    assert load_images(tmp_path).load([0, 1], MODEL)[0] == [0]


def test_where_nothing_can_be_read_that_is_one_sentence(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"rubbish")
    pictures = load_images(tmp_path)
    sentence = f"none of the 2 images asked for in {tmp_path.name} can be read; the first: a.png: "
    for attempt in (lambda: pictures.tensor([0, 1], MODEL), lambda: list(pictures.batches(MODEL, 1))):
        with pytest.raises(DataError) as caught:
            attempt()
        assert str(caught.value).startswith(sentence)


def test_only_the_formats_of_pictures_are_decoded(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.pcx")
    (tmp_path / "a.pcx").rename(tmp_path / "a.png")
    with pytest.raises(UnreadableImageError):
        load_images(tmp_path)[0]


def test_a_picture_with_the_wrong_channels_is_an_error_and_not_skipped():
    pictures = load_images([np.zeros((4, 4, 2), np.uint8)])
    with pytest.raises(
        DataError, match=r"^the image 0 of list: the image has 2 channels, but model takes 3; "
    ):
        pictures.tensor([0], MODEL)
    assert pictures.skipped == ()


def test_items_that_are_no_pictures_are_an_error():
    with pytest.raises(
        DataError,
        match=r"^the image 0 of list: a int is not an image; allowed are PIL images, arrays, tensors, bytes and paths$",
    ):
        load_images([7])[0]
    with pytest.raises(DataError) as caught:
        load_images([{"a": 1}])[0]
    assert str(caught.value) == (
        "the image 0 of list: the items are dicts with a, and none of these is known as the image; call it 'image', "
        "or give pairs, such as [(item['KEY'], item['LABEL']) for item in data]"
    )


def test_a_batch_size_below_one_is_refused(folder):
    with pytest.raises(InvalidValueError, match=r"^the batch size is 0; allowed are whole numbers from 1$"):
        next(load_images(folder).batches(MODEL, 0))


def test_indices_outside_the_set_end_iteration(folder):
    pictures = load_images(folder)
    assert len(list(pictures)) == 6
    for index in (6, -7):
        with pytest.raises(IndexError):
            pictures[index]


def test_the_hash_is_of_the_content_and_not_of_the_place(folder, tmp_path_factory):
    first = load_images(folder).hash()
    assert first == load_images(folder).hash() == load_images(folder).hash()
    other = tmp_path_factory.mktemp("copy")
    for path in folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    assert load_images(other).hash() == first


def test_the_hash_sees_a_change_that_keeps_size_and_time(folder):
    path = folder / "3.png"
    before, stamp = load_images(folder).hash(), path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert path.stat().st_size == stamp.st_size
    assert load_images(folder).hash() != before


def test_the_hash_sees_names_labels_and_order(folder):
    array = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    changed = array.copy()
    changed[2, 7, 7, 2] ^= 1
    sets = [
        load_images(array),
        load_images(array[::-1]),
        load_images(changed),
        load_images(array / 255),
        load_images(list(array)),
    ]
    sets += [
        load_images(array, labels=[1, 2, 3]),
        load_images(array, labels=["a", "b", "c"]),
        load_images(array.transpose(0, 2, 1, 3)),
    ]
    assert len({pictures.hash() for pictures in sets}) == len(sets)
    before = load_images(folder).hash()
    (folder / "3.png").rename(folder / "33.png")
    assert load_images(folder).hash() != before


def test_large_sets_are_known_by_size_and_time_of_change(folder, monkeypatch):
    monkeypatch.setattr(sources, "MANY", 3)
    before = load_images(folder).hash()
    assert load_images(folder).hash() == before
    os.utime(folder / "3.png", ns=(1, 1))
    assert load_images(folder).hash() != before
    items = [Image.new("L", (2, 2), i) for i in range(6)]
    assert load_images(items).hash() == load_images(items).hash() != load_images(items[:5]).hash()


def test_pictures_that_cannot_be_read_are_part_of_the_hash():
    class Items:
        def __init__(self, bad: int) -> None:
            self.bad = bad

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int):
            if index < 0 or index == self.bad:
                raise OSError("gone")
            return Image.new("RGB", (2, 2))

    assert load_images(Items(0))[-1].size == (2, 2)
    assert load_images(Items(0)).hash() != load_images(Items(1)).hash()


def test_any_object_that_preprocesses_will_do():
    model = SimpleNamespace(preprocess=lambda picture: torch.full((1, 2, 2), float(picture[0, 0, 0])))
    array = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1).repeat(2, 1).repeat(2, 2)
    assert load_images(array).tensor([2, 0], model)[:, 0, 0, 0].tolist() == [2, 0]


def test_a_set_does_not_change():
    pictures = load_images(np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises(AttributeError):
        pictures.labels = (1, 2)


def test_a_batch_is_as_large_as_is_asked_and_allowed(folder):
    pictures = replace(load_images(folder), batch=4)
    sizes = {size: [len(which) for which, _ in pictures.batches(MODEL, size)] for size in (2, 4, 32)}
    assert sizes == {2: [2, 2, 2], 4: [4, 2], 32: [4, 2]}
    assert [pictures.together(size) for size in (2, 32)] == [2, 4]
    assert pictures.hash() == load_images(folder).hash()
    with pytest.raises(InvalidValueError, match="batch is 0; allowed are whole numbers from 1"):
        replace(pictures, batch=0)
