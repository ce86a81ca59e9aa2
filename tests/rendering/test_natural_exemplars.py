"""Exemplars and their heat, against sums over images and pixels, and a network whose pixels are known."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import vital
from tests import toy
from vital.attribution import OPERATIONS, NoRuleError, gradient_times_activation, relevance
from vital.errors import InvalidValueError
from vital.models import Model
from vital.rendering.natural_exemplars import FALLBACK, Exemplar, Exemplars, exemplars, heat_maps
from vital.types import Images
from vital.utils.drawing import to_pil

MODEL = toy.model(double=True)


@pytest.fixture(scope="module")
def bank() -> vital.ReferenceBank:
    return vital.build_bank(MODEL, ["act2", "act3"], vital.load_images(toy.images(24).float()), disk=False)


def heat_of(reached: Tensor) -> list[list[float]]:
    """Pixel by pixel: the positive part of the sum over colors, over the largest."""
    sums = [[max(0.0, sum(reached[:, y, x].tolist())) for x in range(32)] for y in range(32)]
    top = max(max(row) for row in sums)
    return [[value / top for value in row] for row in sums]


def test_exemplars_are_the_strongest_images_with_their_values_and_names(bank: vital.ReferenceBank) -> None:
    found = exemplars(bank, "act3:8", 5, batch=2)
    wanted = bank.strongest("act3:8", 5)
    act = toy.trace(MODEL, ["act3"], bank.tensor(wanted))["act3"][:, 8].mean((1, 2))
    assert [e.index for e in found] == wanted
    assert [e.name for e in found] == [bank.images.names[i] for i in wanted]
    assert [e.value for e in found] == pytest.approx(act.tolist())
    assert {(str(e.unit), e.of, e.by) for e in found} == {("act3:8", "activation", "lrp zplus")}
    assert torch.equal(torch.stack([e.image for e in found]), bank.tensor(wanted))


def test_images_that_can_no_longer_be_read_are_left_out(tmp_path: Path) -> None:
    for i, image in enumerate(toy.images(12)):
        to_pil(image).save(tmp_path / f"{i:02}.png")
    own = vital.build_bank(MODEL, ["act3"], vital.load_images(tmp_path), disk=False)
    lost, *rest = own.strongest("act3:8", 4)
    wanted = exemplars(own, "act3:8", 4)
    (tmp_path / own.images.names[lost]).write_bytes(b"no picture")
    found = exemplars(own, "act3:8", 4)
    assert [e.index for e in found] == rest
    for e, before in zip(found, wanted[1:], strict=True):
        assert (e.name, e.value) == (own.images.names[e.index], pytest.approx(before.value))
        assert torch.equal(e.image, before.image)
        torch.testing.assert_close(e.heat, before.heat)
    for e in exemplars(own, "act3:8", 4, by="relevance", for_unit="class:1"):
        assert e.index != lost
        assert torch.equal(e.image, own.tensor([e.index])[0])


@pytest.mark.parametrize("rule", ["zplus", "epsilon"])
def test_heat_is_the_positive_relevance_of_the_pixels_over_the_largest(
    rule: str, bank: vital.ReferenceBank
) -> None:
    (best,) = exemplars(bank, "act3:8", 1, rule=rule)
    reached = relevance(MODEL, best.image[None], "act3:8", ["<layer1"], rule)["<layer1"][0]
    torch.testing.assert_close(
        best.heat.double(), torch.tensor(heat_of(reached)).double(), atol=1e-6, rtol=1e-4
    )
    assert best.heat.max() == 1
    assert best.by == f"lrp {rule}"


class Odd(nn.Module):
    """An operation that relevance has no rule for."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.erf(x).cumsum(1)


def without_rule() -> Model:
    net = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3, padding=1), odd=Odd(), relu=nn.ReLU()))
    return toy.wrap(toy.seeded(net), double=True)


