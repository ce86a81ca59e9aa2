"""Numbers that multiply the work are refused before it begins."""

import time
from collections.abc import Callable

import pytest
import torch
from torch import nn

import vital
from vital.errors import InvalidValueError
from vital.lwta.predict import outputs
from vital.models import Model
from vital.rendering.api import check_together

NET = Model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 2)), size=(8, 8))

WORK: dict[str, Callable[[], object]] = {
    "count is 1001": lambda: vital.render(NET, ["class:0"], method="fourier", steps=1, count=1001),
    "n_transforms is 1001": lambda: vital.render(NET, ["class:0"], method="maco", n_transforms=1001),
    "samples is 1001": lambda: outputs(NET, torch.zeros(1, 3, 8, 8), samples=1001),
    "1000 pictures of each of 1001 units are 1001000": lambda: check_together(1001, 1000),
}


@pytest.mark.parametrize("said", WORK)
def test_what_nobody_can_mean_is_refused_at_once(said: str) -> None:
    start = time.process_time()
    with pytest.raises(InvalidValueError, match=rf"^{said}; allowed are .*\d"):
        WORK[said]()
    assert time.process_time() - start < 2


def test_the_most_is_allowed() -> None:
    check_together(1000, 1000)
    assert outputs(NET, torch.zeros(1, 3, 8, 8), samples=1000).shape == (1, 2)
