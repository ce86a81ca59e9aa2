import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch

import vital
from tests import toy
from vital import objectives as obj
from vital import params as par
from vital.data.sources import Array
from vital.errors import DataError, InvalidValueError, UnitError
from vital.rendering.api import opacity
from vital.rendering.methods.base import Plan

MODEL = toy.model()
MODEL_LAYERS = ("layer1", "layer2")


@pytest.fixture(scope="module")
def bank() -> vital.ReferenceBank:
    pictures = vital.load_images(toy.images(24).float(), labels=[i % 10 for i in range(24)])
    return vital.build_bank(MODEL, ["layer2"], pictures, disk=False)


def test_prototypes_come_in_the_order_of_the_units(bank: vital.ReferenceBank) -> None:
    units = ["class:3", "layer2:1", "class:0-1"]
    made = vital.render(MODEL, units, bank=bank, steps=2, batch=3, progress=False)
    assert [str(p.unit) for p in made] == ["class:3", "layer2:1", "class:0", "class:1"]
    assert all(p.image.shape == (3, 32, 32) and p.alpha.shape == (32, 32) for p in made)
    assert {p.status for p in made} == {"done"}


@dataclass(frozen=True, eq=False)
class Counted(Array):
    """Pictures that count how often each is read."""

    reads: Counter[int] = field(default_factory=Counter)

    def read(self, index: int) -> np.ndarray:
        """Take one picture."""
        self.reads[index] += 1
        return super().read(index)


@pytest.mark.parametrize("count", [1, 3, 40])
@pytest.mark.parametrize("name", ["vital", "vital-scene", "vital-reference"])
def test_each_reference_is_read_and_the_weights_are_hashed_once(
    name: str, count: int, hashes: list[str]
) -> None:
    pixels = (toy.images(24).permute(0, 2, 3, 1) * 255).byte().numpy()
    labels = tuple(i % 10 for i in range(24))
    pictures = vital.ImageSet(source := Counted(pixels), tuple(map(str, range(24))), labels)
    bank = vital.build_bank(MODEL, ["layer2"], pictures, disk=False)
    assert set(source.reads.values()) == {1}
    source.reads.clear()
    hashes.clear()
    units, settings = ["class:3", "layer2:1", "layer2:4"], {"n_references": count, "steps": 2, "batch": 1}
    made = vital.render(MODEL, units, method=name, bank=bank, progress=False, **settings)
    assert set(source.reads.values()) == {1}
    assert [p.provenance["weights_hash"] for p in made] == [only[:16] for only in hashes] * len(units)


@pytest.mark.parametrize("name", list(vital.METHODS))
def test_a_units_picture_does_not_depend_on_its_company(name: str, bank: vital.ReferenceBank) -> None:
    double = toy.model(double=True)
    same = replace(bank, model=double)
    units = ["class:3", "layer2:1", "class:7"]
    settings = {"method": name, "bank": same, "steps": 4, "progress": False, "seed": 5}
    together = vital.render(double, units, batch=3, **settings)
    for unit, in_company in zip(units, together, strict=True):
        alone = vital.render(double, unit, batch=1, **settings)[0]
        assert torch.equal(alone.image, in_company.image)
        assert torch.equal(alone.alpha, in_company.alpha)


@pytest.mark.parametrize("name", list(vital.METHODS))
def test_same_seed_same_bytes_and_another_seed_another_picture(name: str, bank: vital.ReferenceBank) -> None:
    pngs = [
        vital.render(MODEL, "class:2", method=name, bank=bank, steps=3, seed=seed, progress=False)[0].to_png()
        for seed in (0, 0, 1)
    ]
    assert pngs[0] == pngs[1] != pngs[2]


@pytest.mark.parametrize("name", list(vital.METHODS))
def test_the_provenance_makes_the_picture_again(name: str, bank: vital.ReferenceBank) -> None:
    first = vital.render(MODEL, "class:2", method=name, bank=bank, steps=3, progress=False)[0]
    record = json.loads(json.dumps(first.to_dict()))
    again = vital.render(
        MODEL, record["unit"], method=vital.make_method(record["method"], **record["provenance"]["options"]),
        bank=bank, seed=record["seed"], progress=False,
    )[0]  # fmt: skip
    assert again.to_png() == first.to_png()


@pytest.mark.parametrize("name", [n for n in vital.METHODS if vital.make_method(n).needs_images])
def test_methods_that_need_images_say_so(name: str) -> None:
    with pytest.raises(DataError, match=r"^the method needs reference images; give images or a bank$"):
        vital.render(MODEL, "class:2", method=name, progress=False)


