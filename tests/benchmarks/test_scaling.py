"""That the scaling benchmark measures what it says, on sizes that say nothing."""

import json
from pathlib import Path

import pytest

from benchmarks import scaling


@pytest.mark.parametrize("work", list(scaling.WORK))
@pytest.mark.filterwarnings("ignore:none of the")
def test_every_work_is_done(work: str, tmp_path: Path) -> None:
    scaling.WORK[work](scaling.Sizes(units=3, images=60, concepts=5), tmp_path)()


def test_exponents_and_growth_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {256: (1.0, 100.0), 512: (4.0, 105.0), 1024: (16.0, 109.0), 2048: (64.0, 120.0)}

    def apart(_: str, sizes: scaling.Sizes) -> dict[str, float]:
        return dict(zip(("seconds", "megabytes"), made[sizes.units], strict=True))

    monkeypatch.setattr(scaling, "apart", apart)
    axis = scaling.Axis("bank", "units", (256, 512), (256, 512, 1024, 2048), flat=True)
    found = scaling.grown(axis, quick=False)
    assert found["exponent"] == pytest.approx(2.0)
    assert found["growth"] == pytest.approx(0.2)
    assert not found["pass"]


def test_workers_are_timed_by_turns(capsys: pytest.CaptureFixture[str]) -> None:
    scaling.main(["--only", "workers", "--files", "40", "--rounds", "1", "--workers", "0", "2", "--json"])
    found = json.loads(capsys.readouterr().out)["decoded"]
    assert found["workers"] == [0, 2]
    assert found["worker_seconds"]["2"] > found["worker_seconds"]["0"] == 0
    assert set(found["faster_on_two_free"]) == {"0", "2"}
