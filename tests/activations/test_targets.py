"""Where relevance starts in each image of a set."""

import pytest
import torch

import vital
from tests import toy
from vital.activations.targets import find_target
from vital.attribution.start import start_at
from vital.errors import DataError, InvalidValueError, UnknownNameError
from vital.models import Model
from vital.tracing import Tracer

MODEL = toy.model(double=True)
PICTURES = toy.images(4).float()


def labelled(labels: list[int | None]) -> vital.ImageSet:
    return vital.load_images([*PICTURES], labels=labels)


def test_relevance_starts_at_the_class_of_each_image() -> None:
    images = labelled([3, None, 7, 3])
    with torch.no_grad(), Tracer(MODEL, ["class", "act2"], record=True) as tracer:
        trace = tracer(PICTURES[1:].to(MODEL.dtype))
        own = find_target(MODEL, images, "label")
        assert own.classes_of(trace, [1, 2, 3]) == [None, 7, 3]
        made, logits = own.start(trace, [1, 2, 3]), trace["class"]
        assert made.nonzero().tolist() == [[1, 7], [2, 3]]
        assert (made[1, 7], made[2, 3]) == (logits[1, 7], logits[2, 3])
        assert own.start(trace, [1, 2, 3], "one").sum(1).tolist() == [0, 1, 1]
        best = find_target(MODEL, images, "predicted")
        assert best.start(trace, [1, 2, 3]).sum(1).tolist() == pytest.approx(logits.amax(1).tolist())
        unit = find_target(MODEL, images, "act2:5")
        torch.testing.assert_close(unit.start(trace, [1, 2, 3]), start_at(trace, MODEL.unit("act2:5")))


def test_without_a_target_it_is_the_label_where_labels_name_classes() -> None:
    assert [str(find_target(MODEL, images)) for images in (labelled([3, 1, 7, 3]), vital.load_images(PICTURES))] == [
        "label",
        "predicted",
    ]  # fmt: skip


def test_what_cannot_be_a_target_is_one_sentence() -> None:
    with pytest.raises(DataError, match=r"has no labels; .*or take 'predicted'"):
        find_target(MODEL, vital.load_images(PICTURES), "label")
    with pytest.raises(DataError, match="has the label 12; the network has the classes 0 to 9"):
        find_target(MODEL, labelled([3, 1, 12, 3]), "label")
    with pytest.raises(UnknownNameError, match="tabby"):
        find_target(MODEL, labelled([3, 1, 7, 3]), "class:tabbi")
    maps = Model(torch.nn.Conv2d(3, 4, 3), size=(8, 8))
    with pytest.raises(InvalidValueError, match="is no vector of classes; give a unit as the target"):
        find_target(maps, labelled([0, 1, 2, 3]), "label")
