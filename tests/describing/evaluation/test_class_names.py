import math

import numpy as np
import pytest
import torch

from vital.describing.evaluation.class_names import (
    CONTROLS,
    cosines,
    is_name,
    named,
    output_labels,
    ranks,
    read_names,
)
from vital.errors import DataError, InvalidValueError, UsageError
from vital.records import Description
from vital.units import Unit

NAMES = ["tench, Tinca tinca", "goldfish", "great white shark", "hen", "cock, rooster"]


class Letters:
    """Texts by how often each letter is in them, and a record of what was asked."""

    name = "letters"

    def __init__(self):
        self.asked = []

    def encode_text(self, texts):
        self.asked += texts
        return torch.tensor([[1.0 + text.lower().count(c) for c in "abcdefghijklmnop"] for text in texts])


def said(labels, layer="fc", method="dnd"):
    return [Description(Unit(layer, i), method, label, math.nan) for i, label in enumerate(labels)]


def test_ranks_are_those_of_counting():
    table = np.random.default_rng(0).random((20, 7)).round(1)
    true = [i % 7 for i in range(20)]
    for row, at, middle, best in zip(
        table, true, ranks(table, true), ranks(table, true, ties="best"), strict=True
    ):
        above, equal = sum(x > row[at] for x in row), sum(x == row[at] for x in row) - 1
        assert (best, middle) == (1 + above, 1 + above + equal / 2)
    with pytest.raises(InvalidValueError, match="allowed are middle, best"):
        ranks(table, true, ties="worst")


def test_perfect_labels_come_first_and_controls_do_not():
    own, *controls = named(said(["tench", "Goldfish", "great-white-shark", "hen", "rooster"]), NAMES)
    assert (own.exact, own.top1, own.mrr, own.distinct) == (1.0, 1.0, 1.0, 5)
    assert tuple(row.row for row in controls) == CONTROLS
    assert controls[0].top1 == 0.2
    assert controls[0].distinct == 1
    assert controls[1].mrr < 0.7
    assert controls[2].exact == 0.0


def test_a_label_that_is_like_nothing_is_no_find():
    silent, *_ = named(said(["", "", "", "", "zzz"]), NAMES)
    assert (silent.labeled, silent.top1, silent.exact) == (1, 0.0, 0.0)
    assert silent.mrr == pytest.approx(1 / 3)  # the middle of five equal names
    assert named(said(["", "", "", "", "zzz"]), NAMES, ties="best")[0].top1 == 1.0
    assert math.isnan(named(said([""] * 5), NAMES)[0].cosine)


def test_an_encoder_sees_each_text_once_and_whole():
    encoder = Letters()
    own, *_ = named(said(["tench", "hen", "hen", "", "cock"]), NAMES, encoder)
    assert sorted(encoder.asked) == sorted({"tench", "hen", "cock", *NAMES})
    assert own.similar == "letters"
    table = cosines(encoder)(["hen", ""], NAMES)
    raw = np.asarray(encoder.encode_text(["hen", *NAMES]), dtype=float)
    expected = raw[1:] @ raw[0] / np.linalg.norm(raw[1:], axis=1) / np.linalg.norm(raw[0])
    np.testing.assert_allclose(table[0], expected, atol=1e-12)
    assert not table[1].any()
    with pytest.raises(InvalidValueError, match="give a list of texts"):
        cosines(encoder)("hen", NAMES)


def test_a_name_is_any_synonym_but_no_part_of_one():
    assert is_name("TINCA TINCA", NAMES[0])
    assert is_name("tench, tinca-tinca", NAMES[0])
    assert not is_name("tinca", NAMES[0])
    assert not is_name("", NAMES[0])


def test_the_output_layer_is_found_or_asked_for():
    every = [*said(["a"], "layer4"), *said(["hen"], "fc"), *said(["cock"], "fc", "milan")]
    assert [[one.label for one in group] for group in output_labels(every)] == [["hen"], ["cock"]]
    assert [one.label for one in output_labels(every, "layer4")[0]] == ["a"]
    with pytest.raises(UsageError, match="give --layer, one of: layer4"):
        output_labels(said(["a"], "layer4"))
    with pytest.raises(DataError, match="says two things of fc:0"):
        output_labels([*said(["hen"]), *said(["cock"])])
    with pytest.raises(DataError, match="label for unit 5, and 5 names"):
        named(said(["x"] * 6), NAMES)


def test_names_are_read_line_by_line(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("tench, Tinca tinca\n/b/bow_window/indoor 60\n\n")
    assert read_names(file) == ["tench, Tinca tinca", "bow_window/indoor"]
    for text in ("a\n\nb\n", ""):
        file.write_text(text)
        with pytest.raises(DataError, match="empty"):
            read_names(file)
