from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Cli = Callable[..., Any]


def test_a_list_may_be_typed_with_spaces(vital: Cli, here: Path, pictures: Path) -> None:
    for typed in ("1, 3", "1 ,3", "1 , 3", "1,3"):
        answer = vital(f"bank net.py:make --layers {typed} --images {pictures} --out b.safetensors")
        assert answer.code == 0, answer.err
        assert "layers 1, 3, class" in answer.out
    answer = vital(f"bank net.py:make --layers=1, 3 --images {pictures} --out b.safetensors")
    assert answer.code == 0
    answer = vital(f"bank net.py:make --layers 1 3 --images {pictures} --out b.safetensors")
    assert (answer.code, "unexpected extra argument" in answer.err) == (2, True)


def test_the_help_of_an_argument_names_no_type(vital: Cli) -> None:
    said = vital("render --help").out
    assert "\n  MODEL  The network: " in said
    assert "\n  UNIT   Such as " in said
