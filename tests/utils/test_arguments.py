"""What was given in the place of something else is named, and what behaves as it should is let be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pytest
import torch

import vital
from tests import toy
from vital.errors import InvalidValueError
from vital.utils.arguments import fits, misfit, worded

MODEL = toy.model()


class Speaks(Protocol):
    def speak(self) -> str: ...


class Parrot:
    def speak(self) -> str:
        return "a"


class Rows:
    def __len__(self) -> int:
        return 2

    def __getitem__(self, place: int) -> str:
        return "ab"[place]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (Parrot(), Speaks), (np.int64(3), int), (torch.tensor(3), int), (3, float), (np.float32(1), float),
        (np.bool_(True), bool), (1, bool), (Path("x"), str | Path), (["a"], Iterable[str]), ("a", Sequence[str]),
        (Rows(), Sequence[str]), (np.array(["a"]), Sequence[str]), ((i for i in "a"), Iterable[int]),
        ({"a": 1}, Mapping[str, int]), (print, Callable[..., Any]), ("a", Literal["a", "b"]), ((1, 2), tuple[int, int]),
        ([1, 2], tuple[int, ...]), (int, type[int]), (None, int | None), (object(), object), (3, Any),
    ],
)  # fmt: skip
def test_what_may_be_given_fits(value: Any, hint: Any) -> None:
    assert fits(value, hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("a", Speaks), ("3", int), (2.5, int), ("3", float), (torch.zeros(2), bool), ("yes", bool), (3, str | Path),
        ([3], Iterable[str]), ("a.png", Iterable[int]), (torch.zeros(2), Sequence[str]), ([1], Mapping[str, int]),
        ({1: 1}, Mapping[str, int]), (3, Callable[..., Any]), ("c", Literal["a", "b"]), ((1, 2, 3), tuple[int, int]),
        (3, type[int]), (None, int), (b"x", str), (range(2), Sequence[str]),
    ],
)  # fmt: skip
def test_what_is_of_another_kind_does_not(value: Any, hint: Any) -> None:
    assert not fits(value, hint)


def test_kinds_are_told_in_words() -> None:
    assert worded(Iterable[vital.Prototype]) == "lists of Prototype"
    assert worded(Literal["a", "b"] | None) == "'a' or 'b' or none"
    assert worded(Callable[[int], int]) == "functions"


def test_the_first_argument_of_another_kind_is_named() -> None:
    def draw(where: str, *names: str, width: int = 1, **more: str) -> None: ...

    assert str(misfit(draw, ("a", 3), {"width": "b", "x": 3})) == (
        "width of test_the_first_argument_of_another_kind_is_named.<locals>.draw is 'b'; allowed are whole numbers"
    )
    assert misfit(draw, ("a",), {"width": 2}) is None
    assert misfit(draw, (), {}) is None


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: vital.report("r.html", [3]), "a int cannot be shown on a page; give run folders"),
        (lambda: vital.render(MODEL, "class:0", method="pixels", progress=torch.zeros(2)), "progress of render"),
        (lambda: vital.render(MODEL, "class:0", method="pixels", count=10**9), "count is 1000000000; allowed"),
        (lambda: vital.load_model(MODEL.module, size=16, seed=10**20), "seed is 1000.*; allowed are"),
        (lambda: vital.load_model(MODEL.module, size=10**400), "the size is 1000"),
    ],
)  # fmt: skip
def test_doors_name_what_is_of_another_kind(
    call: Callable[[], Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidValueError, match=f"^{says}"):
        call()


@pytest.mark.parametrize("out", ["a" * 300, "x\0y", "\ud800", 3])
def test_what_is_no_path_is_told(out: Any) -> None:
    with pytest.raises(vital.errors.RunError, match="is no path; give that of a file or folder"):
        vital.report(out)