def test_without_a_rule_heat_and_ranking_are_gradient_times_activation_and_say_so() -> None:
    model = without_rule()
    bank = vital.build_bank(model, ["odd", "relu"], vital.load_images(toy.images(9).float()), disk=False)
    with pytest.raises(NoRuleError):
        relevance(model, toy.images(1), "relu:2", ["<conv"])
    (best,) = exemplars(bank, "relu:2", 1)
    reached = gradient_times_activation(model, best.image[None], "relu:2", ["<conv"])["<conv"][0]
    torch.testing.assert_close(
        best.heat.double(), torch.tensor(heat_of(reached)).double(), atol=1e-6, rtol=1e-4
    )
    assert best.by == FALLBACK == "gradient x activation"
    assert "lrp" not in best.of


def test_by_relevance_ranks_candidates_by_the_channels_relevance_for_its_reader(
    bank: vital.ReferenceBank,
) -> None:
    found = exemplars(bank, "act2:3", 4, by="relevance", for_unit="class:2", candidates=6)
    pool = {*bank.strongest("act2:3", 6), *bank.strongest("class:2", 6)}
    value = {}
    for i in pool:
        made = relevance(MODEL, bank.tensor([i]), "class:2", ["act2"])["act2"]
        value[i] = sum(made[0, 3].flatten().tolist())
    assert [e.index for e in found] == sorted(value, key=lambda i: -value[i])[:4]
    assert [e.value for e in found] == pytest.approx(sorted(value.values(), reverse=True)[:4])
    assert {(e.of, e.by) for e in found} == {("lrp zplus for class:2", "lrp zplus")}
    assert [e.index for e in found] != bank.strongest("act2:3", 4)


@pytest.mark.parametrize("target", ["class:2", "predicted"])
def test_by_relevance_ranks_all_images_where_no_candidates_are_asked_for(
    bank: vital.ReferenceBank, target: str
) -> None:
    found, expected = exemplars(bank, "act2:3", 4, by="relevance", for_unit=target), {}
    for i in range(24):
        logits = toy.trace(MODEL, ["class"], bank.tensor([i]))["class"]
        own = f"class:{int(logits.argmax())}" if target == "predicted" else target
        expected[i] = relevance(MODEL, bank.tensor([i]), own, ["act2"])["act2"][0, 3].sum().item()
    assert [e.index for e in found] == sorted(expected, key=lambda i: -expected[i])[:4]
    assert [e.value for e in found] == pytest.approx([expected[e.index] for e in found], rel=1e-5)
    assert {e.of for e in found} == {f"lrp zplus for {target}"}
    assert [e.value for e in exemplars(bank, "act2:3@1,1", 2, by="relevance", for_unit="class:2")]


