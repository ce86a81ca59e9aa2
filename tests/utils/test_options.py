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
    CountOrZero,
    Names,
    NonNegative,
    Positive,
    Range,
    Share,
    Side,
    check_options,
    check_seed,
    check_whole,
    checked_keywords,
    made_with,
    meanings,
    options_of,
    overview,
    parts_of_hint,
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


@pytest.mark.parametrize(
    ("limits", "inside", "outside", "told"),
    [
        (Range(1), (1, 2, 1e300), (0, -1), "from 1"),
        (Range(0, open=True), (1e-9, 5), (0, -1), "above 0"),
        (Range(1, 3), (1, 2, 3), (0.9, 3.1), "from 1 to 3"),
        (Range(1, 3, open=True), (1.1, 2, 3), (0, 1, 4), "above 1 and up to 3"),
        (Range(1, 3, below=True), (1, 2, 2.9), (0, 3, 4), "from 1 to below 3"),
        (Range(1, 3, open=True, below=True), (1.1, 2.9), (0, 1, 3, 4), "above 1 and up to below 3"),
        (parts_of_hint(Count)[1], (1, 1_000_000), (0, 1_000_001), "from 1"),
        (parts_of_hint(CountOrZero)[1], (0, 1_000_000), (-1, 1_000_001), "from 0"),
        (parts_of_hint(Side)[1], (1, 8192), (0, 8193), "from 1 to 8192"),
        (parts_of_hint(Share)[1], (0, 1), (-0.1, 1.1), "from 0 to 1"),
        (parts_of_hint(NonNegative)[1], (0, 1e30), (-1e-9,), "from 0"),
        (parts_of_hint(Positive)[1], (1e-9, 1e30), (0,), "above 0"),
    ],
)
def test_a_range_holds_what_it_says(
    limits: Range, inside: tuple[float, ...], outside: tuple[float, ...], told: str
) -> None:
    assert str(limits) == told
    assert [value for value in inside if value not in limits] == []
    assert [value for value in outside if value in limits] == []


@dataclass(frozen=True)
class Sized:
    """Hold numbers."""

    count: Count = 1
    weight: NonNegative = 1.0
    share: Share = 0.5
    side: Side = 1

    def __post_init__(self) -> None:
        check_options(self)


MANY, WIDE = ", and none above 1000000", ", and none above 3.4e+38 in size"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("count", 0, "whole numbers from 1"),
        ("count", 1e6, "whole numbers from 1"),
        ("count", 1_000_001, f"whole numbers from 1{MANY}"),
        ("count", 10**400, f"whole numbers from 1{MANY}"),
        ("count", 1e7, f"whole numbers from 1{MANY}"),
        ("count", float("inf"), "finite whole numbers from 1"),
        ("weight", -1, "numbers from 0"),
        ("weight", float("nan"), "finite numbers from 0"),
        ("weight", -float("inf"), "finite numbers from 0"),
        ("weight", 3.5e38, f"numbers from 0{WIDE}"),
        ("weight", 10**400, f"numbers from 0{WIDE}"),
        ("share", 2_000_000, "numbers from 0 to 1"),
        ("share", float("inf"), "numbers from 0 to 1"),
        ("side", 2_000_000, "whole numbers from 1 to 8192"),
    ],
)
def test_a_limit_that_keeps_slips_out_is_told_to_those_alone_who_went_above_it(
    name: str, value: float, allowed: str
) -> None:
    with pytest.raises(InvalidValueError, match=f"allowed are {re.escape(allowed)}$"):
        Sized(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=f"allowed are {re.escape(allowed)}$"):
        options_of(Sized)[name].check(value)


@pytest.mark.parametrize(("name", "value"), [("count", 1_000_000), ("weight", 3.4e38), ("weight", 0)])
def test_the_limits_themselves_are_allowed(name: str, value: float) -> None:
    assert getattr(Sized(**{name: value}), name) == value  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-3.4e38, 3.4e38])
def test_numbers_with_room_in_32_bits_are_finite(value: float) -> None:
    @dataclass(frozen=True)
    class Shifted:
        """Shift."""

        by: float = 0.0

    assert options_of(Shifted)["by"].check(value) == value
    with pytest.raises(InvalidValueError, match=f"allowed are numbers{re.escape(WIDE)}$"):
        options_of(Shifted)["by"].check(1.01 * value)


def test_a_hint_says_its_type_its_range_and_whether_none_is_allowed() -> None:
    limits = Range(1, 2)
    assert parts_of_hint(int) == (int, None, False)
    assert parts_of_hint(int | None) == (int, None, True)
    assert parts_of_hint(int | str) == (int, None, False)
    assert parts_of_hint(Annotated[int, limits, "of pixels"] | None) == (int, limits, True)


def test_a_count_and_a_seed_have_their_ends() -> None:
    assert (check_whole("n", 1, 1), check_whole("n", 1_000_000, 1), check_whole("n", -(10**9))) == (
        1,
        1_000_000,
        -(10**9),
    )
    for value, since in ((0, "$"), (1_000_001, f"{MANY}$"), (True, "$"), (1.0, "$")):
        with pytest.raises(
            InvalidValueError, match=f"^n is {value}; allowed are whole numbers from 1{since}"
        ):
            check_whole("n", value, 1)
    assert (check_seed(2**63 - 1), check_seed(1 - 2**63)) == (2**63 - 1, 1 - 2**63)
    for seed in (2**63, -(2**63)):
        with pytest.raises(InvalidValueError, match="whole numbers below 2"):
            check_seed(seed)


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
