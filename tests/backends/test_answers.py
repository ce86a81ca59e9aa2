"""A corpus of shapes of answers (`shapes.py`), each read right, and what no answer whatever may do."""

import json
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.backends.shapes import CAPTIONS, PHRASES, SHAPES
from vital.backends.answers import holds_answer, read_caption, read_descriptions, read_lines, read_phrase
from vital.world.scenes.vocabulary import FACTORS

MARKUP = re.compile(r"</?[a-z]+>|<\||\|>|```|\*\*|^[-*•\d]+[.)] |^[\"'`{\[|]|^#")
WORDS = [
    "red cubes",
    "snow",
    "striped dog",
    "a wheel",
    "green and white flag",
    "3d shapes",
    "dog's nose",
    "t-shirt",
]


@pytest.mark.parametrize("shape", SHAPES)
def test_descriptions_are_read_from_every_shape_of_answer(shape):
    answer, found = SHAPES[shape]
    assert read_descriptions(answer, 4) == found
    assert holds_answer(answer) == bool(found)


def test_there_are_many_shapes():
    assert len(SHAPES) >= 60


@pytest.mark.parametrize("shape", PHRASES)
def test_phrases_are_read_from_every_shape_of_answer(shape):
    answer, found = PHRASES[shape]
    assert read_phrase(answer, "as it was") == (found or "as it was")


@pytest.mark.parametrize("shape", CAPTIONS)
def test_captions_are_read_from_every_shape_of_answer(shape):
    answer, found = CAPTIONS[shape]
    assert read_caption(answer) == found


def test_what_a_user_may_want_to_say_is_an_answer():
    said = [word for values in FACTORS.values() for word in values] + WORDS
    said += [
        "text",
        "label on a bottle",
        "no parking sign",
        "sorry sign",
        "person with no hat",
        "i-beam",
        "none-shaped knot",
        "waiting in line",
        "waiting room",
        "writing desk",
        "sure-footed goats",
        "please wait sign",
        "nothing but sky",
        "okay sign",
        "ways to school",
        "wide-open mouth",
    ]
    for text in said:
        assert read_descriptions(text, 4) == [text]
        assert read_phrase(text, "") == text
        assert read_caption(text) == text
    assert read_lines(said) == said


def wrapped(words: list[str]) -> list[str]:
    """The same descriptions in several dresses at once."""
    listed = "\n".join(f"{i}. **{word}**" for i, word in enumerate(words, 1))
    quoted = ", ".join(f'"{word}"' for word in words)
    bare = "\n".join(words)
    before = ["", "<think>Hm: snow?</think>", "snow?</think>\n", "Sure! Here are some descriptions:\n"]
    behind = ["", "</s>", "<|im_end|>\n<|im_start|>user\nmore", "\n\nNote: that is all."]
    bodies = [listed, bare, f'```json\n{{"descriptions": [{quoted}]}}\n```', f"[{quoted}]"]
    return [b + body + e for b in before for body in bodies for e in behind]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_an_answer_is_the_same_in_every_dress(words):
    for answer in wrapped(words):
        assert read_descriptions(answer, 4) == words, answer


PIECES = [
    *(answer for answer, _ in (*SHAPES.values(), *CAPTIONS.values())),
    "\n",
    " ",
    "{",
    "[",
    '"',
    "<",
    "|",
    "```",
    ":",
]


@given(
    st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=6).map("".join)),
    st.integers(1, 5),
)
@example("[" * 5000, 3)
@example('{"a":' * 3000, 3)
@example("<think>" * 2000, 3)
@example("\\boxed{" * 2000, 3)
@settings(deadline=None, derandomize=True, max_examples=400)
def test_no_answer_makes_the_reader_fail_and_no_markup_is_left(answer, count):
    found = read_descriptions(answer, count)
    assert len(found) <= count
    assert len(set(found)) == len(found)
    for text in found:
        assert any(map(str.isalpha, text))
        assert not MARKUP.search(text), text
        assert not text.startswith(
            ("sure", "here are", "i'm sorry", "answer:", "common theme:", "let me know")
        )
        assert text not in ("none", "n/a", "null", "json", "assistant")
    assert isinstance(read_phrase(answer, "x"), str)
    assert "\n" not in read_caption(answer)
    read_lines([answer])


