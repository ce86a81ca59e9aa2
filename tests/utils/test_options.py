from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pytest

from vital.cli.methods import documented
from vital.errors import InvalidValueError, UnknownNameError
from vital.rendering import make_method
from vital.utils.options import (
    Count,
    Names,
    NonNegative,
    Positive,
    Share,
    check_options,
    check_whole,
    checked_keywords,
    made_with,
    meanings,
    options_of,
    overview,
    shown,
    without_options,
)
from vital.utils.registry import Entry, Registry


@dataclass(frozen=True)
class Blur:
    """Smooth a picture.

    It is slow.

    Options:
        width: The width in pixels; none for the picture's own.
        keep: The share that is kept.
        weights: The weights of the colors; none for equal ones.
        names: The layers.
        edge: What lies outside.
        fast: Whether it hurries.
        title: What it is called; none for no title.

    Source: nobody
    """

    width: Count | None = None
    keep: Share = 0.5
    weights: tuple[NonNegative, ...] | None = None
    names: tuple[str, ...] = ("a",)
    edge: Literal["wrap", "grey"] = "wrap"
    fast: bool = False
    title: str | None = None

    def __post_init__(self) -> None:
        check_options(self)


BLURS: Registry[type[Blur]] = Registry("blur")
BLURS.register("blur")(Blur)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *[("width", text, None) for text in ("none", "None", "", " ")],
        ("width", "3", 3),
        ("keep", "1", 1.0),
        ("keep", "0", 0.0),
        ("weights", "1, 2.5,", (1.0, 2.5)),
        ("weights", "none", None),
        ("weights", "", None),
        ("names", "none,b", ("none", "b")),
        ("edge", "grey", "grey"),
        *[("fast", text, True) for text in ("Yes", "true", "1")],
        *[("fast", text, False) for text in ("no", "False", "0")],
        ("title", "none", None),
        ("title", "0", "0"),
    ],
)
def test_texts_are_read_as_the_options_own_type(name: str, text: str, value: object) -> None:
    found = getattr(made_with(BLURS, "blur", {name: text}), name)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        *[("width", wrong, "whole numbers from 1, or none") for wrong in (0, -1, 2.0, True, "0", "x", "1.5")],
        *[("keep", wrong, "numbers from 0 to 1") for wrong in (1.5, "1.5", "nan", float("nan"), "none", None, "")],
        *[("weights", wrong, "numbers from 0 with commas between them, or none") for wrong in (1.0, (), (-1.0,), "a")],
        *[("names", wrong, "texts with commas between them") for wrong in ("", ",", None, (1,))],
        *[("edge", wrong, "wrap, grey") for wrong in ("black", None, 3)],
        *[("fast", wrong, "true and false") for wrong in ("maybe", 1, None)],
    ],
)  # fmt: skip
def test_what_is_outside_the_range_gets_one_sentence(name: str, value: object, allowed: str) -> None:
    read = {"0": 0, "nan": float("nan"), ",": ()} | ({"1.5": 1.5} if name == "keep" else {"": ()})
    told = read.get(value, value) if isinstance(value, str) else value
    sentence = f"{name} is {told!r}; allowed are {allowed}"
    with pytest.raises(InvalidValueError, match=f"^{re.escape(sentence)}$"):
        made_with(BLURS, "blur", {name: value})
    if not isinstance(value, str):
        with pytest.raises(InvalidValueError, match=f"^{re.escape(sentence)}$"):
            Blur(**{name: value})  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers() -> None:
    made = made_with(BLURS, "blur", {"width": np.int64(3), "keep": np.float32(0.5)})
    assert (made.width, made.keep) == (3, 0.5)


def test_an_option_that_there_is_not_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown option of blur 'widht'; did you mean 'width'"):
        made_with(BLURS, "blur", {"widht": 3})
    with pytest.raises(UnknownNameError, match=r"^unknown option of blur 'progres'; did you mean 'progress'"):
        made_with(BLURS, "blur", {"progres": 3}, ["progress"])


