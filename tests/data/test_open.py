import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Subset, TensorDataset

from vital.data import ImageSet, load_images
from vital.errors import DataError
from vital.models import Model

CONVERT = "in [0, 1]; convert it, such as with array.astype(numpy.uint8)"
DIVIDE = "must lie in [0, 1]; divide them by 255"
MEND = "must lie in [0, 1]; mend or leave out the images whose values are not finite"
UNDO = "must lie in [0, 1]; undo their normalization, for the network has its own"


def draw(path, color=(255, 0, 0), size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)
    return path


def refusal(*given, **options) -> str:
    with pytest.raises(DataError) as caught:
        load_images(*given, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def color(pictures: ImageSet, index: int) -> tuple[int, ...]:
    return tuple(int(v) for v in np.asarray(pictures[index])[0, 0])


def test_a_folder_per_class_gives_labels_in_the_order_of_paths(tmp_path):
    for name in (
        "dog/b.png",
        "dog/deep/a.PNG",
        "cat/1.webp",
        "cat/2.bmp",
        "cat/3.JPEG",
        "cat/notes.txt",
        ".git/x.png",
    ):
        if name.endswith("txt"):
            (tmp_path / name).write_text("not an image")
        else:
            draw(tmp_path / name)
    pictures = load_images(tmp_path)
    assert pictures.names == ("cat/1.webp", "cat/2.bmp", "cat/3.JPEG", "dog/b.png", "dog/deep/a.PNG")
    assert pictures.labels == (0, 0, 0, 1, 1)
    assert pictures.class_names == ("cat", "dog")
    assert len(pictures) == 5
    assert repr(pictures) == f"ImageSet({tmp_path.name!r}: 5 images, 5 labeled, 2 class names)"


def test_a_flat_folder_has_no_labels(tmp_path):
    for name in ("b.jpg", "a.jpg"):
        draw(tmp_path / name)
    pictures = load_images(str(tmp_path))
    assert (pictures.names, pictures.labels, pictures.class_names) == (("a.jpg", "b.jpg"), (None, None), ())


def test_linked_class_folders_are_followed_and_loops_end(tmp_path):
    draw(tmp_path / "elsewhere" / "a.png")
    draw(tmp_path / "root" / "b.png")
    (tmp_path / "root" / "cat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "root")
    assert load_images(tmp_path / "root").names == ("b.png", "cat/a.png")


def test_a_split_chooses_a_subfolder(tmp_path):
    draw(tmp_path / "train" / "cat" / "a.png")
    draw(tmp_path / "test" / "cat" / "b.png")
    assert load_images(tmp_path, split="test").names == ("cat/b.png",)
    assert load_images(tmp_path, split="test").class_names == ("cat",)
    assert refusal(tmp_path) == f"the folder {tmp_path} holds the splits test, train; choose one with split="
    said = f"there is no file or folder {tmp_path}/tests; did you mean '{tmp_path}/test'?"
    assert refusal(tmp_path, split="tests") == said


def test_a_missing_path_answers_with_the_nearest(tmp_path):
    (tmp_path / "images").mkdir()
    said = f"there is no file or folder {tmp_path}/imges; did you mean '{tmp_path}/images'?"
    assert refusal(tmp_path / "imges") == said
    assert refusal(tmp_path / "no" / "where") == f"there is no file or folder {tmp_path}/no/where"


def test_empty_folders_are_refused(tmp_path):
    allowed = ".jpg, .jpeg, .jfif, .png, .webp, .bmp, .gif, .tif, .tiff, .ppm, .pgm, .jp2, .avif"
    assert refusal(tmp_path) == f"the folder {tmp_path} holds no images; allowed are {allowed}"
    draw(tmp_path / "cat" / "a.png")
    (tmp_path / "dog").mkdir()
    assert refusal(tmp_path) == f"the class folder {tmp_path}/dog holds no images; fill it or take it away"


def test_single_files_and_lists_of_paths(tmp_path):
    one, other = draw(tmp_path / "b.png"), draw(tmp_path / "a.png", (0, 255, 0))
    assert load_images(one).names == (one.as_posix(),)
    pictures = load_images([one, str(other)], labels=["x", "y"])
    assert (color(pictures, 0), color(pictures, 1), color(pictures, -1)) == (
        (255, 0, 0),
        (0, 255, 0),
        (0, 255, 0),
    )
    assert (pictures.labels, pictures.class_names) == ((0, 1), ("x", "y"))
    assert refusal([one, tmp_path / "c.png"]).startswith(f"there is no file or folder {tmp_path}/c.png")


def test_exif_orientation_is_respected(tmp_path):
    picture = Image.new("RGB", (6, 4))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert load_images(tmp_path)[0].size == (4, 6)


@pytest.mark.parametrize(
    ("shape", "row"),
    [
        ((5, 8, 8, 3), (8, 8, 3)),
        ((5, 3, 8, 8), (8, 8, 3)),
        ((5, 1, 8, 8), (8, 8, 1)),
        ((5, 8, 9, 4), (8, 9, 4)),
        ((5, 8, 9), (8, 9)),
        ((5, 13, 8, 8), (8, 8, 13)),
        ((5, 8, 8, 13), (8, 8, 13)),
        ((5, 3, 4, 8), (4, 8, 3)),
    ],
)
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_arrays_and_tensors_of_either_order(shape, row, kind):
    pictures = load_images(kind(np.zeros(shape, np.uint8)))
    assert (len(pictures), pictures[2].shape, pictures.names) == (5, row, ("0", "1", "2", "3", "4"))


def test_channels_first_arrays_keep_their_pixels():
    array = np.random.default_rng(0).random((2, 3, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(load_images(array)[1], array[1].transpose(1, 2, 0))


AXES = "does not say which axis holds the channels; move them last, with 1, 3 or 4"
ONE = "may be one color image or several grey ones; give it four axes: (N, H, W, C) or (N, C, H, W)"
ALLOWED = "allowed are (N, H, W), (N, H, W, C) and (N, C, H, W)"


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((2, 3, 8, 3), np.uint8), f"the array of shape (2, 3, 8, 3) {AXES}"),
        (np.zeros((2, 8, 8, 8), np.uint8), f"the array of shape (2, 8, 8, 8) {AXES}"),
        (np.zeros((8, 8, 3), np.uint8), f"the array of shape (8, 8, 3) {ONE}"),
        (np.zeros((8, 8), np.uint8), f"the array has the shape (8, 8); {ALLOWED}"),
        (np.zeros((0, 8, 8, 3), np.uint8), "the array holds no images: its shape is (0, 8, 8, 3)"),
        (np.zeros((2, 8, 8, 3), int), f"the array is of type int64; allowed are uint8, uint16 and floats {CONVERT}"),
        (np.full((2, 8, 8, 3), 255.0), f"the array holds values from 255 to 255; floats {DIVIDE}"),
        (torch.full((2, 3, 8, 8), -2.0), f"the array holds values from -2 to -2; floats {UNDO}"),
        (np.full((2, 8, 8, 3), np.nan), f"the array holds values from nan to nan; floats {MEND}"),
    ],
)  # fmt: skip
def test_arrays_that_are_in_doubt_are_refused(array, sentence):
    assert refusal(array) == sentence


def test_numpy_files_with_and_without_labels(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", images=array, labels=np.array([[3], [1], [3], [0]]))
    np.savez(
        tmp_path / "c.npz", test_images=array, test_labels=np.array(["x", "y", "x", "x"]), train_images=array
    )
    assert load_images(tmp_path / "a.npy").labels == (None,) * 4
    np.testing.assert_array_equal(load_images(tmp_path / "a.npy")[3], array[3])
    assert load_images(tmp_path / "b.npz").labels == (3, 1, 3, 0)
    named = load_images(tmp_path / "c.npz", split="test")
    assert (named.labels, named.class_names) == ((0, 1, 0, 0), ("x", "y"))
    np.savez(tmp_path / "hot.npz", images=array, labels=np.eye(5)[[3, 1, 0, 4]])
    assert load_images(tmp_path / "hot.npz").labels == (3, 1, 0, 4)
    assert load_images(tmp_path / "b.npz", labels=[9, 9, 9, 9]).labels == (9,) * 4


def test_numpy_files_that_cannot_be_used_are_one_sentence(tmp_path):
    array = np.zeros((4, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "a.npz", pictures=array)
    holds, step = (
        f"{tmp_path}/a.npz holds pictures; wanted is an array named",
        "save the images under that name",
    )
    assert refusal(tmp_path / "a.npz") == f"{holds} 'images'; {step}"
    assert refusal(tmp_path / "a.npz", split="val") == f"{holds} 'val_images'; {step}"
    np.savez(tmp_path / "b.npz", images=array, labels=np.zeros(3))
    assert refusal(tmp_path / "b.npz") == f"{tmp_path}/b.npz holds labels of shape (3,) for 4 images"
    np.save(tmp_path / "c.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert refusal(tmp_path / "c.npy").startswith(f"{tmp_path}/c.npy cannot be read as plain arrays: ")
    np.savez(tmp_path / "d.npz", images=np.array([{"a": 1}], dtype=object))
    assert refusal(tmp_path / "d.npz").startswith(f"{tmp_path}/d.npz cannot be read as plain arrays: ")
    for name in ("e.npz", "e.npy"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 rubbish")
        assert refusal(tmp_path / name).startswith(f"{tmp_path}/{name} cannot be read as plain arrays: ")


def test_pairs_and_bare_pictures_in_anything_that_can_be_indexed():
    picture = Image.new("RGB", (6, 4), (9, 8, 7))
    assert load_images([picture, picture]).labels == (None, None)
    pictures = load_images(
        [(picture, 3), (np.zeros((4, 6), np.uint8), torch.tensor(5)), (torch.zeros(3, 4, 6), np.int64(3))]
    )
    assert pictures.labels == (3, 5, 3)
    assert color(pictures, 0) == (9, 8, 7)
    assert (pictures[1].shape, pictures[2].shape) == ((4, 6), (4, 6, 3))


def test_tensor_data_sets_and_their_subsets():
    data = TensorDataset(torch.rand(6, 3, 4, 4), torch.arange(6))
    assert load_images(data).labels == (0, 1, 2, 3, 4, 5)
    assert load_images(Subset(data, [4, 1])).labels == (4, 1)
    np.testing.assert_array_equal(
        load_images(Subset(data, [4, 1]))[0], data.tensors[0][4].movedim(0, -1).numpy()
    )


def test_torchvision_data_sets_give_labels_without_decoding(tmp_path):
    from torchvision.datasets import FakeData, ImageFolder
    from torchvision.transforms import ToTensor

    for name in ("dog/a.png", "cat/b.png", "cat/c.png"):
        draw(tmp_path / name)
    plain = load_images(ImageFolder(tmp_path))
    assert plain.names == ("cat/b.png", "cat/c.png", "dog/a.png")
    assert (plain.labels, plain.class_names) == ((0, 0, 1), ("cat", "dog"))
    shown = load_images(ImageFolder(tmp_path, ToTensor()))
    assert (shown.labels, shown.class_names, shown.names) == ((0, 0, 1), ("cat", "dog"), ("0", "1", "2"))
    assert shown[0].shape == (4, 6, 3)
    (tmp_path / "cat" / "b.png").write_bytes(b"rubbish")
    assert load_images(ImageFolder(tmp_path, ToTensor())).labels == (0, 0, 1)
    assert len(load_images(FakeData(3, (3, 8, 8)))) == 3


def test_a_changed_target_is_read_item_by_item(tmp_path):
    from torchvision.datasets import ImageFolder

    draw(tmp_path / "cat" / "a.png")
    assert load_images(ImageFolder(tmp_path, target_transform=lambda label: label + 7)).labels == (7,)


def test_synonyms_of_a_data_set_are_joined():
    class Data:
        classes = (("tench", "Tinca tinca"), ("goldfish",))
        targets = (1, 0)

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return Image.new("RGB", (2, 2)), self.targets[index]

    assert load_images(Data()).class_names == ("tench, Tinca tinca", "goldfish")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (7, "a int is no set of images; allowed are paths, arrays and anything with a length and items"),
        ([], "the list holds no images"),
    ],
)
def test_what_is_no_set_is_refused(source, sentence):
    assert refusal(source) == sentence


def test_a_split_of_something_without_splits_is_refused(tmp_path):
    array = np.zeros((2, 8, 8, 3), np.uint8)
    assert refusal(array, split="test") == "split 'test' needs a folder or an .npz file, not a ndarray"
    np.save(tmp_path / "a.npy", array)
    assert (
        refusal(tmp_path / "a.npy", split="test")
        == f"split 'test' needs a folder or an .npz file, not {tmp_path}/a.npy"
    )
    draw(tmp_path / "a.png")
    assert (
        refusal(tmp_path / "a.png", split="test")
        == f"split 'test' needs a folder or an .npz file, not {tmp_path}/a.png"
    )


def test_labels_may_be_given_anew():
    pictures = load_images(np.zeros((2, 8, 8, 3), np.uint8), labels=[1, 2])
    assert load_images(pictures) is pictures
    assert load_images(pictures, labels=[None, 4]).labels == (None, 4)
    assert refusal(pictures, labels=[1]) == "1 labels for 2 images; wanted is one label, or None, for each"
    assert (
        refusal(pictures, labels=[1, "a"])
        == "the labels mix kinds; allowed are whole numbers alone or names alone, and None"
    )


def test_pictures_that_are_not_read_are_told(tmp_path):
    (tmp_path / "b.heic").write_bytes(b"1")
    assert refusal(tmp_path).endswith(".avif, and it holds .heic: convert these")
    draw(tmp_path / "a.png")
    with pytest.warns(UserWarning, match=r"1 files of .* are left out, which end with \.heic; convert them"):
        assert load_images(tmp_path).names == ("a.png",)


@pytest.mark.parametrize("kind", ["jp2", "jfif", "avif"])
def test_more_kinds_of_pictures_are_read(tmp_path, kind):
    Image.new("RGB", (8, 8), "red").save(tmp_path / f"a.{kind}", "JPEG" if kind == "jfif" else None)
    red, green, blue = np.asarray(load_images(tmp_path)[0])[4, 4].tolist()
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "'' is no path; give that of a folder or a file"),
        (
            "https://x.org/a.png",
            "'https://x.org/a.png' is no path; give that of a folder or a file, downloaded first",
        ),
        ("a.zip", "a.zip is no folder, picture or array of numpy; unpack it"),
        ("a.h5", "a.h5 is no folder, picture or array of numpy; read it in Python"),
        (
            Image.new("RGB", (8, 8)),
            "a Image is no set of images; allowed are paths, arrays and anything with a length ",
        ),
        (
            np.array([None, None]),
            "the array holds objects, not numbers; give a list of its images: list(array)",
        ),
    ],
)
def test_what_holds_no_images_says_what_to_do(tmp_path, monkeypatch, source, says):
    monkeypatch.chdir(tmp_path)
    for name in ("a.zip", "a.h5"):
        (tmp_path / name).touch()
    assert refusal(source).startswith(says)