@pytest.mark.parametrize(
    "piece", ["[", "{'a':", "<think>", "| a ", "the ", "no common ", "Sure! ", "1. ", "- **", '"a", ', "a:"]
)
def test_a_long_answer_is_read_in_time(piece):
    start = time.perf_counter()
    for read in (lambda text: read_descriptions(text, 4), lambda text: read_phrase(text, ""), read_caption):
        read(piece * 200_000)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("striped cube", ["striped cube"]),
        ("Striped cubes\nRed things\n", ["striped cubes", "red things"]),
        ("1. Striped cubes\n2) Red things\n(3) Snow", ["striped cubes", "red things", "snow"]),
        ("- **Striped cubes**\n* `red things`.\n• “Snow”", ["striped cubes", "red things", "snow"]),
        ('"stripes, cubes; snow."', ["stripes", "cubes", "snow"]),
        ("stripes, mostly\ncubes", ["stripes, mostly", "cubes"]),
        ("stripes\nStripes\n STRIPES.", ["stripes"]),
        ("<think>They share\nsnow</think>\nstripes", ["stripes"]),
        ("<think>and so on without an end", []),
        ("Here are some descriptions of what all of the captions share:\nsnow", ["snow"]),
        ("3D shapes\n2 dogs", ["3d shapes", "2 dogs"]),
        ("a\nb\nc\nd\ne", ["a", "b", "c", "d"]),
        ("", []),
        (' "." \n - \n', []),
        ("[:] Snow", ["snow"]),
        (
            "one two three four five six seven eight, snow",
            ["one two three four five six seven eight", "snow"],
        ),
        ("[red] cubes", ["red cubes"]),
        ("name | label | score\n---|---|---\nx | red cubes | 3\ny | snow | 2", ["red cubes", "snow"]),
        ("| red cubes | 3 |\n| snow | 2 |", ["red cubes", "snow"]),
        ("| 1 | red cubes |\n| 2 | snow |", ["red cubes", "snow"]),
        ("| n | what |\n|---|---|\n| 1 | red cubes |\n| 2 | snow |", ["red cubes", "snow"]),
        ("Colors:\nred cubes\nsnow", ["red cubes", "snow"]),
        ("# Answer\nred cubes\nsnow", ["red cubes", "snow"]),
        ('"Sure! Red cubes"', ["red cubes"]),
        ("perhaps likely maybe possibly probably red cubes", ["red cubes"]),
        (
            "cubes, green and white flag, black and white dog",
            ["cubes", "green and white flag", "black and white dog"],
        ),
        ("cubes, dogs and snow", ["cubes", "dogs and snow"]),
        ("cubes, snow, dogs and cats", ["cubes", "snow", "dogs", "cats"]),
        ("red cubes)", ["red cubes"]),
        ("(red cubes", ["red cubes"]),
        ("((red) cubes)", ["(red) cubes"]),
        ("red cubes [1]", ["red cubes [1]"]),
        ("[1] red cubes\nsnow", ["red cubes"]),
        ("[] red cubes", []),
        ('{"description": "[\\"red cubes\\", \\"snow\\"]"}', ["red cubes", "snow"]),
        ('{"answer": "{\\"label\\": \\"red cubes\\", \\"reason\\": \\"seen\\"}"}', ["red cubes"]),
        ("# red cubes\n# snow", ["red cubes", "snow"]),
        ("| x | 1 |\n| y | 2 |", ["x", "y"]),
        ('{"answer": "", "mood": "dark"}', []),
        ('{"error": "x", "mood": "dark"}', []),
        ('{"refusal": "no", "mood": "dark"}', []),
        ("They are:\n\n| label | n |\n|---|---|\n| red cubes | 3 |\n| snow | 1 |", ["red cubes", "snow"]),
        ("Well:\n| 1 | red cubes |\n| 2 | snow |", []),
        ("one two three four five six seven eight nine", []),
        ("{'label': 'red cubes'}['snow']", ["red cubes", "snow"]),
        ('{["red cubes", "snow"]}', ["red cubes", "snow"]),
        ('{[{"label": "red cubes", "mood": "dark"}]}', ["red cubes"]),
        ('{["red cubes", {"label": "snow", "mood": "dark"}]}', ["red cubes", "snow"]),
        ("| 1 |\n| 2 | red cubes |", ["red cubes"]),
        ("1 red cubes", ["1 red cubes"]),
        ("Seen:\n| label | n |\n|---|---|\n| red cubes | dog |", ["red cubes"]),
        ("They are:\n\n| n | label |\n|---|---|\n| 1 | red cubes |\n| 2 | snow |", ["red cubes", "snow"]),
        ("n | label | x\n--|--|--\n3 | red cubes | 4\nThat is all", ["red cubes"]),
        (" ".join(["a" * 19] * 8), [" ".join(["a" * 19] * 8)]),
        (" ".join(["a" * 19] * 7 + ["a" * 20]), [" ".join(["a" * 19] * 7 + ["a" * 20])]),
        (" ".join(["a" * 20] * 2 + ["a" * 19] * 6), []),
    ],
)
def test_answers_are_read(answer, found):
    assert read_descriptions(answer, 4) == found


@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a": ', "}"), ('{"answer": ', "}")])
def test_an_answer_lies_at_most_six_pieces_deep(start: str, end: str) -> None:
    assert read_descriptions(6 * start + '"snow"' + 6 * end, 4) == ["snow"]
    assert read_descriptions(7 * start + '"snow"' + 7 * end, 4) == []


def test_texts_of_data_may_be_data_again_from_their_first_letter_on() -> None:
    text = "snow"
    for _ in range(3):
        text = json.dumps([text])
    assert read_descriptions(text, 4) == ["snow"]
    assert read_descriptions(json.dumps({"answer": 'cubes ["red"]'}), 4)[0].startswith("cubes")


def test_a_text_that_is_too_long_for_a_description_may_be_a_phrase() -> None:
    for count, held in ((9, True), (16, True), (17, False)):
        text = " ".join(["cube"] * count)
        assert read_descriptions(text, 4) == []
        assert read_phrase(text, "as it was") == (text if held else "as it was")
        assert holds_answer(text) == held


@pytest.mark.parametrize(("length", "found"), [(39, "snow"), (40, "red cubes")])
def test_a_heading_that_names_its_column_is_shorter_than_40_characters(length, found):
    heading = "description " + "x" * (length - len("description "))
    assert read_descriptions(f"| group | {heading} |\n|---|---|\n| red cubes | snow |", 4) == [found]


def test_data_is_found_right_behind_a_bracket_that_nothing_closes() -> None:
    assert read_descriptions('see {["red cubes", "snow"] and so on', 4) == ["red cubes", "snow"]
    assert read_descriptions('so: [{"description": "red cubes", "score": 1}', 4) == ["red cubes"]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("red cube", "red cube"),
        ('Phrase: "Red  cube."\nand more', "Red cube"),
        ("<think>hm</think>\n\n*red cube*", "red cube"),
        ("", "as it was"),
        (' "." ', "as it was"),
    ],
)
def test_phrases_are_read(answer, found):
    assert read_phrase(answer, "as it was") == found
