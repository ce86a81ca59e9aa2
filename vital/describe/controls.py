"""Controls: the same architecture with random weights, which knows nothing and yet responds to something."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn

from vital.models import Model
from vital.seeds import generator, seed_of


def random_weights(model: Model, seed: int = 0) -> Model:
    """A copy of a network with random weights: what each part draws when it is made anew, seeded.

    Parts with parameters of their own and no way to make them anew get them shuffled.

    >>> net = Model(nn.Conv2d(3, 4, 1), name="net")
    >>> random_weights(net).weights_hash() == random_weights(net).weights_hash() != net.weights_hash()
    True
    """
    module = copy.deepcopy(model.module)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed_of("random weights", seed))
        for name, part in module.named_modules():
            _renew(name, part, seed)
    return replace(model, module=module.eval(), name=f"{model.name}, random weights", weights="random")


def _renew(name: str, part: nn.Module, seed: int) -> None:
    renew = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
    if callable(renew):
        renew()
        return
    for key, parameter in part.named_parameters(recurse=False):
        order = torch.randperm(parameter.numel(), generator=generator("random weights", seed, name, key))
        parameter.copy_(parameter.reshape(-1)[order.to(parameter.device)].view_as(parameter))
