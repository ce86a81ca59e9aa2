"""What every registered transform keeps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks.counting import SYNCS, Counting
from vital import params as par
from vital import transforms
from vital.transforms import TRANSFORMS
from vital.types import Transform
from vital.utils.random import Random, seed_of

ROUNDED = (transforms.Crop, transforms.Blur)
"""Their products are summed in another order in another batch."""
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


def numbers(seed: int = 0, count: int = 1) -> Random:
    return Random([seed_of(seed, i) for i in range(count)])


def picture(shape: tuple[int, ...] = SHAPES[1], dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(7), dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_size_never_depends_on_chance(name: str, shape: tuple[int, ...]) -> None:
    transform, image = example(name), picture(shape)
    sizes = {transform(image, numbers(seed)).shape for seed in range(12)}
    assert len(sizes) == 1
    assert next(iter(sizes))[:2] == shape[:2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_the_precision_stays(name: str, dtype: torch.dtype) -> None:
    assert example(name)(picture(dtype=dtype), numbers()).dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_same_numbers_same_bytes_and_nothing_else_is_drawn_from(name: str) -> None:
    transform, image = example(name), picture()
    before = torch.get_rng_state()
    first = transform(image, numbers(5))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(1)
    assert torch.equal(first, transform(image, numbers(5)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(3, 16, 16), (3, 13, 18), (1, 33, 9)])
def test_an_image_is_the_same_alone_as_in_a_batch(name: str, shape: tuple[int, ...]) -> None:
    transform, count = example(name), 5
    images = picture((count, *shape)).requires_grad_()
    seen = transform(images, numbers(count=count))
    weight = picture(tuple(seen.shape))
    (gradient,) = torch.autograd.grad((weight * seen).sum(), images)
    exact = not isinstance(transform, ROUNDED) and name != "maco"
    for i in range(count):
        one = images[i : i + 1].detach().requires_grad_()
        alone = transform(one, Random([seed_of(0, i)]))
        (own,) = torch.autograd.grad((weight[i] * alone).sum(), one)
        for found, wanted in ((alone[0], seen[i]), (own[0], gradient[i])):
            torch.testing.assert_close(found, wanted, rtol=0, atol=0 if exact else 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_another_step_and_another_key_draw_other_numbers(name: str) -> None:
    transform, images = example(name), picture((1, 3, 13, 18)).expand(8, -1, -1, -1)
    seen = transform(images, numbers(count=8))
    assert torch.equal(seen, transform(images, numbers(count=8).at(0)))
    if numbers_drawn(transform):
        assert not torch.equal(seen, transform(images, numbers(count=8).at(1)))
        assert not torch.equal(seen, transform(images, numbers(1, count=8)))
        assert not seen[:1].expand_as(seen).equal(seen)


def numbers_drawn(transform: Transform) -> int:
    """How many draws a transform makes of which its result depends."""
    random = numbers()
    transform(picture(), random)
    return 0 if isinstance(transform, transforms.Lambda) else random.draws


@pytest.mark.parametrize("name", [name for name in NAMES if name != "lambda"])
def test_a_larger_batch_takes_no_more_operations_and_nothing_waits(name: str) -> None:
    transform, counts = example(name), {}
    for size in (2, 2, 32):  # the first fills what is worked out once
        images = picture((size, 3, 32, 32)).requires_grad_()
        random = numbers(count=size)
        with Counting() as counted:
            transform(images, random).sum().backward()
        counts[size] = sum(counted.counts.values())
        assert counted.counts[SYNCS] == 0
    assert counts[32] <= 1.05 * counts[2]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "lambda"])
def test_a_gpu_is_not_waited_for(name: str) -> None:
    transform = example(name)
    images = picture((4, 3, 32, 32)).cuda()
    random = Random(range(4), "cuda")
    transform(images, random)
    torch.cuda.set_sync_debug_mode("error")
    try:
        seen = transform(images, random.at(1))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(
        seen.cpu(), transform(images.cpu(), Random(range(4), step=1)), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_draws_do_not_depend_on_what_the_image_shows(name: str) -> None:
    first, second = numbers(5), numbers(5)
    example(name)(picture(), first)
    example(name)(torch.zeros_like(picture(dtype=torch.float32)), second)
    assert first.draws == second.draws


@pytest.mark.parametrize("name", NAMES)
def test_the_image_itself_is_left_as_it_was(name: str) -> None:
    image = picture()
    kept = image.clone()
    example(name)(image, numbers())
    assert torch.equal(image, kept)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_right(name: str) -> None:
    images = picture((2, 3, 9, 10)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: example(name)(x, numbers(2, count=2)), images, fast_mode=True)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_seen_is_finite_and_varies_with_the_image(name: str) -> None:
    image = picture().requires_grad_()
    seen = example(name)(image, numbers(4))
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