def test_without_a_rule_all_images_are_ranked_by_gradient_times_activation(
    bank: vital.ReferenceBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(OPERATIONS.entries, "relu")
    found, expected = exemplars(bank, "act2:3", 4, by="relevance", for_unit="class:2", rule="gamma"), {}
    for i in range(24):
        made = gradient_times_activation(MODEL, bank.tensor([i]), "class:2", ["act2"])["act2"]
        expected[i] = made[0, 3].sum().item()
    assert [e.index for e in found] == sorted(expected, key=lambda i: -expected[i])[:4]
    assert {e.of for e in found} == {f"{FALLBACK} for class:2"}
    with pytest.raises(NoRuleError):
        exemplars(bank, "class:2", 1, conditions=["act2:3"])


def test_heat_under_conditions_is_what_passes_through_them(bank: vital.ReferenceBank) -> None:
    image = bank.tensor([5])
    heat, how = heat_maps(MODEL, image, "act3:8", conditions=["act2:0-3", "act1:1"])
    assert how == "lrp zplus through act2:0, act2:1, act2:2, act2:3, act1:1"
    reached = relevance(MODEL, image, "act3:8", ["<layer1"], conditions=["act2:0-3", "act1:1"])["<layer1"][0]
    torch.testing.assert_close(
        heat[0].double(), torch.tensor(heat_of(reached)).double(), atol=1e-6, rtol=1e-4
    )
    found = exemplars(bank, "act3:8", 2, conditions="act2:0-3")
    assert [e.index for e in found] == bank.strongest("act3:8", 2)
    assert all("through act2:0, act2:1" in e.by for e in found)


def test_an_image_at_which_no_relevance_arrives_says_so() -> None:
    image, dark = torch.ones(3, 4, 4), torch.zeros(4, 4)
    shown = [
        ("activation", 0.0, dark + 1),
        ("activation", 2.0, dark),
        ("lrp zplus for class:1", 0.0, dark + 1),
    ]
    made = [Exemplar(vital.Unit("a", 0), image, heat, 0, "x", value, of, "lrp") for of, value, heat in shown]
    assert [e.status for e in made] == ["done", "no relevance", "no relevance"]


def test_relevance_tells_roles_apart_that_activation_does_not() -> None:
    """Channel 0 is red; the class reads it, and loses where there is green."""

    class Role(nn.Module):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.low = nn.Conv2d(3, 3, 1, bias=False)
            self.top = nn.Conv2d(3, 1, 1, bias=False)
            self.low.weight.data = torch.eye(3)[:, :, None, None]
            self.top.weight.data = torch.tensor([1.0, -2.0, 0.0])[None, :, None, None]

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.top(torch.relu(self.low(x)))).mean((2, 3))

    pictures = torch.zeros(3, 3, 8, 8)
    pictures[0, 0], pictures[0, 1] = 0.9, 0.45  # the strongest red, which green takes from the class
    pictures[1, 0] = 0.8
    pictures[2, 0] = 0.3
    model = Model(Role(), size=(8, 8))
    bank = vital.build_bank(model, ["low"], vital.load_images(pictures), disk=False)
    assert [e.index for e in exemplars(bank, "low:0", 2)] == [0, 1]
    found = exemplars(bank, "low:0", 3, by="relevance", for_unit="class:0")
    assert [e.index for e in found] == [1, 2, 0]
    assert [e.value for e in found] == pytest.approx([0.8, 0.3, 0.0], abs=1e-3)


def test_heat_is_where_the_unit_looks_and_nothing_where_it_is_silent() -> None:
    net = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 2, 3, padding=1), act=nn.ReLU()))
    toy.seeded(net)
    net.conv.weight.data = net.conv.weight.data.abs()
    net.conv.bias.data = torch.tensor([0.0, -1e6])
    model = Model(net, size=(8, 8))
    pictures: Images = torch.zeros(1, 3, 8, 8)
    pictures[0, :, 2:4, 5:7] = 1.0
    heat, how = heat_maps(model, pictures, "act:0")
    assert how == "lrp zplus"
    assert torch.equal(heat[0] > 0, pictures[0, 0] > 0)
    assert not heat_maps(model, pictures, "act:1")[0].any()


def test_units_of_every_kind_have_heat(tmp_path: Path) -> None:
    save_file({"rows": torch.eye(16)[5:6]}, tmp_path / "d.safetensors")
    along = heat_maps(MODEL, toy.images(2), f"{tmp_path}/d.safetensors:0@act2")[0]
    torch.testing.assert_close(along, heat_maps(MODEL, toy.images(2), "act2:5")[0])
    for unit in ("class:1", "act2:3@2,2", "layer1:0"):
        assert heat_maps(MODEL, toy.images(2), unit)[0].shape == (2, 32, 32)
    heat, how = heat_maps(toy.token_model(), toy.images(2).float(), "block2:2#cls")
    assert (heat.shape, how) == ((2, 32, 32), "lrp zplus")


def test_directions_have_exemplars_by_their_projection(bank: vital.ReferenceBank, tmp_path: Path) -> None:
    save_file({"rows": torch.eye(16)[5:6]}, tmp_path / "d.safetensors")
    along, channel = exemplars(bank, f"{tmp_path}/d.safetensors:0@act2", 3), exemplars(bank, "act2:5", 3)
    assert [e.index for e in along] == [e.index for e in channel]
    assert [e.value for e in along] == pytest.approx([e.value for e in channel])


