import numpy as np
import pytest
from PIL import Image

from vital.data import ImageSet, load_images
from vital.data.labels import match_class, match_classes, numbered
from vital.data.sources import Array
from vital.errors import DataError, RunError

CLASSES = ("tench, Tinca tinca", "tabby, tabby cat", "crane", "crane", "great_white shark")


def pictures(*names: str, labels=None) -> ImageSet:
    labels = tuple(range(len(names))) if labels is None else labels
    source = Array(np.zeros((len(labels), 2, 2, 3), np.uint8))
    return ImageSet(source, tuple(map(str, range(len(labels)))), labels, names, "set")


def refusal(call, *given, **options) -> str:
    with pytest.raises(DataError) as caught:
        call(*given, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_labels_without_names_are_the_networks_own():
    own = pictures(labels=(281, 3, None, 281))
    assert own.of_class(281, ("a", "b")) == [0, 3]
    assert own.of_class(3) == [1]


def test_folder_names_match_whatever_their_case_underscores_and_synonyms():
    own = pictures("Great_White_Shark", "TABBY  cat", "tinca_tinca")
    assert [own.of_class(i, CLASSES) for i in (0, 1, 4)] == [[2], [1], [0]]


def test_names_with_synonyms_of_their_own_match_too():
    assert pictures("Felis, tabby cat").of_class(1, CLASSES) == [0]


def test_two_folders_of_one_class_are_taken_together():
    assert pictures("tabby", "tench", "tabby cat").of_class(1, CLASSES) == [0, 2]


def test_a_name_that_two_classes_share_is_never_guessed():
    own = pictures("tench", "crane")
    assert own.of_class(0, CLASSES) == [0]
    for index in (2, 3):
        assert refusal(own.of_class, index, CLASSES).startswith(
            "set: the name 'crane' is that of the classes 2 and 3; "
        )


def test_a_subset_of_folders_never_falls_back_on_their_order():
    own = pictures("tabby", "n01440764")
    assert own.of_class(1, CLASSES) == [0]
    assert refusal(own.of_class, 0, CLASSES) == (
        "set: no label is the name of class 0 (tench, Tinca tinca), and 1 match no class ('n01440764'); "
        "rename its folder, or give labels=, a CSV file with the columns file and index"
    )
    unknown = pictures("n01440764", "n02123045")
    assert refusal(unknown.of_class, 0, CLASSES) == (
        "set: the 2 label names ('n01440764', 'n02123045') match no class of the network, which has 5 classes; "
        "rename the folders, or give labels=, a CSV file with the columns file and index"
    )


ORDER = (
    r"^set: no label is the name of a class of the network, so their order decides: 'n1' is taken for "
    r"'tench, Tinca tinca'; rename the folders, or give labels=, a CSV file with the columns file and index, where "
    r"that is wrong$"
)


def test_as_many_unknown_names_as_classes_go_by_their_order():
    own = pictures("n1", "n2", "n3", "n4", "n5")
    assert own.of_class(3, (), outputs=5) == [3]
    with pytest.warns(UserWarning, match=ORDER):
        assert [own.of_class(i, CLASSES) for i in range(5)] == [[0], [1], [2], [3], [4]]
    assert "which has no class names" in refusal(own.of_class, 3)


def test_as_many_names_in_another_order_go_by_name():
    assert pictures("dog", "cat").of_class(0, ("cat", "dog")) == [1]


def test_folders_called_by_numbers_are_indices_and_not_in_the_order_of_texts():
    own = pictures("0", "1", "10", "2")
    assert own.of_class(10, tuple("abcdefghijkl")) == [2]
    assert own.of_class(2) == [3]
    assert (
        refusal(own.of_class, 0, tuple("abcd"))
        == "set: the label 10 is no class of the network, which has 0 to 3"
    )


@pytest.mark.parametrize(
    ("names", "name", "by_number", "by_text"),
    [
        (sorted(map(str, range(11))), "10", 10, 2),
        (sorted(f"class{i}" for i in range(1, 12)), "class10", 9, 1),
    ],
)
def test_names_that_torchvision_and_timm_sort_otherwise_are_refused(names, name, by_number, by_text):
    own = pictures(*names)
    assert refusal(own.of_class, 3, (), outputs=11) == (
        f"set: the name {name!r} is class {by_number} by number and class {by_text} in the order of texts, by which "
        "torchvision sorts folders and timm does not; write zeros in front of the numbers, give the network its class "
        "names, or give labels=, a CSV file with the columns file and index"
    )
    assert own.of_class(by_text, names) == [by_text]
    assert pictures(*(f"{i:02}" for i in range(11))).of_class(10, (), outputs=11) == [10]
    assert pictures(*map(str, range(11))).of_class(10, (), outputs=11) == [10]


@pytest.mark.parametrize(
    "names", [("3d", "a1", "a2"), ("a", "a1", "b"), ("c10", "c9", "c1"), ("x", "2", "10"), ("1", "1a", "2")]
)
def test_an_order_that_is_not_in_doubt_counts(names):
    assert [pictures(*names).of_class(i, (), outputs=3) for i in range(3)] == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("names", "outputs", "said"),
    [
        (("1", "0", "2"), 3, "the name '1' is class 1 by number and class 0 in the order of texts"),
        (("0", "3"), 3, "the label 3 is no class of the network, which has 0 to 2"),
        (("0", "2", "5"), 3, "the label 5 is no class of the network, which has 0 to 2"),
        (("a", "b"), 3, "the 2 label names ('a', 'b') match no class of the network, which has 3 classes"),
        (tuple("abc"), 4, "the 3 label names ('a', 'b', 'c') match no class"),
        (tuple("abcde"), 4, "the 5 label names ('a', 'b', 'c', …) match no class"),
    ],
)
def test_labels_without_a_certain_class_are_refused(names, outputs, said):
    for call in (
        lambda: match_class(0, names, (), outputs, "set"),
        lambda: match_classes(names, (), outputs, "set"),
    ):
        assert refusal(call).startswith(f"set: {said}")


