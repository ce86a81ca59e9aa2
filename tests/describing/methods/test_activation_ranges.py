"""Which concept stands out in a range, on numbers that are known."""

from types import SimpleNamespace

import pytest
import torch

from vital.describing.matching import presence
from vital.describing.methods.activation_ranges import _standing_out
from vital.units import Unit


@pytest.mark.parametrize("block", [1, 3])
def test_of_concepts_that_stand_out_alike_it_is_the_first(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "BLOCK", block)
    draw, unit = torch.Generator().manual_seed(0), Unit("fc", 0)
    images, (one, other) = torch.randn(40, 5, generator=draw), torch.randn(2, 5, generator=draw)
    rows = (images @ one).argsort()[-8:]
    features = SimpleNamespace(
        matrix=SimpleNamespace(choosing=torch.ones(40, dtype=torch.bool)),
        image_embeddings=images,
        text_embeddings=torch.stack([other, one, one]),
        context=SimpleNamespace(concepts=("other", "first", "second")),
    )
    (found,) = _standing_out(features, {unit: {"top": rows}})[unit]  # type: ignore[arg-type]
    shown = presence.presence((images @ one)[:, None])[:, 0]
    score = float((shown[rows].mean() - shown.mean()) / (shown.std() / len(rows) ** 0.5))
    assert (found["range"], found["images"], found["concept"]) == ("top", 8, "first")
    assert found["score"] == pytest.approx(score, abs=1e-4)
