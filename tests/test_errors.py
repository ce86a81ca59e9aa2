from __future__ import annotations

import pytest

from vital import errors
from vital.errors import missing_extra, nearest, unknown


def public() -> list[type[Exception]]:
    return [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)]


def test_everything_raised_on_purpose_is_a_vital_error_and_stands_in_the_tree() -> None:
    assert len(public()) >= 10
    for error in public():
        assert issubclass(error, errors.VitalError)
        assert error.__name__ in (errors.__doc__ or "")


def test_exit_codes_tell_a_wrong_request_from_failed_work() -> None:
    for error in public():
        assert error.exit_code == (2 if issubclass(error, errors.UsageError) else 1)  # type: ignore[attr-defined]


def test_a_bad_value_is_a_value_error_and_a_missing_extra_an_import_error() -> None:
    assert issubclass(errors.InvalidValueError, ValueError)
    assert issubclass(errors.MissingDependencyError, ImportError)


def test_the_nearest_names_come_best_first_whatever_their_case() -> None:
    assert nearest("LAYER44", ["layer1", "Layer4", "fc"])[0] == "Layer4"
    assert nearest("zzz", ["layer1", "fc"]) == []
    assert nearest("noise", ["units", "steps", "bands"]) == []
    assert nearest("rad", ["red"]) == ["red"]
    assert nearest("clip", ["dnd", "clip-dissect", "clap"]) == ["clap", "clip-dissect"]
    assert len(nearest("layer", [f"layer{i}" for i in range(9)])) == 3


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (["vital", "fourier"], "unknown method 'vitl'; did you mean 'vital'?"),
        (["vital", "vitae"], "unknown method 'vitl'; did you mean 'vital' or 'vitae'?"),
        (["maco"], "unknown method 'vitl'; known are: maco"),
        ([], "unknown method 'vitl'; there is no method to choose from"),
    ],
)
def test_an_unknown_name_is_answered_with_what_there_is(known: list[str], sentence: str) -> None:
    assert str(unknown("method", "vitl", known)) == sentence


def test_of_many_names_twelve_are_shown() -> None:
    text = str(unknown("class", "??", [f"c{i}" for i in range(40)]))
    assert text.endswith("c11, … (40 in all)")
    assert "c12" not in text


def test_a_missing_extra_says_the_command() -> None:
    assert "pip install 'vital-fv[timm]'" in str(missing_extra("timm", "timm", "models named timm:NAME"))
