"""A canvas of any size, seen by the network at its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import vital
from tests import toy
from vital.rendering import METHODS
from vital.rendering.methods.base import Plan, plan_for
from vital.transforms import Resize

FITTING = [name for name in METHODS if name != "maco"]  # whose crops have the network's size as they are


def of_one_size() -> vital.Model:
    """A network with a flattened head, which takes 32 x 32 alone."""
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 16 * 16, 5)
    )
    return toy.wrap(toy.seeded(net))


@pytest.mark.parametrize("size", [16, 48])
@pytest.mark.parametrize("name", FITTING)
def test_a_network_of_one_size_is_shown_a_canvas_of_another(name: str, size: int) -> None:
    model, images = (
        of_one_size(),
        vital.load_images(toy.images(12).float(), labels=[i % 5 for i in range(12)]),
    )
    made = vital.render(
        model,
        ["class:1", "class:3"],
        method=name,
        images=images,
        size=size,
        fit=True,
        steps=2,
        progress=False,
    )
    for one in made:
        assert one.status == "done"
        assert one.image.shape == (3, size, size)
        shown = torch.nn.functional.interpolate(one.image[None], (32, 32), mode="bicubic", antialias=True)
        assert one.provenance["options"]["fit"] is True
        assert one.provenance["value"] == pytest.approx(
            float(toy.trace(model, [one.unit.layer], shown.clamp(0, 1)).read(one.unit)), rel=1e-3, abs=1e-4
        )
        assert "value_at_network_size" not in one.provenance


def test_at_the_networks_own_size_fitting_changes_nothing() -> None:
    model, how = toy.model(), {"method": "fourier", "steps": 3, "progress": False}
    (plain,), (fitting,) = (vital.render(model, "class:1", fit=fit, **how) for fit in (False, True))
    assert torch.equal(plain.image, fitting.image)


def test_fitting_is_the_same_as_a_last_transform_of_that_size() -> None:
    model, method = toy.model(double=True), vital.make_method("pixels", size=24, steps=3, fit=True)
    (one,) = vital.render(model, "class:1", method=method, progress=False)
    plan: Plan = plan_for(method, model, [model.unit("class:1")], None, 0)
    assert plan.fit
    own: Any = vital.optimize(
        model,
        plan.terms,
        plan.parameterization,
        [*plan.transforms, Resize(size=32)],
        steps=3,
        optimizer=plan.optimizer,
        redirect=plan.redirect,
        keys=["class:1"],
    )
    assert torch.equal(own.images[0], one.image)


def test_a_coarse_beginning_is_seen_at_the_networks_size() -> None:
    model, images = (
        of_one_size(),
        vital.load_images(toy.images(12).float(), labels=[i % 5 for i in range(12)]),
    )
    method = vital.make_method("vital", size=24, steps=4, fit=True)
    bank = vital.build_bank(model, ["2"], images, disk=False)
    (one,) = vital.render(model, "2:3", method=method, bank=bank, progress=False)
    assert "unused" not in one.provenance
    plan = plan_for(method, model, [model.unit("2:3")], bank, 0)
    assert plan.parameterization.coarse == method.coarse  # type: ignore[attr-defined]
