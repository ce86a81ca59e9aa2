from itertools import accumulate, count
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import vital
from tests import toy
from vital.comparing import cost
from vital.comparing.cost import Held, memory, peak_bytes, step_seconds, steps_of, with_steps
from vital.rendering import make_method


def test_a_peak_is_what_lives_at_once() -> None:
    def twice() -> None:
        for _ in range(3):
            x = torch.zeros(1000)
            del x

    def both() -> list[torch.Tensor]:
        return [torch.zeros(1000) for _ in range(3)]

    assert peak_bytes(twice) == 4000
    assert peak_bytes(both) == 12000


def test_what_was_there_before_and_views_of_it_are_not_counted() -> None:
    weights = torch.zeros(1000)
    assert peak_bytes(lambda: [weights.view(10, 100), weights[:10], weights.add_(1)]) == 0


def test_what_a_backward_pass_keeps_and_makes_is_counted_and_given_back() -> None:
    net = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(4)))
    x = torch.zeros(32, 64)
    forward = 4 * 32 * 64 * 4
    with Held() as held, torch.no_grad():
        net(x)
    assert 0 < held.peak < forward
    with Held() as held:
        net(x).sum().backward()
    gradients = 4 * 64 * 64 * 4
    assert forward + gradients / 4 < held.peak < 2 * (forward + gradients)
    assert held.now == pytest.approx(gradients, rel=0.01)


def test_more_units_and_more_transforms_take_more_memory(model, units, bank) -> None:
    one, all_of_them = (memory(model, some, make_method("fourier"), bank) for some in (units[:1], units))
    assert 0 < one < all_of_them
    few, many = (memory(model, units[:1], make_method("maco", n_transforms=n), bank) for n in (2, 32))
    assert many > 1.5 * few


def test_memory_is_the_same_with_a_new_bank_and_leaves_the_method_alone(model, units, pictures) -> None:
    method = make_method("vital", steps=7)
    bank, other = (vital.build_bank(model, ["layer3"], pictures, disk=False) for _ in range(2))
    assert memory(model, units, method, bank) == memory(model, units, method, bank)
    assert memory(model, units, method, other) == memory(model, units, method, bank)
    assert steps_of(method) == 7
    assert steps_of(with_steps(method, 3)) == 3


def test_a_step_takes_time(model, units, bank) -> None:
    assert 0 < step_seconds(model, units, make_method("pixels"), bank) < 60


def test_the_time_of_a_step_is_the_median(model, units, bank, monkeypatch: pytest.MonkeyPatch) -> None:
    times = accumulate(30.0 if step % 4 == 0 else 1.5 for step in count())
    monkeypatch.setattr(cost, "time", SimpleNamespace(process_time=lambda: next(times)))
    assert step_seconds(model, units[:1], make_method("pixels", steps=64), bank) == pytest.approx(1.5)


def test_a_step_of_units_that_do_not_fit_at_once_is_one_of_each_part(
    bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(module: torch.nn.Module, given: tuple[torch.Tensor]) -> None:
        if torch.is_grad_enabled() and len(given[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    narrow = toy.model()
    narrow.module.register_forward_pre_hook(full)
    times = count()
    monkeypatch.setattr(cost, "time", SimpleNamespace(process_time=lambda: float(next(times))))
    assert step_seconds(narrow, narrow.units("class:0-3"), make_method("pixels"), bank) == 2.0
    assert step_seconds(narrow, narrow.units("class:0-1"), make_method("pixels"), bank) == 1.0