def test_all_labels_get_their_classes_or_those_that_images_have():
    assert match_classes(["tabby", "TENCH"], CLASSES, 5, "set") == {0: 1, 1: 0}
    assert match_classes(["Felis, tabby cat", "x", "crane"], CLASSES, 5, "set", {0}) == {0: 1}
    assert match_classes(["2", "0"], CLASSES, 5, "set") == {0: 2, 1: 0}
    assert match_classes(["2", "0"], (), 0, "set", [1]) == {1: 0}
    assert match_classes(["2", "0"], (), 3, "set") == {0: 2, 1: 0}
    assert refusal(match_classes, ["tabby", "x", "tench"], CLASSES, 5, "set").startswith(
        "set: 1 of the 3 labels match no class of the network ('x'); rename them or leave them out, or give labels="
    )
    assert refusal(match_classes, ["tabby", "crane", "x"], CLASSES, 5, "set", [1, 0]).startswith(
        "set: 1 of the 2 labels are names of several classes ('crane'); "
    )


@pytest.mark.parametrize(
    ("index", "named"),
    [(0, "0 (tench, Tinca tinca)"), (4, "4 (great_white shark)"), (5, "5"), (-1, "-1")],
)
def test_a_class_that_no_label_names_is_told_with_its_name(index, named):
    assert refusal(match_class, index, ["tabby", "x"], CLASSES, 5, "set").startswith(
        f"set: no label is the name of class {named}, and 1 match no class ('x'); "
    )
    assert match_class(index, ["tabby"], CLASSES, 5, "set") == set()


def test_labels_are_numbers_or_names_or_vectors_of_one_class():
    assert numbered([3, None, -1, 0, 2.0]) == ((3, None, None, 0, 2), ())
    assert numbered(["b", float("nan"), "a", "b"]) == ((1, None, 0, 1), ("a", "b"))
    assert numbered([None, None]) == ((None, None), ())
    assert numbered([np.array([0, 1, 0]), None, np.array([1, 0, 0])]) == ((1, None, 0), ())
    for wrong, said in (
        ([1, "a"], "the labels mix kinds; allowed are whole numbers alone or names alone, and None"),
        (["a", None, 0.5], "label 2 is 0.5; allowed are whole numbers alone"),
        (["a", " "], "label 1 is ' '; allowed are whole numbers alone"),
        ([None, np.array([1, 1])], "label 1 is a vector that is not one-hot"),
    ):
        assert refusal(numbered, wrong).startswith(said)


