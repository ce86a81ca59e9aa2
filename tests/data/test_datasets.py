import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)
from torchvision.datasets import ImageFolder
from torchvision.transforms import ToTensor

from vital.data import load_images
from vital.errors import DataError, UnknownNameError


@pytest.fixture
def folder(tmp_path):
    for i, name in enumerate(("bar/a.png", "bar/b.png", "church/a.png", "dome/a.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 4), (60 * i + 9, 0, 0)).save(tmp_path / name)
    return tmp_path


class Wrapper(Dataset):
    """A user's own, with a transform."""

    def __init__(self, dataset, change=lambda label: label, items=None):
        self.dataset, self.change = dataset, change
        self.items = range(len(dataset)) if items is None else items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        picture, label = self.dataset[self.items[index]]
        return picture, self.change(label)


class Pairs:
    """Items with class names and more."""

    def __init__(self, labels, **held):
        self.own = labels
        vars(self).update(held)

    def __len__(self):
        return len(self.own)

    def __getitem__(self, index):
        return Image.new("RGB", (2, 2)), self.own[index]


def named(pictures) -> list[str | None]:
    return [
        None if label is None else (pictures.class_names[label] if pictures.class_names else label)
        for label in pictures.labels
    ]


def refusal(*given, **options) -> str:
    with pytest.raises(DataError) as caught:
        load_images(*given, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


NAMES = ["bar", "bar", "church", "dome"]


def test_parts_of_parts_keep_names_and_paths(folder):
    data = Subset(Subset(ImageFolder(folder), [3, 1, 0]), [0, 2])
    pictures = load_images(data)
    assert (pictures.names, named(pictures)) == (("dome/a.png", "bar/a.png"), ["dome", "bar"])
    assert pictures.class_names == ("bar", "church", "dome")
    assert [np.asarray(pictures[i])[0, 0, 0] for i in (0, 1)] == [189, 9]
    first, rest = random_split(data, [1, 1], torch.Generator().manual_seed(0))
    found = {load_images(part).names: named(load_images(part)) for part in (first, rest)}
    assert found == {("dome/a.png",): ["dome"], ("bar/a.png",): ["bar"]}


def test_concatenations_keep_names_and_match_them(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for name in ("arch/z.png", "dome/z.png"):
        (other / name).parent.mkdir()
        Image.new("RGB", (6, 4)).save(other / name)
    pictures = load_images(ConcatDataset([ImageFolder(folder), Subset(ImageFolder(other), [1, 0])]))
    assert named(pictures) == [*NAMES, "dome", "arch"]
    assert pictures.names[-2:] == ("dome/z.png", "arch/z.png")
    nested = Subset(
        ConcatDataset([ConcatDataset([ImageFolder(folder, ToTensor())]), ImageFolder(other)]), [2, 5]
    )
    assert named(load_images(nested)) == ["church", "dome"]
    assert refusal(Wrapper(ConcatDataset([ImageFolder(folder), ImageFolder(other)]))) == (
        "a data set wraps a ConcatDataset whose parts number their classes differently, so that its labels may mean "
        "either; give labels=, with the network's index or a name for each image, or give the ConcatDataset itself"
    )


def test_equal_pictures_hash_alike_however_they_are_chosen(folder):
    one = Subset(Subset(ImageFolder(folder), [3, 1, 0]), [0, 2])
    assert load_images(one).hash() == load_images(Subset(ImageFolder(folder), [3, 0])).hash()
    joined = ConcatDataset([ImageFolder(folder, ToTensor())] * 2)
    assert load_images(Subset(joined, [0])).hash() != load_images(Subset(joined, [1])).hash()


def test_wrappers_of_ones_own_keep_names_where_labels_are_the_same(folder):
    inner = ImageFolder(folder, ToTensor())
    assert named(load_images(Wrapper(Wrapper(inner)))) == NAMES
    assert named(load_images(Wrapper(Subset(inner, [3, 0])))) == ["dome", "bar"]

    class Elsewhere(Wrapper):
        dataset = property(lambda self: None)

        def __init__(self, base):
            self.base = base

        def __len__(self):
            return len(self.base)

        def __getitem__(self, index):
            return self.base[index]

    assert named(load_images(Elsewhere(inner))) == NAMES


def test_overridden_parts_show_their_own_items(folder):
    class Dark(Subset):
        def __getitem__(self, index):
            picture, label = super().__getitem__(index)
            return picture * 0, label

        def __getitems__(self, indices):
            return [self[i] for i in indices]

    pictures = load_images(Dark(ImageFolder(folder, ToTensor()), [3, 2]))
    assert named(pictures) == ["dome", "church"]
    assert pictures[0].max() == 0


def test_wrappers_that_number_anew_are_told(folder):
    inner = ImageFolder(folder, ToTensor())
    with pytest.warns(
        UserWarning, match="^Wrapper numbers classes otherwise than the ImageFolder that it wraps, so"
    ):
        pictures = load_images(Wrapper(inner, lambda label: 2 - label))
    assert (pictures.labels, pictures.class_names) == ((2, 2, 1, 0), ())
    with pytest.warns(
        UserWarning, match="^the class names of Wrapper are those of the ImageFolder that it wraps, of"
    ):
        assert named(load_images(Wrapper(inner, items=[2, 3]))) == ["church", "dome"]
    turned = ImageFolder(folder, target_transform=lambda label: 2 - label)
    assert (load_images(turned).labels, load_images(turned).class_names) == ((2, 2, 1, 0), ())


def test_class_to_idx_counts_before_classes():
    data = Pairs([281, 207], classes=["cat", "dog"], class_to_idx={"cat": 281, "dog": 207})
    assert named(load_images(data)) == ["cat", "dog"]
    assert named(load_images(Pairs([1, 0], class_to_idx={"cat": 0, "dog": 1}))) == ["dog", "cat"]
    twice = Pairs([1, 3], classes=[("crane",), ("tench", "fish"), ("x",), ("crane",)])
    twice.class_to_idx = {name: i for i, names in enumerate(twice.classes) for name in names}
    assert named(load_images(twice)) == ["tench, fish", "crane"]
    with pytest.warns(
        UserWarning, match="^the label 7 of Pairs is beyond its 2 class names, so the names are not"
    ):
        pictures = load_images(Pairs([0, 7], classes=["cat", "dog"]))
    assert (pictures.labels, pictures.class_names) == ((0, 7), ())


def test_a_list_of_labels_that_the_items_do_not_have_is_not_taken():
    assert load_images(Pairs([4, 5], targets=[0, 1])).labels == (4, 5)


def test_texts_and_one_hot_vectors_are_labels():
    assert named(load_images(Pairs(["cat", "ant"]))) == ["cat", "ant"]
    assert named(load_images(Pairs(["cat", "ant"], targets=["cat", "ant"]))) == ["cat", "ant"]
    assert load_images(Pairs(list(np.eye(4)[[2, 0]]))).labels == (2, 0)
    assert load_images(TensorDataset(torch.rand(3, 3, 4, 4), torch.eye(3))).labels == (0, 1, 2)
    assert named(load_images(Pairs([[0, 1], [1, 0]], classes=["cat", "dog"]))) == ["dog", "cat"]
    assert named(load_images(Pairs([-1, 1], classes=["cat", "dog"]))) == [None, "dog"]
    array = np.zeros((2, 8, 8, 3), np.uint8)
    assert load_images(array, labels=np.eye(3)[[2, 1]]).labels == (2, 1)
    assert refusal(array, labels=[[0, 1], [1, 1]]) == (
        "label 1 is a vector that is not one-hot; give one class for each image, its number or its name"
    )
    with pytest.warns(
        UserWarning, match="^1 labels of Pairs are vectors that are not one-hot, and count as none;"
    ):
        assert load_images(Pairs([[0, 1], [1, 1]])).labels == (1, None)


class Features:
    """The feature of a HuggingFace label."""

    names = ("cat", "dog")


class Rows(list):
    """What HuggingFace's `datasets.Dataset` shows of itself."""

    column_names = ("image", "label")
    features = {"image": None, "label": Features}  # noqa: RUF012


def test_items_that_are_dicts():
    rows = Rows({"image": Image.new("RGB", (3, 2), (9, 0, 0)), "label": i} for i in (1, 0))
    pictures = load_images(rows)
    assert (named(pictures), pictures[0].size) == (["dog", "cat"], (3, 2))
    assert load_images({"train": rows, "test": rows[:1]}, split="train").labels == (1, 0)
    with pytest.raises(UnknownNameError, match=r"^unknown split 'tran'; did you mean 'train'\?"):
        load_images({"train": rows}, split="tran")
    assert refusal({"train": rows, "test": rows}) == (
        "a dict with train, test is no set of images; give its images, and its labels as labels=, or one of its splits "
        "as split="
    )
    scan = [{"scan": Image.new("L", (3, 2)), "fine_label": 4}]
    assert (load_images(scan).labels, load_images(scan)[0].mode) == ((4,), "L")
    assert refusal([{"left": Image.new("L", (3, 2)), "right": Image.new("L", (3, 2))}] * 0) == (
        "the list holds no images"
    )
    assert refusal([{"a": 1, "b": 2}]).startswith(
        "the image 0 of list: the items are dicts with a, b, and none of these is known as the"
    )


def test_loaders_stand_for_their_data_set(folder):
    inner = ImageFolder(folder, ToTensor())
    for shuffle in (False, True):
        assert named(load_images(DataLoader(inner, 2, shuffle=shuffle))) == NAMES
    assert named(load_images(DataLoader(inner, 2, sampler=SubsetRandomSampler([3, 0])))) == ["bar", "dome"]
    assert refusal(DataLoader(inner, 2, sampler=WeightedRandomSampler([1, 1, 1, 1], 4))) == (
        "a DataLoader with a WeightedRandomSampler does not say which images it shows; give its images as a data set: "
        "vital.load_images(torch.utils.data.Subset(data, indices))"
    )


def test_streams_say_how_to_be_wrapped():
    class Stream(IterableDataset):
        def __iter__(self):
            yield Image.new("RGB", (2, 2)), 3

    told = "can only be read in order; give a list of its items: vital.load_images(list(itertools.islice(data, 1000)))"
    assert refusal(Stream()) == refusal(DataLoader(Stream())) == f"a Stream {told}"
    assert refusal(iter([1, 2])) == f"a list_iterator {told}"
    assert load_images(list(Stream())).labels == (3,)


def test_given_labels_stand_in_for_those_of_the_data_set(folder):
    mixed = ConcatDataset(
        [ImageFolder(folder, ToTensor()), TensorDataset(torch.rand(1, 3, 4, 6), torch.zeros(1))]
    )
    assert load_images(mixed, labels=[1, 2, 3, 4, 5]).labels == (1, 2, 3, 4, 5)


def test_pictures_that_are_not_decoded_are(tmp_path):
    drawn = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    path, exif = tmp_path / "a.png", Image.Exif()
    exif[0x0112] = 6
    drawn.save(path, exif=exif)
    kept = path.read_bytes()
    turned = np.rot90(np.asarray(drawn), -1)
    for value in (kept, path, str(path), {"bytes": kept, "path": None}, {"bytes": None, "path": str(path)}):
        for item in ({"image": value, "label": 2}, (value, 2)):
            pictures = load_images([item])
            assert pictures.labels == (2,)
            assert np.array_equal(pictures[0], turned)
    assert refusal([("a text", 1)]).startswith("the image 0 of list: a str is not an image")


def test_huggingface_data_sets_themselves():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["dog", "cat"]))
    pictures = [Image.new("RGB", (3, 2), (9 * i, 0, 0)) for i in range(4)]
    made = datasets.Dataset.from_dict({"image": pictures, "label": [1, 0, 1, 1]}, features=features)
    plain = made.cast_column("image", datasets.Image(decode=False))
    for data in (made, plain, datasets.DatasetDict(train=made)["train"], made.select(range(4))):
        assert named(load_images(data)) == ["cat", "dog", "cat", "cat"]
        assert np.asarray(load_images(data)[2])[0, 0, 0] == 18
    assert load_images(datasets.DatasetDict(train=made), split="train").labels == load_images(made).labels
    assert "can only be read in order" in refusal(made.to_iterable_dataset())


def test_labels_of_other_types():
    arrays = [np.zeros((4, 4, 3), np.uint8)] * 3
    for labels in ([1.0, 0.0, 2.0], np.array([1.0, 0, 2]), [1, False, 2]):
        assert load_images(np.stack(arrays), labels=labels).labels == (1, 0, 2)
        assert load_images(list(zip(arrays, labels, strict=True))).labels == (1, 0, 2)
    assert load_images(np.stack(arrays), labels=[-1, 0, 1]).labels == (None, 0, 1)
    assert all(
        type(n) is str for n in load_images(np.stack(arrays), labels=np.array(list("bab"))).class_names
    )
    for odd in (0.5, b"dog", {"id": 1}):
        with pytest.warns(
            UserWarning, match=r"^1 labels of list are no numbers or names, such as .* give labels="
        ):
            assert load_images([(arrays[0], odd), (arrays[1], 1)]).labels == (None, 1)


def test_a_subset_beyond_its_set_is_told(folder):
    assert refusal(Subset(ImageFolder(folder, ToTensor()), [0, 99])).startswith(
        "the Subset names item 99 of "
    )


@pytest.mark.parametrize("several", [False, True])
def test_what_huggingface_saved_is_opened_by_its_folder(tmp_path, several):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["dog", "cat"]))
    pictures = [Image.new("RGB", (6, 5), (40 * i, 0, 0)) for i in range(4)]
    made = datasets.Dataset.from_dict({"image": pictures, "label": [1, 0, 1, 1]}, features=features)
    (datasets.DatasetDict(train=made) if several else made).save_to_disk(tmp_path / "saved")
    found = load_images(tmp_path / "saved", split="train" if several else None)
    assert (len(found), found.labels, found.class_names) == (4, (1, 0, 1, 1), ("dog", "cat"))
    assert found.name == "saved"
    assert found.hash() == load_images(tmp_path / "saved", split="train" if several else None).hash()
    assert np.array_equal(np.asarray(found[3]), np.asarray(pictures[3]))
    assert (
        len(list(load_images(tmp_path / "saved" / "train" if several else tmp_path / "saved", workers=2)))
        == 4
    )
    if several:
        with pytest.raises(DataError, match="holds the splits train; choose one with split="):
            load_images(tmp_path / "saved")
