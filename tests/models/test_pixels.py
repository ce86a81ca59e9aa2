import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vital.errors import DataError, InvalidValueError
from vital.models import Model
from vital.models.pixels import to_tensor

CONVERT = "in [0, 1]; convert it, such as with array.astype(numpy.uint8)"
DIVIDE = "must lie in [0, 1]; divide them by 255"
MEND = "must lie in [0, 1]; mend or leave out the images whose values are not finite"


def model(channels: int = 3, size: tuple[int, int] = (8, 8), **more: object) -> Model:
    return Model(nn.Conv2d(channels, 4, 1), name="net", size=size, channels=channels, **more)


def gradient(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], 2).astype(
        np.uint8
    )


def test_a_picture_of_the_networks_own_size_keeps_its_pixels():
    pixels = gradient(8, 8)
    expected = torch.from_numpy(pixels).movedim(2, 0) / 255
    torch.testing.assert_close(model().preprocess(Image.fromarray(pixels)), expected)
    torch.testing.assert_close(model().preprocess(pixels), expected)
    torch.testing.assert_close(model().preprocess(expected), expected)


@pytest.mark.parametrize(("how", "pil"), [("bilinear", 2), ("bicubic", 3)])
@pytest.mark.parametrize("shape", [(90, 60), (60, 90), (61, 61), (20, 31)])
def test_resizing_and_cropping_agree_with_torchvision_on_pil_images(how, pil, shape):
    from torchvision.transforms import InterpolationMode, functional

    pixels = np.random.default_rng(0).integers(80, 176, (*shape, 3)).astype(np.uint8)
    mode = {2: InterpolationMode.BILINEAR, 3: InterpolationMode.BICUBIC}[pil]
    theirs = functional.center_crop(functional.resize(Image.fromarray(pixels), 36, mode), 32)
    ours = model(size=(32, 32), resize=36, interpolation=how).preprocess(Image.fromarray(pixels))
    difference = (ours - functional.to_tensor(theirs)).abs().max()
    assert difference < 1.5 / 255


def test_without_a_resize_the_whole_picture_is_squashed():
    pixels = np.zeros((4, 16, 3), np.uint8)
    pixels[:, :4] = 255
    seen = model(size=(4, 8)).preprocess(pixels)
    assert seen[:, :, :1].min() > 0.95
    assert seen[:, :, 4:].max() == 0


def test_with_a_resize_the_center_is_cropped():
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :4] = 255
    assert model(resize=8).preprocess(pixels).max() == 0


def test_a_tall_input_is_covered_by_a_wide_picture():
    seen = model(size=(12, 6), resize=6).preprocess(np.full((10, 30, 3), 255, np.uint8))
    assert seen.shape == (3, 12, 6)
    assert seen.min() > 0.999


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1), (1, 500, 3), (500, 1, 3)])
def test_pictures_of_one_pixel_and_of_one_line_are_fine(shape):
    seen = model(resize=9).preprocess(np.full(shape, 51, np.uint8))
    assert seen.shape == (3, 8, 8)
    torch.testing.assert_close(seen, torch.full_like(seen, 0.2))


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.new("L", (8, 8), 51), (0.2, 0.2, 0.2)),
        (Image.new("1", (8, 8), 1), (1.0, 1.0, 1.0)),
        (Image.new("RGBA", (8, 8), (255, 0, 0, 0)), (1.0, 1.0, 1.0)),
        (Image.new("RGBA", (8, 8), (255, 0, 0, 255)), (1.0, 0.0, 0.0)),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 51)), (0.8, 0.8, 0.8)),
        (Image.new("LA", (8, 8), (0, 0)), (1.0, 1.0, 1.0)),
        (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), (1.0, 0.0, 0.0)),
        (Image.new("I;16", (8, 8), 13107), (0.2, 0.2, 0.2)),
        (Image.new("I", (8, 8), 13107), (0.2, 0.2, 0.2)),
        (Image.new("F", (8, 8), 0.25), (0.25, 0.25, 0.25)),
        (np.full((8, 8), 13107, np.uint16), (0.2, 0.2, 0.2)),
        (np.full((8, 8, 1), 0.5), (0.5, 0.5, 0.5)),
        (torch.full((1, 8, 8), 0.5, dtype=torch.float16), (0.5, 0.5, 0.5)),
        (np.dstack([np.zeros((8, 8, 3)), np.full((8, 8), 0.25)]), (0.75, 0.75, 0.75)),
    ],
)
def test_every_mode_becomes_rgb_between_0_and_1(picture, expected):
    seen = model().preprocess(picture)
    assert seen.dtype == torch.float32
    torch.testing.assert_close(seen.amin((1, 2)), torch.tensor(expected))
    torch.testing.assert_close(seen.amax((1, 2)), torch.tensor(expected))


def test_a_palette_becomes_its_colors_and_its_transparency_white():
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 0, 255, 0])
    assert to_tensor(picture)[:, 0, 0].tolist() == [0, 1, 0]
    picture.info["transparency"] = 1
    assert model().preprocess(picture)[:, 0, 0].tolist() == [1, 1, 1]


