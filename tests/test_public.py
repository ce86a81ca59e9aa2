from __future__ import annotations

import ast
import copy
import doctest
import importlib
import inspect
import pickle
import pkgutil
import pydoc
import tomllib
import types
import typing
from pathlib import Path

import pytest

import vital
from tests import toy
from vital.terms import OBJECTIVES

ROOT = Path(__file__).parents[1]
NAMES = {
    "METHODS",
    "ImageSet",
    "Method",
    "Model",
    "Optimizer",
    "Prototype",
    "Prototypes",
    "ReferenceBank",
    "Template",
    "Term",
    "Unit",
    "VitalError",
    "__version__",
    "atlas",
    "build_bank",
    "compare",
    "describe",
    "list_layers",
    "load_bank",
    "load_images",
    "load_model",
    "make_method",
    "optimize",
    "render",
    "report",
    "write_site",
}
OBJECTS = sorted(NAMES - {"METHODS", "__version__"})


def rooms() -> set[str]:
    found = {module.name for module in pkgutil.iter_modules(vital.__path__)}
    return {name for name in found if not name.startswith("_")}


def test_the_public_names_are_these_and_every_subpackage() -> None:
    assert len(set(vital.__all__)) == len(vital.__all__)
    assert set(vital.__all__) == NAMES | rooms()
    assert set(dir(vital)) >= set(vital.__all__)


def test_no_function_bears_the_name_of_a_subpackage() -> None:
    assert not NAMES & rooms()
    for name in rooms():
        assert isinstance(getattr(vital, name), types.ModuleType)


def test_no_function_hides_the_module_that_it_stands_in() -> None:
    found = (module.name for module in pkgutil.walk_packages(vital.__path__, "vital."))
    for name in (name for name in found if not name.endswith("__main__")):
        parent, _, own = name.rpartition(".")
        module = importlib.import_module(name)
        assert getattr(importlib.import_module(parent), own) is module, name


def test_type_checkers_see_the_same_names_from_the_same_places() -> None:
    tree = ast.parse(Path(vital.__file__).read_text(encoding="utf-8"))
    told = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname and alias.asname != "_import_module"
    }
    assert set(told) == set(vital.__all__)
    for name, module in told.items():
        assert getattr(importlib.import_module(module), name) is getattr(vital, name)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        AttributeError, match="module 'vital' has no attribute 'rendr'; did you mean 'render'"
    ):
        vital.rendr  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(vital, "parameterizations")


@pytest.mark.parametrize("name", OBJECTS)
def test_every_public_object_says_what_it_is_and_that_it_is_of_vital(name: str) -> None:
    thing = getattr(vital, name)
    assert (thing.__doc__ or "").strip()
    assert (thing.__module__, thing.__qualname__) == ("vital", name)
    assert pickle.loads(pickle.dumps(thing)) is thing  # noqa: S301
    assert typing.get_type_hints(thing) is not None


@pytest.mark.parametrize("name", OBJECTS)
def test_the_examples_of_public_objects_are_found_where_they_stand(name: str) -> None:
    thing = getattr(vital, name)
    if isinstance(thing, type):
        home = next(m for m in map(importlib.import_module, homes(name)) if name in vars(m))
    else:
        home = inspect.getmodule(inspect.unwrap(thing).__code__)
    tests = [test for test in doctest.DocTestFinder().find(home) if test.examples]
    found = [test for test in tests if test.name.endswith(f".{name}")]
    assert len(found) == (">>> " in (thing.__doc__ or ""))
    assert all(test.globs["__name__"] == home.__name__ for test in found)


@pytest.mark.parametrize("name", OBJECTS)
def test_help_names_a_public_object_as_users_do(name: str) -> None:
    told = pydoc.render_doc(getattr(vital, name), renderer=pydoc.plaintext)
    assert f"{name} in module vital" in told.splitlines()[0]


@pytest.mark.parametrize("name", [name for name in OBJECTS if name.islower()])
def test_the_source_of_a_public_function_is_found(name: str) -> None:
    assert f"def {name}(" in inspect.getsource(getattr(vital, name))


def test_the_source_of_a_public_class_is_found_by_its_methods() -> None:
    assert "def unit(" in inspect.getsource(vital.Model.unit)
    module = inspect.getmodule(inspect.unwrap(vital.Model.unit).__code__)
    assert module is not None
    assert "class Model:" in inspect.getsource(module)
    with pytest.raises(OSError, match=r"class|source"):  # docs/design.md says why
        inspect.getsource(vital.Model)


def homes(name: str) -> list[str]:
    """The modules whose text defines a class."""
    files = (ROOT / "vital").rglob("*.py")
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    found = [file for file, text in texts.items() if f"\nclass {name}(" in text or f"\nclass {name}:" in text]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in found]


def test_a_prototype_survives_pickling() -> None:
    import torch

    made = vital.Prototype(vital.Unit("fc", 3), torch.ones(3, 4, 4), torch.ones(4, 4), "vital", 0)
    again = pickle.loads(pickle.dumps(made))  # noqa: S301
    assert (type(again), again.unit, again.method) == (vital.Prototype, made.unit, "vital")
    assert repr(vital.Prototype) == "<class 'vital.Prototype'>"


def test_what_public_functions_make_is_copied_and_pickled() -> None:
    model, images = toy.model(), vital.load_images(toy.images(4).float())
    bank = vital.build_bank(model, ["layer2"], images, disk=False)
    term = vital.objectives.Channel("layer2:1") - 2 * vital.objectives.Logit("class:1")
    made = [
        *(model, images, bank, term, model.unit("class:1"), vital.Optimizer(), vital.METHODS),
        vital.make_method("vital"),
        vital.render(model, "class:0", method="pixels", steps=1, progress=False),
        vital.optimize(model, term, vital.params.Pixels(16), vital.transforms.Roll(1), steps=1),
        vital.VitalError("one sentence"),
    ]  # fmt: skip
    for thing in made:
        for again in (copy.deepcopy(thing), copy.copy(thing), pickle.loads(pickle.dumps(thing))):  # noqa: S301
            assert type(again) is type(thing)
            assert repr(again) == repr(thing)


def test_a_registry_fills_itself_when_it_is_listed() -> None:
    assert {"alignment", "channel"} <= set(OBJECTIVES)


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" in project.get("dynamic", []) or project["version"] == vital.__version__
