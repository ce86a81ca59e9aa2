"""Packages that are installed and broken, as they are named to the user."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vital.backends._loading import package
from vital.errors import MissingDependencyError, ModelError
from vital.utils import importing
from vital.utils.foreign import explained, foreign
from vital.utils.importing import misfit, unimportable

NMS = "operator torchvision::nms does not exist"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that pip could have filled; what is imported from it is forgotten afterwards."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    known = set(sys.modules)
    yield folder
    for name in set(sys.modules) - known:
        del sys.modules[name]


def failure(name: str) -> BaseException:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError


def versions(monkeypatch: pytest.MonkeyPatch, **known: str) -> None:
    monkeypatch.setattr(importing, "_version", known.__getitem__)


@pytest.mark.parametrize(
    ("torch", "command"),
    [
        ("2.13.0+cpu", "torchvision --index-url https://download.pytorch.org/whl/cpu"),
        ("2.13.0+cu128", "torchvision --index-url https://download.pytorch.org/whl/cu128"),
        ("2.13.0", "pip install --force-reinstall torch torchvision"),
        ("2.13.0a0+git1234", "pip install --force-reinstall torch torchvision"),
    ],
)
def test_a_torchvision_of_another_torch_is_named_with_the_index_of_that_torch(
    monkeypatch: pytest.MonkeyPatch, torch: str, command: str
) -> None:
    versions(monkeypatch, torch=torch, torchvision="0.28.0+cu130")
    said = misfit()
    assert said.startswith(
        f"torchvision 0.28.0+cu130 does not fit torch {torch}; install both from one index: "
    )
    assert said.endswith(command)


def test_a_package_that_imports_such_a_torchvision_is_not_blamed(installed: Path) -> None:
    (installed / "metered.py").write_text(f"raise RuntimeError({NMS!r})")
    said = explained(failure("metered"))
    assert isinstance(said, MissingDependencyError)
    assert str(said) == misfit()


def test_a_torchvision_that_fails_otherwise_does_not_fit_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_being_imported", lambda error: "torchvision" if error else "")
    assert unimportable(RuntimeError("undefined symbol")) == misfit()
    assert "No module named 'PIL'" in str(unimportable(ModuleNotFoundError("No module named 'PIL'")))


def test_a_package_that_cannot_be_imported_is_to_be_installed_anew(installed: Path) -> None:
    (installed / "outer.py").write_text("import inner")
    (installed / "inner.py").write_text("raise AttributeError('no such thing.')")
    assert str(explained(failure("outer"))) == (
        "the package inner is installed but cannot be imported: AttributeError: no such thing; "
        "install it anew: pip install --force-reinstall inner"
    )


def test_what_a_library_makes_of_such_an_error_is_looked_through(installed: Path) -> None:
    (installed / "inner.py").write_text("1 / 0")
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("failed to import") from failure("inner")
    assert "the package inner is installed but" in str(unimportable(caught.value))


def test_a_file_of_the_user_stays_its_own_fault(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine.py").write_text("1 / 0")
    (installed / "runner.py").write_text("import mine")
    (installed / "called.py").write_text("def divide():\n    return 1 / 0")
    for error in (failure("mine"), failure("runner")):
        assert unimportable(error) is None
        assert str(explained(error)).endswith("mend it")
    with pytest.raises(ZeroDivisionError) as caught:
        importlib.import_module("called").divide()
    assert unimportable(caught.value) is None


def test_a_file_of_the_user_that_imports_a_broken_package_is_not_to_be_mended(installed: Path) -> None:
    (installed / "inner.py").write_text("1 / 0")
    with pytest.raises(ModelError) as caught, foreign("net.py cannot be imported", ModelError):
        importlib.import_module("inner")
    assert str(caught.value).startswith("net.py cannot be imported: the package inner is installed but")
    assert "mend it" not in str(caught.value)


def test_a_package_of_an_extra_names_the_torchvision_that_does_not_fit(installed: Path) -> None:
    (installed / "eyes.py").write_text(f"raise RuntimeError({NMS!r})")
    with pytest.raises(MissingDependencyError) as caught:
        package("eyes", "eyes", "clip", "encoders")
    assert str(caught.value) == f"encoders need the package eyes: {misfit()}"


def test_pip_has_other_names_for_some_packages() -> None:
    assert importing._distribution("PIL").lower() == "pillow"
    assert importing._distribution("nobody") == "nobody"
