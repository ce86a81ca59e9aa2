"""Concept files as they are found: each is read as what it is, or refused with its line."""

from pathlib import Path

import pytest

from vital.describing.candidates.concept_files import concepts_in, tidied
from vital.describing.candidates.concept_lists import read_concepts
from vital.errors import DataError

PAIR = ("dog", "red cube")


@pytest.mark.parametrize(
    "text",
    [
        "dog\nred cube\n",
        "// animals\n; more\n% and more\ndog\nred cube\n",
        "concepts:\n  - dog\n  - red cube\n",
        'concepts = ["dog", "red cube"]\n',
        "concepts = ['dog',\n 'red cube']\n",
        "('dog', 'red cube')",
        "dog, red cube",
        "dog\nred_cube",
        "dog: 3\nred cube: 0.5\n",
        "1 001.dog\n2 002.red_cube\n",
        "n02085620-dog\nn02085782-red_cube\n",
        "| name |\n|---|\n| dog |\n| red cube |\n",
        "| # | name |\n|---|:--|\n| 1 | dog |\n| 2 | red cube |\n",
        "index,mid,display_name\n0,/m/09x0r,dog\n1,/m/05zpp,red cube\n",
        "\ufeffdog\r\nred cube\r\n",
        "# animals\ndog\n\n#more\nred cube # a thing\n",
        "- dog\n- red cube\n",
        "* dog\n* red  cube\n",
        "• dog\n• red cube",
        "1. dog\n2. red cube",
        "1) dog\n2) red cube",
        "(1) dog\n(2) red cube",
        "0 dog\n1 red cube",
        "0\tdog\n1\tred cube",
        "0: dog\n1: red cube",
        "0,dog\n1,red cube",
        "dog 0\nred cube 1",
        '"dog"\n"red cube"',
        "'dog',\n'red cube',",
        "“dog”\n`red cube`",
        '- "dog"\n- "red cube"',
        "\u200bdog\nred\u200b cube\u2060\n",
        "dog\nDOG\n d\u00adog\nred\u00a0cube\nRed  Cube",
        "concept\ndog\nred cube",
        "concepts\ndog\nred cube",
        "index,concept\n0,dog\n1,red cube\n",
        "id;label;count\n0;dog;3\n1;red cube;4\n",
        "id\tname\n5\tdog\n3\tred cube\n",
        'word,note\n"dog","a, b"\n"red cube",\n',
        '["dog", "red cube"]',
        '[\n  "dog",\n  "red cube"\n]\n',
        "['dog', 'red cube']",
        '{"concepts": ["dog", "red cube"]}',
        '{"0": "dog", "1": "red cube"}',
        '{"1": "red cube", "0": "dog"}',
        '{"dog": 0, "red cube": 1}',
        '[{"name": "dog", "id": 4}, {"name": "red cube", "id": 2}]',
        '{"word": "dog"}\n{"word": "red cube"}\n',
        '{"0": ["n02084071", "dog"], "1": ["n00000001", "red_cube"]}',
        '{"animals": ["dog"], "things": ["red cube"]}',
        "/d/dog 0\n/r/red/cube 1\n",
        "/d/dog\n/r/red_cube\n",
        "n02084071 dog\nn00000001 red_cube\n",
        "n02084071\tdog\nn00000001\tred cube\n",
        "n02084071,dog\nn00000001,red cube\n",
        "n02084071 1 dog\nn00000001 2 red_cube\n",
        "dog.n.01\nred_cube.n.02\n",
        "Synset('dog.n.01')\nSynset('red_cube.n.02')\n",
        "dog n 7 5 @ ~\nred_cube n 1 1 @\n",
        "02084071 05 n 03 dog 0 domestic_dog 0\n00000001 05 n 01 red_cube 0\n",
        "dog, red cube, dog\n",
        "dog\x85red cube",
        "dog,red cube",
        "| dog |\n| red cube |\n",
        "| name | id |\n|---|---|\n| dog | 7 |\n| red cube | 3 |\n",
        "text:\n - dog\n - red cube\n",
        '"dog", "red cube"',
        "dog 1\nred cube 2",
        "\u200b\ndog\n\u2060\nred cube\n",
        '"name\t"\ndog\nred cube\n',
        'dog\n""\nred cube\n',
    ],
)
def test_each_form_is_read_as_what_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "words.txt").write_text(text, encoding="utf-8")
    assert read_concepts(tmp_path / "words.txt") == PAIR


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("words.csv", "label\ndog\ncat\n", ("dog", "cat")),
        ("words.txt", "label\ndog\ncat\n", ("label", "dog", "cat")),
        ("words.csv", "dog\ncat\n", ("dog", "cat")),
        ("words.txt", "tench, Tinca tinca\ngoldfish, Carassius auratus\n", None),
        ("words.txt", "cat's eye\n2 dogs\n3 dogs\nblack-and-white\n", None),
        ("words.txt", "1 dog\n3 cats\n", None),
        ("words.txt", "5 dogs\n6 cats\n", None),
        ("words.txt", "7\n8\n9\n", ("7", "8", "9")),
        ("words.txt", f"dog\n{'a' * 200}\n", None),
        ("words.txt", 'the "big" dog\ncat\n', None),
        ("words.txt", "dog:\nnamed\ncat\n", None),
        ("words.txt", "salt - pepper\ndog\n", None),
        ("words.txt", "'dog''\n''cat'\n'a' or 'b'\n", None),
        ("words.txt", "dog,big\ncat\n", None),
        ("words.txt", "dog 1\ncat 5\n", None),
        ("words.txt", "dog 3\ncat 4\n", None),
        ("words.txt", "dog 2\ncat 3\n", None),
        ("words.txt", "dog 0\ndog 1\n", None),
        ("words.txt", "red cube\nbow_window\n", None),
        ("words.txt", "n02084071 (small) dog\nn00000001(red) cube", ("(small) dog", "(red) cube")),
        ("words.txt", "C#\nF#\n", ("C#", "F#")),
        ("words.txt", "é\ne\u0301\nü\n", ("é", "ü")),
        ("words.txt", "می\u200cخواهم\n犬\n", ("می\u200cخواهم", "犬")),
    ],
)
def test_plain_words_stay_as_they_are(tmp_path: Path, name: str, text: str, words: tuple[str, ...]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_concepts(tmp_path / name) == (words or tuple(text.splitlines()))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "dog\nca\x00t\n", r"line 2 of .*: it holds control characters: '\\x00'"),
        ("a.txt", "dog\n\ncat\x07\n", "line 3 of .*: it holds control characters"),
        ("a.csv", "animal,size\ndog,big\ncat,small\n", "line 1 of .*: 'animal,size' has several cells"),
        ("a.txt", "dog\tbig\ncat\tsmall\n", "line 1 of .*: .* has several cells"),
        ("a.txt", "dog,big\ncat,small\n", "line 1 of .*: 'dog,big' has several cells"),
        ("a.csv", "id,label\n0,dog,fish\n1,cat\n", "line 2 of .*: it has not the 2 cells of the header"),
        ("a.csv", "id,label\n0,dog\n1,cat,fish\n", "line 3 of .*: it has not the 2 cells of the header"),
        ("a.txt", 'dog\n"cat\n', "line 2 of .*: a quotation mark of '\"cat' has no partner"),
        ("a.txt", 'dog\n""cat"\n', 'line 2 of .*: a quotation mark of \'""cat"\' has no partner'),
        ("a.txt", 'dog\n"cat""\n', 'line 2 of .*: a quotation mark of \'"cat""\' has no partner'),
        ("a.txt", 'dog\n"\n', "line 2 of .*: a quotation mark of '\"' has no partner"),
        ("a.txt", "dog\n'\n", "line 2 of .*: .* holds no letter"),
        ("a.txt", "\ndog, ---\n", "line 2 of .*: '---' holds no letter"),
        ("a.json", '\n["dog", "---"]', "line 2 of .*: '---' holds no letter"),
        ("a.txt", "\n['dog', 3]", "line 2 of .*: 3 is no text"),
        ("a.txt", f"dog\n{'a' * 201}\n", "line 2 of .*: it has 201 characters"),
        ("a.txt", "\n['dog',\n '---']\n", "line 2 of .*: '---' holds no letter"),
        ("a.json", '\n["dog",\n"\\ud800"]', "line 2 of .*: it is no JSON: it holds half of a character"),
        ("a.txt", "dog\n---\ncat\n", "line 2 of .*: '---' holds no letter"),
        ("a.txt", "<html>\n<body>\n", "line 1 of .*: '<html>' is markup"),
        ("a.txt", "n02084071\nn00000001\n", "line 1 of .*: 'n02084071' is the number of a WordNet concept"),
        ("a.json", '["dog",\n"cat"\n"hen"]', "line 3 of .*: it is no JSON"),
        ("a.json", '["dog", 3]', "line 1 of .*: 3 is no text"),
        (
            "a.json",
            '{"dog": "animal", "cube": "solid"}',
            "line 1 of .*: the object does not say which of dog, cube",
        ),
        ("a.json", '["dog", null]', "line 1 of .*: None is no text"),
    ],
)
def test_what_cannot_be_told_is_refused_with_its_line(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said) as error:
        read_concepts(tmp_path / name)
    assert len(str(error.value).splitlines()) == 1


def test_texts_are_tidied_alike_wherever_they_come_from() -> None:
    assert read_concepts(["\u200bdog", "Dog ", "red\u00a0 cube"]) == PAIR
    assert tidied("👩\u200d🚀") == "👩\u200d🚀"


@pytest.mark.parametrize("text", ["dog: 3", "dog 0", "dog 1"])
def test_a_single_line_is_not_counted(text: str) -> None:
    assert concepts_in(text) == [text]


def test_a_text_is_that_of_a_list_where_nobody_says_that_it_is_a_table() -> None:
    assert concepts_in("label\ndog\n") == ["label", "dog"]
    assert concepts_in("label\ndog\n", table=True) == ["dog"]
