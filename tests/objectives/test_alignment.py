from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests import toy
from vital import objectives as obj
from vital.errors import InvalidValueError, UnknownNameError
from vital.records import Template
from vital.tracing import Trace
from vital.utils.sorting import resize_quantiles, sort_matching, stable_argsort


@pytest.fixture
def toy_trace() -> Trace:
    return toy.trace(toy.model(), ["layer1", "layer2"], toy.images(2))


def oracle(act: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """Value and gradient by the published description, channel by channel, against all references every time.

    Per channel: sort the references' activations and average the sorted vectors; the synthetic activation of rank
    r is regressed on the r-th of them; mean over channels and places.
    """
    channels, places = act.shape
    value, gradient = torch.zeros((), dtype=act.dtype), torch.zeros_like(act)
    for c in range(channels):
        targets = [
            sum(float(sorted(r[c].tolist())[i]) for r in references) / len(references) for i in range(places)
        ]
        ranked = sorted(range(places), key=lambda i: (float(act[c, i]), i))
        for rank, i in enumerate(ranked):
            apart = act[c, i] - targets[rank]
            value = value + apart**2 / (channels * places)
            gradient[c, i] = 2 * apart / (channels * places)
    return value, gradient


def quantiles(references: Tensor) -> Tensor:
    return references.sort(dim=-1).values.mean(0)


@pytest.mark.parametrize("rectified", [False, True])
def test_value_and_gradient_equal_the_slow_oracle(rectified: bool) -> None:
    draw = torch.Generator().manual_seed(1)
    act = torch.randn(2, 5, 31, generator=draw, dtype=torch.float64)
    references = torch.randn(4, 5, 31, generator=draw, dtype=torch.float64) * 2 + 1
    if rectified:
        act, references = act.relu(), references.relu()
    act.requires_grad_()
    loss = sort_matching(act, quantiles(references))
    loss.sum().backward()
    for row in range(2):
        value, gradient = oracle(act[row].detach(), references)
        torch.testing.assert_close(loss[row].detach(), value, rtol=1e-9, atol=0)
        torch.testing.assert_close(act.grad[row], gradient, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_order_is_the_stable_one_with_ties_zeros_and_extremes(dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(3, 7, 64, generator=draw, dtype=dtype)
    x[0] = x[0].round()
    x[1, :, ::3] = 0.0
    x[1, :, 1::6] = -0.0
    x[2, 0, :3] = torch.tensor([float("inf"), -float("inf"), 1e-42])
    expected = torch.sort(x, dim=-1, stable=True).indices
    assert torch.equal(stable_argsort(x), expected)


def test_alignment_of_an_image_with_itself_is_zero(toy_trace: Trace) -> None:
    act = toy_trace["layer2"].flatten(2)
    term = obj.Alignment(Template({"layer2": act[0].sort(dim=-1).values}))
    loss = term(toy_trace)
    assert loss[0] == 0
    assert loss[1] > 0


def test_layers_without_weight_are_not_asked_for() -> None:
    template = Template({"a": torch.zeros(1, 4), "b": torch.zeros(1, 4)})
    assert obj.Alignment(template, {"a": 0.0, "b": 2.0}).layers == ("b",)


def test_without_weights_each_layer_counts_once(toy_trace: Trace) -> None:
    layers = {"layer1": torch.zeros(8, 64), "layer2": torch.zeros(16, 64)}
    both = obj.Alignment(Template(layers))(toy_trace)
    alone = [
        obj.Alignment(Template({name: values}), {name: 1.0})(toy_trace) for name, values in layers.items()
    ]
    torch.testing.assert_close(both, alone[0] + alone[1])


def test_units_of_one_template_are_compared_in_one_go() -> None:
    trace = toy.trace(toy.model(double=True), ["layer2"], toy.images(3))
    term = obj.Alignment(Template({"layer2": torch.linspace(-1, 3, 64).expand(16, -1)}))
    torch.testing.assert_close(obj.Alignment.stack([term] * 3)(trace), term(trace))


def test_variance_scale_divides_by_the_templates_variance(toy_trace: Trace) -> None:
    template = Template({"layer1": torch.linspace(-1, 3, 1024).expand(8, -1)})
    plain, scaled = obj.Alignment(template)(toy_trace), obj.Alignment(template, scale="variance")(toy_trace)
    torch.testing.assert_close(scaled, plain / template.variances["layer1"])


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_with_the_variance_scale_layers_of_any_magnitude_count_alike(toy_trace: Trace, scale: float) -> None:
    vectors = torch.linspace(-1, 3, 1024).expand(8, -1)
    act = replace(toy_trace, acts={"layer1": toy_trace["layer1"] * scale})
    found = obj.Alignment(Template({"layer1": vectors * scale}), scale="variance")(act)
    torch.testing.assert_close(
        found, obj.Alignment(Template({"layer1": vectors}), scale="variance")(toy_trace)
    )


def test_a_template_without_variance_counts_finitely() -> None:
    term = obj.Alignment(Template({"layer1": torch.ones(8, 16)}), {"layer1": 3.0}, scale="variance")
    assert term.factor("layer1") == pytest.approx(3e12)


def test_quantiles_are_interpolated_to_another_resolution() -> None:
    exact = torch.distributions.Normal(0.0, 1.0).icdf(torch.linspace(0.01, 0.99, 401))[None]
    coarse = resize_quantiles(exact, 101)
    assert coarse.shape == (1, 101)
    assert (coarse - exact[:, ::4]).abs().max() < 1e-4
    assert bool((coarse.diff() >= 0).all())


def test_wrong_settings_name_what_is_allowed(toy_trace: Trace) -> None:
    template = Template({"layer1": torch.zeros(3, 4)})
    with pytest.raises(UnknownNameError, match=r"unknown template layer 'layer11'; did you mean 'layer1'\?"):
        obj.Alignment(template, {"layer11": 1.0})
    with pytest.raises(InvalidValueError, match="scale 'std' is unknown; allowed are none, variance"):
        obj.Alignment(template, scale="std")
    with pytest.raises(
        InvalidValueError, match="the template's layer 'layer1' has 3 channels, the network's has 8"
    ):
        obj.Alignment(template)(toy_trace)
