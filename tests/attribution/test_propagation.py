"""The public surface: starts, layers, rows, purity, and gradients beside relevance."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests import toy
from vital.attribution import propagate, relevance, relevance_of, start_at
from vital.attribution.start import STARTS
from vital.errors import InvalidValueError, UnitError, UnknownNameError
from vital.models import Model
from vital.tracing import Tracer
from vital.types import Images

LAYERS = ["layer1", "act1", "<norm3"]
TOKENS = ["block1", "patches", "<block2"]


def recorded(model: Model, images: Images, *layers: str) -> Tracer:
    """A trace that carries its tape."""
    with Tracer(model, layers, record=True) as tracer:
        return tracer(images.to(model.dtype).requires_grad_())


@pytest.mark.parametrize("double", [False, True])
def test_relevance_has_the_shape_of_the_activations(double: bool) -> None:
    for model, unit, layers in (
        (toy.model(double=double), "act3:8", LAYERS),
        (toy.token_model(double=double), "block2:2#patches", TOKENS),
    ):
        made = relevance(model, toy.images(3), unit, layers)
        trace = toy.trace(model, layers, toy.images(3))
        assert list(made) == layers
        for name in layers:
            assert made[name].shape == trace[name].shape
            assert made[name].dtype == model.dtype
            assert not made[name].requires_grad
            assert made[name].abs().max() > 0


def test_the_layer_of_the_unit_itself_holds_the_start() -> None:
    made = relevance(toy.model(), toy.images(2), "act3:8", ["act3", "layer1"])
    trace = toy.trace(toy.model(), ["act3"], toy.images(2))
    torch.testing.assert_close(made["act3"], start_at(trace, "act3:8"))
    assert made["layer1"].abs().max() > 0


def test_a_layer_gets_the_same_relevance_whichever_others_are_wanted() -> None:
    alone = relevance(toy.model(), toy.images(2), "class:2", ["act2"])["act2"]
    among = relevance(toy.model(), toy.images(2), "class:2", ["layer1", "act3", "act2", "<norm2"])["act2"]
    assert torch.equal(alone, among)


def test_starts() -> None:
    trace = toy.trace(toy.model(double=True), ["act2", "class"], toy.images(2))
    act = trace["act2"]
    everywhere = start_at(trace, "act2:5")
    assert torch.equal(everywhere[:, 5], act[:, 5])
    assert not everywhere[:, [i for i in range(16) if i != 5]].any()
    place = start_at(trace, "act2:5@2,3")
    assert torch.equal(place[:, 5, 2, 3], act[:, 5, 2, 3])
    assert torch.equal(place.flatten(1).sum(1), act[:, 5, 2, 3])
    assert torch.equal(start_at(trace, "class:3")[:, 3], trace["class"][:, 3])
    assert torch.equal(start_at(trace, "act2:5", "waking"), everywhere)  # behind a ReLU nothing is negative
    silent = replace(trace, acts={**trace.acts, "act2": -trace["act2"]})
    assert torch.equal(start_at(silent, "act2:5", "waking"), start_at(trace, "act2:5", "one"))
    ones = start_at(trace, "act2:5@2,3", "one")
    assert (ones[:, 5, 2, 3] == 1).all()
    assert ones.sum() == 2


def test_the_restricted_start_is_one_at_the_most_exclusive_place() -> None:
    trace = toy.trace(toy.model(double=True), ["act2"], toy.images(2))
    made = start_at(trace, "act2:5", "restricted")
    for row, act in enumerate(trace["act2"]):
        best, where = -1.0, (0, 0)
        for y in range(act.shape[1]):
            for x in range(act.shape[2]):
                vector = act[:, y, x]
                cosine = (vector[5] / max(vector.norm().item(), 1e-300)).item()
                if cosine > best:
                    best, where = cosine, (y, x)
        assert made[row, 5, where[0], where[1]] == 1
        assert made[row].sum() == 1


VECTORS = torch.stack([torch.linspace(-1, 1, 16), torch.eye(16)[5], -torch.eye(16)[5]])


@pytest.fixture
def file(tmp_path: Path) -> str:
    save_file({"rows": VECTORS}, tmp_path / "d.safetensors")
    return str(tmp_path / "d.safetensors")


def test_a_direction_starts_with_what_each_channel_adds_at_each_place(file: str) -> None:
    trace = toy.trace(toy.model(double=True), ["norm2"], toy.images(2))
    made, ones = (start_at(trace, f"{file}:0@norm2", start) for start in ("activation", "one"))
    restricted = start_at(trace, f"{file}:0@norm2", "restricted")
    for row, act in enumerate(trace["norm2"]):
        value, best, where = 0.0, -2.0, (0, 0)
        for y in range(act.shape[1]):
            for x in range(act.shape[2]):
                vector = [act[c, y, x].item() for c in range(16)]
                length = sum(a * a for a in vector) ** 0.5
                along = 0.0
                for c in range(16):
                    v = VECTORS[0, c].item()
                    along += v * vector[c]
                    assert made[row, c, y, x].item() == pytest.approx(v * vector[c], abs=1e-12)
                    assert ones[row, c, y, x].item() == max(v, 0.0)
                value += along
                if along / length > best:
                    best, where = along / length, (y, x)
        assert made[row].sum().item() == pytest.approx(value)
        assert torch.equal(restricted[row, :, *where], VECTORS[0].double().clamp(min=0))
        assert restricted[row].sum().item() == pytest.approx(VECTORS[0].clamp(min=0).sum().item())


@pytest.mark.parametrize("start", STARTS)
def test_a_unit_or_direction_at_one_position_starts_there_alone(file: str, start: str) -> None:
    trace = toy.trace(toy.model(double=True), ["norm2"], toy.images(2))
    for unit in ("norm2:4", "norm2:5", f"{file}:0@norm2", f"{file}:1@norm2"):
        whole, made = (start_at(trace, f"{unit}{place}", start) for place in ("", "@2,3"))
        if start in ("activation", "one"):
            assert torch.equal(made[..., 2, 3], whole[..., 2, 3])
        assert made[..., 2, 3].any()
        made[..., 2, 3] = 0
        assert not made.any()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_unit_that_wakes_nowhere_starts_with_ones_and_any_other_with_what_is_positive(sign: int) -> None:
    trace = toy.trace(toy.model(double=True), ["norm2"], toy.images(2))
    act = sign * trace["norm2"].clone()
    act[0] = -act[0].abs()
    act[1, 5, 0, 0] = 1.0
    made = start_at(replace(trace, acts={**trace.acts, "norm2": act}), "norm2:5", "waking")
    assert (made[0, 5] == 1).all()
    assert torch.equal(made[1, 5], act[1, 5].clamp(min=0))
    assert made.sum() == made[:, 5].sum()


@pytest.mark.parametrize("start", STARTS)
def test_directions_that_share_the_images_start_as_each_alone(file: str, start: str) -> None:
    model, units = toy.model(double=True), [f"{file}:{i}@norm2" for i in (0, 1)]
    trace = toy.trace(model, ["norm2"], toy.images(6))
    together = start_at(trace, model.units(units), start)
    apart = [start_at(trace.rows(3 * i, 3 * i + 3), unit, start) for i, unit in enumerate(units)]
    assert torch.equal(together, torch.cat(apart))


@pytest.mark.parametrize("start", ["activation", "one", "restricted"])
def test_the_direction_of_one_channel_starts_as_that_channel(file: str, start: str) -> None:
    trace = toy.trace(toy.model(double=True), ["act2"], toy.images(2))
    assert torch.equal(start_at(trace, f"{file}:1@act2", start), start_at(trace, "act2:5", start))
    along = relevance(toy.model(), toy.images(2), f"{file}:1@act2", ["layer1"], start=start)["layer1"]
    channel = relevance(toy.model(), toy.images(2), "act2:5", ["layer1"], start=start)["layer1"]
    torch.testing.assert_close(along, channel)
    assert channel.abs().max() > 0


def test_a_direction_that_relevance_cannot_start_from_is_one_sentence(file: str) -> None:
    trace = toy.trace(toy.model(), ["act2", "act1"], toy.images(1))
    with pytest.raises(
        InvalidValueError, match=r":2@act2 has no entry above 0 for relevance to start with; allowed"
    ):
        start_at(trace, f"{file}:2@act2", "one")
    with pytest.raises(InvalidValueError, match=r":0@act1 has 16 entries, and layer 'act1' has 8 channels"):
        start_at(trace, f"{file}:0@act1")


def test_the_restricted_start_of_an_output_is_the_output_itself() -> None:
    trace = toy.trace(toy.model(), ["class"], toy.images(2))
    assert torch.equal(start_at(trace, "class:3", "restricted"), start_at(trace, "class:3", "one"))


def test_token_starts_are_where_they_are_asked_for() -> None:
    trace = toy.trace(toy.token_model(double=True), ["block1"], toy.images(2))
    act = trace["block1"][:, 3]
    for tokens, places in (("cls", slice(0, 1)), ("patches", slice(1, None)), ("all", slice(None))):
        made = start_at(trace, f"block1:3#{tokens}")[:, 3]
        assert torch.equal(made[:, places], act[:, places])
        torch.testing.assert_close(made.sum(1), act[:, places].sum(1), rtol=1e-14, atol=1e-14)
    restricted = start_at(trace, "block1:3#patches", "restricted")
    assert not restricted[:, :, 0].any()
    assert restricted.sum() == 2


@pytest.mark.parametrize(("unit", "layers"), [("act3:8", LAYERS), ("class:1", LAYERS)])
def test_in_float64_company_changes_the_relevance_of_an_image_by_rounding_alone(
    unit: str, layers: list[str]
) -> None:
    images = toy.images(3)
    together = relevance(toy.model(double=True), images, unit, layers)
    for row in range(3):
        alone = relevance(toy.model(double=True), images[row : row + 1], unit, layers)
        for name in layers:
            torch.testing.assert_close(together[name][row : row + 1], alone[name], rtol=1e-11, atol=1e-14)


def test_in_float32_an_image_has_the_same_relevance_in_any_company_up_to_rounding() -> None:
    for model, unit, layers in (
        (toy.model(), "class:2", LAYERS),
        (toy.token_model(), "block2:1#cls", TOKENS),
    ):
        together = relevance(model, toy.images(3), unit, layers)
        alone = relevance(model, toy.images(3)[1:2], unit, layers)
        for name in layers:
            torch.testing.assert_close(together[name][1:2], alone[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("double", [False, True])
def test_rows_of_a_trace_have_the_relevance_of_their_own_unit(double: bool) -> None:
    model, images = toy.model(double=double), toy.images(4)
    trace = recorded(model, images, "act3", *LAYERS)
    starts = torch.cat([start_at(trace.rows(i, i + 2), f"act3:{4 + i}") for i in (0, 2)])
    joint = propagate(trace, {"act3": starts}, LAYERS)
    for i in (0, 2):
        part = relevance_of(trace.rows(i, i + 2).rows(0, 2), f"act3:{4 + i}", LAYERS)
        alone = relevance(model, images[i : i + 2], f"act3:{4 + i}", LAYERS)
        for name in LAYERS:
            torch.testing.assert_close(part[name], alone[name], rtol=1e-3, atol=1e-6)
            torch.testing.assert_close(joint[name][i : i + 2], alone[name], rtol=1e-3, atol=1e-6)


def test_relevance_from_two_layers_adds_up() -> None:
    trace = recorded(toy.model(double=True), toy.images(2), "act3", "act2", "layer1")
    starts = {"act3": start_at(trace, "act3:4"), "act2": start_at(trace, "act2:4")}
    both = propagate(trace, starts, ["layer1"])["layer1"]
    single = [propagate(trace, {name: r}, ["layer1"])["layer1"] for name, r in starts.items()]
    torch.testing.assert_close(both, single[0] + single[1])


def test_nothing_of_the_network_changes() -> None:
    model = toy.model()
    model.module.train()
    model.module.norm2.eval()
    model.module.layer2.weight.requires_grad_(requires_grad=False)
    before = {k: v.clone() for k, v in model.module.state_dict().items()}
    modes = [m.training for m in model.module.modules()]
    flags = [p.requires_grad for p in model.module.parameters()]
    images = toy.images(2)
    kept = images.clone()
    first = relevance(model, images, "class:1", LAYERS, "gamma")
    second = relevance(model, images, "class:1", LAYERS, "gamma")
    assert all(torch.equal(first[name], second[name]) for name in LAYERS)
    assert all(torch.equal(v, before[k]) for k, v in model.module.state_dict().items())
    assert [m.training for m in model.module.modules()] == modes
    assert [p.requires_grad for p in model.module.parameters()] == flags
    assert all(p.grad is None for p in model.module.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())
    assert torch.equal(images, kept)
    assert not images.requires_grad


def test_changed_weights_are_seen() -> None:
    model = toy.model()
    with Tracer(model, ["act3", "layer1"], record=True) as tracer:
        before, after = [], []
        for found in (before, after):
            trace = tracer(toy.images(2).float())
            found.append(relevance_of(trace, "act3:4", ["layer1"], start="one")["layer1"])
            with torch.no_grad():
                model.module.layer3.weight.neg_()
    assert not torch.allclose(before[0], after[0])
    model.module.layer3.weight.data = -model.module.layer3.weight.data
    again = relevance(model, toy.images(2), "act3:4", ["layer1"], start="one")["layer1"]
    torch.testing.assert_close(again, after[0])


@pytest.mark.parametrize("double", [False, True])
def test_the_gradient_of_a_loss_is_there_after_the_relevance_and_the_same(double: bool) -> None:
    found = []
    for record in (False, True):
        model = toy.token_model(double=double)
        image = toy.images(2).to(model.dtype).requires_grad_()
        with Tracer(model, ["block2", "block1", "patches"], record=record) as tracer:
            trace = tracer(image)
            weight = 1.0
            if record:
                made = relevance_of(trace, "block2:1#patches", ["block1", "patches"])
                assert not any(r.requires_grad for r in made.values())
            loss = (weight * trace["block1"].square()).mean() + trace["block2"].mean()
            found.append(torch.autograd.grad(loss, image)[0])
    assert torch.equal(*found)


def test_relevance_runs_without_gradients_too() -> None:
    with torch.no_grad():
        made = relevance(toy.model(), toy.images(2), "act3:8", ["layer1"])
        trace = toy.trace(toy.model(), [], toy.images(1))
        assert trace.run is not None
        assert trace.run.tape is None
        with Tracer(toy.model(), ["act3", "layer1"], record=True) as tracer:
            other = relevance_of(tracer(toy.images(2).float()), "act3:8", ["layer1"])
    assert made["layer1"].abs().max() > 0
    assert torch.equal(made["layer1"], other["layer1"])


class Last(nn.Module):
    """Channels last in between."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.conv, self.turned, self.head = nn.Conv2d(3, 5, 4, 4), nn.Linear(5, 6), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        y: Tensor = self.head(self.turned(self.conv(x).permute(0, 2, 3, 1)).relu()).mean((1, 2))
        return y


