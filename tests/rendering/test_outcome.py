import json
import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import vital
from tests import toy
from vital.rendering.methods.base import Plan
from vital.rendering.outcome import LEVEL, lacking, measured, status_of
from vital.types import Images, Parameterization, Parameters

MODEL = toy.model()
UNITS = [vital.Unit.parse("class:3"), vital.Unit.parse("layer2:1")]


@pytest.fixture(scope="module")
def bank() -> vital.ReferenceBank:
    pictures = vital.load_images(toy.images(24).float(), labels=[i % 10 for i in range(24)])
    return vital.build_bank(MODEL, ["layer2"], pictures, disk=False)


@dataclass(frozen=True)
class Painted(Parameterization):
    """Noise around grey, `loud` times as far from it as it is; with `plain`, one color all over."""

    loud: float = 1.0
    plain: bool = False

    def init(self, generator: torch.Generator) -> Parameters:
        """Noise, for one pixel or for all."""
        side = 1 if self.plain else 32
        return {"noise": 0.1 * torch.randn(1, 3, side, side, generator=generator)}

    def decode(self, parameters: Parameters) -> Images:
        """The canvas."""
        return (0.5 + self.loud * parameters["noise"]).expand(-1, -1, 32, 32)


@dataclass(frozen=True)
class Bent(vital.Method):
    """A method of the library of which one part is changed."""

    needs_images: ClassVar[bool] = False
    name: str = "vital"
    how: str = "done"

    def plan(self, model: vital.Model, units: Any, bank: Any, seed: int) -> Plan:
        """The method's own plan with the change."""
        options = {"n_transforms": 2} if self.name == "maco" else {}
        plan = vital.make_method(self.name, steps=4, **options).plan(model, units, bank, seed)
        if self.how == "deaf":
            return replace(plan, terms=[0.0 * term for term in plan.terms])
        if self.how == "still":
            return replace(plan, optimizer=replace(plan.optimizer, lr=1e-9), parameterization=Painted())
        change = {"flat": Painted(plain=True), "clipped": Painted(1000.0), "done": Painted()}[self.how]
        return replace(plan, parameterization=change, optimizer=replace(plan.optimizer, lr=0.01))


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("deaf", "unmoved: no gradient reached the picture"),
        ("still", "unmoved: the picture is still its start"),
        ("flat", "flat: the picture is one color all over"),
        ("clipped", "clipped: more than half of the picture's values"),
        ("done", "done"),
    ],
)
@pytest.mark.parametrize("name", list(vital.METHODS))
def test_a_flat_clipped_or_unmoved_picture_is_never_done(
    name: str, how: str, status: str, bank: vital.ReferenceBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vital.ReferenceBank, "ranks", lambda bank, unit: False)  # or silent comes first
    made = vital.render(MODEL, UNITS, method=Bent(name, how), bank=bank, progress=False)
    for p in made:
        assert p.status.startswith(status), (p.unit, p.status)
        assert json.loads(json.dumps(p.to_dict()))["status"] == p.status


def test_a_status_is_one_plain_sentence_with_a_next_step() -> None:
    noise, still = toy.images(1)[0], torch.ones(32, 32)
    grey = torch.full_like(noise, 0.5)
    found = {
        status_of(UNITS[0], {}, image, start, accumulated)
        for image, start, accumulated in (
            (noise, grey, 0 * still),
            (noise, noise, still),
            (grey, noise, still),
            (noise.round(), grey, still),
        )
    }
    assert len(found) == 4
    assert all(s.count(". ") == 0 and "; most likely" in s and ", so " in s for s in found)


def test_the_first_of_several_faults_is_the_cause() -> None:
    noise, seen = toy.images(1)[0], torch.ones(32, 32)
    white, grey = torch.ones_like(noise), torch.full_like(noise, 0.5)
    cls, inner = UNITS
    asleep = {"percentile": 0.0}
    assert status_of(inner, asleep, grey, grey, 0 * seen).startswith("silent")
    assert status_of(cls, asleep, grey, grey, 0 * seen).startswith("unmoved: no gradient")
    assert status_of(cls, {}, grey, grey, seen).startswith("unmoved: the picture is still")
    assert status_of(cls, {}, white, grey, seen).startswith("flat")
    assert status_of(inner, {"percentile": 3.0}, noise, grey, seen) == "done"


