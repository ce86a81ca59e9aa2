from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from tests import toy
from vital.errors import InvalidValueError
from vital.objectives import DeepDream, Diversity
from vital.objectives.layer import gram

MODEL = toy.model(double=True)


def test_deepdream_is_minus_the_mean_square() -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(3))
    torch.testing.assert_close(DeepDream("layer2")(trace), -(trace["layer2"] ** 2).mean((1, 2, 3)))


def test_diversity_is_the_mean_cosine_of_gram_matrices_with_the_other_images() -> None:
    trace = toy.trace(MODEL, ["act2"], toy.images(3))
    grams = [act.flatten(1) @ act.flatten(1).T for act in trace["act2"]]
    cosine = [[F.cosine_similarity(a.flatten(), b.flatten(), 0) for a in grams] for b in grams]
    expected = [sum(cosine[i][j] for j in range(3) if j != i) / 2 for i in range(3)]
    torch.testing.assert_close(Diversity("act2")(trace), torch.stack(expected))


def test_equal_images_are_not_diverse_at_all() -> None:
    trace = toy.trace(MODEL, ["act2"], toy.images(1).expand(4, -1, -1, -1))
    torch.testing.assert_close(Diversity("act2")(trace), torch.ones(4, dtype=torch.float64))


def test_two_transforms_of_one_image_are_not_compared_with_each_other() -> None:
    image = toy.images(2)
    transformed = torch.stack([image[0], image[0].flip(2), image[1], image[1].flip(2)])
    trace = toy.trace(MODEL, ["act2"], image, transformed, n_transforms=2)
    first, second = gram(trace["act2"]).view(2, 2, -1).mean(1)
    expected = F.cosine_similarity(first, second, 0).expand(4)
    torch.testing.assert_close(Diversity("act2")(trace), expected)


def test_diversity_of_one_image_is_an_error_even_with_several_transforms() -> None:
    image = toy.images(1)
    trace = toy.trace(MODEL, ["act2"], image, image.repeat_interleave(3, 0), n_transforms=3)
    with pytest.raises(
        InvalidValueError, match="Diversity compares the images of a unit, but the parameterization makes 1"
    ):
        Diversity("act2")(trace)


def test_the_gram_matrix_of_a_vector_layer_is_its_outer_product() -> None:
    act = torch.tensor([[1.0, 2.0]])
    assert gram(act).tolist() == [[[1.0, 2.0], [2.0, 4.0]]]


def test_the_gram_matrix_is_the_mean_over_all_places() -> None:
    act = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    expected = torch.einsum("bchw,bdhw->bcd", act, act) / 20
    torch.testing.assert_close(gram(act), expected)
    torch.testing.assert_close(gram(act.flatten(2)), expected)


@pytest.mark.parametrize(("images", "transforms"), [(3, 2), (2, 3), (4, 4)])
def test_transforms_of_an_image_are_averaged_and_images_compared(images: int, transforms: int) -> None:
    picture = toy.images(images)
    shown = toy.images(images * transforms, seed=1)
    trace = toy.trace(MODEL, ["act2"], picture, shown, n_transforms=transforms)
    grams = [part.mean(0).flatten() for part in gram(trace["act2"]).split(transforms)]
    expected = []
    for i, own in enumerate(grams):
        others = [F.cosine_similarity(own, other, 0) for j, other in enumerate(grams) if j != i]
        expected += [sum(others) / len(others)] * transforms
    torch.testing.assert_close(Diversity("act2")(trace), torch.stack(expected))


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_diversity_does_not_depend_on_the_scale_of_a_layer(scale: float) -> None:
    trace = toy.trace(MODEL, ["act2"], toy.images(3))
    scaled = replace(trace, acts={"act2": scale * trace["act2"]})
    torch.testing.assert_close(Diversity("act2")(scaled), Diversity("act2")(trace))


def test_an_image_without_activations_is_like_no_other() -> None:
    trace = toy.trace(MODEL, ["act2"], toy.images(2))
    silent = replace(trace, acts={"act2": trace["act2"] * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)})
    assert Diversity("act2")(silent).tolist() == [0.0, 0.0]
