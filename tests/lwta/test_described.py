"""Units that compete are described by every describer, and judged as other units are."""

from pathlib import Path

import pytest

import vital
from vital.describing import DESCRIBERS
from vital.world.scenes.concepts import concepts
from vital.world.scenes.dataset import images

OPTIONS = {
    "dnd": {"n_crops": 1, "n_shown": 2},
    "prototype": {"n_seeds": 1, "n_crops": 1, "n_shown": 2, "n_retrieved": 2},
}
SLOW = {"prototype"}
UNITS = ("layer4.relu2:1", "layer4.relu2:5")


@pytest.fixture(scope="module")
def pictures() -> vital.ImageSet:
    return images(160, seed=7)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in sorted(DESCRIBERS)]
)
def test_every_describer_says_something_of_units_that_compete(
    name: str, pictures: vital.ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path))
    model = vital.load_model("world:competing")
    bank = vital.build_bank(model, ["layer4.relu2"], pictures, disk=False)
    options = OPTIONS.get(name, {})
    said = vital.describe(
        model, UNITS, bank=bank, images=pictures, methods=[name], n_random_models=1, progress=False, **options
    )
    assert [str(d.unit) for d in said] == list(UNITS)
    known = {concept.name for concept in concepts()}
    for one in said:
        assert one.method == name
        assert one.candidate
        assert one.p_value is not None
        assert 0 < one.p_value <= 1
        if name in {"clip-dissect", "activation-ranges"}:
            assert one.candidate in known
