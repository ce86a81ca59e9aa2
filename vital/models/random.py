"""The control that every claim about a network needs: the same architecture with random weights."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from vital.models.load import seeded
from vital.models.model import Model
from vital.models.modules import copied


def random_weights(model: Model, seed: int = 0) -> Model:
    """A copy of a network with random weights: what each part draws when it is made anew, the same for the same seed.

    Parts with parameters of their own and no way to make them anew get them shuffled.

    >>> net = Model(nn.Conv2d(3, 4, 1), name="net")
    >>> random_weights(net).weights_hash() == random_weights(net).weights_hash() != net.weights_hash()
    True
    """
    module = copied(model.module)
    with seeded(seed), torch.no_grad():
        for part in module.modules():
            _renew(part)
    return replace(model, module=module.eval(), name=f"{model.name}, random weights", weights="random")


def _renew(part: nn.Module) -> None:
    renew = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
    if callable(renew):
        renew()
        return
    for parameter in part.parameters(recurse=False):
        order = torch.randperm(parameter.numel()).to(parameter.device)
        parameter.copy_(parameter.reshape(-1)[order].view_as(parameter))