def hot() -> Exemplar:
    heat = torch.zeros(4, 4)
    heat[1, 2] = 1.0
    image = torch.full((3, 4, 4), 0.5)
    return Exemplar(vital.Unit("a", 0), image, heat, 0, "0", 1.0, "activation", "lrp zplus")


def test_the_overlay_is_grey_where_cold_and_colored_where_hot() -> None:
    plain, warm = (np.asarray(hot().to_pil(heat=heat)).astype(int) for heat in (False, True))
    assert (plain == 128).all()
    assert np.ptp(warm[0, 0]) == 0
    assert warm[1, 2, 0] > warm[1, 2, 2] + 100
    assert np.asarray(Exemplars([hot(), hot()]).to_grid()).shape == (2 * 8 + 4, 2 * 8 + 4, 3)
    assert hot()._repr_png_() != Exemplars([hot()])._repr_png_()
    assert Exemplars([])._repr_png_().startswith(b"\x89PNG")


def test_the_overlay_of_a_grey_picture_is_colored_too() -> None:
    grey = Exemplar(vital.Unit("a", 0), hot().image[:1], hot().heat, 0, "0", 1.0, "activation", "lrp zplus")
    assert grey.to_pil(heat=True).mode == "RGB"


def test_heat_on_a_grid_of_the_stride_is_drawn_without_the_grid_and_stays_as_it_is() -> None:
    dots = torch.zeros(12, 12)
    dots[::2, ::2] = 1.0
    made = replace(hot(), image=torch.full((3, 12, 12), 0.5), heat=dots, grain=2)
    drawn = np.asarray(made.to_pil(heat=True)).astype(int)[2:-2, 2:-2]
    assert np.ptp(drawn, axis=(0, 1)).max() <= 1
    assert made.heat is dots
    rough = np.asarray(replace(made, grain=1).to_pil(heat=True)).astype(int)[2:-2, 2:-2]
    assert np.ptp(rough, axis=(0, 1)).max() > 100


@pytest.mark.parametrize(
    ("kernel", "stride", "grain"), [(3, 2, 2), (7, 2, 2), (11, 4, 4), (3, 1, 1), (4, 4, 1), (8, 4, 1)]
)
def test_the_grain_is_the_stride_of_a_first_convolution_whose_windows_overlap_unevenly(
    kernel: int, stride: int, grain: int
) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, kernel, stride), nn.ReLU(), nn.Conv2d(4, 4, 1))
    model = vital.Model(net, size=(24, 24))
    bank = vital.build_bank(model, ["1"], vital.load_images(torch.rand(4, 3, 24, 24)), disk=False)
    assert exemplars(bank, "1:2", 1)[0].grain == grain


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"by": "size"}, "by is 'size'; allowed are activation, relevance"),
        ({"by": "relevance"}, "by='relevance' needs for_unit, the class or unit that reads this one"),
        ({"for_unit": "class:1"}, "for_unit is 'class:1' and by='activation', which has no use for it"),
        (
            {"by": "relevance", "for_unit": "class:1", "count": 9, "candidates": 8},
            "count is 9 and candidates 8; allowed are counts from 1 to candidates",
        ),
        (
            {"by": "relevance", "for_unit": "predicted", "candidates": 8},
            "candidates is 8; for_unit='predicted' looks at all images",
        ),
        ({"by": "relevance", "for_unit": "layer1:1"}, "the layer 'act2' is not before layer1"),
    ],
)
def test_wrong_requests_are_one_sentence(
    settings: dict[str, object], sentence: str, bank: vital.ReferenceBank
) -> None:
    bank = vital.build_bank(MODEL, ["act2", "layer1"], bank.images, disk=False)
    with pytest.raises(InvalidValueError, match=f"^{sentence}"):
        exemplars(bank, "act2:3", **settings)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="is a direction, whose relevance is not that of one channel"):
        exemplars(bank, "d.safetensors:0@act2", by="relevance", for_unit="class:1")
