"""What the parts are called with is promised: a default that changes is a change that users notice."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from vital import attribution, metrics, objectives, params, regularizers, transforms
from vital.describing import DESCRIBERS, matching, methods
from vital.params import PARAMS
from vital.terms import OBJECTIVES, REGULARIZERS
from vital.transforms import TRANSFORMS
from vital.utils.registry import Registry

ROOMS: dict[ModuleType, Registry[Any]] = {
    objectives: OBJECTIVES, regularizers: REGULARIZERS, params: PARAMS, transforms: TRANSFORMS,
}  # fmt: skip
PUBLIC = (attribution, metrics)
"""Packages of which all names count."""
KEPT = Path(__file__).with_name("signatures.txt")


def shown(name: str, kind: Any) -> str:
    """A call with its defaults, without types."""
    given = inspect.signature(kind)
    plain = [part.replace(annotation=inspect.Parameter.empty) for part in given.parameters.values()]
    return f"{name}{given.replace(parameters=plain, return_annotation=inspect.Signature.empty)}"


def lines() -> list[str]:
    """One line for each registered part and each of its ways to be made, and for each function."""
    found = [shown("transforms.maco", transforms.maco)]
    found += [shown(f"describing.{name}", entry.item) for name, entry in DESCRIBERS.entries.items()]
    for package in PUBLIC:
        room, own = (
            package.__name__.removeprefix("vital."),
            [getattr(package, name) for name in package.__all__],
        )
        made = [one for one in own if inspect.isfunction(one) or (inspect.isclass(one) and is_dataclass(one))]
        found += [shown(f"{room}.{one.__name__}", one) for one in made]
    for room, registry in ROOMS.items():
        for entry in registry.entries.values():
            name, kind = f"{room.__name__.removeprefix('vital.')}.{entry.item.__qualname__}", entry.item
            found.append(shown(name, kind))
            if inspect.ismethod(getattr(kind, "of", None)):
                found.append(shown(f"{name}.of", kind.of))
    return sorted(found)


def numbers() -> list[str]:
    """One line for each number with a name in the modules that say what comes out."""
    found = []
    for room in (*ROOMS, *PUBLIC, matching, methods):
        for part in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            own = vars(importlib.import_module(part.name)).items()
            found += [f"{part.name} {name} = {value}" for name, value in own
                      if name.isupper() and isinstance(value, int | float) and defined(part.name, name)]  # fmt: skip
    return sorted(found)


def defined(module: str, name: str) -> bool:
    """Whether a name is given its value in a module, and not only imported there."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    names = [
        node for one in tree.body if isinstance(one, ast.Assign | ast.AnnAssign) for node in ast.walk(one)
    ]
    return any(
        isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store) and one.id == name for one in names
    )


def test_numbers_with_a_name_are_those_that_are_written_down() -> None:
    kept = KEPT.with_name("numbers.txt").read_text(encoding="utf-8").splitlines()
    assert kept == numbers(), (
        "write what comes out otherwise into CHANGELOG.md, and the line into numbers.txt"
    )


def test_the_parts_have_the_defaults_that_are_written_down() -> None:
    kept = KEPT.read_text(encoding="utf-8").splitlines()
    assert kept == lines(), "write a change of a default into CHANGELOG.md, and its line into signatures.txt"
