from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital import objectives as obj
from vital.errors import OutOfMemoryError
from vital.models import Model
from vital.models.outputs import asked
from vital.rendering import fitting
from vital.rendering.api import render_group
from vital.utils.memory import times_that_fit

UNITS = ["class:0", "layer2:1", "class:2", "layer2:3", "class:4"]


class Narrow(nn.Sequential):
    """The toy network on a device with room for `most` images of a search, full for the first `full` passes of one."""

    def __init__(self, most: int, full: int = 0) -> None:
        nn.Sequential.__init__(self, OrderedDict(toy.network().named_children()))
        self.state = {"most": most, "full": full}
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        searching = torch.is_grad_enabled()
        self.seen.append(len(x) if searching else 0)
        self.state["full"] -= searching
        if searching and (len(x) > self.state["most"] or self.state["full"] >= 0):
            raise torch.OutOfMemoryError(f"CUDA out of memory. {len(x)} images")
        logits: Tensor = super().forward(x)
        return logits


def model_of(module: nn.Module) -> Model:
    return toy.wrap(module)


@pytest.fixture(scope="module")
def pictures() -> vital.ImageSet:
    return vital.load_images(toy.images(12).float(), labels=[i % 10 for i in range(12)])


def rendered(model: Model, pictures: vital.ImageSet, name: str, **options: Any) -> vital.Prototypes:
    bank = vital.build_bank(model, ["layer2"], pictures, disk=False, batch=4)
    settings = {"steps": 4, "batch": 5, "progress": False} | options
    return vital.render(model, UNITS, method=name, bank=bank, **settings)


@pytest.mark.parametrize("name", ["vital", "fourier"])
def test_pictures_are_the_same_where_fewer_fit_into_memory(name: str, pictures: vital.ImageSet) -> None:
    narrow = Narrow(4)
    whole = rendered(model_of(toy.network()), pictures, name)
    parts = rendered(model_of(narrow), pictures, name)
    assert max(narrow.seen) == 5
    assert [str(p.unit) for p in parts] == UNITS
    for one, other in zip(whole, parts, strict=True):
        assert one.status == other.status
        torch.testing.assert_close(one.image, other.image, rtol=0, atol=1e-3)
        torch.testing.assert_close(one.alpha, other.alpha, rtol=0, atol=1e-2)


def test_the_number_that_fits_is_found_once(pictures: vital.ImageSet) -> None:
    narrow = Narrow(2)
    model = model_of(narrow)
    made = vital.render(model, ["class:0-9"], method="fourier", steps=1, batch=5, progress=False)
    assert len(made) == 10
    assert [n for n in narrow.seen if n > 1] == [5, 3, 2, 2, 2, 2]
    narrow.seen.clear()
    vital.render(model, ["class:0-3"], method="fourier", steps=1, batch=4, progress=False)
    assert max(narrow.seen) == 2


@pytest.mark.parametrize("name", ["vital", "pixels"])
def test_where_memory_is_measured_a_short_trial_says_how_many_are_tried(
    name: str, pictures: vital.ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def three(device: torch.device, run: Callable[[], Any]) -> int:
        tried.append((device.type, run()))
        return 3

    whole = rendered(model_of(toy.network()), pictures, name)
    monkeypatch.setattr(fitting, "_MEASURED", ("cpu",))
    monkeypatch.setattr(fitting, "times_that_fit", three)
    narrow = Narrow(9)
    parts = rendered(model_of(narrow), pictures, name)
    assert [(device, made.steps, len(made.images)) for device, made in tried] == [("cpu", 2, 1)]
    assert max(narrow.seen) == 3
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one.image, other.image, rtol=0, atol=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_a_call_takes_of_a_gpu_is_measured() -> None:
    free, _ = torch.cuda.mem_get_info()
    times = times_that_fit(
        torch.device("cuda"), lambda: torch.empty(free // 10, dtype=torch.uint8, device="cuda")
    )
    assert 6 <= times <= 9


def test_a_unit_that_does_not_fit_alone_is_a_status_and_the_others_go_on() -> None:
    model = model_of(Narrow(4, full=4))
    made = vital.render(model, UNITS, method="fourier", steps=2, batch=5, progress=False)
    sentence = (
        "out of memory: not even this picture alone fits into cpu; choose a smaller size or another device"
    )
    assert [p.status == sentence for p in made] == [True, False, False, False, False]
    assert torch.equal(made[0].image, torch.full((3, 32, 32), 0.5))
    alone = vital.render(model_of(toy.network()), UNITS[1:], method="fourier", steps=2, progress=False)
    for one, other in zip(alone, made[1:], strict=True):
        torch.testing.assert_close(one.image, other.image, rtol=0, atol=1e-3)


def test_other_errors_come_out_as_they_are() -> None:
    class Broken(Narrow):
        def forward(self, x: Tensor) -> Tensor:
            """Fail where a gradient is asked for."""
            if torch.is_grad_enabled():
                raise ValueError("broken")
            return super().forward(x)

    with pytest.raises(vital.errors.ModelError, match="broken"):
        vital.render(model_of(Broken(9)), UNITS, method="fourier", steps=2, progress=False)


def test_an_interrupt_is_not_taken_for_a_lack_of_memory() -> None:
    def stop(step: object) -> None:
        raise KeyboardInterrupt

    model = model_of(Narrow(2))
    units, method = model.units(UNITS), vital.make_method("fourier", steps=2)
    with pytest.raises(KeyboardInterrupt):
        render_group(model, units, method, None, 0, callback=stop)


def test_a_lack_of_memory_is_one_sentence_with_the_next_step_elsewhere() -> None:
    model = model_of(Narrow(4))
    with pytest.raises(OutOfMemoryError) as caught:
        vital.optimize(model, [obj.Channel("layer2:1")] * 5, toy.Canvas())
    assert str(caught.value) == (
        "toy cannot run on an input of shape (5, 3, 32, 32): cpu has too little memory; use a smaller batch or size, "
        "or another device"
    )
    with pytest.raises(OutOfMemoryError), asked(model, "learn"):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
