import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from vital.world.training import metrics
from vital.world.training.metrics import average_precision, share


def test_the_area_is_that_of_scikit_learn_ties_and_all() -> None:
    rng = torch.Generator().manual_seed(1)
    scores = torch.randn(5, 300, generator=rng)
    scores[1] = scores[1].round()
    scores[2] = scores[2].clamp(min=0)
    scores[3] = 7
    shown = torch.rand(9, 300, generator=rng) < torch.linspace(0.02, 0.9, 9)[:, None]
    wanted = [[average_precision_score(k.numpy(), s.numpy()) for k in shown] for s in scores]
    assert shown.any(1).all()
    np.testing.assert_allclose(average_precision(scores, shown).numpy(), wanted, rtol=1e-5)


def test_the_area_does_not_depend_on_how_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(2)
    scores, shown = torch.randn(3, 50, generator=rng), torch.rand(7, 50, generator=rng) < 0.3
    whole = average_precision(scores, shown)
    monkeypatch.setattr(metrics, "CELLS", 100)
    assert torch.equal(average_precision(scores, shown), whole)


def test_what_is_never_true_has_no_area() -> None:
    assert average_precision(torch.randn(1, 6), torch.zeros(1, 6, dtype=torch.bool)).tolist() == [[0.0]]


def test_a_share_is_that_of_true() -> None:
    assert share(torch.tensor([True, False, True, True])) == 0.75
