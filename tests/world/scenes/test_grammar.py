import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vital.errors import InvalidValueError, UnknownNameError, UsageError
from vital.world.scenes.grammar import EXAMPLE, Scene, Thing, caption, parse, sample
from vital.world.scenes.vocabulary import ACCENTS, COLORS, FACTORS, PATTERNED, SCENE_FACTORS, THING_FACTORS


@st.composite
def things(draw: st.DrawFn, places: tuple[str, ...] = THING_FACTORS["place"]) -> Thing:
    chosen = {f: draw(st.sampled_from(THING_FACTORS[f])) for f in ("solid", "material", "colour", "size")}
    others = [name for name in COLORS if name != chosen["colour"]]
    accent = draw(st.sampled_from(others)) if chosen["material"] in PATTERNED else ""
    return Thing(accent=accent, place=draw(st.sampled_from(places)), **chosen)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    front = draw(things())
    elsewhere = tuple(p for p in THING_FACTORS["place"] if p != front.place)
    behind = draw(st.none() | things(elsewhere))
    around = {f: draw(st.sampled_from(v)) for f, v in SCENE_FACTORS.items()}
    return Scene(front, behind, variation=draw(st.integers(0, 2**31 - 1)), **around)


@settings(deadline=None, max_examples=300)
@given(scenes())
def test_a_caption_is_read_back_as_the_scene_without_its_variation(scene: Scene) -> None:
    assert parse(caption(scene)) == scene.described


def test_every_value_of_every_factor_is_said_and_read() -> None:
    for factor, values in FACTORS.items():
        for value in values:
            scene = sample(torch.Generator().manual_seed(1), 1, **{factor: value})[0]
            assert value in caption(scene)
            assert parse(caption(scene)).value(factor) == value


def test_captions_of_different_scenes_differ() -> None:
    drawn = {s.described for s in sample(torch.Generator().manual_seed(0), 400, pairs=0.5)}
    assert len({caption(s) for s in drawn}) == len(drawn)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("blu", "'blue'"),
        ("strped", "'striped'"),
        ("shpere", "'sphere'"),
        ("gras", "'grass'"),
        ("hugge", "size"),
    ],
)
def test_a_word_that_is_not_known_is_answered_with_the_nearest(word: str, hint: str) -> None:
    words = {"blu": "blue", "strped": "plain", "shpere": "sphere", "gras": "grass", "hugge": "large"}
    text = "a large blue plain sphere in the middle on grass".replace(words[word], word)
    with pytest.raises(UnknownNameError, match=hint):
        parse(text)


@pytest.mark.parametrize(
    "text", ["", "a cube", "a large red plain cube", "a large red plain cube in the middle on"]
)
def test_a_sentence_that_is_no_caption_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="SIZE COLOR"):
        parse(text)


def test_a_second_thing_is_written_behind_the_first() -> None:
    text = "a large red plain cube in the middle with a small blue plain cone on the left on grass"
    with pytest.raises(UsageError, match="behind it"):
        parse(text)


def test_case_spaces_and_a_full_stop_do_not_count() -> None:
    text = "A Large  red plain cube in the middle on grass, lit from the left, seen from the front."
    assert parse(text) == Scene(Thing("cube"))


def test_light_and_camera_may_be_left_out() -> None:
    assert parse("a large red plain cube in the middle on grass") == Scene(Thing("cube"))
    assert parse("a large red plain cube in the middle on grass, seen from above").camera == "above"


def test_a_caption_that_cannot_be_read_is_answered_with_one_that_can() -> None:
    for text in ("a wooden cube", "a red wooden cube in the middle on snow"):
        with pytest.raises(UsageError, match=f"such as '{EXAMPLE}'"):
            parse(text)
    assert caption(parse(EXAMPLE)).startswith(EXAMPLE)


def test_patterned_materials_have_an_accent_and_others_have_none() -> None:
    with pytest.raises(InvalidValueError, match=r"needs an accent, .* such as 'white and black striped'"):
        Thing(material="striped", colour="white")
    with pytest.raises(InvalidValueError, match="has no accent"):
        Thing(material="plain", accent="white")
    with pytest.raises(InvalidValueError, match="color itself"):
        Thing(material="striped", colour="red", accent="red")


def test_two_things_stand_in_two_places() -> None:
    with pytest.raises(InvalidValueError, match="another place"):
        Scene(Thing(), Thing())


def test_a_variation_below_zero_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="variation"):
        Scene(variation=-1)


def test_the_same_seed_draws_the_same_scenes() -> None:
    first, again, other = (sample(torch.Generator().manual_seed(s), 20, pairs=0.5) for s in (4, 4, 5))
    assert first == again != other


def test_more_scenes_begin_with_the_fewer() -> None:
    few, many = (sample(torch.Generator().manual_seed(4), n) for n in (5, 50))
    assert many[:5] == few


def test_fixed_factors_hold_and_the_others_vary() -> None:
    drawn = sample(torch.Generator().manual_seed(0), 300, colour="black", background="snow")
    assert {(s.thing.colour, s.background) for s in drawn} == {("black", "snow")}
    for factor in set(FACTORS) - {"colour", "background", "accent"}:
        assert {s.value(factor) for s in drawn} == set(FACTORS[factor])


def test_a_fixed_accent_draws_patterned_materials_of_other_colors() -> None:
    drawn = sample(torch.Generator().manual_seed(0), 200, accent="red")
    assert {s.thing.material for s in drawn} == set(PATTERNED)
    assert "red" not in {s.thing.colour for s in drawn}
    with pytest.raises(InvalidValueError, match="no accent"):
        sample(torch.Generator(), 1, accent="red", material="glass")


def test_a_factor_that_is_not_known_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'colour'"):
        sample(torch.Generator(), 1, color="red")


def test_values_are_equally_likely_and_independent() -> None:
    drawn = sample(torch.Generator().manual_seed(0), 6000)
    assert {s.thing.accent for s in drawn} == {"", *ACCENTS}
    for factor in ("solid", "material", "colour", "size", "place", "background", "light", "camera"):
        expected = len(drawn) / len(FACTORS[factor])
        for value in FACTORS[factor]:
            count = sum(s.value(factor) == value for s in drawn)
            assert abs(count - expected) < 5 * expected**0.5, (factor, value)
    both = sum(s.thing.colour == "red" and s.background == "snow" for s in drawn)
    assert abs(both - 100) < 50


def test_the_share_of_pairs_is_kept() -> None:
    drawn = sample(torch.Generator().manual_seed(0), 1000, pairs=0.3)
    assert 250 < sum(s.behind is not None for s in drawn) < 350
    assert all(s.behind is None for s in sample(torch.Generator().manual_seed(0), 50))
