"""One winner per block and place, gradients, samples, divergence, and the deterministic path."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vital.attribution import relevance
from vital.errors import InvalidValueError
from vital.lwta import LWTA, LWTAConv2d, LWTALinear
from vital.lwta.layers import chances, compete, competing, divergence, sampled, winners
from vital.lwta.sampling import WinnerSampler
from vital.lwta.schedule import SamplingSchedule
from vital.models import Model

VALUES = st.floats(-5, 5, width=32) | st.sampled_from([0.0, -0.0, 1.0])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(VALUES, min_size=24, max_size=24), st.sampled_from([1, 2, 3, 4, 6, 12]), st.sampled_from([1, -1])
)
def test_every_block_has_exactly_one_winner_at_every_place_also_among_equals(
    values: list[float], competitors: int, axis: int
) -> None:
    x = torch.tensor(values).view(1, 12, 2) if axis == 1 else torch.tensor(values).view(1, 2, 12)
    mask = winners(x, competitors, axis).movedim(axis, -1)
    assert (mask.unflatten(-1, (-1, competitors)).sum(-1) == 1).all()
    best = x.movedim(axis, -1).unflatten(-1, (-1, competitors)).amax(-1)
    assert torch.equal((x.movedim(axis, -1) * mask).unflatten(-1, (-1, competitors)).sum(-1), best + 0.0)


def test_a_negative_winner_wins_and_its_loser_is_0() -> None:
    assert compete(torch.tensor([[-3.0, -1.0]]), 2).tolist() == [[0.0, -1.0]]


def test_one_competitor_is_the_plain_activation() -> None:
    x = torch.randn(2, 6, 3, 3)
    assert torch.equal(LWTA(1)(x), x.relu())
    assert torch.equal(LWTA(1, plain=nn.GELU())(x), nn.functional.gelu(x))


@pytest.mark.parametrize("competitors", [0, -2])
def test_blocks_have_at_least_one_unit(competitors: int) -> None:
    with pytest.raises(InvalidValueError, match="whole numbers from 1"):
        LWTA(competitors)


def test_a_width_that_is_not_divided_is_named_with_what_is_allowed() -> None:
    with pytest.raises(InvalidValueError, match=r"10 units .* blocks of 4; allowed are 1, 2, 5, 10"):
        LWTA(4)(torch.zeros(1, 10))


def test_in_training_gradients_are_those_of_the_soft_mask_at_the_hard_masks_values() -> None:
    x = torch.randn(3, 8, 2, dtype=torch.float64, requires_grad=True)
    noise, down = torch.randn_like(x), torch.randn(3, 8, 2, dtype=torch.float64)
    (found,) = torch.autograd.grad((compete(x, 4, 1, 0.7, noise) * down).sum(), x)
    hard = winners((x + noise).detach(), 4).double()
    soft = chances(x + noise, 4, 1, 0.7)
    (through,) = torch.autograd.grad((soft * (x * down).detach()).sum(), x)
    torch.testing.assert_close(found, down * hard + through)
    assert (found[~hard.bool()] != 0).all()


def test_in_evaluation_winners_get_their_gradient_and_losers_none() -> None:
    x = torch.randn(2, 8, requires_grad=True)
    (found,) = torch.autograd.grad((compete(x, 4) * torch.arange(1.0, 9.0)).sum(), x)
    assert torch.equal(found, torch.arange(1.0, 9.0) * winners(x, 4))


def test_a_unit_that_loses_everywhere_in_an_image_gets_its_gradient_times_the_soft_mask() -> None:
    x = torch.tensor([[2.0, -1.0], [0.0, 3.0]], requires_grad=True)
    (found,) = torch.autograd.grad(compete(x, 2)[:, 1].sum(), x)
    assert torch.allclose(found[0], torch.tensor([0.0, float(chances(x.detach(), 2)[0, 1])]))
    assert found[1].tolist() == [0.0, 1.0]


def test_the_mean_over_samples_is_the_response_times_its_chance() -> None:
    x, rng = torch.tensor([[0.5, -0.3, 1.1, 0.0]]), torch.Generator().manual_seed(0)
    many = x.expand(40_000, -1)
    found = compete(many, 4, 1, 1.0, WinnerSampler(rng).noise(many))
    expected, spread = x * chances(x, 4), found.std(0) / math.sqrt(len(many))
    assert ((found.mean(0) - expected).abs() < 4.5 * spread + 1e-4).all()


def test_the_divergence_is_its_closed_form() -> None:
    x = torch.randn(3, 8, 5, dtype=torch.float64)
    q = chances(x, 4)
    expected = (q * (q.log() + math.log(4))).sum() / 3
    torch.testing.assert_close(divergence(x, 4), expected)
    certain = torch.tensor([[100.0, 0.0, 0.0, 0.0]])
    assert float(divergence(certain, 4)) == pytest.approx(math.log(4))


def test_the_divergence_of_a_pass_is_that_of_its_layers_and_gradients_follow_it() -> None:
    net = nn.Sequential(nn.Linear(3, 8), LWTA(4), nn.Linear(8, 4), LWTA(2))
    with sampled(net, torch.Generator().manual_seed(1)) as sampler:
        net(torch.randn(5, 3))
        total = sampler.divergence()
    assert total.item() > 0
    total.backward()
    assert net[0].weight.grad is not None
    assert float(net[0].weight.grad.abs().sum()) > 0
    assert sampler.divergence().item() == 0


def test_the_temperature_falls_while_winners_are_sampled_and_reaches_every_layer() -> None:
    net, half = (
        nn.Sequential(nn.Linear(3, 4), LWTA(2)),
        SamplingSchedule(sampling=0.5, temperature_start=2.0, temperature_end=0.5),
    )
    seen = []
    for done in (0.0, 0.25, 0.49, 0.5, 0.9):
        with half.at(net, torch.Generator(), done) as sampler:
            assert net[1].sampler is sampler
            seen.append((sampler.temperature, sampler.deterministic))
    assert [round(t, 3) for t, _ in seen[:2]] == [2.0, 1.0]
    assert [deterministic for _, deterministic in seen] == [False, False, False, True, True]
    assert net[1].sampler is None


def test_deterministic_answers_draw_nothing_and_samples_follow_their_seed() -> None:
    net, x = nn.Sequential(nn.Linear(3, 8), LWTA(4)).eval(), torch.randn(4, 3)
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    assert torch.equal(net(x), net(x))
    assert torch.equal(torch.random.get_rng_state(), state)

    def drawn(seed: int) -> torch.Tensor:
        with sampled(net, torch.Generator().manual_seed(seed)):
            found: torch.Tensor = net(x)
        return found

    assert torch.equal(drawn(0), drawn(0))
    assert not torch.equal(drawn(0), drawn(1))
    assert not torch.equal(net.train()(x), net(x))


def test_layers_are_as_before_after_an_error() -> None:
    net = nn.Sequential(LWTA(2))
    with pytest.raises(InvalidValueError), sampled(net):
        net(torch.zeros(1, 3))
    assert net[0].sampler is None


@pytest.mark.parametrize("layer", [LWTALinear(6, 8, 4), LWTAConv2d(6, 8, 3, 4, padding=1)])
def test_layers_keep_one_unit_in_four(layer: nn.Module) -> None:
    x = torch.randn(2, 6) if isinstance(layer, LWTALinear) else torch.randn(2, 6, 5, 5)
    assert float((layer.eval()(x) != 0).float().mean()) == 0.25
    assert list(competing(layer)) == ["lwta"]


def test_maps_in_any_memory_layout_give_the_same() -> None:
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(compete(x, 4), compete(x.contiguous(memory_format=torch.channels_last), 4))


@pytest.mark.parametrize("rule", ["zplus", "epsilon"])
def test_relevance_passes_the_mask_and_conserves(rule: str) -> None:
    torch.manual_seed(0)
    parts = (LWTAConv2d(3, 8, 3, 4, bias=False), LWTAConv2d(8, 8, 3, 2, bias=False))
    layers = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2, bias=False))
    net = Model(layers.eval(), size=(9, 9))
    pictures = torch.rand(2, 3, 9, 9)
    found = relevance(net, pictures, "class:0", ["0.lwta", "<1.lwta", "1.lwta"], rule)
    started = net.module(pictures)[:, 0].detach()
    for r in found.values():
        torch.testing.assert_close(r.flatten(1).sum(1), started, rtol=2e-2, atol=1e-4)
    mask = winners(net.module[0].conv(pictures), 4)
    assert float(found["0.lwta"][~mask].abs().max()) == 0


@pytest.mark.parametrize("block", [[math.nan, 1.0], [math.nan, math.nan], [2.0, 2.0], [math.inf, math.inf]])
@pytest.mark.parametrize("other", [[2.0, 2.0], [1.0, 2.0], [math.nan, 1.0]])
def test_each_block_has_one_winner_whatever_it_holds(block: list[float], other: list[float]) -> None:
    marked = winners(torch.tensor([block + other]), 2)
    assert marked.view(2, 2).sum(1).tolist() == [1, 1]


@pytest.mark.parametrize("make", [lambda: LWTALinear(6, 8, 3), lambda: LWTAConv2d(6, 8, 3, 3)])
def test_a_layer_that_cannot_be_divided_is_refused_when_it_is_made(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(
        InvalidValueError, match="8 units cannot compete in blocks of 3; allowed are 1, 2, 4, 8"
    ):
        make()