def test_a_layer_with_its_channels_last_is_turned() -> None:
    model = toy.wrap(toy.seeded(Last()), double=True)
    made = relevance(model, toy.images(2), "turned:1", ["conv", "<turned"])
    assert made["conv"].shape == (2, 5, 8, 8)
    torch.testing.assert_close(made["conv"], made["<turned"])
    start = start_at(toy.trace(model, ["turned"], toy.images(2)), "turned:1")
    torch.testing.assert_close(made["conv"].sum(1), start.sum(1))


def test_what_cannot_be_asked() -> None:
    model, images = toy.model(), toy.images()
    with pytest.raises(InvalidValueError, match="'class' is not before act2"):
        relevance(model, images, "act2:1", ["layer1", "class"])
    with pytest.raises(
        InvalidValueError, match="start is 'onehot'; allowed are activation, waking, one, restricted"
    ):
        relevance(model, images, "act2:1", ["layer1"], start="onehot")
    with pytest.raises(UnknownNameError, match="did you mean 'gamma'"):
        relevance(model, images, "act2:1", ["layer1"], "gama")
    with pytest.raises(UnknownNameError, match="'layer1'"):
        relevance(model, images, "act2:1", ["layer11"])
    with pytest.raises(UnitError):
        relevance(model, images, "act2:99", ["layer1"])
    plain = toy.trace(model, ["act2", "layer1"], images)
    with pytest.raises(InvalidValueError, match="record=True"):
        relevance_of(plain, "act2:1", ["layer1"])
    with pytest.raises(InvalidValueError, match="'layer1' was not watched"):
        relevance_of(recorded(model, images, "act2"), "act2:1", ["layer1"])
    with pytest.raises(InvalidValueError, match="watched"):
        propagate(recorded(model, images, "act2"), {"layer1": torch.zeros(1, 8, 16, 16)}, ["act2"])
    with pytest.raises(InvalidValueError, match=r"\(1, 3\).*\(1, 16, 8, 8\)"):
        propagate(recorded(model, images, "act2"), {"act2": torch.zeros(1, 3)}, ["act2"])
    with pytest.raises(InvalidValueError, match="nowhere to start"):
        propagate(recorded(model, images, "act2"), {}, ["act2"])


def test_a_network_without_an_operation_between_is_its_own_relevance() -> None:
    model = toy.wrap(nn.Sequential(OrderedDict(a=nn.Conv2d(3, 4, 3), b=nn.Identity(), c=nn.Dropout())))
    made = relevance(model, toy.images(), "c:1", ["a", "b"])
    torch.testing.assert_close(made["a"], start_at(toy.trace(model, ["c"], toy.images()), "c:1"))
    assert torch.equal(made["a"], made["b"])
