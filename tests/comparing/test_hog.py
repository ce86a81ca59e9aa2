import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import vital
from tests import toy
from vital.comparing import HogClassifier, build_context
from vital.comparing.hog import hog_features, recognizer_for
from vital.comparing.world import Stored, fresh_scenes
from vital.data import ImageSet
from vital.errors import DataError, InvalidValueError
from vital.units import Unit
from vital.world.scenes.dataset import CLASSES, Rendered
from vital.world.scenes.dataset import images as world_images

SHAPES, SIDE = ("disc", "square", "cross", "ring"), 32


def drawn(shape: str, rng: np.random.Generator) -> np.ndarray:
    """A shape of any color and place on a ground of any color, with noise: colors tell nothing."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + rng.uniform(-2, 2, (2, 1, 1))
    size = rng.uniform(8, 10)
    far = np.hypot(x, y)
    inside = {
        "disc": far < size,
        "square": np.maximum(abs(x), abs(y)) < size,
        "cross": (np.minimum(abs(x), abs(y)) < size / 4) & (np.maximum(abs(x), abs(y)) < size),
        "ring": (far < size) & (far > size * 0.6),
    }[shape]
    colors = rng.uniform(0, 1, (2, 3))
    picture = np.where(inside[..., None], colors[0], colors[1]) + rng.normal(0, 0.02, (SIDE, SIDE, 3))
    return (picture.clip(0, 1) * 255).astype(np.uint8)


def shapes(count: int = 120, seed: int = 0) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(SHAPES)
    return vital.load_images(np.stack([drawn(SHAPES[label], rng) for label in labels]), labels=labels)


@pytest.fixture
def model() -> vital.Model:
    return toy.model()


@pytest.fixture
def hog(model) -> HogClassifier:
    return HogClassifier(shapes(), model)


def fresh(model, count: int = 40) -> tuple[torch.Tensor, list[Unit]]:
    pictures = shapes(count, seed=1)
    units = [Unit("class", label) for label in pictures.labels if label is not None]
    return pictures.tensor(range(count), model), units


def test_it_tells_shapes_that_it_has_not_seen(hog, model) -> None:
    images, units = fresh(model)
    share = np.mean(hog.agrees(images, units))
    assert share > 0.6  # chance is 0.25
    wrong = [Unit("class", (unit.index + 1) % 4) for unit in units]
    assert np.mean(hog.agrees(images, wrong)) < 0.25


def test_its_own_accuracy_is_that_on_images_held_out_of_the_fit(hog, model) -> None:
    held = [i for i in range(120) if (i // 4) % 4 == 1]
    images = hog.images.tensor(held, model)
    right = hog.agrees(images, [Unit("class", hog.images.labels[i]) for i in held])
    assert hog.accuracy == pytest.approx(np.mean(right))
    assert hog.name == f"HOG, {100 * hog.accuracy:.0f} % of {len(held)} held-out images"


def test_labels_that_mean_nothing_are_not_recognized(model) -> None:
    pictures = shapes(160)
    mixed = np.random.default_rng(5).integers(0, 4, 160)
    uninformative = HogClassifier(replace(pictures, labels=tuple(mixed.tolist())), model)
    assert uninformative.accuracy < 0.5


def test_it_says_the_same_each_time_and_in_any_company(hog, model) -> None:
    images, units = fresh(model, 12)
    whole = hog.agrees(images, units)
    assert HogClassifier(shapes(), model).agrees(images, units) == whole
    alone = [hog.agrees(images[i : i + 1], units[i : i + 1])[0] for i in range(12)]
    assert alone == whole
    assert hog_features(images)[:3].allclose(hog_features(images[:3]), atol=1e-6)


def test_other_images_have_another_key(hog, model) -> None:
    assert HogClassifier(shapes(), model).key == hog.key
    assert HogClassifier(shapes(seed=3), model).key != hog.key


def test_colors_alone_are_told_apart_too(model) -> None:
    hues = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 1.0, 0]])
    labels = torch.arange(40) % 4
    noise = torch.rand(40, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(0))
    pixels = (0.4 * hues[labels][:, None, None] + 0.6 * noise) * 255
    found = HogClassifier(vital.load_images(pixels.byte().numpy(), labels=labels.tolist()), model)
    assert found.accuracy == 1


def test_it_has_no_opinion_of_other_units_and_of_classes_without_images(hog, model) -> None:
    images, _ = fresh(model, 3)
    found = hog.agrees(images, [Unit("layer3", 0), Unit("class", 7), Unit("class", 1)])
    assert [math.isnan(value) for value in found] == [True, True, False]


def test_grey_pictures_are_seen() -> None:
    grey = torch.rand(2, 1, 40, 40)
    assert hog_features(grey).allclose(hog_features(grey.expand(-1, 3, -1, -1)), atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 8, 8), (0, 3, 8, 8), (1, 4, 8, 8)])
def test_what_is_no_picture_is_refused(shape) -> None:
    with pytest.raises(InvalidValueError, match="C 1 or 3"):
        hog_features(torch.rand(*shape))


def test_there_is_one_for_labeled_classes_and_a_note_where_there_is_none(model) -> None:
    pictures, two = shapes(), [Unit("class", 0), Unit("class", 7)]
    found, notes = recognizer_for(model, pictures, two)
    assert found is not None
    assert notes == ("HOG is silent about class:7: fewer than 2 labeled images",)
    assert recognizer_for(model, pictures, [Unit("layer3", 0)]) == (None, ())
    bare = replace(pictures, labels=(None,) * len(pictures))
    single = replace(pictures, labels=(0, 1, 2, 3, *(None,) * (len(pictures) - 4)))
    for images, why in ((bare, "has no labels"), (single, "fewer than 2 labeled images of a class")):
        none, notes = recognizer_for(model, images, two)
        assert none is None
        assert why in notes[0]


def test_one_label_alone_is_refused(model) -> None:
    pictures = replace(shapes(8), labels=(0,) * 8)
    with pytest.raises(DataError, match="two to tell apart"):
        HogClassifier(pictures, model).agrees(torch.rand(1, 3, 32, 32), [Unit("class", 0)])


def test_the_worlds_fresh_scenes_are_of_all_classes_and_kept(monkeypatch) -> None:
    found = fresh_scenes(2)
    assert np.bincount(found.labels).tolist() == [2] * len(CLASSES)
    few = replace(found.source.rendered, scenes=found.source.rendered.scenes[:3], size=16)
    first = Stored(few).read(1)
    monkeypatch.setattr(Rendered, "read", None)  # nothing is rendered again
    assert np.array_equal(Stored(few).read(1), first)


def test_importing_the_comparison_loads_neither_scikit() -> None:
    code = (
        "import sys, vital, vital.comparing; print([m for m in ('skimage', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_units_of_the_world_are_asked_of_fresh_scenes(model) -> None:
    world = vital.load_model("world")
    units = tuple(world.units("class:0-1"))
    found, notes = recognizer_for(world, fresh_scenes(2), units)
    assert found is not None
    assert notes == ()
    assert [found.labels_of(unit) for unit in units] == [{0}, {1}]


def test_a_context_of_the_world_asks_about_fresh_scenes() -> None:
    world, pictures = vital.load_model("world"), world_images(8)
    bank = vital.build_bank(world, [], pictures, disk=False)
    context = build_context(bank, world.units("class:0-1"))
    assert context.recognizer is not None
    assert context.recognizer.images.name == "fresh scenes"
    assert context.notes == ()
