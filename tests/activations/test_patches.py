from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital.activations import (
    Box,
    ReferenceBank,
    build_bank,
    effective_field,
    make_template,
    receptive_field,
)
from vital.activations.patches import crop, shaped
from vital.errors import DataError, InvalidValueError, UnitError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path / "cache"))


def noise(count: int, seed: int = 0) -> Tensor:
    return toy.images(count, seed).float()


def bank(model: vital.Model, pictures: Tensor, layer: str = "act2", top: int = 50) -> ReferenceBank:
    return build_bank(model, [layer], vital.load_images(pictures), top=top, disk=False)


def planted(count: int) -> tuple[Tensor, list[tuple[int, int]]]:
    """Dark pictures with one bright square of 3 x 3 each, at a place of its own, brighter from picture to picture."""
    pictures = torch.zeros(count, 3, 32, 32)
    corners = [(5 + (7 * i) % 20, 4 + (11 * i) % 20) for i in range(count)]
    for i, (row, column) in enumerate(corners):
        pictures[i, :, row : row + 3, column : column + 3] = 0.2 + 0.05 * i
    return pictures, corners


def brightness() -> vital.Model:
    """One unit that sums 3 x 3 pixels, behind nothing."""
    module = nn.Sequential(nn.Conv2d(3, 1, 3, bias=False))
    nn.init.ones_(module[0].weight)
    return vital.Model(module, size=(32, 32))


def test_the_strongest_place_is_where_the_square_is() -> None:
    pictures, corners = planted(9)
    spots = bank(brightness(), pictures, "0").strongest_places("0:0", 4)
    assert [spot.image for spot in spots] == [8, 7, 6, 5]
    assert [spot.position for spot in spots] == [corners[i] for i in (8, 7, 6, 5)]
    assert [spot.value for spot in spots] == pytest.approx([27 * (0.2 + 0.05 * i) for i in (8, 7, 6, 5)])


def test_a_patch_is_the_receptive_field_of_the_strongest_place() -> None:
    pictures, corners = planted(9)
    found = bank(brightness(), pictures, "0").patches("0:0", 3, share=1)
    for box, i, image in zip(found.boxes, (8, 7, 6), found.images, strict=True):
        row, column = corners[i]
        assert box == Box(row, column, row + 3, column + 3)
        torch.testing.assert_close(
            image, torch.full_like(image, 0.2 + 0.05 * i)
        )  # the square, and nothing else
    assert found.images.shape == (3, 3, 32, 32)
    assert found.names == ("8", "7", "6")
    assert len(found) == 3


def test_patches_are_those_of_the_effective_fields() -> None:
    model, pictures = toy.model(), noise(20)
    found = bank(model, pictures).patches("act2:3", 10, share=0.5)
    assert len(set(found.indices)) == 10
    for i, (index, position) in enumerate(zip(found.indices, found.positions, strict=True)):
        box = effective_field(model, "act2:3", pictures[index], position, 0.5)
        assert found.boxes[i] == shaped(box, (32, 32))
        torch.testing.assert_close(found.images[i], crop(pictures[index], box))


def test_a_patch_does_not_depend_on_how_many_are_asked_for() -> None:
    made = bank(toy.model(), noise(20))
    few, many = made.patches("act2:3", 3), made.patches("act2:3", 12)
    assert many.boxes[:3] == few.boxes
    assert many.indices[:3] == few.indices


def test_units_without_places_give_whole_images() -> None:
    pictures = noise(8)
    found = bank(toy.model(), pictures).patches("class:3", 4)
    assert found.boxes == (Box(0, 0, 32, 32),) * 4
    assert found.positions == (None,) * 4
    assert torch.equal(found.images, pictures[list(found.indices)])
    tokens = bank(toy.token_model(), pictures, "block1")
    assert tokens.patches("block1:2#cls", 3).boxes == (Box(0, 0, 32, 32),) * 3
    assert tokens.patches("block1:2#patches", 3, share=1).boxes == (Box(0, 0, 32, 32),) * 3


