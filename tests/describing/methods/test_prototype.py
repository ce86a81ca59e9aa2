from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

import vital
from vital.activations.crops import boxes
from vital.describing import Context, Describer, OfPrototypes, describer
from vital.describing.candidates.top_images import TopImages
from vital.describing.evaluation.agreement import CONSTANT, agreement
from vital.describing.methods.prototype import retrieved
from vital.errors import InvalidValueError, UsageError
from vital.records import Prototype
from vital.world import sample
from vital.world.networks.backends import named
from vital.world.renderer.render import render

FEW = {"n_candidates": 5, "n_generated": 3, "n_real": 80, "n_seeds": 2, "n_crops": 1}
SHOWN = {"planted:2": {"colour": "red"}, "planted:37": {"background": "night"}}


def pictured(units, seed: int) -> list[Prototype]:
    """Stand-ins for prototypes: a scene that shows what the unit was taught, opaque in its middle."""
    found = []
    for unit in units:
        scene = sample(torch.Generator().manual_seed(seed), 1, **SHOWN[str(unit)])
        alpha = torch.zeros(64, 64)
        alpha[16:48, 20:44] = 1
        found.append(Prototype(unit, render(scene, 64)[0], alpha, "drawn", seed))
    return found


@pytest.fixture
def context(world) -> Context:
    return replace(world, prototypes=pictured)


def test_labels_of_prototypes_are_the_truth(context):
    units = list(SHOWN)
    said = describer("prototype", **FEW).describe(context, units)
    assert [named(d.label) for d in said] == [SHOWN[unit] for unit in units]
    record = json.loads(json.dumps(said[0].to_dict()))
    assert record["method"] == "prototype"
    assert sorted(record["evidence"]) == ["planted:2 drawn seed 0", "planted:2 drawn seed 1"]
    assert {row["box"] and tuple(row["box"]) for row in record["details"]["shown"]} == {
        None,
        (16, 20, 48, 44),
    }
    assert len(record["details"]["captions"]) == 4
    retrieved_ones = record["details"]["proposed"][-10:]
    assert any("red" in concept for concept in retrieved_ones)


def test_it_looks_at_no_image_that_excites_the_unit(context, monkeypatch):
    monkeypatch.setattr(
        vital.ReferenceBank, "strongest", lambda *_, **__: pytest.fail("the bank was asked for strong images")
    )
    assert OfPrototypes(**FEW).describe(context, ["planted:37"])[0].label


def test_it_asks_for_each_seed_from_the_context_s_on(context):
    asked = []

    def draw(units, seed):
        asked.append((tuple(map(str, units)), seed))
        return pictured(units, seed)

    OfPrototypes(**FEW).describe(replace(context, prototypes=draw, seed=5), list(SHOWN))
    assert asked == [(tuple(SHOWN), 5), (tuple(SHOWN), 6)]


def test_images_bank_encoder_generator_and_concepts_may_lack(context):
    bare = replace(context, images=None, bank=None, encoder=None, generator=None, concepts=())
    said = OfPrototypes(**FEW).describe(bare, ["planted:2"])[0]
    assert said.label in said.details["proposed"]
    assert said.details["made"] == 0
    drawn = OfPrototypes(**FEW).describe(replace(bare, generator=context.generator), ["planted:2"])[0]
    assert drawn.details["made"] == 15
    with pytest.raises(UsageError, match="prototype needs prototypes"):
        OfPrototypes().describe(replace(context, prototypes=None), ["planted:2"])
    with pytest.raises(InvalidValueError, match="seeds is 0"):
        OfPrototypes(n_seeds=0).describe(context, ["planted:2"])
    assert isinstance(describer("prototype"), Describer)


def test_real_prototypes_can_be_described(context):
    def draw(units, seed):
        return vital.render(
            context.model, units, method="fourier", steps=8, seed=seed, size=48, progress=False
        )

    said = OfPrototypes(**FEW | {"n_seeds": 1}).describe(replace(context, prototypes=draw), ["planted:2"])[0]
    assert said.evidence == ("planted:2 fourier seed 0",)
    assert said.label


