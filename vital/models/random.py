"""The control that every claim about a network needs: the same network before it learned anything."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn

from vital.models.load import seeded
from vital.models.model import Model


def random_weights(model: Model, seed: int = 0) -> Model:
    """A copy of a network in which every part has its starting values again, the same for the same seed.

    Parts with a `reset_parameters` of their own, as torch's have, use it; other parameters become normal numbers of
    standard deviation 0.02 where they have two axes or more, as transformers start with, and 1 where they are scales.

    >>> model = Model(nn.Sequential(nn.Conv2d(3, 4, 1)), name="tiny")
    >>> one, other = random_weights(model), random_weights(model)
    >>> torch.equal(one.module[0].weight, other.module[0].weight), one.weights
    (True, 'random')
    """
    module = copy.deepcopy(model.module)
    with seeded(seed), torch.no_grad():
        for part in module.modules():
            _reset(part)
    return replace(model, module=module.eval(), weights="random")


def _reset(part: nn.Module) -> None:
    for name in ("reset_parameters", "_reset_parameters"):
        if callable(reset := getattr(part, name, None)):
            reset()
            return
    for parameter in part.parameters(recurse=False):
        nn.init.normal_(parameter, std=0.02) if parameter.ndim > 1 else nn.init.ones_(parameter)
