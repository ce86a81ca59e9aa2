"""Prototypes of one network judged by the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import vital
from benchmarks import cross_networks as cross
from benchmarks.blind_reading.pictures import specs
from benchmarks.blind_reading.places import IMAGENET
from vital.errors import InvalidValueError
from vital.models import Model


class Reddest(nn.Module):
    """Class r is the likeliest for a picture of red value r / 255; `flipped` networks see the opposite."""

    def __init__(self, *, flipped: bool) -> None:
        super().__init__()
        self.sign = nn.Parameter(torch.tensor(-1.0 if flipped else 1.0), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        red = x[:, 0].mean((1, 2))[:, None] * 255
        return -self.sign * (torch.arange(IMAGENET, dtype=x.dtype) - red).abs()


def network(*, flipped: bool = False) -> Model:
    return Model(Reddest(flipped=flipped), size=(16, 16))


def painted(folder: Path, classes: list[int], off: int = 0) -> None:
    folder.mkdir(parents=True)
    for number in classes:
        Image.new("RGB", (16, 16), (number + off, 0, 0)).save(folder / f"{number}.png")


def test_every_network_is_judged_by_all_others_and_by_none_twice(tmp_path: Path) -> None:
    classes = [10, 50, 200]
    real = [np.full((16, 16, 3), (n, 0, 0), np.uint8) for n in classes]
    images = vital.load_images(real, labels=classes)
    painted(tmp_path / "one" / "fourier", classes)
    painted(tmp_path / "two" / "fourier", classes, off=2)
    nets = {"one": network(), "two": network(flipped=True)}
    found = cross.measure(nets, specs("fourier"), images, classes, tmp_path)
    ranks = found["ranks"]["fourier"]
    assert set(ranks["one"]) == {"two"}
    assert set(ranks["two"]) == {"one"}
    assert ranks["one"]["two"] == [1000, 1000, 1000]
    assert ranks["two"]["one"] == [4, 4, 4]  # those at a distance of 0 and 1 are likelier
    assert found["real"]["one"] == [1, 1, 1]
    table = cross.rows(found)
    assert table[1][:3] == ["fourier", "0%", "100%"]
    assert str(table[1][-1]).startswith("50%")
    assert table[-1][0] == "real"


def test_pictures_that_are_not_there_are_rendered_and_kept(tmp_path: Path) -> None:
    images = vital.load_images([np.zeros((16, 16, 3), np.uint8)], labels=[7])
    nets = {"one": network(), "two": network()}
    cross.measure(nets, specs("pixels:steps=1"), images, [7], tmp_path)
    assert (tmp_path / "one" / "pixels:steps=1" / "7.png").exists()


@pytest.mark.parametrize(
    ("text", "said"), [("a=world", "two or more|1000"), ("world", "NAME=MODEL"), ("=world", "NAME=MODEL")]
)
def test_what_cannot_be_compared_is_told(text: str, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        cross.networks(text, 64)