def test_a_concept_that_fits_every_image_does_not_come_first(world):
    unit_vectors = torch.eye(4)

    class Plain:
        name = "plain"

        def encode_text(self, texts):
            return torch.stack([unit_vectors[{"always": 0, "here": 1, "never": 2}[text]] for text in texts])

        def encode_image(self, images):
            return torch.tensor([[0.8, 0.5, 0.0, 0.0]]).expand(len(images), -1)

    shown = TopImages(torch.rand(2, 3, 4, 4), ("a", "b"), (None, None), (1.0, 1.0))
    names = ("always", "here", "never")
    assert retrieved(Plain(), names, shown, None, 2) == ["always", "here"]
    real = torch.tensor([[0.9, 0.1, 0.0, 0.0], [0.8, 0.2, 0.1, 0.0], [0.85, 0.0, 0.1, 0.0]])
    assert retrieved(Plain(), names, shown, real, 1) == ["here"]
    usual = real @ unit_vectors[:3].T
    slow = [(s - usual[:, i].mean()) / usual[:, i].std() for i, s in enumerate((0.8, 0.5, 0.0))]
    order = sorted(range(3), key=lambda i: -float(slow[i]))
    assert retrieved(Plain(), names, shown, real, 3) == [names[i] for i in order]
    assert retrieved(Plain(), names, shown, real[:2], 1) == ["here"]
    assert retrieved(Plain(), names, shown, real[:1], 1) == ["always"]


def test_agreement_comes_with_its_floors(world):
    ours, theirs = (
        ["red cube", "snow", "", "lit from the left"],
        ["cubes, red", "striped cone", "snow", "small"],
    )
    found = agreement(ours, theirs, world.encoder)
    assert found.same == (True, False, False, False)
    assert found.cosines[2] is None
    vectors = {
        text: world.encoder.encode_text([text])[0].double() for text in (*ours, *theirs, CONSTANT) if text
    }
    pairs = [(ours[i], theirs[i]) for i in (0, 1, 3)]
    slow = [float(vectors[a] @ vectors[b]) for a, b in pairs]
    assert [c for c in found.cosines if c is not None] == pytest.approx(slow, abs=1e-6)
    crossed = [
        float(vectors[a] @ vectors[b])
        for i, (a, _) in enumerate(pairs)
        for j, (_, b) in enumerate(pairs)
        if i != j
    ]
    assert found.shuffled == pytest.approx(sum(crossed) / 6, abs=1e-6)
    constants = [float(vectors[text] @ vectors[CONSTANT]) for pair in pairs for text in pair]
    assert found.constant == pytest.approx(sum(constants) / 6, abs=1e-6)
    assert found.mean == pytest.approx(sum(slow) / 3, abs=1e-6)
    assert found.floor == max(found.shuffled, found.constant)
    assert found.above[0] == pytest.approx((slow[0] - found.floor) / (1 - found.floor))
    assert found.above[2] is None
    single = agreement(["snow"], ["snow"], world.encoder)
    assert single.shuffled is None
    assert single.above[0] == pytest.approx(1, abs=1e-5)
    nothing = agreement([""], ["snow"], world.encoder)
    assert nothing.cosines == (None,)
    for one, two in (("snow", "snow"), (["snow"], ["snow", "sand"]), ([], [])):
        with pytest.raises(InvalidValueError, match="two lists of one length"):
            agreement(one, two, world.encoder)


def test_the_box_of_a_mask_is_what_is_opaque():
    alpha = torch.zeros(32, 32)
    alpha[4:12, 8:20] = 0.9
    (box,) = boxes(alpha, (64, 64), 2)
    assert abs(box.top - 8) <= 1
    assert abs(box.right - 40) <= 1
