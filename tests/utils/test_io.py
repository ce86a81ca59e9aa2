"""Files are written whole or not at all, and what is wrong with one is a sentence that names it."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vital.data.labels import read_labels
from vital.describing.candidates.concept_lists import read_concepts
from vital.describing.evaluation.class_names import read_names
from vital.describing.evaluation.importers import import_labels
from vital.errors import DataError, RunError
from vital.reporting.sections import page_of
from vital.utils import io
from vital.utils.io import read_text
from vital.utils.part_files import STALE_SECONDS


def test_what_a_killed_process_left_is_removed_by_a_later_write_and_what_another_writes_is_not(
    tmp_path: Path,
) -> None:
    killed, busy = tmp_path / ".a.bin.00.part", tmp_path / ".a.bin.01.part"
    for part in (killed, busy):
        part.write_bytes(b"half of someth")
    long_ago = time.time() - STALE_SECONDS - 1
    os.utime(killed, (long_ago, long_ago))
    io.write(tmp_path / "a.bin", b"whole")
    assert sorted(file.name for file in tmp_path.iterdir()) == [busy.name, "a.bin"]


def test_two_processes_may_write_one_file_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vital.utils.io import write\n"
        "for _ in range(30): write(Path(sys.argv[1]), sys.argv[2] * int(sys.argv[3]))"
    )
    file, texts = tmp_path / "a.txt", {"a" * 400_000, "b" * 300_000}
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(file), text[0], str(len(text))]) for text in texts
    ]
    while any(writer.poll() is None for writer in writers):
        if file.exists():
            assert file.read_text() in texts
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_an_error_within_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    io.write(tmp_path / "a.txt", "old")
    with suppress(KeyError), io.replacing(tmp_path / "a.txt") as part:
        part.write_text("half")
        raise KeyError
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a.txt": "old"}


def test_text_is_utf_8_with_or_without_a_mark(tmp_path: Path) -> None:
    io.write(tmp_path / "a.txt", "\ufeffé\n")
    assert io.read_text(tmp_path / "a.txt") == "é\n"
    (tmp_path / "a.txt").write_bytes("a\né\n".encode("latin-1"))
    with pytest.raises(DataError) as caught:
        io.read_text(tmp_path / "a.txt", "give words")
    assert str(caught.value) == (
        f"'{tmp_path / 'a.txt'}', line 2: the byte 0xe9 is no text in UTF-8; save it as UTF-8; give words"
    )


def test_a_missing_text_names_the_nearest_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("")
    with pytest.raises(RunError) as caught:
        io.read_text(tmp_path / "word.txt")
    assert str(caught.value) == (
        f"cannot read '{tmp_path / 'word.txt'}': No such file or directory; did you mean '{tmp_path / 'words.txt'}'?"
    )
    with pytest.raises(RunError, match=r"No such file or directory$"):
        io.read_text(tmp_path / "nowhere" / "word.txt")


def test_the_nearest_path_is_named_whole_also_where_a_folder_on_the_way_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/mine").mkdir(parents=True)
    Path("runs/words.csv").touch()
    for asked, meant in {
        "runs/mien": "runs/mine",
        "run/mine": "runs/mine",
        "run/other": "runs",
        "runs/words.cvs": "runs/words.csv",
        "rnus": "runs",
    }.items():
        assert io.did_you_mean(asked) == f"; did you mean {str(Path(meant))!r}?"
    Path("runs/wordz.cvs").touch()
    assert io.did_you_mean("runs/words.cvs") == f"; did you mean {str(Path('runs/wordz.cvs'))!r}?"
    assert io.did_you_mean("elsewhere/else") == io.did_you_mean("") == ""


def test_a_table_is_read_by_column_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    io.write(file, '\ufeffunit, label\r\n"fc:1","a\r\ndog"\r\n , \r\nfc:2\r\n')
    header, rows = io.read_csv(file, needs=["label"])
    assert header == ["unit", "label"]
    assert rows == [(3, {"unit": "fc:1", "label": "a\r\ndog"}), (5, {"unit": "fc:2", "label": ""})]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "{} is empty; give a table with a header"),
        ("unit,labels\nfc:1,dog\n", "{}, line 1: it lacks the column 'label'; did you mean 'labels'?"),
        ("a,b\n", "{}, line 1: it lacks the column 'label'; it has 'a', 'b'"),
        ("label\ndog, cat\n", "{}, line 2: it has more cells than the header has names; quote commas"),
        ('label\ndog\n"cat', "{}, line 3, is no table of comma-separated text: unexpected end of data"),
    ],
)
def test_a_table_that_is_none_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        io.read_csv(tmp_path / "a.csv", needs=["label"])
    assert str(caught.value) == said.format(repr(str(tmp_path / "a.csv")))


def test_a_table_that_is_written_is_read_again(tmp_path: Path) -> None:
    rows = [["a\nb", 'say "c", d', 0.12345678, None, ["x", 1]]]
    io.write(tmp_path / "a.csv", io.as_csv("vwxyz", rows))
    cells = {"v": "a\nb", "w": 'say "c", d', "x": "0.123457", "y": "", "z": '["x", 1]'}
    assert io.read_csv(tmp_path / "a.csv") == (list("vwxyz"), [(3, cells)])


def test_json_is_made_anew_where_it_is_damaged(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, int]:
        made.append(len(made))
        return {"x": 1}

    for content, times in ((None, 1), (None, 1), ("{", 2), ("[]", 3), (b"\xff", 4)):
        if content is not None:
            io.write(tmp_path / "a.json", content)
        assert io.cached_json(tmp_path / "a.json", make) == {"x": 1}
        assert len(made) == times


def test_lines_that_were_cut_off_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "a.jsonl"
    assert list(io.json_lines(file)) == []
    io.append_json(file, [{"a": "é\u2028"}, [1]])
    file.write_bytes(file.read_bytes() + b'\n{"b"')
    io.append_json(file, ["c"])
    assert list(io.json_lines(file)) == [{"a": "é\u2028"}, [1], "c"]
    assert file.read_text().split("\n")[-3:] == ['{"b"', '"c"', ""]


def test_a_picture_keeps_its_notes_and_damage_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    io.write(file, io.as_png(Image.new("RGB", (4, 3), "red"), {"Title": "é"}))
    with Image.open(file) as picture:
        assert picture.info == {"Title": "é"}
    assert io.read_picture(file).getpixel((3, 2)) == (255, 0, 0)
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(RunError, match=r"a\.png'"):
        io.read_picture(file)
    with pytest.raises(RunError, match=r"^cannot read"):
        io.read_picture(tmp_path / "b.png")


def test_caches_lie_where_the_system_keeps_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VITAL_CACHE", "somewhere")
    assert io.cache_folder() == Path("somewhere")
    monkeypatch.delenv("VITAL_CACHE")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert io.cache_folder() == tmp_path / "vital"
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert io.cache_folder() == tmp_path / ".cache" / "vital"


def test_a_folder_is_let_go_when_its_process_dies(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from vital.utils.io import locked\n"
        "with locked(Path(sys.argv[1])): print('in', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout
            assert other.stdout.readline() == b"in\n"
            with pytest.raises(RunError, match="is in use by another process"), io.locked(tmp_path):
                pass
        finally:
            other.kill()
    with io.locked(tmp_path):
        pass


def test_empty_cells_beyond_the_header_are_left_out() -> None:
    _, rows = io.parse_csv("file,index\na.png,3,\nb.png,4,,\n", "a file")
    assert [row for _, row in rows] == [{"file": "a.png", "index": "3"}, {"file": "b.png", "index": "4"}]
    with pytest.raises(DataError, match="line 2: it has more cells than the header has names"):
        io.parse_csv("file,index\na.png,3,,x\n", "a file")


def test_a_record_that_is_no_utf_8_is_damaged_and_told_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_bytes(b'{"a":\n"\xe9"}')
    with pytest.raises(RunError, match=r"is damaged: line 2: the byte 0xe9 is no text in UTF-8; remove it"):
        io.read_json(file)


READERS: dict[str, Any] = {
    "a report's table": lambda file: page_of([file.parent]),
    "labels of images": lambda file: read_labels(file, ["a.png"]),
    "labels of units": import_labels,
    "concepts": read_concepts,
    "names": read_names,
}


@pytest.mark.parametrize("what", READERS)
def test_every_reader_of_text_says_the_same_of_what_is_no_utf_8(what: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("unit,method,label\nfc:1,dnd,dog\n")
    file = tmp_path / "scores.csv"
    file.write_bytes(b"unit,label\nfc:1,caf\xe9\n")
    with pytest.raises(
        DataError, match=r"scores\.csv', line 2: the byte 0xe9 is no text in UTF-8; save it as UTF-8"
    ):
        READERS[what](file)


def test_a_pipe_is_no_text_file_but_that_of_a_shell_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(RunError, match=r"labels\.csv': it is no file, but a pipe"):
        read_text(tmp_path / "labels.csv")
    reader, writer = os.pipe()
    os.write(writer, b"unit,label")
    os.close(writer)
    assert read_text(f"/dev/fd/{reader}") == "unit,label"
    os.close(reader)
