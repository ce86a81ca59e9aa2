from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from importlib import import_module

import pytest
import torch
from torch import nn

from vital.activations.crops import attention_boxes, crop
from vital.backends import BuiltIn, parts, vocabulary
from vital.backends.response_cache import ResponseCache
from vital.describing import Context, Dnd, describer
from vital.describing.base import cached_backends
from vital.describing.candidates.candidates import candidates, clean, joined, proposals, with_backgrounds
from vital.describing.candidates.evaluation import CandidateEvaluator, by_encoder, measure_candidates, on_real
from vital.describing.candidates.scoring import SCORERS
from vital.describing.candidates.selection import real_score
from vital.describing.candidates.top_images import collect_top_images, strongest, values
from vital.errors import InvalidValueError, ModelError, UnknownNameError, UsageError
from vital.models import Model
from vital.utils.drawing import as_rgb
from vital.world.networks.backends import named

FEW = {"n_candidates": 5, "n_generated": 3, "n_real": 80, "n_crops": 2}


def unit_of(world: Context, text: str):
    return world.model.units([text])[0]


@dataclass
class Talker:
    """A summarizer that says what it is told to, and shortens captions to their first words."""

    says: tuple[str, ...] = ("Large red cubes.", "graphic design")
    name: str = "talker"
    heard: list = field(default_factory=list, init=False)

    def summarize(self, captions, count, images=None):
        self.heard.append((tuple(captions), None if images is None else images.flatten(1).sum(1)))
        return list(self.says[:count])

    def simplify(self, captions):
        return [" ".join(caption.split()[:5]) for caption in captions]


def test_only_one_half_of_the_images_has_a_part_in_a_label(world):
    unit = unit_of(world, "planted:2")
    found = strongest(world.bank, unit, 10)
    assert len(found) == 10
    half = world.images.part()
    everything = world.bank.strongest(unit, 50)
    assert found == [index for index in everything if half[index]][:10]
    evaluator = CandidateEvaluator(world.model, [unit], world.captioner, world.encoder)
    asked: list[int] = []

    class Watched:
        names, part = world.images.names, world.images.part

        def __len__(self):
            return len(world.images)

        def batches(self, model, size, *, indices):
            asked.extend(indices)
            return world.images.batches(model, size, indices=indices)

    seen = evaluator.real(Watched(), 50)
    assert len(seen) == len(set(asked)) == 50
    assert all(half[index] for index in asked)
    assert max(asked) > 300


def test_what_is_described_is_what_excites_the_unit_most(world):
    unit = unit_of(world, "planted:37")
    shown = collect_top_images(world.bank, unit, images=6, crops=3, shown=7)
    which = strongest(world.bank, unit, 6)
    whole = world.images.tensor(which, world.model)
    pool, names, boxes = list(whole), [world.images.names[i] for i in which], [None] * 6
    for row, own in enumerate(attention_boxes(world.model, unit, whole, 3)):
        for box in own:
            pool.append(crop(whole[row], box))
            names.append(names[row])
            boxes.append(box)
    assert len(pool) > 7
    all_values = values(world.model, [unit], torch.stack(pool))[0].tolist()
    order = sorted(range(len(pool)), key=lambda i: -all_values[i])[:7]
    assert shown.boxes == tuple(boxes[i] for i in order)
    assert shown.names == tuple(names[i] for i in order)
    assert list(shown.values) == pytest.approx([all_values[i] for i in order], rel=1e-4)
    torch.testing.assert_close(shown.pictures, torch.stack([pool[i] for i in order]))
    assert collect_top_images(world.bank, unit_of(world, "class:3"), images=4).boxes == (None,) * 4


