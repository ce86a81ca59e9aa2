import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Normalize, RandomHorizontalFlip, ToTensor

from vital.data import load_images
from vital.errors import DataError


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(0)
    (tmp_path / "cat").mkdir()
    for i in range(9):
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "cat" / f"{i}.png")
    return tmp_path


def test_images_that_change_at_every_look_are_refused(folder):
    with pytest.raises(DataError) as caught:
        load_images(ImageFolder(folder, Compose([RandomHorizontalFlip(), ToTensor()])))
    assert str(caught.value).endswith(
        " of ImageFolder is another image at each look, as with random augmentation; open the data set without it, "
        "such as with transform=None"
    )
    wrapped = torch.utils.data.Subset(ImageFolder(folder, RandomHorizontalFlip()), [0, 1])
    with pytest.raises(DataError, match="is another image at each look"):
        load_images(torch.utils.data.ConcatDataset([wrapped]))
    assert len(load_images(ImageFolder(folder, ToTensor()))) == 9


def test_normalized_items_are_refused(folder):
    with pytest.raises(DataError) as caught:
        load_images(ImageFolder(folder, Compose([ToTensor(), Normalize([0.5] * 3, [0.25] * 3)])))
    assert str(caught.value) == (
        "item 0 of ImageFolder is an image with values from -2 to 1.906; floats must lie in [0, 1]: leave the "
        "normalization out of its transform, the network has its own"
    )


def test_twelve_bits_in_sixteen_are_told(tmp_path):
    for i, top in enumerate((4095, 3000)):
        Image.fromarray(np.full((4, 4), top, np.uint16)).save(tmp_path / f"{i}.png")
    told = "have 16 bits and reach 4095 at most, which is 0.0625 of white; multiply those of 12 bits by 16"
    with pytest.warns(UserWarning, match=f"^the images of {tmp_path.name} {told}$") as caught:
        load_images(tmp_path)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match=f"^the images of array {told}$"):
        load_images(np.full((2, 8, 8, 1), 4095, np.uint16))
    load_images(np.full((2, 8, 8, 1), 65520, np.uint16))


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.ones((2, 8, 8, 3), np.uint8), "have 8 bits and reach 1 at most, which is 0.004 of white"),
        (
            np.full((2, 8, 8, 3), 1 / 255),
            "reach 0.00392 at most where white is 1; divide by their white once",
        ),
        (
            np.full((2, 8, 8, 3), 255, np.uint16),
            "have 16 bits and reach 255 at most, which is 0.00389 of white",
        ),
    ],
)
def test_values_that_leave_the_range_free_are_told(array, told):
    with pytest.warns(UserWarning, match=f"^the images of array {told}"):
        load_images(array)


def test_a_picture_that_cannot_be_read_is_passed_over(folder):
    (folder / "cat" / "0.png").write_bytes(b"rubbish")
    assert len(load_images(folder)) == len(load_images(ImageFolder(folder, ToTensor()))) == 9


@pytest.mark.parametrize("kind", ["tif", "gif", "png", "webp"])
def test_pictures_behind_the_first_of_a_file_are_told(tmp_path, kind):
    pages = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "green")]
    pages[0].save(tmp_path / f"a.{kind}", save_all=True, append_images=pages[1:])
    says = rf"some hold several pictures, of which the first is shown .*such as a\.{kind}$"
    with pytest.warns(UserWarning, match=says):
        load_images(tmp_path)


def test_bands_that_no_color_stands_for_are_told(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    values = np.random.default_rng(0).integers(0, 255, (8, 8, 5), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", planarconfig="contig")
    with pytest.warns(UserWarning, match="some hold 5 bands, of which 3 are shown"):
        load_images(tmp_path)
