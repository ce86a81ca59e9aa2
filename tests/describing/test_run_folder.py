from pathlib import Path

import pytest

from vital.describing.run_folder import read_labels, rows_of, write_labels
from vital.errors import DataError, RunError
from vital.records import Description
from vital.units import Unit

DOG = Description(
    Unit("layer4", 7), "linear", "", 0.123456789, 'dog, "big"\nand wet', (("cat", 0.1), ("ö", -1.0)), 0.25,
    ("a/1.png", "b,2.png"), 3, "net",
)  # fmt: skip


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.csv", [DOG])
    assert read_labels(tmp_path / "labels.csv") == rows_of([DOG])


def test_rows_of_other_units_and_methods_stay_and_equal_ones_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    other = Description(Unit("layer4", 8), "linear", "cat", float("nan"))
    write_labels(file, [DOG, other])
    write_labels(file, [Description(Unit("layer4", 7), "linear", "wolf", 1.0, seed=3)])
    assert [(row["unit"], row["label"], row["score"]) for row in read_labels(file)] == [
        ("layer4:7", "wolf", 1.0),
        ("layer4:8", "cat", None),
    ]


@pytest.mark.parametrize(
    ("text", "said"), [("", "is empty"), ("unit,label\nfc:1,dog\n", "lacks the column 'layer'")]
)
def test_another_file_is_refused_and_kept(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        write_labels(tmp_path / "labels.csv", [DOG])
    assert (tmp_path / "labels.csv").read_text() == text


def test_a_missing_file_and_a_damaged_row_are_explained(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot read"):
        read_labels(tmp_path / "labels.csv")
    write_labels(tmp_path / "labels.csv", [DOG])
    text = (tmp_path / "labels.csv").read_text().replace("0.25", "a quarter")
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match="damaged"):
        read_labels(tmp_path / "labels.csv")