def test_meanings_come_from_the_docstring() -> None:
    assert {name: option.meaning for name, option in options_of(Blur).items()}["keep"] == (
        "The share that is kept."
    )
    assert list(meanings(Blur)) == list(options_of(Blur))
    assert without_options(Blur) == "Smooth a picture.\n\nIt is slow.\n\nSource: nobody"
    assert "blur  Smooth a picture.\n" in overview(BLURS, "vital.BLURS")


@pytest.mark.parametrize("name", list(options_of(Blur)))
def test_a_default_that_is_shown_is_read_as_itself(name: str) -> None:
    option = options_of(Blur)[name]
    assert option.read(shown(option.default)) == option.default


def test_a_function_refuses_what_it_has_no_argument_for_before_it_works() -> None:
    done = []

    @checked_keywords
    def work(model: object, /, *, batch: int | None = None) -> None:
        done.append((model, batch))

    with pytest.raises(UnknownNameError, match=r"^unknown argument of work 'bach'; did you mean 'batch'"):
        work(1, bach=2)  # type: ignore[call-arg]
    assert not done
    work(1, batch=2)
    assert done == [(1, 2)]


def test_lists_become_tuples_and_numbers_of_numpy_python_s_own() -> None:
    made = make_method("vital-reference", layers=["layer2", "layer3"], steps=np.int64(5), lr=np.float32(0.5))
    assert made.layers == ("layer2", "layer3")
    assert json.dumps(made.options())
    assert hash(made)
    assert type(check_whole("steps", np.int64(3))) is int


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_that_are_not_finite_are_refused_and_the_sentence_is_true(value: float) -> None:
    with pytest.raises(InvalidValueError, match=r"^lr is (inf|nan); allowed are finite numbers above 0"):
        make_method("pixels", lr=value)


TINTS: Registry[int] = Registry("tint")
TINTS.register("red")(1)


@dataclass(frozen=True)
class Tinted:
    """Tint a picture."""

    tint: Annotated[str, Names(TINTS, ("grey",))] | None = "red"

    def __post_init__(self) -> None:
        check_options(self)


@pytest.mark.parametrize("tint", ["red", "grey", None])
def test_a_name_of_a_registry_or_beside_it_is_allowed(tint: str | None) -> None:
    assert Tinted(tint).tint == tint
    assert options_of(Tinted)["tint"].read(shown(tint)) == tint


def test_a_name_that_no_registry_holds_is_told_with_the_nearest_when_a_thing_is_made() -> None:
    with pytest.raises(UnknownNameError, match="unknown tint 'gray'; did you mean 'grey'"):
        Tinted("gray")
    with pytest.raises(UnknownNameError, match="unknown tint '7'; known are: red, grey"):
        options_of(Tinted)["tint"].read("7")
    with pytest.raises(InvalidValueError, match="tint is 3; allowed are texts out of red, grey, or none"):
        Tinted(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "option", "given", "meant"),
    [
        ("vital", "relevance", "zplusss", "zplus"),
        ("vital", "relevance", "gradien", "gradient"),
        ("dnd", "scoring", "aupr", "auprc"),
        ("prototype", "scoring", "topk-compar", "topk-compare"),
    ],
)
def test_names_in_the_options_of_methods_are_checked_when_one_is_made(
    method: str, option: str, given: str, meant: str
) -> None:
    kind: type = documented()[method]
    for make in (
        kind,
        lambda **options: made_with(Registry("way", {"it": Entry("it", kind)}), "it", options),
    ):
        with pytest.raises(UnknownNameError, match=f"{given!r}; did you mean {meant!r}"):
            make(**{option: given})


@pytest.mark.parametrize("text", ["１", "٣", "1_0", "²", "1.５"])
def test_digits_are_those_of_numbers_in_programs(text: str) -> None:
    @dataclass
    class Numbers:
        """Two numbers.

        Options:
            whole: A whole number.
            real: A number.
        """

        whole: Count = 1
        real: Positive = 1.0

    for name, option in options_of(Numbers).items():
        with pytest.raises(InvalidValueError, match=f"^{name} is .*; allowed are"):
            option.read(text)
