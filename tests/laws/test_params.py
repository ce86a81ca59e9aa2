"""What every registered parameterization keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from vital import params as par
from vital import transforms
from vital.params import PARAMS, Invertible
from vital.types import Parameterization, Parameters

NAMES = list(PARAMS)
DTYPES = (torch.float32, torch.float64)
SIZES = ((1, 1), (1, 6), (7, 5), (6, 9))


def example(name: str) -> Parameterization:
    text = PARAMS.entries[name].example
    made: Parameterization = eval(text, {"par": par, "transforms": transforms, "torch": torch})
    return made


def resized(made: Any, size: tuple[int, int]) -> Any:
    """The same at another size, in the bases of those that wrap others."""
    names = {f.name for f in fields(made)}
    return replace(made, size=size) if "size" in names else replace(made, base=resized(made.base, size))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def slots(made: Parameterization, count: int, dtype: torch.dtype = torch.float64) -> Parameters:
    """Parameters of several slots, away from a start at zero."""
    drawn = [made.init(generator(seed)) for seed in range(count)]
    shaken = generator(99)
    joined = {k: torch.cat([d[k] for d in drawn]).to(dtype) for k in drawn[0]}
    return {k: v + 0.1 * torch.randn(v.shape, generator=shaken).to(dtype) for k, v in joined.items()}


def slot(parameters: Parameters, index: int) -> Parameters:
    return {k: v[index : index + 1].clone() for k, v in parameters.items()}


def leaves(parameters: Parameters) -> Parameters:
    return {k: v.clone().requires_grad_() for k, v in parameters.items()}


def smooth() -> Tensor:
    """A smooth colorful image, (1, 3, 32, 32), float64."""
    y, x = torch.meshgrid(*[torch.linspace(0, 2 * torch.pi, 32, dtype=torch.float64)] * 2, indexing="ij")
    return 0.5 + 0.35 * torch.stack([torch.sin(x), torch.cos(y), torch.sin(x + y)])[None]


def error(image: Tensor, target: Tensor) -> float:
    return float((image - target).square().mean((1, 2, 3)).max())


def descend(made: Parameterization, parameters: Parameters, target: Tensor, steps: int) -> Parameters:
    moving = leaves(parameters)
    optimizer = torch.optim.Adam(list(moving.values()), lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        (made.decode(moving) - target).square().mean().backward()
        optimizer.step()
        with torch.no_grad():
            made.project(moving)
    return {k: v.detach() for k, v in moving.items()}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_decodes_slots_to_images_between_0_and_1(name: str, dtype: torch.dtype) -> None:
    made = example(name)
    parameters = {k: torch.cat([v] * 2).to(dtype) for k, v in made.init(generator()).items()}
    made.project(parameters)
    image = made.decode(parameters)
    assert image.shape == (2 * made.images, 3, 32, 32)
    assert image.dtype == dtype
    assert image.min() >= -1e-6
    assert image.max() <= 1 + 1e-6


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_any_size_down_to_one_pixel_decodes_and_has_finite_gradients(
    name: str, size: tuple[int, int]
) -> None:
    made = resized(example(name), size)
    parameters = leaves(made.init(generator()))
    image = made.decode(parameters)
    image.square().sum().backward()
    assert image.shape == (made.images, 3, *size)
    assert image.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters.values())


@pytest.mark.parametrize("name", NAMES)
def test_one_slot_has_a_leading_axis_of_one_and_starts_in_float32(name: str) -> None:
    start = example(name).init(generator())
    assert all(len(v) == 1 and v.dtype == torch.float32 for v in start.values())


@pytest.mark.parametrize("name", NAMES)
def test_same_generator_same_bytes_and_nothing_else_is_drawn_from(name: str) -> None:
    made = example(name)
    before = torch.get_rng_state()
    first, second = made.init(generator(3)), made.init(generator(3))
    made.decode(first)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", NAMES)
def test_slots_have_the_images_and_gradients_that_they_have_alone(name: str) -> None:
    size, n = (29, 37), 6
    made = resized(example(name), size)
    weight = torch.randn(made.images, 3, *size, generator=generator(), dtype=torch.float64)
    together = leaves(slots(made, n))
    images = made.decode(together)
    (images * weight.repeat(n, 1, 1, 1)).sum().backward()
    for i in range(n):
        alone = leaves(slot({k: v.detach() for k, v in together.items()}, i))
        image = made.decode(alone)
        (image * weight).sum().backward()
        torch.testing.assert_close(images[i * made.images : (i + 1) * made.images], image, rtol=0, atol=1e-13)
        for key, value in alone.items():
            torch.testing.assert_close(together[key].grad[i : i + 1], value.grad, rtol=1e-11, atol=1e-13)  # type: ignore[index]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_gives_no_gradient_to_another_slot(name: str) -> None:
    made = example(name)
    parameters = leaves(slots(made, 2))
    made.decode(parameters)[: made.images].sum().backward()
    grads = [p.grad for p in parameters.values() if p.grad is not None]
    assert all(bool((g[1] == 0).all()) for g in grads)
    assert any(bool((g[0] != 0).any()) for g in grads)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_moves_within_three_steps(name: str) -> None:
    made = example(name)
    start = made.init(generator())
    moved = descend(made, start, smooth().float(), 3)
    assert all(not torch.equal(moved[k], start[k]) for k in start)


@pytest.mark.parametrize("name", NAMES)
def test_a_smooth_image_can_be_fitted_from_a_random_start(name: str) -> None:
    target = smooth()
    made = example(name)
    made = made.adopt(target) if isinstance(made, Invertible) else made
    start = {k: v.double() for k, v in made.init(generator()).items()}
    assert error(made.decode(start), target) > 0.03
    assert error(made.decode(descend(made, start, target, 250)), target) < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_an_encoded_image_decodes_to_itself(name: str) -> None:
    target = smooth()
    made = example(name)
    if not isinstance(made, Invertible):
        pytest.skip("does not encode")
    made = made.adopt(target)
    assert made.shape == (3, 32, 32)
    assert error(made.decode(made.encode(target)), target) < 0.002


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_projecting_twice_is_projecting_once(name: str, dtype: torch.dtype) -> None:
    made = example(name)
    parameters = {k: 5 * v for k, v in slots(made, 2, dtype).items()}
    made.project(parameters)
    once = {k: v.clone() for k, v in parameters.items()}
    made.project(parameters)
    assert all(torch.equal(parameters[k], once[k]) for k in once)


@pytest.mark.parametrize("name", NAMES)
def test_the_name_and_the_class_find_each_other(name: str) -> None:
    assert PARAMS.name_of(type(example(name))) == name
