from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests import toy
from vital import objectives as obj
from vital import params as par
from vital.errors import InvalidValueError
from vital.optim import Optimizer, optimize
from vital.regularizers import L2, ImageDistance
from vital.terms import Looped
from vital.transforms import Flip, Jitter, Roll

MODEL = toy.model(double=True)
STEADY = Optimizer(lr=0.02)
PHOTO = F.interpolate(toy.images(1, seed=5, size=4), 32, mode="bilinear").float()


def test_in_pixels_it_is_the_mean_square_as_in_horama() -> None:
    x = toy.images(3)
    trace = toy.trace(MODEL, ["layer2"], x, x.roll(3, 3))
    expected = torch.stack([(one - PHOTO[0]).square().mean() for one in x])
    for image in (PHOTO, PHOTO[0]):
        torch.testing.assert_close(ImageDistance(image)(trace), expected)


def test_an_image_of_another_size_is_resized() -> None:
    trace, large = toy.trace(MODEL, [], toy.images(2)), toy.images(1, size=48)
    small = F.interpolate(large, (32, 32), mode="bilinear", antialias=True)
    torch.testing.assert_close(ImageDistance(large)(trace), ImageDistance(small)(trace))


def test_at_a_layer_it_is_the_mean_square_of_the_activations() -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    target = toy.trace(MODEL, ["layer2"], PHOTO)["layer2"]
    expected = (trace["layer2"] - target).square().mean((1, 2, 3))
    torch.testing.assert_close(ImageDistance(PHOTO, "layer2")(trace), expected)


@pytest.mark.parametrize("n_transforms", [1, 3])
@pytest.mark.parametrize("layer", [None, "layer2"])
def test_the_image_itself_has_no_distance_whatever_the_transforms(
    layer: str | None, n_transforms: int
) -> None:
    made = optimize(
        MODEL,
        [obj.Channel(f"layer2:{i}") + ImageDistance(PHOTO, layer) for i in range(2)],
        par.From(par.Pixels(32), PHOTO),
        [Roll(8), Flip(), Jitter(2)],
        steps=3,
        optimizer=Optimizer(lr=0.02),
        n_transforms=n_transforms,
    )
    distance = made.losses["ImageDistance"]
    assert distance[:, 0].abs().max() < 1e-12
    assert (distance[:, 1:] > 1e-8).all()


def test_slots_may_have_images_of_their_own_or_none() -> None:
    terms = [obj.Channel("layer2:1") + ImageDistance(image, "layer2") for image in toy.images(2, seed=9)]
    terms.append(obj.Channel("layer2:1") + 0.1 * L2())
    how = {"steps": 3, "optimizer": Optimizer(lr=0.02)}
    together = optimize(MODEL, terms, par.Pixels(32), [Roll(8)], keys=["a", "b", "c"], **how)
    for i, key in enumerate("abc"):
        alone = optimize(MODEL, terms[i], par.Pixels(32), [Roll(8)], keys=[key], **how)
        assert torch.equal(together.images[i], alone.images[0])
    single = toy.model()
    together = optimize(single, terms, par.Pixels(32), [Roll(8)], keys=["a", "b", "c"], steps=1)
    for i, key in enumerate("abc"):
        alone = optimize(single, terms[i], par.Pixels(32), [Roll(8)], keys=[key], steps=1)
        torch.testing.assert_close(together.losses["total"][i], alone.losses["total"][0])


@pytest.mark.parametrize("layer", [None, "layer2"])
def test_the_heavier_it_is_the_nearer_the_picture_stays(layer: str | None) -> None:
    away = []
    for weight in (0.0, 100.0, 1e4):
        term = obj.Channel("layer2:1") + weight * ImageDistance(PHOTO, layer)
        made = optimize(MODEL, term, par.From(par.Fourier(32), PHOTO), [Roll(4)], steps=12, optimizer=STEADY)
        away.append(float(ImageDistance(PHOTO, layer)(toy.trace(MODEL, ["layer2"], made.images))))
    assert away[0] > 1.2 * away[1] > 1.4 * away[2]


def test_it_is_kept_while_a_canvas_grows_from_coarse_to_fine() -> None:
    term = obj.Channel("layer2:1") + ImageDistance(PHOTO, "layer2")
    made = optimize(MODEL, term, par.Fourier(32, coarse=0.5), [Roll(4)], steps=4)
    assert made.status == ("done",)


def test_two_images_beside_one_picture_are_refused() -> None:
    first, second = toy.images(2)
    term = ImageDistance(first, "layer2") + ImageDistance(second, "layer2")
    with pytest.raises(InvalidValueError, match="two terms ask for different images beside the picture"):
        optimize(MODEL, term, par.Pixels(32), steps=1)
    several = ImageDistance(first, "layer2") + ImageDistance(first, "layer3") + ImageDistance(second)
    assert optimize(MODEL, several, par.Pixels(32), steps=1).status == ("done",)


def test_images_of_one_shape_are_computed_in_one_go() -> None:
    terms = [ImageDistance(image) for image in toy.images(3)]
    assert not isinstance(ImageDistance.stack(terms), Looped)
    assert ImageDistance.stack([terms[0], ImageDistance(toy.images(3)[0])]) is terms[0]
    assert isinstance(ImageDistance.stack([terms[0], ImageDistance(toy.images(1, size=8))]), Looped)


@pytest.mark.parametrize("layer", [None, "layer2"])
def test_images_in_one_go_may_have_a_batch_of_one_or_none(layer: str | None) -> None:
    first, second, third = toy.images(3, seed=1)
    terms = [ImageDistance(image, layer) for image in (first, second[None], third)]
    assert not isinstance(ImageDistance.stack(terms), Looped)
    trace = toy.trace(MODEL, ["layer2"], toy.images(6))
    alone = torch.cat([term(trace.slot(i, 3)) for i, term in enumerate(terms)])
    torch.testing.assert_close(ImageDistance.stack(terms)(trace), alone)


@pytest.mark.parametrize("image", [torch.zeros(32, 32), torch.zeros(2, 3, 8, 8), torch.zeros(3, 0, 8)])
def test_what_is_no_image_is_an_error(image: torch.Tensor) -> None:
    with pytest.raises(InvalidValueError, match=r"an image is \(C, H, W\) or \(1, C, H, W\); this one is"):
        ImageDistance(image)
    with pytest.raises(InvalidValueError, match="no finite numbers"):
        ImageDistance(torch.full((3, 4, 4), torch.nan))
    with pytest.raises(InvalidValueError, match="the image has 1 channels, and the picture 3"):
        ImageDistance(torch.zeros(1, 8, 8))(toy.trace(MODEL, [], toy.images(1)))
