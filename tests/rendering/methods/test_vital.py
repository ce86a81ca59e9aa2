from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import vital
from tests import toy
from vital import objectives as obj
from vital import params as par
from vital import regularizers as reg
from vital import transforms
from vital.errors import InvalidValueError, UnknownNameError
from vital.rendering import Vital, VitalScene, stages
from vital.rendering.methods.alignment import fills_a_third, responds_to_patches, upstream_layers
from vital.terms import Sum

MODEL = toy.model()


@pytest.fixture(scope="module")
def bank() -> vital.ReferenceBank:
    return vital.build_bank(MODEL, ["act2", "act3"], vital.load_images(toy.images(12).float()), disk=False)


def planned(
    method: Vital | VitalScene, unit: str, bank: vital.ReferenceBank
) -> tuple[dict[type, vital.Term], str]:
    """The parts of a unit's loss by their kinds, and the note."""
    plan = method.plan(bank.model, bank.model.units(unit), bank, 0)
    (term,), (note,) = plan.terms, plan.notes
    assert isinstance(term, Sum)
    parts: dict[type, vital.Term] = {}
    for _, part in term.parts:
        parts.setdefault(type(part), part)  # of two alignments that with the references, which comes first
    return parts, note


def test_a_class_is_aligned_at_all_stages_under_masks(bank: vital.ReferenceBank) -> None:
    parts, note = planned(Vital(), "class:3", bank)
    aligned = parts[obj.Alignment]
    assert aligned.layers == stages(MODEL)
    assert aligned.relevance_request.rule == "zplus"
    assert aligned.relevance_request.start == "waking"
    assert obj.Logit in parts
    assert note == "the image with the highest value of the unit"


def test_the_first_stages_are_aligned_with_all_images_which_know_nothing_of_the_unit(
    bank: vital.ReferenceBank,
) -> None:
    units = MODEL.units(["class:3", "class:4"])
    plan = Vital().plan(MODEL, units, bank, 0)
    usual = [
        (weight, part)
        for term in plan.terms
        for weight, part in term.parts
        if isinstance(part, obj.Alignment) and part.relevance_request is None
    ]
    assert [weight for weight, _ in usual] == [0.3, 0.3]
    assert usual[0][1].layers == stages(MODEL)[:2]
    assert usual[0][1].template is usual[1][1].template
    assert len(usual[0][1].template.images) == len(bank.images)
    without = Vital(natural=0.0).plan(MODEL, units, bank, 0)
    assert sum(isinstance(part, obj.Alignment) for _, part in without.terms[0].parts) == 1


def test_a_scene_is_aligned_with_whole_references_without_masks(bank: vital.ReferenceBank) -> None:
    for unit in ("class:3", "act2:5"):
        scene, note = planned(VitalScene(), unit, bank)
        assert scene[obj.Alignment].relevance_request is None
        assert "patches" not in note
        assert note == "the image with the highest value of the unit"
        assert reg.Colors in scene
        assert obj.Neuron not in scene


def test_a_method_has_at_most_thirteen_options() -> None:
    for kind in (Vital, VitalScene):
        assert len(fields(kind)) <= 13


def weights(
    method: Vital | VitalScene, unit: str, bank: vital.ReferenceBank
) -> dict[type, tuple[float, vital.Term]]:
    """The first part of each kind of a unit's loss, with its weight."""
    term = method.plan(bank.model, bank.model.units(unit), bank, 0).terms[0]
    assert isinstance(term, Sum)
    return {type(part): (weight, part) for weight, part in reversed(term.parts)}


def test_an_inner_unit_alone_is_aligned_up_to_its_layer_and_driven_at_the_center(
    bank: vital.ReferenceBank,
) -> None:
    parts, note = planned(Vital(), "act2:5", bank)
    assert parts[obj.Alignment].layers == ("layer1", "act2")
    assert note == "a patch around the strongest place of the unit"
    found = weights(Vital(size=128), "act3:5", bank)
    natural = sum(place.value for place in bank.strongest_places("act3:5", 3)) / 3
    assert found[obj.Neuron][0] == pytest.approx(16 / (natural - bank.usual_value("act3:5")))
    assert found[obj.Reach] == (1, obj.Reach("act3:5", bank.natural_value("act3:5", 3)))
    assert found[obj.Alignment][0] == 0.3
    _, several = planned(Vital(n_references=3), "act2:5", bank)
    assert several == "patches around the 3 strongest places of the unit, of as many images"


def test_an_inner_unit_in_its_surroundings_is_driven_everywhere(bank: vital.ReferenceBank) -> None:
    found = weights(VitalScene(size=128), "act2:5", bank)
    over = bank.natural_value("act2:5", 3) - bank.usual_value("act2:5")
    assert found[obj.Channel][0] == pytest.approx(1 / over)
    assert found[obj.Alignment][0] == 1


