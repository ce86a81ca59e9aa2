import numpy as np
import pytest
import torch

import vital
from vital.data import joined
from vital.errors import DataError


def pictures(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def test_images_follow_one_another() -> None:
    arrays = [pictures(2, 0), pictures(1, 1), pictures(3, 2)]
    both = joined([vital.load_images(a) for a in arrays])
    assert len(both) == 6
    assert all(np.array_equal(both[i], row) for i, row in enumerate(np.concatenate(arrays)))
    assert both.names == ("0/0", "0/1", "1/0", "2/0", "2/1", "2/2")


def test_names_that_are_apart_are_kept() -> None:
    one, two = vital.load_images(pictures(2, 0)), vital.load_images(pictures(1, 1))
    other = type(two)(two.source, ("else",), two.labels)
    assert joined([one, other]).names == ("0", "1", "else")


def test_the_hash_follows_content_and_order() -> None:
    one, two = vital.load_images(pictures(2, 0)), vital.load_images(pictures(2, 1))
    assert joined([one, two]).hash() == joined([one, vital.load_images(pictures(2, 1))]).hash()
    assert joined([one, two]).hash() != joined([two, one]).hash()
    assert joined([one]).hash() == one.hash()


def test_labels_of_the_networks_own_are_kept() -> None:
    labeled = vital.load_images(pictures(2, 0), labels=[3, 5])
    assert joined([labeled, vital.load_images(pictures(1, 1))]).labels == (3, 5, None)


def test_class_names_are_put_together() -> None:
    one = vital.load_images(pictures(2, 0), labels=["cat", "owl"])
    two = vital.load_images(pictures(2, 1), labels=["fox", "cat"])
    both = joined([one, two])
    assert [both.class_names[i or 0] for i in both.labels] == ["cat", "owl", "fox", "cat"]
    assert sorted(both.class_names) == ["cat", "fox", "owl"]


def test_names_and_numbers_cannot_be_joined() -> None:
    named, numbered = (
        vital.load_images(pictures(1, 0), labels=["cat"]),
        vital.load_images(pictures(1, 1), labels=[3]),
    )
    with pytest.raises(DataError, match=r"^the labels of array and those of the other sets cannot be joined"):
        joined([named, numbered])
    with pytest.raises(DataError, match=r"at least one$"):
        joined([])


def test_a_picture_that_cannot_be_read_is_skipped_by_its_own_name() -> None:
    class Broken:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> np.ndarray:
            if index:
                raise OSError("broken")
            return pictures(1, 0)[0]

    model = vital.Model(torch.nn.Conv2d(3, 2, 3), size=(8, 8))
    both = joined([vital.load_images(pictures(1, 1)), vital.load_images(Broken())])
    assert [which for which, _ in both.batches(model)] == [[0, 1]]
    assert both.skipped == (("1/1", "broken"),)
