from __future__ import annotations

import pytest

from vital.errors import UnknownNameError
from vital.utils.registry import Registry


def colours() -> Registry[int]:
    registry: Registry[int] = Registry("colour")
    registry.register("red", example="red()")(1)
    registry.register("green")(2)
    return registry


def test_a_registered_thing_is_found_by_its_name() -> None:
    registry = colours()
    assert (registry["red"], registry["green"]) == (1, 2)
    assert list(registry) == ["red", "green"]
    assert "red" in registry
    assert "blue" not in registry
    assert len(registry) == 2
    assert registry.entries["red"].example == "red()"


def test_registering_returns_the_thing_itself() -> None:
    thing = object()
    registry: Registry[object] = Registry("thing")
    assert registry.register("it")(thing) is thing
    assert registry.name_of(thing) == "it"


def test_a_name_is_taken_once() -> None:
    registry = colours()
    with pytest.raises(ValueError, match="the colour name 'red' is taken already"):
        registry.register("red")(3)
    assert registry["red"] == 1


def test_a_near_miss_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError) as caught:
        colours()["greeen"]
    assert str(caught.value) == "unknown colour 'greeen'; did you mean 'green'?"


def test_a_far_miss_is_answered_with_all_names() -> None:
    with pytest.raises(UnknownNameError) as caught:
        colours()["xyzzy"]
    assert str(caught.value) == "unknown colour 'xyzzy'; known are: red, green"
