"""Units that compete are rendered by the ordinary methods, and a unit that loses is woken."""

import pytest
import torch
from torch import Tensor, nn

import vital
from tests.toy import network
from vital.lwta import convert
from vital.lwta.layers import winners
from vital.models import Model
from vital.tracing import Tracer


def pictures(count: int = 12) -> Tensor:
    """Smooth random pictures."""
    few = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return nn.functional.interpolate(few, (16, 16), mode="bicubic").clamp(0, 1)


def competing() -> Model:
    """A small network whose batch norm knows the pictures, so that most units win somewhere."""
    module = convert(network(), 4).train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(40):
            module(pictures())
    return Model(module.eval(), "toy", (16, 16))


def value(model: Model, unit: str, picture: Tensor) -> float:
    (one,) = model.units(unit)
    with torch.no_grad(), Tracer(model, [one.layer]) as tracer:
        return float(tracer(picture[None]).read(one))


ASKED = {
    "act2:5": ("vital", "fourier"),
    "act2:3": ("maco", "pixels", "deep-inversion", "vital-reference"),  # most leave act2:5 asleep
}


@pytest.mark.parametrize(
    ("unit", "method"), [(unit, name) for unit, names in ASKED.items() for name in names]
)
def test_a_prototype_of_a_competing_unit_is_rendered(unit: str, method: str) -> None:
    model = competing()
    bank = vital.build_bank(model, ["act2"], vital.load_images(pictures()), disk=False, progress=False)
    made, again = (
        vital.render(model, [unit], bank=bank, method=method, steps=100, progress=False)[0] for _ in range(2)
    )
    assert made.status == "done"
    assert made.provenance["value"] > 0
    assert torch.equal(made.image, again.image)


def test_a_unit_that_loses_everywhere_is_woken() -> None:
    model = competing()
    grey = torch.full((1, 3, 16, 16), 0.5)
    with torch.no_grad():
        model.module.norm2.bias[5] -= 1.5  # type: ignore[union-attr,operator,index]
        with Tracer(model, ["norm2"]) as tracer:
            assert not winners(tracer(grey)["norm2"], 4)[:, 5].any()
    start = vital.params.Pixels(16)
    found = vital.optimize(model, vital.objectives.Channel("act2:5"), start, steps=150, progress=False)
    assert value(model, "act2:5", found.images[0]) > 0
