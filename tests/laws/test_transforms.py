"""What every registered transform keeps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vital import params as par
from vital import transforms
from vital.transforms import TRANSFORMS
from vital.types import Transform

SHAPES = ((1, 3, 16, 16), (1, 3, 13, 18), (1, 1, 16, 9))


def composed() -> dict[str, Transform]:
    return {"lucid": transforms.lucid(), "maco": transforms.maco()}


NAMES = [*TRANSFORMS, *composed()]


def example(name: str) -> Transform:
    if name in TRANSFORMS:
        made: Transform = eval(
            TRANSFORMS.entries[name].example, {"transforms": transforms, "par": par, "torch": torch}
        )
        return made
    return composed()[name]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(shape: tuple[int, ...] = SHAPES[1], dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=generator(7), dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_size_never_depends_on_chance(name: str, shape: tuple[int, ...]) -> None:
    transform, image = example(name), picture(shape)
    sizes = {transform(image, generator(seed)).shape for seed in range(12)}
    assert len(sizes) == 1
    assert next(iter(sizes))[:2] == shape[:2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_the_precision_stays(name: str, dtype: torch.dtype) -> None:
    assert example(name)(picture(dtype=dtype), generator()).dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_same_generator_same_bytes_and_nothing_else_is_drawn_from(name: str) -> None:
    transform, image = example(name), picture()
    before = torch.get_rng_state()
    first = transform(image, generator(5))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(1)
    assert torch.equal(first, transform(image, generator(5)))


@pytest.mark.parametrize("name", NAMES)
def test_the_draws_do_not_depend_on_what_the_image_shows(name: str) -> None:
    first, second = generator(5), generator(5)
    example(name)(picture(), first)
    example(name)(torch.zeros_like(picture(dtype=torch.float32)), second)
    assert torch.equal(first.get_state(), second.get_state())


@pytest.mark.parametrize("name", NAMES)
def test_the_image_itself_is_left_as_it_was(name: str) -> None:
    image = picture()
    kept = image.clone()
    example(name)(image, generator())
    assert torch.equal(image, kept)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_right(name: str) -> None:
    image = picture((1, 3, 9, 10)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: example(name)(x, generator(2)), image, fast_mode=True)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_seen_is_finite_and_varies_with_the_image(name: str) -> None:
    image = picture().requires_grad_()
    seen = example(name)(image, generator(4))
    seen.square().sum().backward()
    assert seen.isfinite().all()
    assert image.grad is not None
    assert bool((image.grad != 0).any())


@pytest.mark.parametrize("name", NAMES)
def test_the_repr_makes_the_transform(name: str) -> None:
    transform = example(name)
    if isinstance(transform, transforms.Lambda):
        pytest.skip("it holds a function, which its text only names")
    assert eval(repr(transform), vars(transforms)) == transform


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_name_and_the_class_find_each_other(name: str) -> None:
    assert TRANSFORMS.name_of(type(example(name))) == name