@pytest.mark.parametrize("name", ["vital", "fourier", "pixels"])
@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_many_channel_networks_are_rendered(name: str, channels: int) -> None:
    net = toy.seeded(
        torch.nn.Sequential(torch.nn.Conv2d(channels, 4, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
    )
    model = vital.Model(net, size=(16, 16), channels=channels)
    pictures = vital.load_images(torch.rand(5, channels, 16, 16))
    made = vital.render(model, "2:1", method=name, images=pictures, steps=2, progress=False)[0]
    assert made.image.shape == (channels, 16, 16)
    assert made.to_png()[:4] == b"\x89PNG"


def test_frames_keep_the_first_and_the_last(bank: vital.ReferenceBank) -> None:
    made = vital.render(MODEL, "class:2", bank=bank, steps=9, frames=4, progress=False)[0]
    steps = [step for step, _ in made.frames]
    assert steps[0] == 0
    assert steps[-1] == 9
    assert torch.equal(made.frames[-1][1], made.image)


def test_a_record_says_how_far_the_picture_excites_its_unit(bank: vital.ReferenceBank) -> None:
    units = ["class:2", f"{bank.layers[0]}:1"]
    made = vital.render(MODEL, units, bank=bank, method="fourier", steps=2, progress=False)
    for p in made:
        own = float(toy.trace(MODEL, [p.unit.layer], p.image[None]).read(p.unit).detach())
        assert p.provenance["value"] == pytest.approx(own, rel=1e-4)
        assert p.provenance["percentile"] == pytest.approx(bank.percentile(p.unit, own), abs=1e-3)
    alone = vital.render(MODEL, units, method="fourier", steps=2, progress=False)
    assert all("percentile" not in p.provenance for p in alone)


def sleepy() -> tuple[vital.Model, vital.ImageSet]:
    """A network whose unit 3:0 is never active, 3:1 on the brightest of its images alone, and those images."""
    draw = torch.Generator().manual_seed(0)
    level = torch.linspace(0.2, 0.9, 24).view(-1, 1, 1, 1)
    pictures = (level + 0.1 * torch.randn(24, 3, 16, 16, generator=draw)).clamp(0, 1)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 3, 3), torch.nn.ReLU()
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=draw) / parameter[0].numel())
        value = net[:3](pictures)[:, 1].amax((1, 2)).sort().values
        net[2].bias[0], net[2].bias[1] = -100.0, net[2].bias[1] - value[19]
    return vital.Model(net, size=(16, 16)), vital.load_images(pictures)


def test_a_silent_start_is_left_behind_and_a_unit_that_stays_silent_is_a_status() -> None:
    model, pictures = sleepy()
    bank = vital.build_bank(model, ["3"], pictures, disk=False)
    plan = vital.make_method("vital").plan(model, [vital.Unit.parse("3:1")], bank, 0)
    start = plan.parameterization.decode(plan.parameterization.init(torch.Generator().manual_seed(0)))
    assert float(toy.trace(model, ["3"], start)["3"][:, 1].amax()) == 0
    made = vital.render(model, ["3:0", "3:1"], bank=bank, progress=False)
    assert made[0].status.startswith("silent: the picture excites the unit no more than")
    assert made[0].provenance["value"] == 0
    assert made[1].status == "done"
    assert made[1].provenance["percentile"] > 90


def test_a_diverging_unit_is_a_status_and_the_others_go_on(bank: vital.ReferenceBank) -> None:
    sick = replace(bank)
    made_of = {"count": 8, "selection": "activation", "rule": "zplus"}
    sick.template("class:1", MODEL_LAYERS, **made_of).layers["layer1"][0, 0] = float("nan")
    settings = {"layers": MODEL_LAYERS, "n_references": 8, "steps": 3, "batch": 2, "progress": False}
    made = vital.render(MODEL, ["class:1", "class:2"], bank=sick, **settings)
    assert [p.status for p in made] == [
        "diverged at step 1: Alignment gave numbers that are not finite",
        "done",
    ]
    assert all(torch.isfinite(p.image).all() for p in made)
    fine = vital.render(MODEL, ["class:1", "class:2"], bank=replace(bank), **settings)
    assert fine[0].status == "done"
    torch.testing.assert_close(made[1].image, fine[1].image)


def test_a_class_without_images_is_a_status_and_the_others_go_on() -> None:
    pictures = vital.load_images(toy.images(6).float(), labels=[0, 0, 0, 1, 1, 1])
    settings = {"images": pictures, "steps": 2, "progress": False, "selection": "class", "size": 24}
    made = vital.render(MODEL, ["class:0", "class:2", "class:1"], **settings)
    sentence = "array holds no image of class 2 (hen); add some, or choose another class"
    assert [p.status for p in made] == ["done", sentence, "done"]
    assert [p.image.shape for p in made] == [(3, 24, 24)] * 3


def test_a_bank_of_another_network_is_refused(bank: vital.ReferenceBank) -> None:
    with pytest.raises(
        DataError, match=r"^the bank was made with another network than toy; make one for this$"
    ):
        vital.render(toy.token_model(), "class:1", bank=bank, progress=False)


