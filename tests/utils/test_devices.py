from __future__ import annotations

import gc
from unittest.mock import patch

import torch

from tests import toy
from vital.objectives import Channel
from vital.optim import optimize
from vital.utils import devices
from vital.utils.devices import Later, constants, moved, perhaps


def test_a_constant_is_copied_once_and_anew_where_it_was_written_to() -> None:
    given, like = torch.ones(3), torch.zeros(1, dtype=torch.float64)
    first = moved(given, like)
    assert moved(given, like) is first
    assert moved(given, torch.zeros(1)) is given
    given.mul_(2)
    assert moved(given, like).tolist() == [2, 2, 2]


def test_a_constant_that_asks_for_a_gradient_is_a_constant_and_goes_with_its_owner() -> None:
    given = torch.ones(3, requires_grad=True)
    assert not moved(given, torch.zeros(1, dtype=torch.float64)).requires_grad
    before = len(devices._COPIES)
    del given
    gc.collect()
    assert len(devices._COPIES) == before - 1


def test_what_is_kept_in_inference_mode_serves_a_search_later() -> None:
    model = toy.model()
    with torch.inference_mode():
        model.normalize(torch.rand(1, 3, 32, 32))
        constants((7.5, 8.5), torch.zeros(1))
    assert not constants((7.5, 8.5), torch.zeros(1)).is_inference()
    assert optimize(toy.model(), Channel("layer2:1"), toy.Canvas(), steps=2).status == ("done",)


def test_a_look_at_a_flag_is_taken_where_it_costs_no_wait() -> None:
    assert not perhaps(torch.tensor(data=False))
    with patch.object(devices, "HOSTS", set()):
        assert perhaps(torch.tensor(data=False))


def test_a_flag_of_the_host_is_there_at_once() -> None:
    assert Later(torch.tensor(data=True)).read() is True