def test_a_class_is_driven_by_its_logit_and_by_its_log_probability_on_small_pictures(
    bank: vital.ReferenceBank,
) -> None:
    for method, weight in ((Vital, 0.03), (VitalScene, 0.05)):
        assert weights(method(size=128), "class:3", bank)[obj.Logit] == (weight, obj.Logit("class:3"))
        small = weights(method(), "class:3", bank)[obj.Logit]
        assert small == (0.05, obj.Logit("class:3", softmax=True))


def test_in_a_small_picture_an_inner_unit_is_brought_to_its_natural_value(bank: vital.ReferenceBank) -> None:
    natural = bank.natural_value("act3:5", 3)
    for method in (Vital(), VitalScene()):
        found = weights(method, "act3:5", bank)
        assert found[obj.Reach] == (4, obj.Reach("act3:5", natural))
        assert found[obj.Alignment][0] == 1
        assert not {obj.Neuron, obj.Channel} & set(found)


def test_the_weight_of_a_unit_is_an_option_and_may_be_none(bank: vital.ReferenceBank) -> None:
    assert weights(Vital(unit_weight=0.5), "class:3", bank)[obj.Logit] == (0.5, obj.Logit("class:3"))
    assert obj.Logit not in weights(Vital(unit_weight=0.0), "class:3", bank)
    assert obj.Neuron not in weights(Vital(unit_weight=0.0), "act3:5", bank)


def test_a_unit_of_one_place_is_brought_to_its_natural_value() -> None:
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3600, 6), nn.ReLU(), nn.Linear(6, 4)
    )
    net = toy.wrap(layers)
    vectors = vital.build_bank(net, ["4"], vital.load_images(toy.images(6).float()), disk=False)
    found = weights(Vital(layers=("1", "4"), size=128), "4:2", vectors)
    assert found[obj.Reach][0] == 4
    assert found[obj.Reach][1].value == pytest.approx(vectors.natural_value("4:2", 3))
    assert found[obj.Alignment][0] == 1


def test_what_sees_little_of_the_picture_is_driven_everywhere() -> None:
    deep = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 11, padding=5), nn.ReLU())
    net = toy.wrap(deep)
    assert [fills_a_third(net, net.unit(unit)) for unit in ("1:0", "3:0", "3:0@4,4")] == [False, True, False]
    images = vital.load_images(toy.images(4).float())
    early = vital.build_bank(net, ["1"], images, disk=False)
    assert obj.Channel in weights(Vital(layers=("1",), size=128), "1:0", early)


def test_the_weight_does_not_depend_on_where_the_zero_of_a_unit_lies() -> None:
    layer = nn.Conv2d(3, 2, 3, padding=1)
    layer.weight.data[1] = layer.weight.data[0]
    layer.bias.data = torch.tensor([0.0, -1.0])
    net = toy.wrap(nn.Sequential(layer, nn.ReLU()))
    moved = vital.build_bank(net, ["0"], vital.load_images(toy.images(8).float()), disk=False)
    found = [
        weights(VitalScene(layers=("0",), size=128), unit, moved)[obj.Channel][0] for unit in ("0:0", "0:1")
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[0] > 0


def test_a_direction_is_driven_at_the_center_and_everywhere(
    bank: vital.ReferenceBank, tmp_path: Path
) -> None:
    save_file({"act3": torch.rand(2, MODEL.unit("act3:0").layout.channels)}, tmp_path / "own.safetensors")
    unit = f"{tmp_path / 'own.safetensors'}:1@act3"
    assert obj.Neuron in weights(Vital(size=128), unit, bank)
    assert obj.Direction in weights(VitalScene(size=128), unit, bank)


def test_a_unit_that_is_the_same_everywhere_is_driven_as_it_is() -> None:
    layer = nn.Conv2d(3, 1, 3, padding=1)
    layer.weight.data.zero_()
    net = toy.wrap(nn.Sequential(layer, nn.ReLU()))
    images = vital.load_images(toy.images(4).float())
    constant = vital.build_bank(net, ["0"], images, disk=False)
    assert weights(VitalScene(layers=("0",), size=128), "0:0", constant)[obj.Channel][0] == 1


def test_a_network_without_places_is_aligned_at_layers_that_are_named() -> None:
    net = toy.wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8), nn.ReLU(), nn.Linear(8, 4)))
    flat = vital.build_bank(net, ["2"], vital.load_images(toy.images(4).float()), disk=False)
    parts, _ = planned(Vital(layers=("2",)), "class:1", flat)
    assert parts[obj.Alignment].layers == ("2",)