def test_options_beside_a_finished_method_are_refused() -> None:
    with pytest.raises(
        InvalidValueError,
        match=r"^options steps were given beside a finished method; set them in the method$",
    ):
        vital.render(MODEL, "class:1", method=vital.make_method("fourier"), steps=3)


@pytest.mark.parametrize("method", ["fourier", "vital"])
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 2.5}, "steps is 2.5; allowed are whole numbers from 1"),
        ({"steps": [2]}, r"steps is \[2\]; allowed are whole numbers from 1"),
        ({"steps": "many"}, "steps is 'many'; allowed are whole numbers from 1"),
        ({"seed": "a"}, "seed is 'a'; allowed are whole numbers"),
        ({"frames": [0, 4]}, r"frames is \[0, 4\]; allowed are whole numbers from 0"),
        ({"batch": "8"}, "batch is '8'; allowed are whole numbers from 1"),
    ],
)
def test_numbers_of_the_wrong_type_are_one_sentence(
    settings: dict[str, Any], sentence: str, method: str, bank: vital.ReferenceBank
) -> None:
    with pytest.raises(InvalidValueError, match=f"^{sentence}"):
        vital.render(MODEL, "class:2", **{"method": method, "bank": bank, "progress": False} | settings)


def test_a_wrong_unit_is_one_sentence() -> None:
    with pytest.raises(UnitError, match=r"^layer2:99 does not exist: layer 'layer2' has the units 0 to 15$"):
        vital.render(MODEL, "layer2:99", method="fourier")


def test_opacity_is_clipped_at_its_98th_percentile() -> None:
    ramp = torch.arange(100.0).view(10, 10)
    assert opacity(ramp).max() == 1
    assert opacity(ramp)[0, 0] == 0
    assert int((opacity(ramp) == 1).sum()) == 2
    assert opacity(torch.zeros(3, 3)).sum() == 0


def test_several_pictures_of_a_unit_are_those_of_the_seeds_from_the_first_on() -> None:
    model = toy.model(double=True)
    made = vital.render(
        model, ["class:1", "act2:3"], method="fourier", steps=3, seed=4, count=3, progress=False
    )
    assert [(str(one.unit), one.seed) for one in made] == [
        (unit, seed) for unit in ("class:1", "act2:3") for seed in (4, 5, 6)
    ]
    for seed in (4, 5, 6):
        alone = vital.render(
            model, ["class:1", "act2:3"], method="fourier", steps=3, seed=seed, progress=False
        )
        for one in alone:
            (same,) = (p for p in made.of(one.unit) if p.seed == seed)
            assert torch.equal(same.image, one.image)
            assert same.losses == one.losses


def test_seeds_share_their_passes_and_draw_their_own_references() -> None:
    model, images = toy.model(double=True), vital.load_images(toy.images(12).float(), labels=[0, 1] * 6)
    how: dict[str, Any] = {"method": "vital-reference", "steps": 2, "n_references": 2, "progress": False}
    made = vital.render(model, "class:1", images=images, count=3, **how)
    assert len({one.provenance["references"] for one in made}) > 1
    for one in made:
        (alone,) = vital.render(model, "class:1", images=images, seed=one.seed, **how)
        assert torch.equal(alone.image, one.image)
        assert alone.provenance["references"] == one.provenance["references"]


def test_pictures_of_several_seeds_say_their_seed_on_a_sheet() -> None:
    made = vital.render(toy.model(), "class:1", method="fourier", steps=1, count=2, progress=False)
    assert made.to_grid().height > made[:1].to_grid().height


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_a_count_is_a_whole_number_from_1(count: Any) -> None:
    with pytest.raises(InvalidValueError, match=r"count is .*; allowed are whole numbers from 1"):
        vital.render(toy.model(), "class:1", method="fourier", count=count, progress=False)


def test_a_method_that_plans_another_canvas_for_another_seed_is_rendered_one_seed_at_a_time() -> None:
    @dataclass(frozen=True)
    class Seeded(vital.Method):
        """A canvas by the seed.

        Options:
            steps: The number of steps.
        """

        steps: int = 1

        def plan(self, model: Any, units: Any, bank: Any, seed: int) -> Plan:
            del bank
            return Plan([obj.Channel(u) for u in units], par.Fourier(8 + 8 * seed), steps=self.steps)

    with pytest.raises(InvalidValueError, match="plans more than its terms by the seed, which is 0 and 1"):
        vital.render(toy.model(), "act2:1", method=Seeded(), count=2, progress=False)
    assert vital.render(toy.model(), "act2:1", method=Seeded(), seed=1, progress=False)[0].image.shape == (
        3,
        16,
        16,
    )