@pytest.mark.parametrize(("mode", "black"), [("1", 0), ("L", 0), ("RGB", (0, 0, 0)), ("I;16", 0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_color_becomes_white_in_every_mode(tmp_path, mode, black, channels):
    Image.new(mode, (8, 8), black).save(tmp_path / "a.png", transparency=black)
    with Image.open(tmp_path / "a.png") as picture:
        assert "transparency" in picture.info
        assert model(channels).preprocess(picture).unique().tolist() == [1.0]


def test_a_grey_network_gets_grey():
    seen = model(1).preprocess(Image.new("RGB", (8, 8), (255, 0, 0)))
    torch.testing.assert_close(seen, torch.full((1, 8, 8), 0.299))


def test_a_four_channel_network_gets_alpha_as_a_channel():
    assert model(4).preprocess(Image.new("RGBA", (8, 8), (255, 0, 0, 51)))[:, 0, 0].tolist() == pytest.approx(
        [1, 0, 0, 0.2]
    )


def test_a_network_of_many_channels_gets_them_as_they_are():
    picture = np.random.default_rng(0).random((8, 8, 13)).astype(np.float32)
    torch.testing.assert_close(model(13).preprocess(picture), torch.from_numpy(picture).movedim(2, 0))


def test_exif_orientation_is_respected():
    picture = Image.new("RGB", (8, 8))
    picture.putpixel((0, 0), (255, 255, 255))
    picture.getexif()[0x0112] = 3
    assert model().preprocess(picture)[:, 7, 7].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (
            np.zeros((8, 8, 2), np.uint8),
            "the image has 2 channels, but net takes 3; give images with as many, or a network for these",
        ),
        (
            np.zeros((8, 8), np.int64),
            f"an image of type int64; allowed are uint8, uint16 and floats {CONVERT}",
        ),
        (
            np.full((8, 8), 2.0),
            f"an image with values from 2 to 2; floats {DIVIDE}",
        ),
        (
            np.full((8, 8), np.nan),
            f"an image with values from nan to nan; floats {MEND}",
        ),
        (
            np.zeros((0, 8, 3), np.uint8),
            "an array of shape (0, 8, 3) is not one image; allowed are (H, W) and (H, W, C)",
        ),
        (
            np.zeros((2, 8, 8, 3), np.uint8),
            "an array of shape (2, 8, 8, 3) is not one image; allowed are (H, W) and (H, W, C)",
        ),
        (torch.zeros(8, 8), "a tensor of shape (8, 8) is not one image; allowed is (C, H, W)"),
        ("cat.jpg", "a str is not an image; allowed are PIL images, arrays and tensors"),
        (
            Image.new("I", (8, 8), 70000),
            "whole numbers from 70000 to 70000; allowed are 0 to 65535 (16 bit): scale them to it",
        ),
    ],
)
def test_what_is_no_picture_is_explained(picture, sentence):
    with pytest.raises(DataError) as caught:
        model().preprocess(picture)
    assert str(caught.value) == sentence


def test_rgb_for_five_channels_is_explained():
    with pytest.raises(DataError) as caught:
        model(5).preprocess(Image.new("RGB", (8, 8)))
    assert str(caught.value) == (
        "the image has 3 channels, but net takes 5; give images with as many, or a network for these"
    )


@pytest.mark.parametrize("fields", [{"mean": (123.675, 116.28, 103.53)}, {"std": (58.395, 57.12, 57.375)}])
def test_a_normalization_for_other_values_is_told(fields):
    own = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)} | fields
    with pytest.warns(UserWarning, match="^net: mean") as caught:
        Model(nn.Identity(), "net", **own)
    (told,) = (str(one.message) for one in caught)
    assert told == (
        f"net: mean {own['mean']} and std {own['std']} are not for images in [0, 1], which then look all alike to the "
        "network; divide both by the value of white, such as 255"
    )
    Model(nn.Identity(), "net", mean=(0.4,), std=(1 / 255,))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"size": (0, 8)}, "net: the size is (0, 8); allowed are (height, width) from 1 to 16384"),
        ({"resize": 7}, "net: resize is 7, below the crop of 8"),
        (
            {"mean": (0.0, 0.0)},
            "net: mean is (0.0, 0.0); allowed is one finite number, or one for each of the 3 channels",
        ),
        ({"std": (0.0,)}, "net: std is (0.0,); allowed are numbers above 0"),
        (
            {"interpolation": "cubic"},
            "net: interpolation is 'cubic'; allowed are nearest, bilinear, bicubic, lanczos",
        ),
    ],
)
def test_impossible_preprocessing_is_refused(fields, sentence):
    with pytest.raises(InvalidValueError) as caught:
        Model(nn.Conv2d(3, 4, 1), **{"name": "net", "size": (8, 8), **fields})
    assert str(caught.value) == sentence
