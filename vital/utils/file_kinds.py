"""What lies at a path: a file, or what cannot be read as one."""

from __future__ import annotations

import stat
from pathlib import Path


def no_file(path: str | Path) -> str:
    """Why what lies at a path is no file, to stand behind its name; "" for a file, and where nothing is.

    A pipe or a device would be read forever, or never.

    >>> no_file("/"), no_file("/dev/null"), no_file("nothing is here")
    ('it is no file, but a folder', 'it is no file, but a device', '')
    """
    try:
        kind = Path(path).stat().st_mode
    except (OSError, ValueError):  # whoever opens it says why
        return ""
    if stat.S_ISREG(kind):
        return ""
    what = "a folder" if stat.S_ISDIR(kind) else "a pipe" if stat.S_ISFIFO(kind) else "a device"
    return f"it is no file, but {what}"


def check_file(path: str | Path, step: str = "") -> None:
    """Raise `OSError` for what is there and is no file; `step` is what to do about it."""
    if why := no_file(path):
        raise OSError(f"{why}; {step}" if step else why)


REMOVE = "remove it"
"""What to do about it in a folder that vital writes."""