def test_values_are_means_over_places_and_batches_change_nothing(world, monkeypatch):
    pictures, units = torch.rand(5, 3, 64, 64), world.model.units(["planted:1", "class:2"])
    found = values(world.model, units, pictures)
    monkeypatch.setattr(import_module("vital.describing.candidates.top_images"), "BATCH", 2)
    torch.testing.assert_close(values(world.model, units, pictures), found, rtol=1e-4, atol=1e-5)
    network = world.model.module
    with torch.no_grad():
        classes, planted = network.both(world.model.normalize(pictures))
    torch.testing.assert_close(found[1], classes[:, 2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        found[0], ((planted - network.bias) / network.gain)[:, 1].detach(), rtol=1e-3, atol=1e-3
    )


def test_a_summarizer_hears_the_captions_in_other_orders_that_the_seed_decides():
    talker, captions, images = (
        Talker(),
        ["a", "b", "c", "d"],
        torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2),
    )
    found = proposals(talker, captions, images, rounds=4, count=2, seed=1)
    assert found == ["large red cubes", "graphic design"]
    heard = [order for order, _ in talker.heard]
    assert heard[0] == ("a", "b", "c", "d")
    assert all(sorted(order) == captions for order in heard)
    assert len(set(heard)) > 1
    for order, sums in talker.heard:
        assert [captions[int(value) // 12] for value in sums] == list(order)
    again, other = Talker(), Talker()
    proposals(again, captions, rounds=4, seed=1)
    proposals(other, captions, rounds=4, seed=2)
    assert [order for order, _ in again.heard] == heard
    assert [order for order, _ in other.heard] != heard


def test_what_more_rounds_propose_comes_first():
    find_best_concepts = iter([["one", "two"], ["two"], ["three", "two"], ["one"]])

    class Fickle:
        name = "fickle"

        def summarize(self, captions, count, images=None):
            return next(find_best_concepts)

    assert proposals(Fickle(), ["x", "y"], rounds=4, count=2) == ["two", "one", "three"]


def test_the_built_in_summarizer_is_asked_once():
    captions = ["a red cube", "red cubes", "a red cone"]
    assert proposals(BuiltIn(), captions, rounds=2, count=3) == BuiltIn().summarize(captions, 6)


def test_candidates_are_texts_and_their_parts_each_once():
    found = candidates(["red cubes", "cube red", "the", "blue"], ["a red cube", "a cube"], most=1)
    assert [(c.text, c.support) for c in found] == [
        ("red cubes", 0.5),
        ("blue", 0.0),
        ("red", 0.5),
        ("cubes", 1.0),
    ]
    assert [c.text for c in candidates(["red cubes", "blue"], [])] == ["red cubes", "blue"]
    assert clean(' "A  Red." ') == "a red"
    assert with_backgrounds(["red graphics", "designs of cubes"])[2:] == ["red graphics background"]
    assert "on the left" in parts("a cube on the left")
    assert vocabulary("at the left") == vocabulary("on the left") != vocabulary("lit from the left")


def test_an_image_shows_what_it_was_made_of_or_what_its_caption_says(world):
    unit = unit_of(world, "planted:2")
    evaluator = CandidateEvaluator(world.model, [unit], world.captioner, None, world.generator, count=3)
    chosen = candidates(["red cube", "red", "on snow"], [])
    real = evaluator.real(world.images, 20)
    made = measure_candidates(evaluator, real, 0, chosen)
    assert made.values.shape == (3, 3)
    assert made.shown.shape == (3, 9 + 20)
    assert made.shown[0, :3].all()
    assert made.shown[1, :6].all(), "images of red cubes show red"
    captions = [world.captioner.describe(world.generator.generate(c.text, 3, 0)) for c in chosen]
    said = [vocabulary(caption) for own in captions for caption in own] + list(real.words)
    texts = [c.words for c in chosen for _ in range(3)] + [frozenset()] * 20
    for row, candidate in enumerate(chosen):
        slow = [
            candidate.words <= text or candidate.words <= own for text, own in zip(texts, said, strict=True)
        ]
        assert made.shown[row].tolist() == slow
    with pytest.raises(UsageError, match="encoder"):
        SCORERS["image-products"](made)


def test_an_image_shows_what_it_was_made_of_where_its_caption_says_nothing(world):
    class Mute:
        name = "mute"

        def describe(self, images):
            return [""] * len(images)

    evaluator = CandidateEvaluator(
        world.model, [unit_of(world, "planted:2")], Mute(), None, world.generator, count=2
    )
    made = measure_candidates(
        evaluator, evaluator.real(world.images, 4), 0, candidates(["red cube", "red"], [])
    )
    assert made.shown.tolist() == [[True] * 2 + [False] * 6, [True] * 4 + [False] * 4]


def test_the_score_on_real_images_is_that_of_captions_and_encoder(world):
    unit = unit_of(world, "planted:33")
    evaluator = CandidateEvaluator(world.model, [unit], world.captioner, world.encoder)
    real = evaluator.real(world.images, 100)
    chosen = candidates(["grass", "on brick", "large"], [])
    said = on_real(real, 0, chosen)
    for score, c in zip(said.tolist(), chosen, strict=True):
        x, y = real.values[0].double(), torch.tensor([float(c.words <= w) for w in real.words]).double()
        assert score == pytest.approx(float(torch.corrcoef(torch.stack([x, y]))[0, 1]), abs=1e-6)
    seen = by_encoder(real, 0, chosen, world.encoder)
    cosines = (real.seen @ world.encoder.encode_text([c.text for c in chosen]).T).double()
    cubes = ((cosines - cosines.mean(0)) ** 3).T
    own = (real.values[0].double() - real.values[0].double().mean()) ** 3
    torch.testing.assert_close(seen, cubes @ own / (cubes.norm(dim=1) * own.norm()))
    both = (said + seen) / 2
    torch.testing.assert_close(real_score(real, 0, chosen, world), both)
    torch.testing.assert_close(real_score(real, 0, chosen, replace(world, encoder=None)), said)
    assert int(both.argmax()) == 0


def test_labels_of_planted_and_class_units_are_the_truth(world):
    units = ["planted:2", "planted:32", "planted:36", "class:9"]
    said = describer("dnd", **FEW).describe(world, units)
    assert [str(d.unit) for d in said] == units
    assert [named(d.label) for d in said] == [
        {"colour": "red"},
        {"place": "right"},
        {"background": "snow"},
        {"solid": "sphere", "material": "striped"},
    ]
    first = said[0]
    record = json.loads(json.dumps(first.to_dict()))
    assert record["method"] == "dnd"
    assert 0.9 < record["score"] <= 1
    assert len(record["others"]) == 2
    assert record["details"]["made"] == sum(len(c["ranks"]) for c in record["details"]["candidates"]) == 15
    assert len(record["details"]["captions"]) == len(record["details"]["shown"]) == 10
    assert set(record["evidence"]) <= set(world.images.names)
    scores = [c["score"] for c in record["details"]["candidates"]]
    assert scores == sorted(scores, reverse=True)
    assert record["details"]["options"]["n_generated"] == 3
    assert record["details"]["backends"] == {
        "captioner": "world", "summarizer": "built-in (world)", "encoder": "world", "generator": "world"
    }  # fmt: skip


def test_the_same_seed_gives_the_same_and_company_changes_nothing(world):
    what = Dnd(**FEW)
    alone = what.describe(world, ["planted:22"])[0]
    beside = what.describe(world, ["planted:5", "planted:22"])[1]
    assert alone.label == beside.label
    assert alone.score == pytest.approx(beside.score, abs=1e-6)
    assert alone.to_dict()["details"]["captions"] == beside.to_dict()["details"]["captions"]


def test_without_a_generator_or_an_encoder_it_still_answers(world):
    for lacking in ({"generator": None}, {"generator": None, "encoder": None}, {"encoder": None}):
        said = Dnd(**FEW).describe(replace(world, **lacking), ["planted:33"])[0]
        assert named(said.label) == {"background": "grass"}
        assert said.details["made"] == (15 if "encoder" in lacking and "generator" not in lacking else 0)


def test_it_plays_back_without_backends(world, tmp_path):
    what, talker = Dnd(**FEW), Talker(("red cube", "cone"))
    context = replace(world, summarizer=talker)
    first = what.describe(cached_backends(context, ResponseCache(tmp_path)), ["planted:2"])[0]
    assert first.details["captions"][0] not in ("", first.details["proposed"][0])
    assert [len(caption.split()) <= 5 for order, _ in talker.heard for caption in order]
    replay = ResponseCache(tmp_path, replay=True)
    silent = replace(
        world,
        captioner=replay.captioner("world"),
        summarizer=replay.summarizer("talker"),
        generator=replay.generator("world"),
    )
    again = what.describe(silent, ["planted:2"])[0]
    assert again.to_dict() == first.to_dict()
    with pytest.raises(ModelError, match="run it once without replay"):
        what.describe(silent, ["planted:3"])


def test_what_a_generator_cannot_draw_is_said_and_left_out(world):
    context = replace(world, summarizer=Talker(("zebra", "red cube")))
    said = Dnd(**FEW | {"n_proposals": 2, "n_candidates": None}).describe(context, ["planted:2"])[0]
    assert list(said.details["refused"]) == ["zebra"]
    assert "names nothing that the world knows" in said.details["refused"]["zebra"]
    assert named(said.label) == {"colour": "red"}
    only = replace(world, summarizer=Talker(("zebra",)))
    assert Dnd(**FEW | {"n_proposals": 1}).describe(only, ["planted:2"])[0].label == "zebra"
    mute = replace(world, summarizer=Talker(()))
    nothing = Dnd(**FEW).describe(mute, ["planted:2"])[0]
    assert (nothing.label, nothing.score, nothing.others) == ("", 0.0, ())


@pytest.mark.parametrize("score", list(SCORERS))
def test_every_score_can_be_asked_for(world, score):
    said = Dnd(**FEW | {"scoring": score}).describe(world, ["planted:30"])[0]
    assert said.label


def test_wrong_options_are_one_sentence(world):
    with pytest.raises(UnknownNameError, match="did you mean 'topk-compare'"):
        Dnd(scoring="topk-compar")
    with pytest.raises(UsageError, match="needs an image-text encoder"):
        Dnd(scoring="topk-compare").describe(replace(world, encoder=None), ["planted:2"])
    with pytest.raises(InvalidValueError, match="n_generated is 0; allowed are whole numbers from 1"):
        Dnd(n_generated=0).describe(world, ["planted:2"])
    with pytest.raises(UsageError, match="dnd needs a captioner"):
        Dnd().describe(replace(world, captioner=None), ["planted:2"])
    assert describer("dnd", n_generated="3", simplify="false") == Dnd(n_generated=3, simplify=False)


def test_grey_networks_are_described_too():
    grey = torch.rand(2, 1, 4, 4)
    assert as_rgb(grey).shape == (2, 3, 4, 4)
    model = Model(nn.Sequential(nn.Conv2d(1, 2, 3)), size=(8, 8), channels=1)
    assert values(model, model.units(["0:1"]), torch.rand(3, 1, 8, 8)).shape == (1, 3)


def test_of_equal_texts_the_plainest_is_kept():
    assert [c.text for c in candidates(["with red", "red cube"], [], most=1)] == ["red", "red cube", "cube"]
    assert [c.text for c in candidates(["red cubes", "cube red"], [])] == ["red cubes"]


def test_pairs_are_told_in_the_order_of_captions():
    best = candidates(["cube", "striped", "striped cube", "lit from the left"], [])
    captions = ["a striped cone, lit from the left", "a small cube, lit from the left"]
    assert joined(best[:2], captions) == ["striped cube"]
    found = joined(best, captions, longest=2)
    assert found == ["striped cube", "cube lit from the left", "striped lit from the left"]
    assert "striped cube lit from the left" in joined(best, captions)
    assert joined(best[1:3], captions) == []


def test_pairs_of_the_best_are_tried_too(world):
    context = replace(world, summarizer=Talker(("wooden", "snow", "torus")))
    few = FEW | {"n_proposals": 3, "n_candidates": None}
    texts = [
        {
            c["text"]
            for c in Dnd(**few | {"n_joined": join})
            .describe(context, ["planted:19"])[0]
            .details["candidates"]
        }
        for join in (0, 2)
    ]
    assert texts[0] == {"wooden", "snow", "torus"}
    (pair,) = texts[1] - texts[0]
    assert "wooden" in pair
