"""CLIP-Dissect, linear explanations and activation ranges on a small piece of the known-answer world."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vital import ImageSet, Model
from vital.data import joined
from vital.describing import DESCRIBERS, class_of_description, describer
from vital.describing.base import Context, check_needs
from vital.describing.candidates.concept_lists import world_concepts
from vital.describing.methods.activation_ranges import ActivationRanges
from vital.describing.methods.linear import said
from vital.directions import save_directions
from vital.errors import InvalidValueError, UsageError
from vital.world import caption
from vital.world.networks.backends import Encoder
from vital.world.scenes.dataset import image_set, images, scenes_of

WORDS = tuple(word for word in world_concepts() if " on " not in word)[:300]
UNITS = ["planted:2", "planted:19", "class:9"]
OWN = ("clip-dissect", "linear", "activation-ranges")


@pytest.fixture
def context(net: Model, pictures: ImageSet, encoder: Encoder) -> Context:
    return Context(net, pictures, concepts=WORDS, encoder=encoder)


@pytest.mark.parametrize("name", OWN)
def test_planted_units_get_their_words_with_evidence(context: Context, name: str) -> None:
    units = context.model.units(UNITS)
    found = describer(name).describe(context, units)
    assert [d.unit for d in found] == units
    assert [d.method for d in found] == [name] * 3
    assert "red" in found[0].candidate
    names, choosing = context.images.names, context.images.part()  # type: ignore[union-attr]
    assert all(d.evidence and set(d.evidence) <= set(names) for d in found)
    assert all(choosing[names.index(e)] for d in found for e in d.evidence)


@pytest.mark.parametrize("name", OWN)
def test_a_unit_gets_alone_what_it_gets_in_company(context: Context, name: str) -> None:
    units = context.model.units(UNITS)
    together = describer(name).describe(context, units)
    for unit, expected in zip(units, together, strict=True):
        (alone,) = describer(name).describe(context, [unit])
        assert alone.to_dict() == expected.to_dict()


@pytest.mark.parametrize("similarity", ["wpmi", "cos", "cos-cubed"])
def test_every_similarity_finds_a_color(context: Context, similarity: str) -> None:
    (found,) = describer("clip-dissect", similarity=similarity).describe(
        context, context.model.units(["planted:2"])
    )
    assert "red" in [found.candidate, *(text for text, _ in found.others)] or "red" in found.candidate


def test_an_option_that_a_similarity_lacks_is_refused(context: Context) -> None:
    with pytest.raises(InvalidValueError, match="cos has no lam"):
        describer("clip-dissect", similarity="cos", lam=0.5).describe(
            context, context.model.units(["planted:2"])
        )


def test_words_are_put_together(context: Context) -> None:
    shown = joined([context.images, images(60, seed=6, solid="cube", material="wooden")])  # type: ignore[list-item]
    few = replace(context, images=shown, concepts=("red", "cube", "snow", "wooden", "green"))
    (unit,) = context.model.units(["class:5"])  # wooden cube
    (found,) = describer("clip-dissect", n_composed=3).describe(few, [unit])
    assert set(found.candidate.split()) == {"wooden", "cube"}


def test_a_direction_is_described_with_the_prior_of_its_layer(context: Context, tmp_path: Path) -> None:
    one = torch.zeros(1, 44).index_fill(1, torch.tensor([2]), 1.0)
    (direction,) = save_directions(tmp_path / "d.safetensors", one, "planted")
    (channel,) = context.model.units(["planted:2"])
    given = describer("clip-dissect").describe(context, [direction, channel])
    assert given[0].candidate == given[1].candidate
    assert given[0].score == pytest.approx(given[1].score, abs=1e-3)


def test_a_linear_explanation_has_few_terms_and_is_scored_on_the_other_half(context: Context) -> None:
    found = describer("linear", n_concepts=4).describe(context, context.model.units(UNITS))
    for d in found:
        terms = d.details["terms"]
        assert 1 <= len(terms) <= 4
        assert [w for _, w in terms] == sorted((w for _, w in terms), reverse=True)
        assert all(w == round(w, 6) for _, w in terms)
        assert d.candidate == said(terms)
        assert -1 <= d.score <= 1
    assert found[0].score > 0.5


def test_ranges_are_told_and_a_silent_unit_has_no_negative_side(context: Context) -> None:
    (found,) = ActivationRanges(shares=(0.05, 0.2)).describe(context, context.model.units(["planted:2"]))
    ranges = {one["range"]: one for one in found.details["ranges"]}
    assert list(ranges) == ["top 5 %", "top 20 %", "negative"]
    count = int(context.images.part().sum())  # type: ignore[union-attr]
    assert [one["images"] for one in ranges.values()] == [round(share * count) for share in (0.05, 0.2, 0.2)]
    assert found.candidate == ranges["top 20 %"]["concept"]
    assert "red" not in ranges["negative"]["concept"].split()
    relu = torch.relu(torch.arange(-50.0, 10.0))
    assert "negative" not in ActivationRanges().rows(relu)


@pytest.mark.parametrize("shares", [(), (0.0,), (0.7,)])
def test_shares_that_are_no_ranges_are_refused(context: Context, shares: tuple[float, ...]) -> None:
    with pytest.raises(InvalidValueError, match="shares"):
        ActivationRanges(shares=shares).describe(context, context.model.units(["planted:2"]))


def test_what_is_missing_is_said(context: Context) -> None:
    for name in OWN:
        for lacking in DESCRIBERS[name].needs:
            with pytest.raises(UsageError, match=f"{name} needs"):
                check_needs(name, describer(name), replace(context, **{lacking: None}))


def test_a_class_is_found_from_a_description(context: Context) -> None:
    found = class_of_description(context.encoder, "a wooden cube", context.model.classes)
    assert found[0][0] == "wooden cube"
    with pytest.raises(InvalidValueError, match="no class names"):
        class_of_description(context.encoder, "a wooden cube", ())


def test_units_are_described_by_their_greatest_places_too(context: Context) -> None:
    units = context.model.units(["planted:2", "layer3:4"])
    mean, most = (describer("clip-dissect", pool=pool).describe(context, units) for pool in ("mean", "max"))
    assert mean[0].candidate == most[0].candidate == "red"  # one place: nothing to pool
    assert mean[1].score != most[1].score
    assert most[1].details["options"]["pool"] == "max"


def test_a_class_gets_its_name_where_no_probe_image_shows_it(net: Model, encoder: Encoder) -> None:
    lacking = image_set([s for s in scenes_of(images(400, seed=5)) if "torus" not in caption(s)])
    names = tuple(net.classes)
    units = net.units([f"class:{i}" for i, name in enumerate(names) if "torus" in name])
    context = Context(net, lacking, concepts=names, encoder=encoder)
    found = describer("clip-dissect", top_k=10).describe(context, units)
    right = [d.candidate == names[d.unit.index] for d in found]
    assert len(right) == 8
    assert sum(right) >= 6, [d.candidate for d in found]


@pytest.mark.parametrize("name", ["clip-dissect", "linear", "activation-ranges"])
def test_a_describer_takes_text_as_well_as_units(name, context):
    (unit,) = context.model.units(["class:5"])
    (said,), (same,) = (describer(name).describe(context, [one]) for one in ("class:5", unit))
    assert (said.unit, said.candidate, said.score) == (same.unit, same.candidate, same.score)
