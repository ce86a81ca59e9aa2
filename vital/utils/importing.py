"""Packages that are installed and cannot be imported: which one it is, and what to install anew."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from traceback import walk_tb

from vital.errors import first_line

INSTALLED = {"site-packages", "dist-packages"}
"""The folders that pip installs into."""
MISFIT = "torchvision::"
"""What the operators are called that a torchvision of another torch lacks."""
INDEX = "https://download.pytorch.org/whl/"


def unimportable(error: BaseException) -> str | None:
    """What to say of an error that was raised while an installed package was being imported; None for any other.

    >>> unimportable(RuntimeError("operator torchvision::nms does not exist")).startswith("torchvision")
    True
    >>> unimportable(ValueError("too large")) is None
    True
    """
    told: BaseException | None = error
    while told is not None:
        if is_misfit(told):
            return misfit()
        package = _being_imported(told)
        if package:
            name = _distribution(package)
            said = f"{type(told).__name__}: {first_line(told)}"
            return (
                f"the package {name} is installed but cannot be imported: {said}; "
                f"install it anew: pip install --force-reinstall {name}"
            )
        told = told.__cause__
    return None


def is_misfit(error: BaseException) -> bool:
    """Whether an error comes of a torchvision that was built for another torch."""
    broken = _being_imported(error) == "torchvision" and not isinstance(error, ModuleNotFoundError)
    return MISFIT in str(error) or broken


def misfit() -> str:
    """That torch and torchvision are not of one release, with the command that installs two that are."""
    torch = _version("torch")
    build = torch.partition("+")[2]
    where = f" --index-url {INDEX}{build}" if build.startswith(("cpu", "cu", "rocm", "xpu")) else ""
    return (
        f"torchvision {_version('torchvision')} does not fit torch {torch}; install both from one index: "
        f"pip install --force-reinstall torch torchvision{where}"
    )


def _being_imported(error: BaseException) -> str:
    """The installed package whose own lines an error came through last while it was imported; "" for none."""
    found = ""
    for frame, _ in walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if frame.f_code.co_name != "<module>" or file.name.startswith("<"):
            continue
        if not INSTALLED.isdisjoint(file.parts):
            found = name
        elif name not in sys.stdlib_module_names:
            found = ""  # a file of the user's, which a package may run
    return "" if found in ("vital", "__main__") else found


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of an unknown version"


def _distribution(package: str) -> str:
    """What pip calls a package: pillow for PIL."""
    return (metadata.packages_distributions().get(package) or [package])[0]