def test_the_bounds_are_a_level_and_a_half() -> None:
    wave = torch.tensor([1.0, -1.0]).repeat(3, 32, 16)
    seen, start = torch.ones(32, 32), torch.full((3, 32, 32), 0.2)
    assert status_of(UNITS[0], {}, 0.5 + 0.9 * LEVEL * wave, start, seen).startswith("flat")
    assert status_of(UNITS[0], {}, 0.5 + 1.1 * LEVEL * wave, start, seen) == "done"
    colored = torch.tensor([0.9, 0.1, 0.5])[:, None, None].expand(3, 32, 32)
    assert status_of(UNITS[0], {}, colored, start, seen).startswith("flat")
    for rows, status in ((16, "done"), (17, "clipped")):
        image = 0.5 + 0.2 * wave
        image[:, :rows] = wave[:, :rows].clamp(0, 1)
        assert status_of(UNITS[0], {}, image, start, seen).partition(":")[0] == status


def test_a_value_is_that_of_the_picture_itself_and_has_a_probability(bank: vital.ReferenceBank) -> None:
    images = toy.images(2, 3).float()
    cls, inner = measured(MODEL, UNITS, images, bank)
    logits = toy.trace(MODEL, ["class"], images)["class"].detach()
    assert cls["value"] == pytest.approx(float(logits[0, 3]), rel=1e-5)
    assert cls["probability"] == pytest.approx(float(logits.softmax(1)[0, 3]), rel=1e-5)
    own = float(toy.trace(MODEL, ["layer2"], images).read(UNITS[1])[1])
    assert inner == {
        "value": pytest.approx(own, rel=1e-5),
        "percentile": pytest.approx(bank.percentile(UNITS[1], own), abs=1e-3),
    }
    assert "probability" not in measured(replace(MODEL, classes=()), UNITS, images, None)[0]


def test_a_picture_of_another_size_is_measured_at_the_networks_size_too(bank: vital.ReferenceBank) -> None:
    (p,) = vital.render(MODEL, "class:3", method="fourier", bank=bank, steps=2, size=48, progress=False)
    fitted = F.interpolate(p.image[None], (32, 32), mode="bicubic", antialias=True).clamp(0, 1)
    values = [float(toy.trace(MODEL, ["class"], image)["class"][0, 3]) for image in (p.image[None], fitted)]
    assert p.provenance["value"] == pytest.approx(values[0], rel=1e-4)
    assert p.provenance["value_at_network_size"] == pytest.approx(values[1], rel=1e-4)
    assert abs(values[0] - values[1]) > 1e-3
    assert p.provenance["percentile"] == pytest.approx(bank.percentile("class:3", values[0]), abs=1e-3)
    (same,) = vital.render(MODEL, "class:3", method="fourier", bank=bank, steps=2, progress=False)
    assert "value_at_network_size" not in same.provenance


def test_a_network_of_one_size_is_measured_at_that() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 8, stride=8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10))
    model = toy.wrap(toy.seeded(net))
    options = {
        "method": "maco",
        "images": vital.load_images(toy.images(4).float()),
        "steps": 2,
        "n_transforms": 2,
    }
    (p,) = vital.render(model, "class:3", size=48, progress=False, **options)
    fitted = F.interpolate(p.image[None], (32, 32), mode="bicubic", antialias=True).clamp(0, 1)
    own = float(toy.trace(model, ["class"], fitted)["class"][0, 3])
    assert p.provenance["value"] == p.provenance["value_at_network_size"] == pytest.approx(own, rel=1e-4)


