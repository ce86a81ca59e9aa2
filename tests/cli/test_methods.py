import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from vital import METHODS
from vital.describing import DESCRIBERS
from vital.describing.evaluation.significance import JudgeOptions
from vital.utils.options import meanings

Cli = Callable[..., Any]
OWN = ("vital", "vital-scene", "vital-reference")
KINDS: dict[str, Any] = {
    **{name: METHODS[name] for name in (*OWN, *sorted(set(METHODS) - set(OWN)))},
    **{name: DESCRIBERS[name] for name in sorted(DESCRIBERS)},
    "judge": JudgeOptions,
}


def test_every_method_is_listed_with_all_its_options_defaults_and_meanings(vital: Cli) -> None:
    answer = vital("methods")
    assert answer.code == 0
    parts = {part.split("\n", 1)[0]: part for part in re.split(r"\n\n(?=\S)", answer.out)}
    assert list(parts) == list(KINDS)
    for name, part in parts.items():
        kind = KINDS[name]
        rows = {
            line.split()[0]: line
            for line in re.split(r"    option +default +meaning", part)[1].splitlines()[1:]
            if line.strip()
        }
        assert list(rows) == [f.name for f in fields(kind)]
        for field, lines in meanings(kind).items():
            assert rows[field].endswith(lines[0])
        assert name not in METHODS or f" {kind().steps} " in rows["steps"]
        assert name not in METHODS or " none " in rows["size"]
        assert kind.__doc__.splitlines()[0] in part
        assert "Options:" not in part


@pytest.mark.parametrize("name", KINDS)
def test_one_method_is_listed_alone(vital: Cli, name: str) -> None:
    alone, everything = vital("methods", name), vital("methods")
    assert alone.out.splitlines()[0] == name
    assert alone.out.strip() in everything.out


def test_a_method_that_there_is_not_gets_the_nearest_name(vital: Cli) -> None:
    answer = vital("methods", "clip-disect")
    assert (answer.code, answer.err.strip()) == (
        2,
        "vital: unknown method 'clip-disect'; did you mean 'clip-dissect'?",
    )
