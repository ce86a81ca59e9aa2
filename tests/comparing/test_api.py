from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vital.comparing import compare, write_comparison
from vital.errors import DataError, InvalidValueError, ModelError, RunError, UnknownNameError

QUICK = {"vital": {"steps": 2}, "fourier": {"steps": 2}, "pixels": {"steps": 2}}


def run(model, bank, units, out: Path, methods=("vital", "fourier"), **more):
    options = {name: QUICK[name] for name in methods if name in QUICK}
    return compare(
        model, units, **{"methods": methods, "bank": bank, "out": out, "seeds": 2, "options": options, **more},
        progress=False,
    )  # fmt: skip


def test_methods_and_controls_are_rendered_measured_and_written(model, bank, units, tmp_path: Path) -> None:
    found = run(model, bank, units, tmp_path, curve_steps=(1, 2))
    assert found.table.methods == ("vital", "fourier")
    assert found.table.controls == (
        "real images", "vital, random weights", "vital, shuffled references", "vital, other references",
    )  # fmt: skip
    assert found.notes == ()
    steps = found.table.cell("vital", "steps")
    assert steps is not None
    assert steps.mean == 2
    files = write_comparison(found, tmp_path)
    assert all(file.stat().st_size > 100 for file in files)
    assert "curves.png" in {file.name for file in files}
    header, *rows = found.table.wide()
    assert [row[0] for row in rows] == [*found.table.methods, *found.table.controls, "informative"]
    assert len({len(row) for row in (header, *rows)}) == 1


def test_what_was_rendered_is_read_and_a_new_method_is_rendered_alone(
    model, bank, units, tmp_path: Path
) -> None:
    first = run(model, bank, units, tmp_path, controls=())
    times = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.png")}
    second = run(model, bank, units, tmp_path, ("vital", "fourier", "pixels"), controls=())
    assert {file: file.stat().st_mtime_ns for file in times} == times
    same = [s for s in second.table.scores if s.method in first.table.methods]
    assert [s for s in same if s.metric != "seconds"] == [
        s for s in first.table.scores if s.metric != "seconds"
    ]
    assert second.table.methods == ("vital", "fourier", "pixels")


