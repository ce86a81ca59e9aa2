from pathlib import Path

import pytest

from vital.describing.candidates.concept_lists import read_concepts, world_concepts
from vital.errors import DataError, InvalidValueError, RunError


def test_blank_lines_spaces_repeats_and_a_mark_at_the_start_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes("\ufeffdog\r\n\r\n  red   cube \nDOG\n\ntench, Tinca tinca\né\n".encode())
    assert read_concepts(file) == ("dog", "red cube", "tench, Tinca tinca", "é")


def test_a_blank_line_shifts_no_label(tmp_path: Path) -> None:
    plain, gaps = tmp_path / "a.txt", tmp_path / "b.txt"
    plain.write_text("one\ntwo\nthree\n")
    gaps.write_text("one\n\n\ntwo\n \nthree")
    assert read_concepts(plain) == read_concepts(str(gaps))


def test_twenty_thousand_words_are_read(tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("\n".join(f"word {i}" for i in range(20_000)))
    assert len(read_concepts(file)) == 20_000


def test_the_world_has_a_list_of_its_own() -> None:
    assert read_concepts("world") == world_concepts()
    assert len(set(world_concepts())) == len(world_concepts()) > 1000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds 0 different concepts"),
        (b"dog\n\n Dog \n", "holds 1 different concepts"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", r"line 1: the byte 0x89 is no text in UTF-8"),
        (b"dog\x00cat\nhen\n", "control characters"),
        (b"dog\n" + b"x" * 201, "line 2 of .* has 201 characters"),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        read_concepts(tmp_path / "words.txt")
    assert "\n" not in str(error.value)


def test_a_missing_file_names_its_neighbor_and_a_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    with pytest.raises(RunError, match=r"did you mean '.*words\.txt'"):
        read_concepts(tmp_path / "word.txt")
    with pytest.raises(RunError, match=r"^cannot read .*: it is no file, but a folder; give plain text"):
        read_concepts(tmp_path)


@pytest.mark.parametrize("texts", [["dog"], ["dog", 3], []])
def test_texts_that_are_no_list_of_concepts_are_refused(texts: list) -> None:
    with pytest.raises(InvalidValueError):
        read_concepts(texts)


@pytest.mark.parametrize("letter", ["x", "9", "a ", "[", "#"])
def test_a_line_of_many_letters_is_refused_at_once(tmp_path: Path, letter: str) -> None:
    (tmp_path / "words.txt").write_text(letter * 100_000 + "\nred")
    with pytest.raises(DataError):
        read_concepts(tmp_path / "words.txt")
