from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from vital.backends import CAPTIONERS, ENCODERS, GENERATORS, SUMMARIZERS
from vital.data.open import SETS
from vital.describing import DESCRIBERS
from vital.errors import MissingDependencyError, UnknownNameError
from vital.models.published import SOURCES
from vital.params import PARAMS
from vital.rendering import METHODS
from vital.terms import OBJECTIVES, REGULARIZERS
from vital.transforms import TRANSFORMS
from vital.utils.registry import Registry


def colors() -> Registry[int]:
    registry: Registry[int] = Registry("color")
    registry.register("red", example="red()")(1)
    registry.register("green")(2)
    return registry


def test_a_registered_thing_is_found_by_its_name() -> None:
    registry = colors()
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
    registry = colors()
    with pytest.raises(ValueError, match="the color name 'red' is taken already"):
        registry.register("red")(3)
    assert registry["red"] == 1


def test_a_near_miss_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError) as caught:
        colors()["greeen"]
    assert str(caught.value) == "unknown color 'greeen'; did you mean 'green'?"


def test_a_far_miss_is_answered_with_all_names() -> None:
    with pytest.raises(UnknownNameError) as caught:
        colors()["xyzzy"]
    assert str(caught.value) == "unknown color 'xyzzy'; known are: red, green"


def test_a_place_is_imported_when_its_name_is_asked_for() -> None:
    registry: Registry[type] = Registry("fraction")
    registry.register_lazy("exact", "fractions:Fraction", example="exact()")
    assert (list(registry), registry.entries["exact"].example) == (["exact"], "exact()")
    assert registry["exact"].__name__ == "Fraction"
    assert registry.name_of(registry["exact"]) == "exact"
    with pytest.raises(ValueError, match="the fraction name 'exact' is taken already"):
        registry.register_lazy("exact", "decimal:Decimal")


def test_what_is_not_filed_has_no_name() -> None:
    assert colors().name_of(7) == ""


def test_a_package_fills_the_table_when_a_name_is_lacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "filling.py").write_text("import sys\nsys.modules['shelf'].TABLE.register('late')(3)\n")
    shelf = types.ModuleType("shelf")
    shelf.TABLE = registry = Registry("thing", package="filling")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shelf", shelf)
    monkeypatch.syspath_prepend(tmp_path)
    registry.register("early")(1)
    assert registry["early"] == 1
    assert "filling" not in sys.modules
    assert registry["late"] == 3
    assert list(registry) == ["early", "late"]
    monkeypatch.delitem(sys.modules, "filling")


def installed(folder: Path, name: str, points: str) -> None:
    """Install a package that declares entry points, as pip would leave it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[type[Exception]]:
    """A table of errors to which two packages add: one that works, and one that does not."""
    (tmp_path / "sound_plugin.py").write_text("class Mine(Exception):\n    pass\n")
    (tmp_path / "broken_plugin.py").write_text("import no_such_module\n")
    points = (
        "[some.errors]\nmine = sound_plugin:Mine\nkey = sound_plugin:Mine\nno-error = sound_plugin:Mine.args"
    )
    installed(tmp_path, "sound", points)
    installed(tmp_path, "unsound", "[some.errors]\nbroken = broken_plugin:Mine\nlost = sound_plugin:Lost\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry: Registry[type[Exception]] = Registry("error", group="some.errors", kind=Exception)
    registry.register("key")(KeyError)
    return registry


@pytest.mark.filterwarnings("ignore:the error 'key' of the package sound is left out")
def test_installed_packages_add_names(plugged: Registry[type[Exception]]) -> None:
    assert plugged["mine"].__module__ == "sound_plugin"
    assert list(plugged)[:2] == ["key", "mine"]
    assert set(plugged) == {"key", "mine", "no-error", "broken", "lost"}
    assert plugged["key"] is KeyError
    assert plugged.name_of(plugged["mine"]) == "mine"
    with pytest.raises(UnknownNameError, match="unknown error 'min'; did you mean 'mine'"):
        plugged["min"]


def test_a_name_that_is_taken_is_left_out_with_a_sentence(plugged: Registry[type[Exception]]) -> None:
    sentence = "the error 'key' of the package sound is left out: the name is taken"
    assert plugged["key"] is KeyError
    with pytest.warns(UserWarning, match=sentence):
        list(plugged)


@pytest.mark.filterwarnings("ignore:the error 'key' of the package sound is left out")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("broken", "of the package unsound cannot be imported: ModuleNotFoundError: No module named"),
        (
            "lost",
            "of the package unsound cannot be imported: AttributeError: module 'sound_plugin' has no attribute 'Lost'",
        ),
        (
            "no-error",
            "of the package sound is <attribute 'args' of 'BaseException' objects>; allowed are subclasses",
        ),
    ],
)
def test_a_broken_package_is_one_sentence(plugged: Registry[type[Exception]], name: str, why: str) -> None:
    with pytest.raises(MissingDependencyError) as caught:
        plugged[name]
    assert str(caught.value).startswith(f"the error {name!r} {why}")
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:the error")
def test_a_broken_package_does_not_stop_the_others(plugged: Registry[type[Exception]]) -> None:
    assert [name for name, _ in plugged.items()] == ["key", "mine"]
    with pytest.warns(UserWarning, match="the error 'broken' of the package unsound cannot be imported"):
        assert plugged.name_of(object()) == ""


TABLES = {
    "objective": OBJECTIVES,
    "regularizer": REGULARIZERS,
    "transform": TRANSFORMS,
    "parameterization": PARAMS,
    "method": METHODS,
    "describer": DESCRIBERS,
}


@pytest.mark.parametrize("what", TABLES)
def test_every_family_takes_parts_of_other_packages(what: str) -> None:
    table: Registry[Any] = TABLES[what]
    assert (table.what, table.group.startswith("vital.")) == (what, True)
    assert all(issubclass(kind, table.kind) for _, kind in table.items())


@pytest.mark.parametrize("table", [SOURCES, SETS, ENCODERS, CAPTIONERS, SUMMARIZERS, GENERATORS])
def test_every_place_that_is_named_exists(table: Registry[Any]) -> None:
    assert "world" in table
    assert all(callable(make) for _, make in table.items())