def test_a_token_of_patches_gives_its_patch() -> None:
    class Patchwise(nn.Module):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.patches, self.tokens = nn.Conv2d(3, 12, 8, stride=8), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.tokens(self.patches(x).flatten(2).transpose(1, 2)).mean(1)

    model, pictures = toy.wrap(toy.seeded(Patchwise())), noise(6)
    found = bank(model, pictures, "tokens").patches("tokens:4#patches", 3, share=1)
    for box, token in zip(found.boxes, found.positions, strict=True):
        assert isinstance(token, int)
        assert box == receptive_field(model, "tokens", token)
        assert (box.top, box.left, box.height) == (8 * (token // 4), 8 * (token % 4), 8)


@pytest.mark.parametrize(
    ("box", "size", "wanted"),
    [
        (Box(0, 0, 4, 4), (8, 8), Box(0, 0, 4, 4)),
        (Box(4, 6, 8, 8), (8, 8), Box(4, 4, 8, 8)),
        (Box(2, 0, 3, 6), (8, 8), Box(0, 0, 6, 6)),
        (Box(0, 0, 2, 2), (8, 16), Box(0, 0, 2, 4)),
        (Box(0, 0, 8, 3), (8, 8), Box(0, 0, 8, 8)),
    ],
)
def test_a_box_grows_to_the_shape_of_the_image(box: Box, size: tuple[int, int], wanted: Box) -> None:
    assert shaped(box, size) == wanted


def test_a_template_of_patches_is_the_weighted_mean_of_the_patches() -> None:
    model, pictures = toy.model(), noise(20)
    made = bank(model, pictures)
    found = made.patches("act2:3", 5, share=0.6)
    values = torch.tensor([spot.value for spot in made.strongest_places("act2:3", 6)])
    over = values[:5] - values[5]
    weights = (over / over.sum()).tolist()
    wanted = make_template(model, ["layer1"], [(found.images, weights)]).layers["layer1"]
    template = made.template("act2:3", ["layer1"], count=5, patches=0.6)
    torch.testing.assert_close(template.layers["layer1"], wanted)
    assert template.images == found.names


def test_templates_of_patches_and_of_images_are_kept_apart() -> None:
    model, pictures = toy.model(), vital.load_images(noise(20))
    made = build_bank(model, ["act2"], pictures)
    ways: list[bool | float] = [False, True, 0.3, 1.0]
    keys = [made.template("act2:3", ["layer1"], patches=way).key for way in ways]
    assert len(set(keys)) == 4
    again = build_bank(model, ["act2"], pictures)
    for way in ways:
        one, two = (b.template("act2:3", ["layer1"], patches=way).layers["layer1"] for b in (made, again))
        assert torch.equal(one, two)
    assert made.template("class:3", ["layer1"], patches=True).key == made.template("class:3", ["layer1"]).key


def test_requests_that_cannot_be_met_are_one_sentence() -> None:
    made = bank(toy.model(), noise(20), top=5)
    with pytest.raises(InvalidValueError, match=r"^share is 0; allowed are numbers above 0 and up to 1$"):
        made.patches("act2:3", share=0)
    with pytest.raises(InvalidValueError, match=r"^share is 2.0; allowed"):
        made.template("act2:3", ["layer1"], count=3, patches=2.0)
    with pytest.raises(
        InvalidValueError, match=r"keeps the 5 strongest images of a unit, and 7 are asked for$"
    ):
        made.patches("act2:3", 7)
    with pytest.raises(InvalidValueError, match=r"^0 reference images"):
        made.strongest_places("act2:3", 0)
    with pytest.raises(UnitError):
        made.patches("act2:99")
    with pytest.raises(DataError, match="it is not a class unit"):
        made.template("act2:3", ["layer1"], count=3, selection="class", patches=True)
