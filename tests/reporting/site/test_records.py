import csv
import io
import json

from vital.reporting.site.records import COLUMNS, csv_lines_of, script

RECORD = {
    "unit": "class:7", "layer": "class", "class": "=HYPERLINK(1)", "truth": "", "agreement": None,
    "page": "units/class/7/index.html", "faults": [],
    "prototypes": [{"status": "done", "value": -0.5, "percentile": 99.0, "picture": "a.webp"}],
    "words": [
        {"method": "dnd", "label": "@evil", "candidate": "+1", "score": -0.25, "p_value": None, "others": [["-x", 1]]}
    ],
}  # fmt: skip


def test_no_cell_of_a_table_is_a_formula_and_numbers_stay_numbers():
    (row,) = csv.reader(io.StringIO(csv_lines_of(RECORD).decode()))
    found = dict(zip(COLUMNS, row, strict=True))
    assert (found["class"], found["label"], found["candidate"]) == ("'=HYPERLINK(1)", "'@evil", "'+1")
    assert (found["others"], found["value"], found["score"], found["p_value"]) == ("'-x", "-0.5", "-0.25", "")


def test_a_unit_of_which_nothing_is_said_has_a_row_too():
    (row,) = csv.reader(io.StringIO(csv_lines_of(RECORD | {"words": []}).decode()))
    assert dict(zip(COLUMNS, row, strict=True))["unit"] == "class:7"


def test_data_are_scripts_that_call_one_function():
    value = ["</script>", "a\u2028b", 'quote " and \\']
    text = script("vital.units", value).decode()
    assert text.startswith("vital.units(")
    assert text.endswith(");\n")
    assert "\u2028" not in text
    assert json.loads(text[len("vital.units(") : -3])[0] == "</script>"
