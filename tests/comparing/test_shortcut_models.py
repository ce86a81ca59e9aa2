from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vital.comparing.records import REAL, Shown
from vital.comparing.renderer import Renderer
from vital.comparing.score_cache import ScoreCache
from vital.comparing.shortcut_models import (
    FAITHFUL,
    OTHERS,
    USED,
    Twin,
    faithful,
    measured_twins,
    rendered,
    twins,
)
from vital.comparing.variants import Request
from vital.rendering import make_method
from vital.units import Unit
from vital.world.networks.shortcut_models import CHANCE, seen, twin_images
from vital.world.renderer.render import render
from vital.world.scenes.grammar import sample
from vital.world.scenes.vocabulary import FACTORS
from vital.world.training.tasks import TWIN_CLASSES, TWIN_FACTORS

CLASSES = range(len(TWIN_CLASSES))


def scenes(**of_class) -> Shown:
    """Two scenes a class in which the named factors have the class's value, and the others that of a later class."""
    parts = []
    for number in CLASSES:
        later = (number + 2) % len(TWIN_CLASSES)
        fixed = {f: FACTORS[f][number if f in of_class else later] for f in TWIN_FACTORS}
        draw = torch.Generator().manual_seed(number)
        parts.append(render(sample(draw, 2, **fixed), 64))
    units = tuple(Unit("class", number) for number in CLASSES for _ in range(2))
    return Shown("scenes", units, (0, 1) * len(CLASSES), torch.cat(parts))


def means(factor: str, shown: Shown) -> dict[str, float]:
    found = list(faithful(Twin(factor, None), shown))  # type: ignore[arg-type]
    return {
        metric: sum(s.value for s in found if s.metric == metric) / len(shown.images)
        for metric in (USED, OTHERS, FAITHFUL)
    }


@pytest.mark.parametrize("factor", TWIN_FACTORS)
def test_a_picture_of_what_is_used_alone_is_faithful_to_that_twin_and_to_no_other(factor: str) -> None:
    shown = scenes(**{factor: True})
    own = means(factor, shown)
    assert own[USED] > 0.8
    assert own[OTHERS] < 0.2
    assert own[FAITHFUL] == pytest.approx(own[USED] - own[OTHERS])
    for other in set(TWIN_FACTORS) - {factor}:
        assert means(other, shown)[FAITHFUL] < 0


def test_references_show_all_factors_and_are_faithful_to_none() -> None:
    shown = scenes(**dict.fromkeys(TWIN_FACTORS, True))
    for factor in TWIN_FACTORS:
        found = means(factor, shown)
        assert min(found[USED], found[OTHERS]) > 0.8
        assert abs(found[FAITHFUL]) < 0.2


def test_labels_that_are_shuffled_take_the_faith_away() -> None:
    shown = scenes(solid=True)
    wrong = tuple(Unit("class", (unit.index + 1) % len(TWIN_CLASSES)) for unit in shown.units)
    mixed = Shown("wrong", wrong, shown.seeds, shown.images)
    assert means("solid", mixed)[USED] < 0.2
    assert means("solid", mixed)[FAITHFUL] < means("solid", shown)[FAITHFUL] - 0.5


def test_a_picture_is_judged_the_same_in_any_company() -> None:
    shown = scenes(material=True)
    together = seen(shown.images, [unit.index for unit in shown.units])
    alone = [seen(shown.images[i : i + 1], [unit.index]) for i, unit in enumerate(shown.units)]
    assert together == {factor: [one[factor][0] for one in alone] for factor in TWIN_FACTORS}


def test_reference_images_have_the_value_of_their_class_in_all_factors() -> None:
    pictures = twin_images(2)
    for scene, label in zip(pictures.source.scenes, pictures.labels, strict=True):
        assert scene.thing.solid == FACTORS["solid"][label]
        assert scene.thing.material == FACTORS["material"][label]
        assert scene.background == FACTORS["background"][label]
    assert CHANCE == {"solid": 1 / 8, "material": 1 / 8, "background": 1 / 6}


@pytest.mark.slow
def test_methods_and_controls_are_asked_on_all_twins(model, units, bank, tmp_path: Path) -> None:
    methods = {"vital": make_method("vital", steps=1), "pixels": make_method("pixels", steps=1)}
    asked = Request(methods, (REAL, "random weights"), 2, {"twins": 1})
    renderer, cache = Renderer(tmp_path, model, units, bank), ScoreCache(tmp_path / "scores")
    own = list(twins(renderer))
    assert [twin.renderer.where for twin in own] == [f" on world:twin-{factor}" for factor in TWIN_FACTORS]
    found, notes = measured_twins(own, asked, "vital", cache)
    assert notes == []
    rows = {"vital", "pixels", "real images", "vital, random weights"}
    assert {score.method for score in found} == rows
    assert {score.seed for score in found} == {0}
    for row in rows:
        units = {s.unit for s in found if s.method == row and s.metric == FAITHFUL}
        assert units == {f"twin-{factor} class:{i}" for factor in TWIN_FACTORS for i in CLASSES}
    real = [s.value for s in found if (s.method, s.metric) == ("real images", OTHERS)]
    assert sum(real) / len(real) > 0.8
    assert len(list(tmp_path.rglob("*-0.png"))) == rendered(asked) == 3 * 6 * 3

    more = replace(asked, methods=methods | {"fourier": make_method("fourier", steps=1)})
    pictures = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.png")}
    again, notes = measured_twins(list(twins(replace(renderer, render_missing=False))), more, "vital", cache)
    assert again == found
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.png")} == pictures
    assert [note.split(" is left out")[0] for note in notes] == [f"twin-{f}: fourier" for f in TWIN_FACTORS]
