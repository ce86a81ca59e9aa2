"""Pictures that start from an image and stay near it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import vital
from tests import toy
from vital.errors import DataError, UsageError
from vital.models.pixels import to_tensor
from vital.rendering.methods.base import plan_for
from vital.utils.drawing import to_pil

MODEL = toy.model()
BOTH = pytest.mark.parametrize("name", ["pixels", "fourier"])


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """A smooth image that is wider than high."""
    picture = F.interpolate(toy.images(1, seed=5, size=4), (40, 64), mode="bilinear")[0].float()
    to_pil(picture).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def rendered(name: str, **options: Any) -> vital.Prototype:
    (made,) = vital.render(MODEL, "layer2:1", method=name, frames=2, progress=False, **options)
    return made


@BOTH
def test_the_picture_starts_from_the_middle_of_the_image(name: str, photo: str) -> None:
    made = rendered(name, start=photo, steps=2, lr=0.01)
    whole = to_tensor(vital.load_images([photo])[0])
    middle = F.interpolate(whole[None], (32, 51), mode="bicubic", antialias=True)[0, :, :, 10:42]
    start = made.frames[0][1]
    assert (start - middle.clamp(0, 1)).abs().mean() < 0.01
    assert made.provenance["files"].keys() == {"start"}
    assert made.provenance["options"]["start"] == photo
    again = rendered(name, start=photo, steps=2, lr=0.01)
    assert torch.equal(made.image, again.image)


@BOTH
@pytest.mark.parametrize("layer", [None, "layer3"])
def test_a_weight_keeps_it_there(name: str, layer: str | None, photo: str) -> None:
    away = []
    for weight in (0.0, 1000.0):
        kept = {"start_weight": weight, "start_layer": layer} if weight else {}
        made = rendered(name, start=photo, **kept, steps=12, lr=0.01)
        start = made.frames[0][1]
        away.append(float((made.image - start).square().mean()))
    assert away[1] < away[0]


@BOTH
def test_a_start_has_no_distance_from_itself(name: str, photo: str) -> None:
    method = vital.make_method(name, start=photo, start_weight=2.0, steps=3)
    made = rendered(name, start=photo, start_weight=2.0, steps=3)
    assert made.losses["ImageDistance"][0] == pytest.approx(0, abs=1e-6)
    assert made.losses["ImageDistance"][-1] > 0
    plan = plan_for(method, MODEL, [MODEL.unit("layer2:1")], None, 0)
    assert "2 * ImageDistance(" in repr(plan.terms[0])


@BOTH
def test_what_does_not_apply_is_said(name: str, photo: str) -> None:
    with pytest.warns(
        UserWarning, match=r"start_weight=2\.0 does not apply: there is no image to start from"
    ):
        rendered(name, start_weight=2.0, steps=1)
    with pytest.warns(UserWarning, match="start_layer=layer3 does not apply: start_weight is 0"):
        rendered(name, start=photo, start_layer="layer3", steps=1)


def test_a_dark_image_is_not_said_to_be_clipped(tmp_path: Path) -> None:
    picture = torch.zeros(3, 32, 32)
    picture[:, 10:20, 10:20] = toy.images(1, size=10)[0].float()
    to_pil(picture).save(tmp_path / "dark.png")
    made = rendered("pixels", start=str(tmp_path / "dark.png"), start_weight=1.0, steps=4, lr=0.02)
    assert made.status == "done"


@BOTH
def test_an_image_that_is_not_there_is_one_sentence(name: str) -> None:
    with pytest.raises((DataError, UsageError), match=r"gone\.png"):
        rendered(name, start="gone.png", steps=1)


def test_grey_images_start_pictures_in_color(tmp_path: Path) -> None:
    to_pil(toy.images(1)[0].mean(0, keepdim=True).float()).save(tmp_path / "grey.png")
    start = rendered("fourier", start=str(tmp_path / "grey.png"), steps=1).frames[0][1]
    assert (start - start.mean(0)).abs().max() < 0.01