def test_what_is_not_finite_is_no_number_in_a_record() -> None:
    class Sick(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Not a number for one of two outputs."""
            return x.mean((1, 2, 3))[:, None] * torch.tensor([1.0, math.nan])

    model = vital.Model(Sick(), size=(8, 8), classes=("a", "b"))
    facts = measured(model, [vital.Unit("class", i) for i in (0, 1)], torch.rand(2, 3, 8, 8), None)
    assert [set(f) for f in facts] == [{"value"}, set()]


def rendered(pictures: vital.ImageSet, unit: str = "class:3", **options: Any) -> vital.Prototype:
    settings = {"method": "vital", "steps": 3, "progress": False, "seed": 1} | options
    return vital.render(MODEL, unit, images=pictures, **settings)[0]


NOISE = toy.images(24, 5).float()
GREY = NOISE[:, :1].expand(-1, 3, -1, -1).contiguous()
SMALL = toy.images(24, 5, size=20).float()


@pytest.mark.parametrize("unit", ["class:3", "layer2:1"])
@pytest.mark.parametrize("method", [n for n in vital.METHODS if vital.make_method(n).needs_images])
@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (vital.load_images(NOISE), ()),
        (vital.load_images(NOISE[:2]), ("2 reference images where 8 were asked for",)),
        (vital.load_images(NOISE[:1]), ("1 reference image where 8 were asked for", "there is only one image in all")),
        (vital.load_images(GREY), ("all of 16 images looked at are grey",)),
        (
            vital.load_images(SMALL),
            ("most images are smaller than the picture (such as 20 × 20 pixels, the picture 32",),
        ),
        (vital.load_images(NOISE, labels=[3] * 24), ("all labeled images are of the class cat, and backgrounds",)),
        (vital.load_images(NOISE, labels=[3] * 12 + [4] * 12), ()),
    ],
    ids=["plenty", "two", "one", "grey", "small", "one-class", "two-classes"],
)  # fmt: skip
def test_poor_images_make_a_picture_and_the_record_says_what_was_lacking(
    pictures: vital.ImageSet, said: tuple[str, ...], method: str, unit: str
) -> None:
    options = (
        {"n_references": 8} if "n_references" in vital.make_method(method).options() else {"n_transforms": 2}
    )
    p = rendered(pictures, unit, method=method, **options)
    expected = [line for line in said if "asked for" not in line or "n_references" in options]
    assert p.status == "done" or p.status.startswith("silent")
    assert p.image.shape == (3, 32, 32)
    found = json.loads(json.dumps(p.to_dict()))["provenance"]["lacking"]
    assert [line.startswith(start) for line, start in zip(found, expected, strict=True)] == [True] * len(
        found
    )


def test_references_of_a_class_are_counted_by_label() -> None:
    pictures = vital.load_images(NOISE, labels=[3] * 2 + [4] * 22)
    bank = vital.build_bank(MODEL, ["layer2"], pictures, disk=False)
    for selection, said in (("class", ["2 reference images where 8 were asked for"]), ("top", [])):
        assert lacking(UNITS[0], {"n_references": 8, "selection": selection}, bank, 0, (32, 32)) == said
    assert lacking(UNITS[1], {"n_references": 8, "selection": "class"}, bank, 0, (32, 32)) == []


def test_a_method_that_takes_no_images_lacks_none(bank: vital.ReferenceBank) -> None:
    one = vital.build_bank(MODEL, ["layer2"], vital.load_images(GREY[:1]), disk=False)
    (p,) = vital.render(MODEL, "class:3", method="fourier", bank=one, steps=2, progress=False)
    assert p.provenance["lacking"] == []


def test_few_images_are_called_all_and_a_picture_that_cannot_be_read_counts_for_nothing(
    tmp_path: Any,
) -> None:
    for i in range(3):
        grey = np.random.default_rng(i).integers(0, 255, (64, 48), dtype=np.uint8)
        Image.fromarray(grey).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    bank = vital.build_bank(MODEL, ["layer2"], vital.load_images(tmp_path), disk=False)
    (grey_,) = lacking(UNITS[1], {}, bank, 0, (48, 48))
    assert grey_.startswith("all images are grey, ")
    assert len(lacking(UNITS[1], {}, bank, 0, (64, 64))) == 2  # images are 64 high and 48 wide
    one_channel = toy.seeded(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()))
    model = vital.Model(one_channel, size=(16, 16), channels=1)
    plain = vital.build_bank(model, ["1"], vital.load_images(tmp_path), disk=False)
    assert lacking(vital.Unit("1", 0), {}, plain, 0, (16, 16)) == []


def test_a_picture_far_from_grey_alone_is_no_color() -> None:
    tinted = GREY.clone()
    tinted[12, 0] = (tinted[12, 0] + 0.1).clamp(0, 1)
    for pictures, said in ((GREY, 1), (tinted, 0)):
        bank = vital.build_bank(MODEL, ["layer2"], vital.load_images(pictures), disk=False)
        assert len(lacking(UNITS[1], {}, bank, 0, (32, 32))) == said
