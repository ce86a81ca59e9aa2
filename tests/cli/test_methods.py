import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from vital import METHODS
from vital.describing import DESCRIBERS

Cli = Callable[..., Any]


def test_every_method_is_listed_with_all_its_options_and_defaults(vital: Cli) -> None:
    answer = vital("methods")
    assert answer.code == 0
    parts = {part.split("\n", 1)[0]: part for part in re.split(r"\n\n(?=\S)", answer.out)}
    assert list(parts) == [*METHODS, *DESCRIBERS]
    for name, part in parts.items():
        kind: Any = METHODS[name] if name in METHODS else DESCRIBERS[name]
        rows = {
            line.split()[0]: line
            for line in re.split(r"    option +default", part)[1].splitlines()[1:]
            if line.strip()
        }
        assert list(rows) == [f.name for f in fields(kind)]
        assert name in DESCRIBERS or str(kind().steps) in rows["steps"]
        assert kind.__doc__.splitlines()[0] in part
