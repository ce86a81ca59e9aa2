"""What users call refuses an argument that it does not have with the nearest name, before it does anything."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import vital
import vital.describing
from vital.errors import UnknownNameError
from vital.rendering import exemplars

MADE = vital.make_method("fourier")


@pytest.mark.parametrize(
    ("function", "given", "says"),
    [
        (vital.render, {"sede": 1}, "unknown option of vital 'sede'; did you mean '.*seed'"),
        (vital.render, {"stepz": 1}, "unknown option of vital 'stepz'; did you mean 'steps'"),
        (
            vital.render,
            {"method": MADE, "bach": 1},
            "unknown argument of render 'bach'; did you mean 'batch'",
        ),
        (
            vital.describe,
            {"concept": []},
            "unknown option of clip-dissect 'concept'; did you mean 'concepts'",
        ),
        (vital.describe, {"top_kk": 1}, "unknown option of clip-dissect 'top_kk'; did you mean 'top_k'"),
        (vital.describe, {"n_random_model": 1}, "did you mean 'n_random_models'"),
        (vital.compare, {"sedes": 1}, "unknown argument of compare 'sedes'; did you mean 'seeds'"),
        (vital.build_bank, {"tpo": 1}, "unknown argument of build_bank 'tpo'; did you mean 'top'"),
        (vital.optimize, {"step": 1}, "unknown argument of optimize 'step'; did you mean 'steps'"),
    ],
)
def test_an_unknown_argument_is_refused_before_any_work(
    function: Any, given: dict[str, Any], says: str
) -> None:
    class Untouched:
        """Raises for whatever is done with it."""

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    with pytest.raises(UnknownNameError, match=f"^{says}" if says.startswith("unknown") else says):
        function(Untouched(), Untouched(), **given)


def test_a_finished_method_takes_no_options_beside_it() -> None:
    with pytest.raises(
        vital.errors.InvalidValueError, match="options steps were given beside a finished method"
    ):
        vital.render(None, [], method=MADE, steps=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "function",
    [
        *(
            vital.load_model,
            vital.load_images,
            vital.build_bank,
            vital.load_bank,
            vital.render,
            vital.describe,
        ),
        *(vital.compare, vital.report, vital.optimize, vital.list_layers, vital.make_method, exemplars),
    ],
)
def test_what_users_call_says_what_it_takes_gives_and_raises_with_an_example(function: Any) -> None:
    text = inspect.getdoc(function) or ""
    heads = ["Parameters", "Returns", "Raises", "Examples"]
    places = [text.index(f"\n{head}\n{'-' * len(head)}\n") for head in heads]
    assert places == sorted(places)
    assert ">>> " in text[places[-1] :]
    said = {
        name.lstrip("*")
        for line in text[places[0] : places[1]].splitlines()
        if line and not line.startswith(" ")
        for name in line.split(", ")
    }
    assert set(inspect.signature(function).parameters) <= said


@pytest.mark.parametrize(
    ("function", "registry"),
    [(vital.render, vital.METHODS), (vital.describe, vital.describing.DESCRIBERS)],
)
def test_help_lists_the_methods_and_where_their_options_are(function: Any, registry: Any) -> None:
    text = inspect.getdoc(function) or ""
    for name in registry:
        assert f"\n{name} " in text
    assert "`vital methods NAME` lists the options" in text
