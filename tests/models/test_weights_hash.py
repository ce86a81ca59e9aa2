from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from tests import toy
from vital.models import weights_hash as module
from vital.models.weights_hash import hashed_once


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that all weights of a network were hashed."""
    times: list[int] = []
    whole = module.tensor_hash

    def counted(tensors: Any) -> str:
        times.append(len(tensors))
        return whole(tensors)

    monkeypatch.setattr(module, "tensor_hash", counted)
    return times


@torch.no_grad()
def add(net: nn.Sequential) -> None:
    net[0].weight[0, 0, 0, 0] += 1


@torch.no_grad()
def load(net: nn.Sequential) -> None:
    net.load_state_dict(toy.seeded(toy.network(), 5).state_dict())


def replaced(net: nn.Sequential) -> None:
    net[0].weight = nn.Parameter(net[0].weight.detach() + 1)


def pointed_elsewhere(net: nn.Sequential) -> None:
    net[0].weight.data = net[0].weight.data + 1


def rounded(net: nn.Sequential) -> None:
    net.half().float()


def buffered(net: nn.Sequential) -> None:
    net.train()(torch.rand(2, 3, 32, 32))


def learned(net: nn.Sequential) -> None:
    net(torch.rand(2, 3, 32, 32)).sum().backward()
    torch.optim.SGD(net.parameters(), lr=0.1).step()


def renamed(net: nn.Sequential) -> None:
    net.add_module("more", nn.BatchNorm1d(10))


CHANGES = [add, load, replaced, pointed_elsewhere, rounded, buffered, learned, renamed]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_weights_is_noticed_within_a_run(
    change: Callable[[nn.Sequential], None], hashed: list[int]
) -> None:
    model = toy.model()
    with hashed_once():
        before = model.weights_hash()
        assert model.weights_hash() == before
        assert len(hashed) == 1
        change(model.module)
        after = model.weights_hash()
        assert after == model.weights_hash() != before
        assert len(hashed) == 2
    assert model.weights_hash() == after


def test_weights_are_hashed_once_in_runs_within_runs_and_anew_after_them(hashed: list[int]) -> None:
    model, other = toy.model(), toy.model()
    with hashed_once():
        one = model.weights_hash()
        with hashed_once():
            assert model.weights_hash() == one == other.weights_hash()
        assert model.weights_hash() == other.weights_hash()
        assert len(hashed) == 2
    model.module[0].weight.data.add_(1)
    assert model.weights_hash() != one
    with hashed_once():
        assert model.weights_hash() != one


def test_a_network_of_inference_tensors_is_hashed_each_time() -> None:
    with torch.inference_mode():
        net = nn.Identity()
        net.register_buffer("x", torch.zeros(3))
    with hashed_once():
        before = module.weights_hash(net)
        with torch.inference_mode():
            net.get_buffer("x").add_(1)
        assert module.weights_hash(net) != before
