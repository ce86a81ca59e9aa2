from dataclasses import replace
from pathlib import Path

import pytest

import vital
from tests import toy
from vital.comparing import budget
from vital.comparing.budget import apply_budget
from vital.comparing.cost import steps_of, with_steps
from vital.comparing.renderer import Renderer
from vital.errors import ModelError, UnknownNameError
from vital.rendering import Method, make_method
from vital.rendering.api import method_name
from vital.utils.io import as_json, read_json


@pytest.fixture
def methods() -> dict[str, Method]:
    return {
        "vital": make_method("vital", steps=100),
        "fourier": make_method("fourier"),
        "pixels": make_method("pixels"),
    }


@pytest.fixture
def renderer(model, units, bank, tmp_path: Path) -> Renderer:
    return Renderer(tmp_path, model, units, bank)


def steps(methods) -> list[int]:
    return [steps_of(method) for method in methods.values()]


def times(renderer: Renderer) -> dict[Path, str]:
    """Which method each kept time is of."""
    return {file: read_json(file)["scores"][0][2] for file in (renderer.path / "times").iterdir()}


def test_each_method_keeps_its_own_steps_unless_asked(renderer, methods) -> None:
    assert apply_budget(renderer, methods, None) == (methods, [])


def test_equal_steps_are_those_of_the_first(renderer, methods) -> None:
    assert steps(apply_budget(renderer, methods, "steps")[0]) == [100, 100, 100]


def test_equal_seconds_give_the_steps_that_fit_and_are_kept(renderer, methods) -> None:
    apply_budget(renderer, methods, "time")
    seconds = {"vital": 0.04, "fourier": 0.02, "pixels": 9.0}
    for file, name in times(renderer).items():
        file.write_bytes(as_json({"scores": [["seconds a step", seconds[name], name, None]]}))
    assert steps(apply_budget(renderer, methods, "time")[0]) == [100, 200, 1]


def test_a_time_holds_for_its_method_options_network_and_units(renderer, methods, units, monkeypatch) -> None:
    monkeypatch.setattr(budget, "step_seconds", lambda *_: 0.01)
    apply_budget(renderer, methods, "time")
    assert sorted(times(renderer).values()) == ["fourier", "pixels", "vital"]
    other = toy.wrap(toy.seeded(toy.network(), 1))
    changes = {
        "another number of steps": (
            renderer,
            methods | {"fourier": make_method("fourier", steps=7)},
            ["fourier"],
        ),
        "options": (renderer, methods | {"fourier": make_method("fourier", size=16)}, ["fourier"]),
        "units": (replace(renderer, units=units[:2]), methods, ["fourier", "pixels", "vital"]),
        "network": (replace(renderer, model=other), {"pixels": methods["pixels"]}, ["pixels"]),
    }
    for what, (place, wanted, again) in changes.items():
        before = times(renderer)
        apply_budget(place, wanted, "time")
        new = {file: name for file, name in times(renderer).items() if file not in before}
        assert sorted(new.values()) == again, what


def test_a_time_is_the_fastest_turn_over_groups_of_all_kinds_of_units(renderer, methods, monkeypatch) -> None:
    turns: list[tuple[str, int, str]] = []

    def seconds(model, units, method, bank) -> float:
        turns.append((method_name(method), len(units), units[0].layer))
        return len(units) * (1.0 + len(turns))

    monkeypatch.setattr(budget, "step_seconds", seconds)
    spread = replace(renderer, batch=1)
    apply_budget(spread, {name: methods[name] for name in ("fourier", "pixels")}, "time")
    groups = len(turns) // 6
    assert 1 < groups <= 3
    assert [name for name, *_ in turns] == 3 * ([*["fourier"] * groups, *["pixels"] * groups])
    cache = {score[2]: score[1] for file in times(renderer) for score in read_json(file)["scores"]}
    assert cache["fourier"] == pytest.approx(1 + (groups + 1) / 2)


def test_a_method_that_cannot_be_timed_is_left_out_and_the_others_go_on(units, bank, tmp_path) -> None:
    plain = toy.model(batch_norm=False)
    own = vital.build_bank(plain, ["layer3"], bank.images, disk=False)
    asked = {"deep-inversion": make_method("deep-inversion"), "fourier": make_method("fourier", steps=9)}
    found, notes = apply_budget(Renderer(tmp_path, plain, units, own), asked, "time")
    assert steps(found) == [9]
    assert len(notes) == 1
    assert "deep-inversion is left out, since it cannot be timed" in notes[0]
    with pytest.raises(ModelError, match="deep-inversion is left out"):
        apply_budget(
            Renderer(tmp_path, plain, units, own), {"deep-inversion": asked["deep-inversion"]}, "time"
        )


def test_a_method_that_can_render_none_of_the_units_is_left_out_with_the_reason(
    model, units, tmp_path: Path
) -> None:
    pixels = (toy.images(4).permute(0, 2, 3, 1) * 255).byte().numpy()
    few = vital.load_images(pixels, labels=[7, 7, 8, 8])
    bank = vital.build_bank(model, ["layer3"], few, disk=False)
    asked = {
        "vital-reference": make_method("vital-reference"),
        "pixels": with_steps(make_method("pixels"), 11),
    }
    found, notes = apply_budget(Renderer(tmp_path, model, units[:2], bank), asked, "time")
    assert steps(found) == [11]
    assert "vital-reference is left out, since it cannot be timed: class:0" in notes[0]


def test_an_unknown_budget_is_said(renderer, methods) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'steps'"):
        apply_budget(renderer, methods, "stepz")