def test_a_patch_of_an_attending_network_sees_all() -> None:
    net = toy.token_model()
    found = [fills_a_third(net, net.unit(f"block1:0#{tokens}")) for tokens in ("patches", "cls", "all")]
    assert found == [True, False, False]


def test_references_are_whole_images_where_a_unit_does_not_answer_to_patches() -> None:
    detail = nn.Conv2d(3, 1, 3, padding=1, bias=False)
    detail.weight.data = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]]).expand(1, 3, 3, 3).clone()
    net = toy.wrap(nn.Sequential(detail, nn.ReLU()))
    noise = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    fine = vital.build_bank(net, ["1"], vital.load_images(noise.permute(0, 2, 3, 1).numpy()), disk=False)
    parts, note = planned(Vital(layers=("0",)), "1:0", fine)
    assert note.endswith("whole, since patches of them do not excite it")
    whole = fine.template("1:0", ["0"], count=1, selection="activation", rule="zplus")
    assert torch.equal(parts[obj.Alignment].template.layers["0"], whole.layers["0"])


def test_whether_a_unit_answers_to_its_patches_is_asked_once(
    bank: vital.ReferenceBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, cut = [], vital.ReferenceBank.patches

    def counted(own: vital.ReferenceBank, *given: Any, **more: Any) -> Any:
        asked.append(given)
        return cut(own, *given, **more)

    monkeypatch.setattr(vital.ReferenceBank, "patches", counted)
    unit = bank.model.units("act2:6")[0]
    found = [responds_to_patches(unit, bank, 3, share) for share in (0.9, 0.9, 0.5, 0.9)]
    assert len(asked) == 2
    assert found[0] == found[1] == found[3]


class Branches(nn.Module):
    """Two branches, of which the first ends before the second begins, and their sum."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(inplace=True))
        self.left = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU(inplace=True))
        self.right = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Images to maps."""
        x = self.stem(x)
        return torch.cat([self.left(x), self.right(x)], 1)


def test_a_unit_is_not_aligned_at_a_sibling_branch_that_does_not_feed_it() -> None:
    model = toy.wrap(toy.seeded(Branches()))
    two = vital.build_bank(model, ["right"], vital.load_images(toy.images(6).float()), disk=False)
    asked = ("stem", "left", "right.1")
    (unit,) = model.units("right:3")
    assert upstream_layers(model, unit, asked) == ("stem", "right.1")
    assert upstream_layers(model, unit, ("left",)) == ("right",)
    parts, _ = planned(Vital(), "right:3", two)
    assert "left" not in parts[obj.Alignment].layers
    assert parts[obj.Alignment].relevance_request.rule == "zplus"


def test_masks_can_be_left_out(bank: vital.ReferenceBank) -> None:
    parts, _ = planned(Vital(relevance=None), "class:3", bank)
    assert parts[obj.Alignment].relevance_request is None


class Odd(nn.Module):
    """Holds an operation through which relevance has no rule."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU())
        self.second = nn.Conv2d(6, 8, 3, 2, 1)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Images to maps."""
        return self.act(self.second(torch.sinh(self.first(x))))


def test_where_relevance_cannot_be_followed_the_record_says_what_was_taken() -> None:
    model = toy.wrap(toy.seeded(Odd()))
    hidden = vital.build_bank(model, ["act"], vital.load_images(toy.images(12).float()), disk=False)
    unit = f"act:{int(hidden.values['act'][:, 0].argmax())}"
    made = vital.render(model, [unit], bank=hidden, steps=4, progress=False)[0]
    assert "masked by gradient × activation, which is not relevance" in made.provenance["references"]
    parts, _ = planned(Vital(), unit, hidden)
    assert parts[obj.Alignment].relevance_request.rule == "gradient"
    assert made.losses["Alignment"][-1] < made.losses["Alignment"][0]
    asked, note = planned(Vital(relevance="gradient"), unit, hidden)
    assert asked[obj.Alignment].relevance_request.rule == "gradient"
    assert "not relevance" in note


def of_two_kinds() -> dict[str, tuple[vital.Model, vital.ReferenceBank]]:
    """A network that averages noise away, and one that sees differences alone; each with a bank of plain colors."""
    weight = torch.randn(10, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    mean = weight.mean((2, 3), keepdim=True)
    smooth = torch.rand(6, 3, 1, 1, generator=torch.Generator().manual_seed(1)).expand(6, 3, 32, 32)
    found = {}
    for name, kernel in (("level", mean.expand_as(weight)), ("sharp", weight - mean)):
        net = nn.Sequential(
            nn.Conv2d(3, 10, 8, 8, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        with torch.no_grad():
            net[0].weight.copy_(kernel)
        model = vital.Model(net, size=(32, 32))
        found[name] = (
            model,
            vital.build_bank(model, ["0"], vital.load_images(smooth.contiguous()), disk=False),
        )
    return found


def test_the_network_sees_as_much_noise_as_it_bears(bank: vital.ReferenceBank) -> None:
    found = {}
    for name, (model, own) in of_two_kinds().items():
        plan = Vital(n_references=2).plan(model, model.units("class:1"), own, 0)
        found[name] = [
            transform.sd for transform in plan.transforms if isinstance(transform, transforms.Noise)
        ]
    assert found == {"level": [0.1], "sharp": []}
    plan = Vital(noise=0.0).plan(MODEL, MODEL.units("class:1"), bank, 0)
    assert not any(isinstance(transform, transforms.Noise) for transform in plan.transforms)


def of_plain_colors(net: nn.Module) -> tuple[vital.Model, vital.ReferenceBank]:
    colors = torch.rand(6, 3, 1, 1, generator=torch.Generator().manual_seed(1)).expand(6, 3, 32, 32)
    model = vital.Model(toy.seeded(net), size=(32, 32))
    return model, vital.build_bank(model, [], vital.load_images(colors.contiguous()), disk=False)


def test_it_goes_from_coarse_to_fine_where_the_network_recognizes_small_images() -> None:
    conv = [nn.Conv2d(3, 10, 3), nn.ReLU()]
    pooled = nn.Sequential(
        *conv, nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )  # plain colors look alike at any size
    flat = nn.Sequential(*conv, nn.Flatten(), nn.Linear(10 * 30 * 30, 10))  # takes its own size alone
    summed = nn.Sequential(
        *conv, nn.LPPool2d(1, 15), nn.Flatten(), Alternating()
    )  # another answer at half the size
    found = []
    for net in (pooled, flat, summed):
        model, own = of_plain_colors(net)
        canvas = Vital(n_references=2).plan(model, model.units("class:1"), own, 0).parameterization
        assert isinstance(canvas, par.Fourier)
        found.append(canvas.coarse)
    assert found == [0.6, 0.0, 0.0]
    model, own = of_plain_colors(pooled)
    plan = Vital(n_references=2, coarse=0.0).plan(model, model.units("class:1"), own, 0)
    assert plan.parameterization.coarse == 0.0


class Alternating(nn.Module):
    """Ten numbers of any many: with few of them, the negatives of those with many."""

    def forward(self, x: Tensor) -> Tensor:
        """Rows to rows of ten."""
        return x[:, :10] * (1.0 if x.shape[1] > 20 else -1.0)


def test_wrong_options_are_refused(bank: vital.ReferenceBank) -> None:
    with pytest.raises(InvalidValueError, match="natural is -1; allowed are numbers from 0"):
        planned(Vital(natural=-1), "class:1", bank)
    with pytest.raises(InvalidValueError, match="coarse is 2"):
        vital.render(
            of_plain_colors(nn.Sequential(nn.Conv2d(3, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))[0],
            "class:1",
            images=vital.load_images(toy.images(4).float()),
            coarse=2.0,
            steps=1,
            progress=False,
        )
    with pytest.raises(UnknownNameError, match="unknown relevance rule 'zpls'; did you mean 'zplus'"):
        Vital(relevance="zpls")


def test_a_unit_at_a_position_is_brought_to_the_value_of_its_strongest_places(
    bank: vital.ReferenceBank,
) -> None:
    parts, note = planned(Vital(), "act2:3@1,6", bank)
    reach = parts[obj.Reach]
    assert reach.unit == "act2:3@1,6"
    natural = sum(place.value for place in bank.strongest_places("act2:3", 3)) / 3
    assert reach.value == pytest.approx(natural)
    assert parts[obj.Alignment].template.unit == "act2:3"
    assert note == "a patch around the strongest place of the unit"


@pytest.mark.parametrize("method", [name for name in vital.METHODS if vital.METHODS[name].needs_images])
def test_every_method_with_images_renders_a_unit_at_a_position(
    bank: vital.ReferenceBank, method: str
) -> None:
    made = vital.render(MODEL, "act2:3@1,6", bank=bank, method=method, steps=2, progress=False)
    assert (str(made[0].unit), made[0].image.shape[0]) == ("act2:3@1,6", 3)


def test_the_picture_of_a_unit_at_a_position_excites_it_there(bank: vital.ReferenceBank) -> None:
    made = vital.render(MODEL, ["act2:3@1,6", "act2:3@6,1"], bank=bank, steps=24, progress=False)
    found = toy.trace(MODEL, ["act2"], torch.stack([one.image for one in made]))["act2"][:, 3]
    assert [one.status for one in made] == ["done"] * 2
    assert found[0, 1, 6] > 1.1 * found[1, 1, 6]
    assert found[1, 6, 1] > 1.1 * found[0, 6, 1]
