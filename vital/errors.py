"""Everything that `vital` raises on purpose.

    VitalError                 exit code 1: the work failed
    ├── UsageError             exit code 2: the request itself is wrong; change what was typed
    │   ├── UnknownNameError   a name that nothing answers to; the message carries the nearest ones
    │   ├── UnitError          a unit that cannot be read or does not exist in this network
    │   └── InvalidValueError  an option or argument outside what is allowed
    ├── MissingDependencyError an optional package is not installed; the message carries the command
    ├── ModelError             the network cannot be loaded, traced or used
    │   └── WeightsError       weights that do not fit, cannot be read, or are not finite
    ├── OutOfMemoryError       the device has too little memory
    ├── DataError              the images cannot be used
    │   └── EmptyClassError    a class has no images, while others have
    ├── RunError               a file or folder cannot be read or written, or belongs to another run
    │   └── UnfinishedError    the run folder lacks pictures, and none are to be rendered
    ├── ForeignCodeError       a term, a transform, a callback or other code that was given failed
    └── DefectError            what nobody explained: most likely a defect of `vital`

A message says what was wrong, the value given, what is allowed, and the nearest name where there is one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

LONGEST_WORD, LONGEST = 10_000, 20_000
"""The most characters of a word, and of a sentence, that is shown whole."""


def _sentence(text: str) -> str:
    r"""A message that every file and terminal can hold: what is no character is shown by its number, what is long cut.

    >>> _sentence("a\udcff is unknown"), len(_sentence("a" * 50_000 + " is unknown"))
    ('a\\udcff is unknown', 92)
    """
    text = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda long: f"{long[0][:80]}…", text)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 4 :]}"


class VitalError(Exception):
    """Any failure that `vital` explains in one sentence."""

    __module__ = "vital"
    exit_code = 1

    def __init__(self, *said: object) -> None:
        super().__init__(*(_sentence(one) if isinstance(one, str) else one for one in said))


class UsageError(VitalError):
    """The request is wrong: change what was typed."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that nothing answers to."""


class UnitError(UsageError):
    """A unit that cannot be read, or that this network does not have."""


class InvalidValueError(UsageError, ValueError):
    """A value outside what is allowed."""


class MissingDependencyError(VitalError, ImportError):
    """An optional package is not installed, or does not fit the others."""


class ModelError(VitalError):
    """The network cannot be loaded, traced or used."""


class WeightsError(ModelError):
    """Weights that do not fit the network, cannot be read, or are not finite."""


class OutOfMemoryError(VitalError):
    """The device has too little memory for what is done at once."""


class DataError(VitalError):
    """The images cannot be used."""


class EmptyClassError(DataError):
    """A class of which there are no images; other classes have some."""


class RunError(VitalError):
    """A file or a folder cannot be read or written, or belongs to another run."""


class UnfinishedError(RunError):
    """The run folder lacks pictures that are asked for, and nothing is to be rendered."""


class ForeignCodeError(VitalError):
    """Code that was given failed, such as a term, a transform or a callback; its own error is the cause."""


class DefectError(VitalError):
    """Something failed that nobody explained: most likely a defect of `vital`; its error is the cause."""


ALIKE = 0.65
"""How much of two names must be alike, from 0 to 1, for one to be meant by the other: "rad" by "red", not "noise" by
"units"."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that look most like `name`, best first, and then those that begin with it.

    >>> nearest("layer44", ["layer4", "layer1", "fc"])[0]
    'layer4'
    """
    names, asked = {str(k).lower(): str(k) for k in known}, name.lower()
    close = difflib.get_close_matches(asked, names, n=count, cutoff=ALIKE)
    begun = [k for k in names if k.startswith(asked) and k not in close] if len(asked) > 2 else []
    return [names[k] for k in [*close, *begun][:count]]


def unknown(what: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """An `UnknownNameError` with the nearest names, or with all of them when they are few.

    >>> str(unknown("method", "vitl", ["vital", "fourier"]))
    "unknown method 'vitl'; did you mean 'vital'?"
    """
    known = [str(k) for k in known]
    close = nearest(name, known)
    if close:
        hint = "did you mean " + " or ".join(repr(c) for c in close) + "?"
    elif not known:
        hint = f"there is no {what} to choose from"
    else:
        shown = ", ".join(known[:12]) + (f", … ({len(known)} in all)" if len(known) > 12 else "")
        hint = f"known are: {shown}"
    return UnknownNameError(f"unknown {what} {name!r}; {hint}")


def missing_extra(package: str, extra: str, purpose: str) -> MissingDependencyError:
    """A `MissingDependencyError` that carries the command which mends it.

    >>> str(missing_extra("timm", "timm", "models named timm:NAME"))
    "models named timm:NAME need the package timm: pip install 'vital-fv[timm]', or '.[timm]' in a clone"
    """
    return MissingDependencyError(f"{purpose} need the package {package}: {install(extra)}")


def install(extra: str) -> str:
    """The command that installs an extra, from an index or from a clone.

    >>> install("timm")
    "pip install 'vital-fv[timm]', or '.[timm]' in a clone"
    """
    return f"pip install 'vital-fv[{extra}]', or '.[{extra}]' in a clone"


def first_line(error: BaseException) -> str:
    """The first line of a foreign error's message, or its type where it has none.

    >>> first_line(RuntimeError("sizes differ."))
    'sizes differ'
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def said(value: object) -> str:
    """A value as it was given, in one line; a long one is cut.

    >>> said("a.png"), said([1] * 100)
    ("'a.png'", '[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1…')
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001  Python writes no number of more than 4,300 digits, and a foreign repr may fail
        return "a number of thousands of digits" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:80]}…"