def files(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*.png")}


def test_a_method_with_other_options_is_rendered_alone_and_both_stay(model, bank, units, tmp_path) -> None:
    first = run(model, bank, units, tmp_path)
    before = files(tmp_path)
    other = {"options": {**QUICK, "fourier": {"steps": 2, "lr": 0.2}}}
    asked = {"methods": ("vital", "fourier", "pixels"), "bank": bank, "out": tmp_path, "progress": False}
    compare(model, units, **asked, seeds=2, options={**QUICK})
    with_pixels = files(tmp_path)
    second = compare(model, units, **asked, seeds=2, **other)
    after = files(tmp_path)
    assert {file: after[file] for file in before} == before
    new = {file.relative_to(tmp_path) for file in after if file not in with_pixels}
    assert {path.parts[0] for path in new} == {"options"}
    assert {path.name for path in new if "mask" not in path.name} == {"fourier-0.png", "fourier-1.png"}
    assert first.table.cell("fourier", "percentile") is not None
    changed = [s.images for found in (first, second) for s in found.shown if s.method == "fourier"]
    assert not changed[0].equal(changed[1])
    assert run(model, bank, units, tmp_path).table.long_csv() == first.table.long_csv()
    assert files(tmp_path) == after


def test_equal_steps_lie_beside_own_steps(model, bank, units, tmp_path: Path) -> None:
    options = {"vital": {"steps": 2}, "pixels": {"steps": 3}}
    given = {"methods": ("vital", "pixels"), "bank": bank, "out": tmp_path, "seeds": 1, "controls": ()}
    compare(model, units, **given, options=options, progress=False)
    before = files(tmp_path)
    for _ in range(2):
        found = compare(model, units, **given, options=options, budget="steps", progress=False)
        cell = found.table.cell("pixels", "steps")
        assert cell is not None
        assert cell.mean == 2
    new = {file.name for file in set(files(tmp_path)) - set(before)}
    assert new == {"pixels-0.png", "pixels-0-mask.png"}


def test_fewer_seeds_of_controls_and_all_of_them_later(model, bank, units, tmp_path: Path) -> None:
    few = run(model, bank, units, tmp_path, seeds={"others": 2, "controls": 1, "twins": 1, "fourier": 1})
    seeds = {shown.method: set(shown.seeds) for shown in few.shown}
    assert {name: len(found) for name, found in seeds.items()} == {
        "vital": 2, "fourier": 1, "real images": 2, "vital, random weights": 1, "vital, shuffled references": 1,
        "vital, other references": 1,
    }  # fmt: skip
    before = files(tmp_path)
    again = run(model, bank, units, tmp_path, seeds={"others": 2, "controls": 1, "twins": 1, "fourier": 1})
    assert files(tmp_path) == before
    assert again.table.long_csv() == few.table.long_csv()
    whole = run(model, bank, units, tmp_path)
    assert {shown.method for shown in whole.shown if len(set(shown.seeds)) != 2} == set()
    new = {file.name for file in set(files(tmp_path)) - set(before) if "mask" not in file.name}
    assert new == {"fourier-1.png", "vital-1.png"}
    assert {file: t for file, t in files(tmp_path).items() if file in before} == before


def test_without_rendering_what_is_there_is_measured_and_the_rest_is_said(
    model, bank, units, tmp_path: Path
) -> None:
    full = run(model, bank, units, tmp_path, ("vital", "pixels"), seeds={"others": 2, "controls": 1})
    (tmp_path / "units" / "layer3_1" / "pixels-1.json").unlink()
    before = files(tmp_path)
    found = run(model, bank, units, tmp_path, ("vital", "pixels", "fourier"), render_missing=False)
    assert files(tmp_path) == before
    assert found.table.methods == ("vital", "pixels")
    assert found.table.controls == full.table.controls
    notes = "\n".join(found.notes)
    assert "pixels is measured without seed 1: not rendered" in notes
    assert "vital, random weights is measured without seed 1: not rendered" in notes
    assert "fourier is left out: no seed of fourier has pictures of all 4 units" in notes
    own = [s for s in full.table.scores if s.method == "vital"]
    assert [s for s in found.table.scores if s.method == "vital"] == own
    with pytest.raises(ModelError, match="no time of vital is kept"):
        run(model, bank, units, tmp_path, render_missing=False, budget="time")
    assert files(tmp_path) == before
    with pytest.raises(ModelError, match="vital is left out"):
        run(model, bank, units, tmp_path / "nothing", render_missing=False)


def test_pictures_made_elsewhere_take_part(model, bank, units, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    (folder / "layer3_0").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (4, 48, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels[0]).save(folder / "class_0.png")
    Image.fromarray(pixels[1]).save(folder / "class_1-0.jpg")
    Image.fromarray(pixels[2]).save(folder / "layer3_0" / "any.png")
    with pytest.raises(DataError, match="no picture of layer3:1"):
        run(model, bank, units, tmp_path / "run", ("fourier",), pictures={"mine": folder}, budget="time")
    assert not (tmp_path / "run").exists()
    Image.fromarray(pixels[3]).save(folder / "layer3_1.png")
    found = run(model, bank, units, tmp_path / "run", ("fourier",), pictures={"mine": folder}, controls=())
    assert found.table.methods == ("fourier", "mine")
    cell = found.table.cell("mine", "percentile")
    assert cell is not None
    assert cell.n == 4
    assert found.table.cell("mine", "seconds") is None


def test_a_method_that_the_network_does_not_allow_is_left_out_with_a_note(
    bank, units, tmp_path: Path
) -> None:
    import vital
    from tests import toy

    plain = toy.model(batch_norm=False)
    own = vital.build_bank(plain, ["layer3"], bank.images, disk=False)
    found = run(plain, own, units, tmp_path, ("fourier", "deep-inversion"), controls=())
    assert found.table.methods == ("fourier",)
    assert found.notes[0].startswith("deep-inversion is left out")
    assert "deep-inversion" in str(found)
    timed = run(plain, own, units, tmp_path, ("deep-inversion", "fourier"), controls=(), budget="time")
    assert timed.table.methods == ("fourier",)
    assert timed.notes[0].startswith("deep-inversion is left out, since it cannot be timed")


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"controls": ["shufled references"]}, UnknownNameError, "did you mean 'shuffled references'"),
        ({"options": {"maco": {}}}, UnknownNameError, "maco"),
        ({"seeds": 0}, InvalidValueError, "seeds is 0"),
        ({"pictures": {"vital": "x"}}, InvalidValueError, "another name"),
        ({"pictures": {"mine": "no such folder"}}, RunError, "cannot read 'no such folder'"),
        ({"budget": "stepz", "bank": None}, UnknownNameError, "unknown budget 'stepz'; did you mean 'steps'"),
        ({"seeds": {"vitl": 1}}, UnknownNameError, "did you mean 'vital'"),
        ({"seeds": {"vital": 0}}, InvalidValueError, "0 vital seeds"),
        ({"batch": 0}, InvalidValueError, "batch is 0; allowed are whole numbers from 1"),
        (
            {"sedes": 1, "bank": None},
            UnknownNameError,
            "unknown argument of compare 'sedes'; did you mean 'seeds'",
        ),
        ({"promt": "{}", "bank": None}, UnknownNameError, "did you mean 'prompt'"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_rendered(
    model, bank, units, tmp_path, wrong, error, says
) -> None:
    given = {"methods": ("vital",), "bank": bank, "out": tmp_path / "run", "progress": False} | wrong
    with pytest.raises(error, match=says):
        compare(model, units, **given)
    assert not (tmp_path / "run").exists()


def test_the_notes_say_who_was_not_asked(model, bank, units, tmp_path: Path) -> None:
    import vital

    bare = replace(bank.images, labels=(None,) * len(bank.images))
    own = vital.build_bank(model, ["layer3"], bare, disk=False)
    found = run(model, own, units, tmp_path, ("fourier",), controls=())
    path, hog = found.notes
    assert path.startswith("path similarity is left out for layer3:0, layer3:1: ")
    assert hog == "HOG is not asked: array has no labels"


def test_what_is_to_be_rendered_is_told_before_it_is(
    model, bank, units, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "vital")
    run(model, bank, units[:1], tmp_path, ("fourier", "pixels"), seeds=1, controls=("random weights",))
    assert caplog.messages[0] == (
        "3 pictures: 2 of the methods, 1 of the control random weights; name fewer controls for less"
    )
    caplog.clear()
    run(model, bank, units[:1], tmp_path, ("fourier",), seeds=1, controls=())
    assert not any("pictures:" in message for message in caplog.messages)


def test_a_unit_without_a_way_of_its_own_is_named_in_the_notes(model, bank, units, tmp_path: Path) -> None:
    options = {"methods": ("pixels",), "controls": (), "seeds": 1}
    found = run(model, bank, units[:1], tmp_path, **options)
    assert found.notes == (
        "path similarity is left out: it needs two units, so that one can be told from another",
    )
    twice = replace(bank, images=replace(bank.images, labels=(0,) * 20 + (1,) * 20))
    found = run(model, twice, units[:2], tmp_path / "two", **options)
    told = {score.unit for score in found.table.scores if score.metric == "path similarity"}
    lacking = ", ".join(str(unit) for unit in units[:2] if str(unit) not in told)
    assert lacking
    assert f"path similarity is left out for {lacking}: natural images do not show" in found.notes[0]
