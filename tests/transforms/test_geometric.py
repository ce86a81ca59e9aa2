from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vital.errors import InvalidValueError
from vital.transforms import Flip, Jitter, Pad, Roll, Trim
from vital.utils.random import Random, seed_of


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(seed: int = 0) -> Random:
    return Random([seed_of(seed)])


def dot(row: int, column: int, side: int = 11) -> Tensor:
    image = torch.zeros(1, 1, side, side)
    image[..., row, column] = 1
    return image


def place(image: Tensor) -> tuple[int, int]:
    return divmod(int(image.argmax()), image.shape[-1])


def test_roll_moves_a_dot_and_loses_nothing() -> None:
    shifts = set()
    for seed in range(300):
        seen = Roll(2)(dot(0, 10), numbers(seed))
        row, column = place(seen)
        assert seen.sum() == 1
        assert seen[..., row, column] == 1
        shifts.add(((row + 5) % 11 - 5, (column - 10 + 5) % 11 - 5))
    assert shifts == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


@pytest.mark.parametrize("seed", range(5))
def test_roll_draws_two_integers_first_down_then_right(seed: int) -> None:
    used, ours = numbers(seed), numbers(seed)
    seen = Roll(30)(dot(5, 5), used)
    down, right = ours.integers(-30, 30, 2)[0].tolist()
    assert place(seen) == ((5 + down) % 11, (5 + right) % 11)
    assert used.draws == ours.draws == 1


def test_roll_by_nothing_is_the_image_but_still_draws() -> None:
    used = numbers()
    assert torch.equal(Roll(0)(dot(1, 2), used), dot(1, 2))
    assert used.draws == 1


@pytest.mark.parametrize(("height", "width", "pixels"), [(7, 10, 3), (16, 5, 30), (1, 4, 2)])
def test_each_image_is_rolled_by_its_own_shifts_and_so_is_its_gradient_back(
    height: int, width: int, pixels: int
) -> None:
    images = torch.rand(8, 3, height, width, generator=generator()).requires_grad_()
    weight = torch.rand(8, 3, height, width, generator=generator(1))
    seen = Roll(pixels)(images, Random(range(8)))
    shifts = Random(range(8)).integers(-pixels, pixels, 2).tolist()
    (gradient,) = torch.autograd.grad((weight * seen).sum(), images)
    for image, one, own, back, (down, right) in zip(images, seen, weight, gradient, shifts, strict=True):
        assert torch.equal(one, image.roll((down, right), (1, 2)))
        assert torch.equal(back, own.roll((-down, -right), (1, 2)))


def test_a_roll_can_be_differentiated_twice() -> None:
    image = torch.rand(2, 1, 3, 4, generator=generator(), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: Roll(2)(x, Random([1, 2])) ** 2, image)


def test_each_image_is_moved_by_its_own_shifts() -> None:
    images = torch.rand(8, 3, 7, 10, generator=generator())
    seen = Jitter(3)(images, Random(range(8)))
    for image, one, (down, right) in zip(
        images, seen, Random(range(8)).integers(-3, 3, 2).tolist(), strict=True
    ):
        padded = F.pad(image, (3,) * 4, mode="reflect")
        assert torch.equal(one, padded[:, 3 - down : 10 - down, 3 - right : 13 - right])


def test_jitter_moves_a_dot_by_all_whole_steps_and_keeps_the_size() -> None:
    seen = [Jitter(2)(dot(5, 5), numbers(seed)) for seed in range(300)]
    assert {s.shape for s in seen} == {(1, 1, 11, 11)}
    assert {place(s) for s in seen} == {(row, column) for row in range(3, 8) for column in range(3, 8)}


def test_jitter_fills_the_edge_with_the_mirrored_image() -> None:
    image = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 5, 5).contiguous()
    rows = {tuple(Jitter(1)(image, numbers(seed))[0, 0, 0].tolist()) for seed in range(40)}
    assert rows == {(1, 0, 1, 2, 3), (0, 1, 2, 3, 4), (1, 2, 3, 4, 3)}


def test_pad_modes_on_a_row() -> None:
    image = torch.tensor([[[[1.0, 2.0, 3.0]] * 3]])
    rows = {
        mode: Pad(1, mode)(image, numbers())[0, 0, 1].tolist()  # type: ignore[arg-type]
        for mode in ("constant", "reflect", "replicate", "circular")
    }
    assert rows == {
        "constant": [0.5, 1, 2, 3, 0.5],
        "reflect": [2, 1, 2, 3, 2],
        "replicate": [1, 1, 2, 3, 3],
        "circular": [3, 1, 2, 3, 1],
    }


def test_trim_undoes_pad() -> None:
    image = torch.rand(1, 3, 4, 7, generator=generator())
    assert torch.equal(Trim(3)(Pad(3)(image, numbers()), numbers()), image)


def test_flip_follows_its_probability() -> None:
    image = dot(2, 0)
    flipped = sum(torch.equal(Flip(0.25)(image, numbers(s)), dot(2, 10)) for s in range(400))
    assert 70 <= flipped <= 130
    assert torch.equal(Flip(0.0)(image, numbers()), image)
    assert torch.equal(Flip(1.0)(image, numbers()), dot(2, 10))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Roll(-1), "Roll is given -1 pixels; allowed are whole numbers from 0"),
        (lambda: Jitter(1.5), "Jitter is given 1.5 pixels; allowed are whole numbers from 0"),
        (lambda: Pad(-2), "Pad is given -2 pixels; allowed are whole numbers from 0"),
        (lambda: Trim("4"), "Trim is given '4' pixels; allowed are whole numbers from 0"),
        (
            lambda: Pad(1, "mirror"),
            "Pad is given the mode 'mirror'; allowed are constant, reflect, replicate, circular",
        ),
        (lambda: Flip(1.5), "Flip is given the probability 1.5; allowed are numbers from 0 to 1"),
        (lambda: Flip(float("nan")), "Flip is given the probability nan; allowed are numbers from 0 to 1"),
    ],
)
def test_wrong_values_are_refused_in_one_sentence(make: object, sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        make()  # type: ignore[operator]
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("transform", "sentence"),
    [
        (Jitter(4), "Jitter(4) needs sides above 4 pixels; the image is 4 x 9"),
        (Pad(4, "reflect"), "Pad(4) needs sides above 4 pixels; the image is 4 x 9"),
        (Pad(5, "circular"), "Pad(5) needs sides above 4 pixels; the image is 4 x 9"),
        (Trim(2), "Trim(2) needs sides above 4 pixels; the image is 4 x 9"),
    ],
)
def test_an_image_that_is_too_small_is_refused_in_one_sentence(transform: Jitter, sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        transform(torch.zeros(1, 3, 4, 9), numbers())
    assert str(caught.value) == sentence
