import torch
from torch import Tensor
from torch.nn import functional as F

from vital.attribution.composites import Relevance
from vital.attribution.weighted import Weighted, _all_of


def test_a_sum_a_little_below_0_counts_as_one_of_no_positive_terms() -> None:
    r = torch.tensor([3.0, 3.0, 3.0])
    s = Weighted(F.linear, torch.ones(1, 2), torch.ones(3, 2), r, Relevance())

    def shares(z: list[float]) -> list[list[float]]:
        both: list[Tensor] = [*_all_of(s, torch.tensor(z), torch.tensor([-1.0, -1.0, -2.0]))]
        return [each.tolist() for each in both]

    assert shares([2.0, -1e-9, 0.0]) == shares([2.0, 0.0, 0.0]) == [[1.5, 0.0, 0.0], [0.0, -3.0, -1.5]]
