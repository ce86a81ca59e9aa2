from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vital.compare import compare, write_comparison
from vital.errors import BadValue, DataError, UnknownName

QUICK = {"vital": {"steps": 2}, "fourier": {"steps": 2}, "pixels": {"steps": 2}}


def run(model, bank, units, out: Path, methods=("vital", "fourier"), **more):
    options = {name: QUICK[name] for name in methods if name in QUICK}
    return compare(
        model, units, methods=methods, bank=bank, out=out, seeds=2, options=options, progress=False, **more
    )


def test_methods_and_controls_are_rendered_measured_and_written(model, bank, units, tmp_path: Path) -> None:
    found = run(model, bank, units, tmp_path, budgets=(1, 2))
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
    assert [row[0] for row in rows] == [*found.table.methods, *found.table.controls, "worth"]
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


def test_pictures_made_elsewhere_take_part(model, bank, units, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    (folder / "layer3_0").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (4, 48, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels[0]).save(folder / "class_0.png")
    Image.fromarray(pixels[1]).save(folder / "class_1-0.jpg")
    Image.fromarray(pixels[2]).save(folder / "layer3_0" / "any.png")
    with pytest.raises(DataError, match="no picture of layer3:1"):
        run(model, bank, units, tmp_path / "run", ("fourier",), folders={"mine": folder}, controls=())
    Image.fromarray(pixels[3]).save(folder / "layer3_1.png")
    found = run(model, bank, units, tmp_path / "run", ("fourier",), folders={"mine": folder}, controls=())
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
    own = vital.reference_bank(plain, ["layer3"], bank.images, disk=False)
    found = run(plain, own, units, tmp_path, ("fourier", "deep-inversion"), controls=())
    assert found.table.methods == ("fourier",)
    assert found.notes[0].startswith("deep-inversion is left out")
    assert "deep-inversion" in str(found)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"controls": ["shufled references"]}, UnknownName, "did you mean 'shuffled references'"),
        ({"options": {"maco": {}}}, UnknownName, "maco"),
        ({"seeds": 0}, BadValue, "0 seeds"),
        ({"folders": {"vital": "x"}}, BadValue, "another name"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_rendered(
    model, bank, units, tmp_path, wrong, error, says
) -> None:
    given = {"methods": ("vital",), "bank": bank, "out": tmp_path / "run", "progress": False} | wrong
    with pytest.raises(error, match=says):
        compare(model, units, **given)
    assert not (tmp_path / "run").exists()
