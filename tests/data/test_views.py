from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vital.data import load_images, views
from vital.data.views import Sizes, Views, size_of
from vital.models import Model

MODEL = Model(nn.Identity(), size=(4, 4))
SIZE = 3 * 4 * 4 * 4


def test_a_kept_view_is_what_the_model_makes_of_the_picture_and_belongs_to_nobody_else() -> None:
    pictures, kept = load_images(torch.rand(3, 3, 8, 6)), Views()
    first = pictures.tensor([2, 0], MODEL, kept)
    assert torch.equal(first, pictures.tensor([2, 0], MODEL))
    assert list(kept) == [2, 0]
    assert {view.size for view in kept.values()} == {(8, 6)}
    again = pictures.tensor([0, 2], MODEL, kept)
    again.zero_()
    assert torch.equal(pictures.tensor([2, 0], MODEL, kept), first)


def test_the_size_is_height_and_width() -> None:
    picture = Image.new("L", (5, 3))
    assert size_of(picture) == size_of(np.asarray(picture)) == (3, 5)


def test_the_sizes_of_the_first_few_are_kept_and_no_view() -> None:
    pictures, kept = load_images(torch.rand(5, 3, 8, 6)), Sizes(most=2)
    pictures.tensor([0, 1, 2, 3], MODEL, kept)
    assert kept.sizes == [(8, 6)] * 2
    assert not kept
    assert Sizes().most == 16


def test_the_oldest_go_beyond_the_limit_and_the_last_never(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, kept = load_images(torch.rand(5, 3, 4, 4)), Views()
    monkeypatch.setattr(views, "LIMIT_BYTES", 2 * SIZE)
    pictures.tensor([0, 1, 2, 1, 3], MODEL, kept)
    assert list(kept) == [2, 3]
    monkeypatch.setattr(views, "LIMIT_BYTES", 1)
    pictures.tensor([4], MODEL, kept)
    assert list(kept) == [4]


def test_a_picture_that_cannot_be_read_is_listed_and_not_kept(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes(b"no picture")
    pictures, kept = load_images(tmp_path), Views()
    found, rows = pictures.load([0, 1], MODEL, kept)
    assert found == list(kept) == [0]
    assert len(rows) == 1
    assert [name for name, _ in pictures.skipped] == ["1.png"]
