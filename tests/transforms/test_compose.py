from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from vital import transforms
from vital.errors import InvalidValueError
from vital.transforms import Compose, Crop, Flip, Lambda, Noise, Pad, Roll, Rotate, Scale, lucid, maco
from vital.utils.random import Random, seed_of


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(seed: int = 0) -> Random:
    return Random([seed_of(seed)])


def test_compose_applies_the_transforms_in_order_with_one_generator() -> None:
    image, ours = torch.rand(1, 3, 8, 8, generator=generator()), numbers(4)
    by_hand = Noise(0.1)(Roll(3)(image, ours), ours)
    assert torch.equal(Compose(Roll(3), Noise(0.1))(image, numbers(4)), by_hand)


def test_an_empty_compose_is_the_image() -> None:
    image = torch.rand(1, 3, 4, 4, generator=generator())
    assert torch.equal(Compose()(image, numbers()), image)


def test_compose_is_a_value() -> None:
    assert Compose(Roll(3), Flip()) == Compose(Roll(3), Flip()) != Compose(Flip(), Roll(3))
    assert hash(Compose(Roll(3))) == hash(Compose(Roll(3)))


def test_compose_takes_transforms_only() -> None:
    with pytest.raises(InvalidValueError) as caught:
        Compose(Roll(3), 5)  # type: ignore[arg-type]
    assert str(caught.value) == "Compose is given 5; allowed are transforms"


def test_lambda_applies_a_random_transform_of_torchvision_with_the_generator() -> None:
    from torchvision.transforms import v2

    image, transform = torch.rand(1, 3, 9, 9, generator=generator()), Lambda(v2.GaussianBlur(3))
    first, again, other = (transform(image, numbers(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        undisturbed = torch.rand(2)
        torch.manual_seed(3)
        noise = Lambda(torch.rand_like)(image, numbers(0))
        assert torch.equal(torch.rand(2), undisturbed)
    assert torch.equal(noise, Lambda(torch.rand_like)(image, numbers(0)))


def test_lambda_gives_each_image_numbers_of_its_own_and_refuses_sizes_of_chance() -> None:
    images = torch.rand(4, 3, 9, 9, generator=generator())
    seen = Lambda(torch.rand_like)(images, Random(range(4)))
    for i in range(4):
        assert torch.equal(seen[i : i + 1], Lambda(torch.rand_like)(images[i : i + 1], Random([i])))
    assert len(seen[:, 0, 0, 0].unique()) == 4

    def cut(image: torch.Tensor) -> torch.Tensor:
        return image[..., : int(torch.randint(4, 9, ()))]

    says = r"^the transform Lambda made images of \(9, \d\) and of \(9, \d\) pixels in one step; sizes must not be"
    with pytest.raises(InvalidValueError, match=says):
        Lambda(cut)(images, Random(range(4)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_lambda_seeds_a_gpu_and_gives_its_generator_back() -> None:
    image = torch.rand(1, 3, 9, 9, device="cuda")
    before = torch.cuda.get_rng_state()
    first, again = (Lambda(torch.rand_like)(image, numbers(0)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (
            lambda image: image[0],
            r"the function <lambda> in Lambda returned \(3, 4, 4\); allowed is \(1, C, H, W\)",
        ),
        (lambda image: image.tolist(), "the function <lambda> in Lambda returned list; allowed is"),
        (lambda image: image.detach(), "in Lambda returned an image without gradient; use tensor operations"),
    ],
)
def test_what_a_function_returns_is_held_against_an_image(function: Any, sentence: str) -> None:
    image = torch.rand(1, 3, 4, 4, generator=generator()).requires_grad_()
    with pytest.raises(InvalidValueError, match=sentence):
        Lambda(function)(image, numbers())
    with torch.no_grad():
        assert Lambda(lambda image: image.detach())(image, numbers()).shape == (1, 3, 4, 4)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (5, "Lambda is given 5; allowed are functions of an image"),
        (Flip, "Lambda is given <class '.*Flip'>; allowed are functions of an image"),
        (Flip(), r"Lambda is given Flip\(.*\), which is a transform; give it as it is"),
    ],
)
def test_lambda_takes_functions_only(given: Any, sentence: str) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        Lambda(given)


def test_lucid_has_the_published_steps() -> None:
    zoom = next(v for v in lucid().transforms if isinstance(v, Scale))
    turn = next(v for v in lucid().transforms if isinstance(v, Rotate))
    assert zoom.choices == (0.9, 0.92, 0.94, 0.96, 0.98, 1.0, 1.02, 1.04, 1.06, 1.08, 1.1)
    assert sorted(turn.choices) == sorted([*range(-10, 11), 0, 0, 0, 0, 0])
    assert [type(v).__name__ for v in lucid().transforms] == [
        "Pad",
        "Jitter",
        "Scale",
        "Rotate",
        "Jitter",
        "Trim",
    ]
    assert [getattr(v, "pixels", None) for v in lucid().transforms] == [12, 8 / 2, None, None, 4 / 2, 12]


@pytest.mark.parametrize("size", [(1, 1), (32, 32), (31, 47)])
def test_lucid_keeps_any_size_and_shows_grey_only_beyond_the_edge(size: tuple[int, int]) -> None:
    grey = torch.full((1, 3, *size), 0.5)
    for seed in range(5):
        torch.testing.assert_close(lucid()(grey, numbers(seed)), grey)


def test_lucid_shows_the_image_in_the_middle() -> None:
    image = torch.zeros(1, 1, 48, 48)
    assert all(float(lucid()(image, numbers(s))[..., 16:32, 16:32].abs().max()) < 1e-6 for s in range(10))


def test_maco_has_the_published_numbers() -> None:
    box = Crop(64, fraction=(0.05, 0.5), spread=0.15, shrink=True, sd=0.05)
    assert maco(64) == Compose(box, Noise(0.08, uniform=0.04))
    assert [maco(64).at(p).transforms[0].fraction for p in (0.0, 0.5, 1.0)] == [
        pytest.approx((share, share)) for share in (0.5, 0.275, 0.05)
    ]


def test_public_names_are_sorted_and_exist() -> None:
    assert all(hasattr(transforms, name) for name in transforms.__all__)
    public = {
        n
        for n in vars(transforms)
        if not n.startswith("_") and n not in ("base", "compose", "geometric", "photometric", "resample")
    }
    assert public == set(transforms.__all__)


def test_importing_the_transforms_loads_neither_kornia_nor_torchvision() -> None:
    code = "import sys, vital.transforms, vital.params; print({'kornia', 'torchvision'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_frame_is_grey_by_default() -> None:
    assert float(Pad(1)(torch.zeros(1, 1, 1, 1), numbers()).sum()) == 4.0