def test_a_class_without_images_is_one_sentence():
    own = pictures("tabby")
    sentence = "set holds no image of class 0 (tench, Tinca tinca); add some, or choose another class"
    assert refusal(own.of_class, 0, CLASSES) == sentence
    assert (
        refusal(pictures(labels=(1,)).of_class, 7)
        == "set holds no image of class 7; add some, or choose another class"
    )


def test_a_set_without_labels_says_how_to_give_them():
    assert refusal(pictures(labels=(None, None)).of_class, 0) == (
        "set has no labels; sort the images into a folder per class, "
        "or give labels=, a CSV file with the columns file and index"
    )


@pytest.fixture
def folder(tmp_path):
    for name in ("n01.jpg", "n02.jpg", "n03.jpg"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    return tmp_path


def table(folder, text: str):
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return folder / "labels.csv"


def test_a_table_by_wnid_gives_indices(folder):
    own = load_images(folder, labels=table(folder, "index,wnid,name\n7,n02,x\n5,n01,y\n"))
    assert (own.labels, own.class_names) == ((5, 7, None), ())


@pytest.mark.parametrize("key", ["n02.jpg", "n02", "./n02.jpg", " n02.jpg "])
def test_a_table_by_file_takes_paths_names_and_stems(folder, key):
    assert load_images(folder, labels=table(folder, f"file,label\n{key},4\n")).labels == (None, 4, None)


def test_a_table_of_names_is_matched_by_name(folder):
    own = load_images(folder, labels=str(table(folder, "\ufefffile,label\nn01.jpg,tabby\nn02.jpg,tench\n")))
    assert (own.labels, own.class_names) == ((0, 1, None), ("tabby", "tench"))
    assert own.of_class(0, CLASSES) == [1]


def test_a_table_by_folder(tmp_path):
    for name in ("n01/a.png", "n01/b.png", "n02/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    assert load_images(tmp_path, labels=table(tmp_path, "wnid,index\nn01,3\nn02,9\n")).labels == (3, 3, 9)
    path = table(tmp_path, "file,index\na.png,3\nn01/b.png,4\n")
    sentence = f"{path}: 'a.png' fits several images (n01/a.png, n02/a.png); write their paths"
    assert refusal(load_images, tmp_path, labels=path) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'{path}' is empty; give a table with a header"),
        (
            "path,index\nn01,3\n",
            "{path} has the columns path, index; wanted are file or wnid, and one of index, label and name",
        ),
        (
            "file,path\nn01,3\n",
            "{path} has the columns file, path; wanted are file or wnid, and one of index, label and name",
        ),
        ("file,index\n", "the labels {path} hold no rows"),
        (
            "file,index\nn01,3\nn02,cat\n",
            "{path}, line 3: the index is 'cat'; allowed is a whole number from 0",
        ),
        ("file,index\nn01,-1\n", "{path}, line 2: the index is '-1'; allowed is a whole number from 0"),
        ("file,name\nn01,\n", "{path}, line 2: the name is ''; allowed is a text"),
        ("file,index\nn01\n", "{path}, line 2: the index is ''; allowed is a whole number from 0"),
        ("file,index\nn01,3\nn01,4\n", "{path}, line 3: 'n01' is labeled '4' after '3'"),
        ("file,index\nx.jpg,3\n", "{path} names none of the 3 images; its first row is for 'x.jpg'"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(folder, text, sentence):
    path = table(folder, text)
    assert refusal(load_images, folder, labels=path) == sentence.format(path=path)


def test_a_table_that_is_not_there_or_not_text_is_one_sentence(folder):
    with pytest.raises(RunError, match=r"^cannot read 'no\.csv': No such file or directory$"):
        load_images(folder, labels="no.csv")
    (folder / "labels.csv").write_bytes(b"file,index\n\xff\xfe,3\n")
    assert refusal(load_images, folder, labels=folder / "labels.csv") == (
        f"'{folder}/labels.csv', line 2: the byte 0xff is no text in UTF-8; save it as UTF-8"
    )


@pytest.mark.parametrize("label", [2**63, 10**5000], ids=["63 bits", "5,000 digits"])
def test_labels_that_no_tensor_can_hold_are_refused(label: int) -> None:
    assert numbered([2**63 - 1, 3]) == ((2**63 - 1, 3), ())
    said = refusal(numbered, [3, label])
    assert said.startswith("label 1 is ")
    assert said.endswith("allowed are whole numbers below 9223372036854775808")
