import json
from pathlib import Path

import numpy as np
import pytest

import vital
from benchmarks import fv_methods, fv_page
from tests import toy
from vital.comparing import Comparison, compare

STEPS = "vital.steps=2,fourier.steps=2"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place on a small network."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setitem(fv_methods.PLACES, "toy", compared)
    model, labels = toy.model(), np.arange(40) % 10
    pixels = (toy.images(40).permute(0, 2, 3, 1) * 255).byte().numpy()
    monkeypatch.setattr(toy, "place", (model, vital.load_images(pixels, labels=labels)), raising=False)


def compared(given) -> Comparison:
    model, images = toy.place  # type: ignore[attr-defined]
    return compare(model, "class:0-2", images=images, **fv_methods.settings(given))


def run(out: Path, *words: object, chosen: str = STEPS, place: str = "toy") -> dict:
    """What the file of results holds after a run."""
    fixed = ["--methods", "vital,fourier", "--set", chosen, "--out", out, "--results", out.parent / "results"]
    fv_methods.main([place, *map(str, [*fixed, *words])])
    return json.loads((out.parent / "results" / f"{place}-own-steps.json").read_text(encoding="utf-8"))


def pictures(out: Path) -> dict[Path, int]:
    return {f.relative_to(out): f.stat().st_mtime_ns for f in out.rglob("*.png") if f.parent != out}


def test_options_of_a_method_that_is_not_compared_are_refused(out: Path) -> None:
    with pytest.raises((vital.VitalError, SystemExit), match="maco"):
        run(out, chosen="maco.n_transforms=2")


def test_a_run_writes_its_results_and_the_page(out: Path) -> None:
    found = run(out, "--seeds", 2, "--seeds-of", "controls=1,twins=1")
    assert found["seeds"] == {
        "vital": [0, 1], "fourier": [0, 1], "real images": [0, 1], "vital, random weights": [0],
        "vital, shuffled references": [0], "vital, other references": [0],
    }  # fmt: skip
    assert set(found["machine"]) >= {"cpu", "cores", "threads"}
    assert set(found["versions"]) >= {"vital", "torch", "numpy"}
    assert not set(found["won"]) & set(found["lost"])
    assert "distance (held out)" in {*found["won"], *found["lost"]}
    assert found["pass"] is False
    assert "judge is not measured" in found["notes"]
    assert "fourier has steps = 2" in found["notes"]
    page = (out.parent / "results" / "README.md").read_text(encoding="utf-8")
    assert "## toy, own steps" in page
    assert found["machine"]["cpu"] in page
    assert "3 units, 2 seeds (vital, random weights: 1" in page
    for metric in found["won"]:
        assert f"- {metric}: won" in page
    for metric, method in found["lost"].items():
        assert f"- {metric}: lost to {method}" in page


def test_other_options_of_one_method_render_that_method_alone(out: Path) -> None:
    fewer = ("--seeds", 2, "--seeds-of", "controls=1,twins=1")
    first, before = run(out, *fewer), pictures(out)
    assert run(out, *fewer)["scores"] == first["scores"]
    assert pictures(out) == before
    second = run(out, *fewer, chosen=f"{STEPS},fourier.lr=0.3")
    after = pictures(out)
    assert {path: after[path] for path in before} == before
    assert {path.name for path in set(after) - set(before) if "mask" not in path.name} == {
        "fourier-0.png",
        "fourier-1.png",
    }
    assert second["scores"] != first["scores"]
    run(out, "--seeds", 2)
    new = {path for path in set(pictures(out)) - set(after) if "mask" not in path.name}
    assert {path.parts[0] for path in new} == {"controls"}
    assert {path.name for path in new} == {"vital-1.png"}


def test_a_run_that_is_stopped_writes_what_is_there_and_what_is_left_out(out: Path, monkeypatch) -> None:
    def stopped(given) -> Comparison:
        if given.kept:
            return compared(given)
        run(out, "--methods", "vital", "--seeds", 1, chosen="vital.steps=2")
        raise KeyboardInterrupt

    monkeypatch.setitem(fv_methods.PLACES, "early", stopped)
    with pytest.raises(SystemExit, match="not complete: KeyboardInterrupt"):
        run(out, "--seeds", 2, place="early")
    found = json.loads((out.parent / "results" / "early-own-steps.json").read_text(encoding="utf-8"))
    assert found["methods"] == ["vital"]
    assert found["seeds"]["vital"] == [0]
    notes = "\n".join(found["notes"])
    assert "the run is not complete: KeyboardInterrupt" in notes
    assert "vital is measured without seed 1" in notes
    assert "fourier is left out: no seed" in notes
    assert "fourier is left out: no seed" in (out.parent / "results" / "README.md").read_text(
        encoding="utf-8"
    )
    with pytest.raises(vital.VitalError, match="is left out"):
        run(out.parent / "empty", "--kept")


def test_the_page_is_that_of_the_results() -> None:
    results = fv_methods.RESULTS
    files = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(results.glob("*.json"))]
    assert (results.parent / "README.md").read_text(encoding="utf-8") == fv_page.page(files)
