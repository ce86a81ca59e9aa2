import importlib
import tomllib
from pathlib import Path

import vital

NAMES = [
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
    "compare",
    "describe",
    "errors",
    "images",
    "load_bank",
    "load_model",
    "method",
    "objectives",
    "optimize",
    "parameterizations",
    "build_bank",
    "regularizers",
    "render",
    "report",
    "list_layers",
    "transforms",
]


def test_the_public_names_are_these() -> None:
    assert vital.__all__ == NAMES
    assert all(hasattr(vital, name) for name in NAMES)


def test_names_that_are_also_modules_stay_what_they_are_after_the_modules_are_imported() -> None:
    for module in ("images", "recipes.render", "cli.render", "cli.app"):
        importlib.import_module(f"vital.{module}")
    assert all(callable(getattr(vital, name)) for name in ("images", "render", "method", "optimize"))


def test_every_public_thing_says_what_it_is() -> None:
    things = [getattr(vital, name) for name in NAMES if name not in ("METHODS", "__version__")]
    assert all((thing.__doc__ or "").strip() for thing in things)


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert "version" in project.get("dynamic", []) or project["version"] == vital.__version__
