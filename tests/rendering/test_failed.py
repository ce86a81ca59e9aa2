"""A failed picture is never done: networks that pass no gradient, are dead, saturated, constant, loud or sick."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import vital
from tests import toy
from vital.errors import ModelError

METHODS = list(vital.METHODS)
UNITS = ("class:3", "rest.0:1")
Change = Callable[[Tensor], Tensor]


class Changed(nn.Module):
    """The toy's network with something done to its middle or its outputs."""

    def __init__(self, middle: Change, last: Change) -> None:
        nn.Module.__init__(self)
        parts = list(toy.network())
        self.body, self.rest = nn.Sequential(*parts[:6]), nn.Sequential(*parts[6:])
        self.middle, self.last = middle, last

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        logits: Tensor = self.last(self.rest(self.middle(self.body(x))))
        return logits


def same(x: Tensor) -> Tensor:
    return x


def without_gradient(x: Tensor) -> Tensor:
    with torch.no_grad():
        return x * 1


def render(middle: Change, last: Change, method: str, unit: str, **options: Any) -> vital.Prototype:
    model = toy.wrap(Changed(middle, last))
    images = vital.load_images(toy.images(12).float()) if vital.METHODS[method].needs_images else None
    options = {"steps": 6, "progress": False} | ({"n_transforms": 2} if method == "maco" else {}) | options
    return vital.render(model, unit, method=method, images=images, **options)[0]


MIDDLE: dict[str, Change] = {
    "round": torch.round,
    "quantized": lambda x: (x * 8).floor() / 8,
    "sign": torch.sign,
    "detach": lambda x: x.detach(),
    "no_grad": without_gradient,
    "dead": lambda x: (x - 1e4).relu(),
    "saturated": lambda x: torch.sigmoid(x + 1e4),
    "capped": lambda x: F.relu6(x + 1e4),
    "nan": lambda x: x * torch.nan,
}
LAST: dict[str, Change] = {
    "round": torch.round,
    "detach": lambda x: x.detach(),
    "constant": lambda x: x * 0 + 1,
    "plain constant": torch.ones_like,
    "one hot": lambda x: F.one_hot(x.argmax(1), 10).float(),
    "dead": lambda x: (x - 1e4).relu(),
    "saturated": lambda x: torch.sigmoid(x + 1e4),
    "tanh": lambda x: torch.tanh(1e4 * x + 1e4),
    "nan": lambda x: x / (x * 0),
}
NO_RULE = {"round", "quantized", "sign"}
"""What `vital-reference`, whose masks know one rule, cannot go through for an inner unit."""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("fault", MIDDLE)
def test_a_fault_in_the_middle_fails_every_unit_behind_it(fault: str, unit: str, method: str) -> None:
    status = render(MIDDLE[fault], same, method, unit).status
    assert status != "done"
    if method == "vital-reference" and unit != UNITS[0] and fault in NO_RULE:
        assert status.startswith("no rule: relevance has no rule for the operation ")
        assert status.endswith(", or choose another method")
        return
    words = {"nan": ("diverged",), "dead": ("never rose", "silent"), "capped": ("never rose", "silent")}
    deaf = ("no gradient", "unmoved: no gradient", "silent")
    assert status.startswith(words.get(fault, deaf)), status


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", LAST)
def test_a_fault_at_the_end_fails_a_class_and_no_unit_before_it(fault: str, method: str) -> None:
    status = render(same, LAST[fault], method, "class:3").status
    assert status != "done"
    words = {"nan": ("diverged", "not finite"), "dead": ("never rose",)}
    assert status.startswith(words.get(fault, ("no gradient", "unmoved: no gradient"))), status
    inner = render(same, LAST[fault], method, "rest.0:1").status
    assert inner == "done" or (method == "vital-reference" and inner.startswith("silent"))


@pytest.mark.parametrize(
    "method", [m for m in METHODS if m != "vital-reference"]
)  # which aligns, and does not drive
@pytest.mark.parametrize("factor", [1e30, 1e37])
def test_logits_beyond_what_squares_hold_are_the_cause(factor: float, method: str) -> None:
    status = render(same, lambda x: factor * x, method, "class:3").status
    assert status.startswith("unmoved")
    assert "gradients are so large" in status


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("unit", UNITS)
def test_steps_without_bounds_fail(unit: str, method: str) -> None:
    status = render(same, same, method, unit, lr=1e30).status
    assert status.startswith(("clipped", "diverged", "flat", "silent")), status


@pytest.mark.parametrize("method", ["pixels", "deep-inversion", "vital", "vital-scene", "vital-reference"])
@pytest.mark.parametrize("unit", UNITS)
def test_total_variation_without_bounds_fails(unit: str, method: str) -> None:
    status = render(same, same, method, unit, tv=1e38).status
    assert status.startswith(("unmoved", "diverged: ", "diverged at step 1")), status
    assert "lower tv" in status or "TotalVariation" in status


def test_a_network_that_passes_no_gradient_at_all_is_refused() -> None:
    class Blind(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            """Means of a picture that is cut off."""
            return x.detach().mean((2, 3)).repeat(1, 4)[:, :10]

    with pytest.raises(ModelError, match=r"^toy cannot be differentiated"):
        vital.render(toy.wrap(Blind()), "class:1", method="fourier", steps=2, progress=False)


def test_a_unit_fails_the_same_alone_and_in_company() -> None:
    model = toy.wrap(Changed(same, lambda x: x.detach()))
    how: dict[str, Any] = {"method": "fourier", "steps": 4, "progress": False}
    alone, (other, together) = (
        vital.render(model, "class:3", **how),
        vital.render(model, ["rest.0:1", "class:3"], **how),
    )
    assert (other.status, together.status) == ("done", alone[0].status)
    torch.testing.assert_close(together.image, alone[0].image, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_sound_network_is_done(method: str) -> None:
    assert render(same, same, method, "class:3").status == "done"


def test_a_value_that_never_rose_in_many_steps_is_told() -> None:
    found = [render(same, same, "deep-inversion", "class:3", steps=n, bn=1e3).status for n in (6, 40)]
    assert found[0] == "done"
    assert found[1].startswith("never rose: the unit's value on the picture is no higher than on its start")


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("method", "steps"),
    [("deep-inversion", 2), ("vital-reference", 2)]
    + [(method, 40) for method in ("deep-inversion", "vital-reference", "pixels", "vital")],
)
@pytest.mark.parametrize("tv", [1e6, 1e12])
def test_regularizers_that_leave_the_unit_nothing_fail(method: str, tv: float, steps: int, unit: str) -> None:
    status = render(same, same, method, unit, tv=tv, steps=steps).status
    assert status.startswith(("outweighed", "flat", "silent", "clipped", "never rose")), status


def test_a_unit_without_a_rule_does_not_stop_the_others() -> None:
    module = Changed(torch.round, same)
    model = vital.Model(module, size=(32, 32))
    images = vital.load_images(toy.images(6).numpy(), labels=[0, 1, 2, 3, 4, 0])
    made = vital.render(
        model, ["class:3", "rest.0:1"], method="vital-reference", images=images, steps=4, progress=False
    )
    assert [one.status.partition(":")[0] for one in made] == ["no gradient", "no rule"]
