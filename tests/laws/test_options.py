"""What holds for the options of every registered method and describer."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from vital.describing import DESCRIBERS
from vital.describing.evaluation.significance import JudgeOptions
from vital.errors import InvalidValueError
from vital.lwta.schedule import SamplingSchedule
from vital.lwta.train import TrainConfig
from vital.rendering import METHODS
from vital.utils.options import Option, meanings, options_of, shown

KINDS: dict[str, Any] = {
    **{name: METHODS[name] for name in METHODS},
    **{name: DESCRIBERS[name] for name in DESCRIBERS},
    "judge": JudgeOptions,
    "lwta train": TrainConfig,
    "sampling": SamplingSchedule,
}
OPTIONS = [(name, option) for name, kind in KINDS.items() for option in options_of(kind).values()]
EACH = pytest.mark.parametrize(
    ("name", "option"), OPTIONS, ids=[f"{name}.{option.name}" for name, option in OPTIONS]
)


@pytest.mark.parametrize("name", KINDS)
def test_every_field_has_one_line_of_meaning_and_no_line_is_of_another(name: str) -> None:
    said = meanings(KINDS[name])
    assert set(said) == {field.name for field in fields(KINDS[name])}
    for field, lines in said.items():
        assert len(lines) == 1, f"{field} has {len(lines)} lines"
        assert lines[0].endswith("."), f"{field} has no sentence"
        assert lines[0][0].isupper()


@EACH
def test_none_alone_means_choose_for_me(name: str, option: Option) -> None:
    assert option.default not in (-1, "", "none", ()), f"{name}.{option.name}"
    assert ("none for" in option.meaning) == option.optional


@EACH
def test_a_default_is_allowed_and_read_back_from_its_text(name: str, option: Option) -> None:
    assert option.check(option.default) == option.default
    if option.kind is not SamplingSchedule:
        assert option.read(shown(option.default)) == option.default


@EACH
def test_a_number_has_a_range(name: str, option: Option) -> None:
    if option.kind in (int, float) and option.name != "seed":
        with pytest.raises(InvalidValueError, match=f"^{option.name} is -1; allowed are "):
            option.check(-1)


def test_a_name_has_one_type_in_all_methods() -> None:
    known: dict[str, Option] = {}
    for name, option in OPTIONS:
        first = known.setdefault(option.name, option)
        assert (option.kind, option.allowed) == (first.kind, first.allowed), f"{name}.{option.name}"


AS_MANY_AS_THERE_ARE = {
    "n_images", "n_references", "n_shown", "n_evidence", "n_others", "top_k", "n_retrieved", "n_concepts",
    "n_preselected", "n_real", "n_candidates", "n_labels", "max_words", "batch_size",
}  # fmt: skip
"""Numbers of images, words or parts: of those that there are, no more are taken."""
TOLD = {"steps", "epochs", "warmup"}
"""Numbers of steps, of which progress tells how many are done."""


@EACH
def test_a_number_that_multiplies_the_work_is_bounded_closely(name: str, option: Option) -> None:
    if option.kind is int and option.name not in AS_MANY_AS_THERE_ARE | TOLD | {"seed", "split_seed"}:
        with pytest.raises(
            InvalidValueError, match=f"^{option.name} is 10000; allowed are whole numbers from "
        ):
            option.check(10_000)
        assert option.check(50) == 50
