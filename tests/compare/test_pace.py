import json
from pathlib import Path

import pytest

from vital.compare.cost import steps_of
from vital.compare.gallery import Studio
from vital.compare.pace import paced
from vital.errors import UnknownName
from vital.recipes import method


@pytest.fixture
def recipes():
    return {"vital": method("vital", steps=100), "fourier": method("fourier"), "pixels": method("pixels")}


@pytest.fixture
def studio(model, units, bank, tmp_path: Path) -> Studio:
    return Studio(tmp_path, model, units, bank)


def steps(recipes) -> list[int]:
    return [steps_of(recipe) for recipe in recipes.values()]


def test_each_method_keeps_its_own_steps_unless_asked(studio, recipes) -> None:
    assert paced(studio, recipes, "") == recipes


def test_equal_steps_are_those_of_the_first(studio, recipes) -> None:
    assert steps(paced(studio, recipes, "steps")) == [100, 100, 100]


def test_equal_seconds_give_the_steps_that_fit_and_are_kept(studio, recipes) -> None:
    (studio.path / "pace.json").write_text(json.dumps({"vital": 0.04, "fourier": 0.02, "pixels": 9.0}))
    assert steps(paced(studio, recipes, "seconds")) == [100, 200, 1]


def test_only_methods_without_a_time_are_timed(studio, recipes) -> None:
    (studio.path / "pace.json").write_text(json.dumps({"vital": 0.04, "fourier": 0.02}))
    paced(studio, recipes, "seconds")
    known = json.loads((studio.path / "pace.json").read_text())
    assert (known["vital"], known["fourier"]) == (0.04, 0.02)
    assert known["pixels"] > 0


def test_an_unknown_equality_is_said(studio, recipes) -> None:
    with pytest.raises(UnknownName, match="did you mean 'seconds'"):
        paced(studio, recipes, "second")
