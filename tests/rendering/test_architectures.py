"""`vital` renders units of networks of every kind, under masks of real relevance."""

from __future__ import annotations

import pytest
import torch

import vital
from tests.attribution.test_conservation import CASES, FAST, SLOW, without_biases


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_a_unit_of_every_architecture_is_rendered(name: str) -> None:
    case = (FAST | SLOW)[name]
    model = vital.Model(without_biases(case.make()), size=(case.size, case.size))
    draw = torch.Generator().manual_seed(2)
    pictures = vital.load_images(torch.rand(6, 3, case.size, case.size, generator=draw))
    bank = vital.build_bank(model, [case.unit.rpartition(":")[0]], pictures, disk=False)
    (made,) = vital.render(model, [case.unit], bank=bank, steps=3, n_references=3, progress=False)
    assert made.status == "done" or made.status.startswith("silent")
    assert "gradient" not in made.provenance["references"]
    assert torch.isfinite(made.image).all()
    assert made.image.std() > 0
    assert all(0 < loss < float("inf") for loss in made.losses["Alignment"])
    assert "percentile" in made.provenance
