import pytest

from vital.backends.prompts import question, read_answer, read_phrase, simplification


def test_the_question_holds_every_caption_on_a_line_of_its_own():
    (message,) = question(["a red cube", "a sphere\non   sand {count}"], 3)
    assert message["role"] == "user"
    assert "\n- a red cube\n- a sphere on sand {count}\n" in message["content"]
    assert "up to 3 different" in message["content"]


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
    ],
)
def test_answers_are_read(answer, found):
    assert read_answer(answer, 4) == found


def test_a_caption_is_shortened_on_a_line_of_its_own():
    (message,) = simplification("a red\n cube  {caption}")
    assert message["role"] == "user"
    assert message["content"].endswith("\nCaption: a red cube {caption}\nPhrase:")


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