def test_an_archive_of_splits_says_how_to_choose(tmp_path):
    np.savez(tmp_path / "a.npz", train_images=np.zeros((2, 8, 8, 3), np.uint8))
    assert refusal(tmp_path / "a.npz").endswith(
        "wanted is an array named 'images'; choose one with split='train'"
    )


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([0.0, float("nan")], (0, None)),
        (np.ma.masked_array([3, 1], mask=[True, False]), (None, 1)),
        (torch.tensor([2.0, 1.0], dtype=torch.bfloat16), (2, 1)),
        (["cat", float("nan")], (0, None)),
    ],
)
def test_labels_that_are_missing_are_none(labels, found):
    assert load_images(np.zeros((2, 8, 8, 3), np.uint8), labels=labels).labels == found


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (3, "labels is 3; give one label, or None, for each image"),
        ({"a": 1, "b": 2}, "labels is {'a': 1, 'b': 2}; give one label, or None, for each image"),
        ([0.5, 1], "label 0 is 0.5; allowed are whole numbers alone or names alone"),
        (["a", " "], "label 1 is ' '; allowed are whole numbers alone or names alone"),
        (torch.zeros(2, device="meta"), "a tensor on the device meta holds no values"),
    ],
)
def test_what_is_no_label_is_told(labels, says):
    assert refusal(np.zeros((2, 8, 8, 3), np.uint8), labels=labels).startswith(says)


@pytest.mark.parametrize("image", [np.zeros((3, 8, 16), np.uint8), torch.zeros(8, 16, 3)])
def test_channels_on_the_wrong_side_are_told(image):
    with pytest.raises(DataError, match=r"arrays are \(H, W, C\) and tensors \(C, H, W\): turn the axes"):
        load_images([image]).tensor([0], Model(torch.nn.Conv2d(3, 4, 1), size=(8, 8)))
