import pytest
import torch

from vital.errors import BadValue
from vital.views import Rough


def looks(view: Rough, count: int = 400) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    grey = torch.full((1, 3, 16, 16), 0.5)
    return torch.cat([view(grey, draw) for _ in range(count)]) - 0.5


def test_strengths_are_drawn_anew_up_to_the_strongest() -> None:
    strengths = looks(Rough(0.2, often=0.0)).flatten(1).std(1)
    assert strengths.max() < 0.27
    assert strengths.min() < 0.04
    assert 0.08 < strengths.mean() < 0.14


def test_some_of_the_noise_is_coarse() -> None:
    noise = looks(Rough(0.2, often=0.0))
    near = (noise[..., :, 1:] * noise[..., :, :-1]).mean() / noise.square().mean()
    assert 0.1 < near < 0.5


def test_a_share_of_the_looks_is_blurred() -> None:
    draw = torch.Generator().manual_seed(0)
    checks = ((torch.arange(16)[:, None] + torch.arange(16)) % 2).float().expand(1, 3, 16, 16)
    flat = [float(Rough(0.0, often=0.4)(checks, draw).std()) < 0.2 for _ in range(300)]
    assert 0.3 < sum(flat) / len(flat) < 0.5


@pytest.mark.parametrize("wrong", [{"sd": -1.0}, {"often": 1.5}, {"blur": float("nan")}])
def test_wrong_numbers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadValue, match="Rough is given"):
        Rough(**wrong)
