"""Networks in half precision: every method, whole networks and autocast."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import vital
from tests import toy
from vital.attribution import relevance
from vital.errors import InvalidValueError
from vital.models import Model
from vital.objectives import Alignment, Channel
from vital.optim import Optimizer, optimize
from vital.records import Template
from vital.tracing import Trace, Tracer
from vital.types import PerImage

HALF = (torch.bfloat16, torch.float16)


def halved(dtype: torch.dtype, *, autocast: bool, tokens: bool = False) -> Model:
    """A network in half precision, or one that computes in it."""
    model = toy.token_model() if tokens else toy.model()
    if autocast:
        return replace(model, autocast=dtype)
    model.module.to(dtype)
    return model


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("method", list(vital.METHODS))
def test_every_method_renders_networks_in_half_precision(
    method: str, dtype: torch.dtype, autocast: bool, tokens: bool
) -> None:
    if tokens and method == "deep-inversion":
        pytest.skip("it needs batch norm")
    model = halved(dtype, autocast=autocast, tokens=tokens)
    images = vital.load_images(toy.images(12).float(), labels=[i % 3 for i in range(12)])
    units = ["class:1", "block1:3#patches" if tokens else "act2:3"]
    made = vital.render(model, units, method=method, images=images, steps=3, progress=False)
    assert all(p.status == "done" or p.status.startswith("silent") for p in made)
    assert all(p.image.dtype == torch.float32 and bool(torch.isfinite(p.image).all()) for p in made)


@pytest.mark.parametrize("autocast", [False, True])
def test_pictures_in_bfloat16_are_those_in_float32_but_for_rounding(autocast: bool) -> None:
    given = {"method": "fourier", "steps": 8, "progress": False}
    single = vital.render(toy.model(), "act2:3", **given)[0].image  # type: ignore[arg-type]
    half = vital.render(halved(torch.bfloat16, autocast=autocast), "act2:3", **given)[0].image  # type: ignore[arg-type]
    assert 0 < float((single - half).abs().mean()) < 0.02


def test_activations_losses_and_the_canvas_are_float32() -> None:
    model = halved(torch.bfloat16, autocast=False)
    with Tracer(model, ["layer2"]) as tracer:
        trace = tracer(toy.images(2).float())
    assert trace["layer2"].dtype == trace.input.dtype == torch.float32
    assert Channel("layer2:1")(trace).dtype == torch.float32
    made = optimize(model, Channel("layer2:1"), toy.Canvas(), steps=2)
    assert made.images.dtype == made.losses["total"].dtype == torch.float32


def test_a_network_that_overflows_in_float16_says_so() -> None:
    def loud() -> Model:
        model = toy.model()
        with torch.no_grad():
            model.module.get_submodule("layer1").weight.mul_(1e6)  # type: ignore[operator]
        return model

    made = optimize(replace(loud(), autocast=torch.float16), Channel("layer1:1"), toy.Canvas(), steps=2)
    assert made.status == (
        "diverged at step 1; float16 overflows above 65504, so compute in bfloat16 or float32",
    )
    fine = optimize(
        replace(loud(), autocast=torch.bfloat16),
        Channel("layer1:1"),
        toy.Canvas(),
        steps=2,
        optimizer=Optimizer(1e-3),
    )
    assert fine.status == ("done",)


@pytest.mark.parametrize("name", ["bf16", "bfloat16", torch.bfloat16])
def test_the_type_to_compute_in_is_recorded_and_tells_networks_apart(name: str | torch.dtype) -> None:
    model = vital.load_model(toy.network(), size=32, dtype=name)
    assert model.autocast == torch.bfloat16
    assert model.dtype == torch.float32
    assert model.precision == "bfloat16 (autocast)"
    from vital.models.identity import identity, network

    assert identity(model)["dtype"] == "bfloat16 (autocast)"
    assert network(model) != network(replace(model, autocast=None))


def test_other_types_move_the_weights_and_unknown_ones_are_a_sentence() -> None:
    assert vital.load_model(toy.network(), size=32, dtype="float64").dtype == torch.float64
    with pytest.raises(InvalidValueError) as caught:
        vital.load_model(toy.network(), size=32, dtype="int8")
    allowed = "float32, float64, bfloat16, float16, bf16, fp16"
    assert str(caught.value) == f"dtype is 'int8'; allowed are {allowed}"
    with pytest.raises(InvalidValueError, match=r"autocast is torch\.float32; allowed are"):
        replace(toy.model(), autocast=torch.float32)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("rule", ["zplus", "alphabeta"])
def test_relevance_in_half_precision_is_that_in_float32(
    rule: str, dtype: torch.dtype, autocast: bool
) -> None:
    images, layers = toy.images(2).float(), ["act1", "act2"]
    exact = relevance(toy.model(), images, "class:3", layers, rule)
    rounded = relevance(halved(dtype, autocast=autocast), images, "class:3", layers, rule)
    for layer in layers:
        alike = torch.nn.functional.cosine_similarity(exact[layer].flatten(), rounded[layer].flatten(), 0)
        assert alike > 0.97
        torch.testing.assert_close(rounded[layer].sum(), exact[layer].sum(), rtol=0.1, atol=0)


@pytest.mark.parametrize("autocast", [False, True])
def test_small_gradients_stand_in_float16(autocast: bool) -> None:
    def wide() -> Model:
        return toy.wrap(toy.seeded(torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3, padding=1))), size=128)

    def gradient(model: Model) -> torch.Tensor:
        template = Template({"0": torch.linspace(-1, 1, 128 * 128).repeat(64, 1)})
        return optimize(model, Alignment(template), toy.Canvas(128), steps=1).alpha[0].flatten()

    model = replace(wide(), autocast=torch.float16)
    if not autocast:
        model = wide()
        model.module.half()
    exact, rounded = gradient(wide()), gradient(model)
    assert torch.nn.functional.cosine_similarity(exact, rounded, 0) > 0.99
    torch.testing.assert_close(rounded.mean(), exact.mean(), rtol=0.05, atol=0)


def test_another_type_replaces_the_one_before() -> None:
    half = vital.load_model(toy.network(), size=32, dtype="bf16")
    assert vital.load_model(half, dtype="float32").precision == "float32"
    double = vital.load_model(toy.network(), size=32, dtype="float64")
    assert vital.load_model(double, dtype="bf16").precision == "bfloat16 (autocast)"
    assert vital.load_model(double, dtype="bf16").dtype == torch.float32


def test_a_term_that_gives_no_number_is_named_in_float16_too() -> None:
    class NoNumber(Channel):
        def __call__(self, trace: Trace) -> PerImage:
            return Channel.__call__(self, trace) * float("nan")

    made = optimize(replace(toy.model(), autocast=torch.float16), NoNumber("layer2:1"), toy.Canvas(), steps=1)
    assert made.status == ("diverged at step 1: NoNumber('layer2:1') gave numbers that are not finite",)


def test_a_picture_says_in_what_it_was_computed() -> None:
    model = replace(toy.model(), autocast=torch.bfloat16, channels_last=True)
    made = vital.render(model, "class:1", method="fourier", steps=2, progress=False)[0]
    assert made.provenance["precision"] == "bfloat16 (autocast), channels_last"
