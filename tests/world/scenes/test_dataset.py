import numpy as np
import pytest
import torch

from vital.data import ImageSet
from vital.data.sources import Array
from vital.errors import DataError, InvalidValueError
from vital.world.renderer.render import render
from vital.world.scenes.dataset import BLOCK, CLASSES, Rendered, class_of, image_set, images, scenes_of
from vital.world.scenes.grammar import Scene, Thing, caption, sample
from vital.world.scenes.vocabulary import MATERIALS, SOLIDS


class Plain:
    def preprocess(self, image: object) -> torch.Tensor:
        return torch.from_numpy(np.asarray(image)).permute(2, 0, 1) / 255


def test_pictures_are_those_of_the_renderer_bit_for_bit() -> None:
    pictures = images(5, seed=3, size=16)
    assert torch.equal(pictures.tensor(range(5), Plain()), render(scenes_of(pictures), 16))


def test_a_picture_is_the_same_in_whatever_order_it_is_read() -> None:
    first, second = (images(BLOCK + 3, seed=1, size=8) for _ in range(2))
    forwards = [first[i] for i in range(len(first))]
    backwards = [second[i] for i in reversed(range(len(second)))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))


def test_nothing_is_rendered_until_it_is_looked_at_and_then_once() -> None:
    pictures = images(BLOCK + 1, size=8)
    assert isinstance(pictures.source, Rendered)
    assert pictures.hash()
    assert len(pictures.source._kept) == 0
    assert pictures[1] is pictures[1]
    assert set(pictures.source._kept) == set(range(BLOCK))


def test_names_labels_and_scenes_say_the_same() -> None:
    pictures = images(20, seed=2, pairs=0.5)
    for name, label, scene in zip(pictures.names, pictures.labels, scenes_of(pictures), strict=True):
        assert name.partition(" ")[2] == caption(scene)
        assert label is not None
        assert CLASSES[label] == f"{scene.thing.material} {scene.thing.solid}"
    assert len(set(pictures.names)) == 20


def test_every_class_has_its_number() -> None:
    scenes = [
        Scene(
            Thing(solid, material, "red", "white" if material in ("striped", "checkered", "dotted") else "")
        )
        for solid in SOLIDS
        for material in MATERIALS
    ]
    assert [class_of(scene) for scene in scenes] == list(range(len(CLASSES)))


def test_the_hash_knows_seed_size_and_variation() -> None:
    scene = sample(torch.Generator().manual_seed(0), 1)[0]
    sets = [
        images(4),
        images(4, seed=1),
        images(4, size=32),
        image_set([scene]),
        image_set([scene.described]),
    ]
    assert len({s.hash() for s in sets}) == len(sets)
    assert images(4).hash() == images(4).hash()


def test_fixed_factors_make_sets_of_one_class() -> None:
    pictures = images(6, solid="cube", material="glass")
    assert pictures.of_class(CLASSES.index("glass cube"), CLASSES) == list(range(6))


def test_a_set_of_other_pictures_has_no_scenes() -> None:
    other = ImageSet(Array(np.zeros((1, 4, 4, 3), np.uint8)), ("0",), (None,))
    with pytest.raises(DataError, match="not of the world"):
        scenes_of(other)


def test_no_pictures_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="0 images"):
        images(0)
