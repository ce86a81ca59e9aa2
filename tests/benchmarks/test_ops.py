"""Operations of a step are counted, and do not grow with the units that share it."""

import json

import pytest
import torch

from benchmarks import ops
from benchmarks.counting import CONSTANTS, HOST, KERNELS, SYNCS, VIEWS, Counting
from benchmarks.phases import Phase, held, over_run, phases
from vital import params as par
from vital.rendering import Plan

FEW = (
    "--arch",
    "tiny",
    "--methods",
    "vital",
    "pixels",
    "--kinds",
    "class",
    "--units",
    "1",
    "4",
    "--steps",
    "3",
)


def counts(run) -> dict[str, int]:
    with Counting() as counting:
        run()
    return dict(counting.counts)


def test_the_backward_pass_is_counted_and_views_are_no_kernels() -> None:
    x = torch.ones(3, 2, requires_grad=True)

    def forward() -> torch.Tensor:
        return (x.t().unsqueeze(0) * 2).sum()

    both = counts(lambda: forward().backward())
    assert counts(forward) == {KERNELS: 2, VIEWS: 2}
    assert both[KERNELS] > 3


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).all()),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: torch.equal(x, x),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: x.unique(),
    ],
)
def test_what_waits_for_the_device_is_seen(wait) -> None:
    x = torch.arange(3.0)
    assert counts(lambda: wait(x))[SYNCS] == 1


def test_numbers_of_the_host_are_read_without_waiting_until_they_are_brought_to_the_device() -> None:
    draw, x = torch.Generator().manual_seed(0), torch.ones(3)

    def host() -> None:
        (torch.rand(3, generator=draw) * 2).sum().item()
        torch.zeros(2).tolist()

    def moved() -> None:
        there = torch.rand(3, generator=draw).to(x.device)
        (there + x).sum().item()
        torch.tensor([1.0, 2.0], device=x.device)

    assert set(counts(host)) <= {HOST, VIEWS}
    assert {kind: found for kind, found in counts(moved).items() if kind != VIEWS} == {
        HOST: 1, KERNELS: 2, SYNCS: 1, CONSTANTS: 2,
    }  # fmt: skip


def test_the_optimizers_own_counter_lies_on_the_host() -> None:
    x = torch.ones(3, requires_grad=True)
    x.sum().backward()
    assert SYNCS not in counts(torch.optim.Adam([x]).step)


def test_a_run_is_of_kinds_of_steps_which_are_held_alone() -> None:
    plan = Plan([], par.Fourier(8, coarse=0.5), steps=10, redirect=2)
    shares = phases(plan)
    assert {str(phase): share for phase, share in shares.items()} == {
        "half size, redirect": 0.2, "half size": 0.3, "full size": 0.5,
    }  # fmt: skip
    for phase in shares:
        alone = phases(held(plan, phase, 6))
        assert alone[phase] >= 4 / 5
    assert over_run(dict.fromkeys(shares, 3.0), shares) == pytest.approx(3)
    assert phases(Plan([], par.Pixels(8), steps=4)) == {Phase(half=False, redirect=False): 1}


def test_goals_are_missed_where_steps_grow_wait_or_are_dear(capsys: pytest.CaptureFixture[str]) -> None:
    step = {KERNELS: 100.0, SYNCS: 0.0}
    fine = {1: {"run": step}, 8: {"run": step | {KERNELS: 130.0}}}
    assert ops.judged(fine, {KERNELS: 65.0}, 2.0)[1] == []
    bad = {1: {"run": step}, 8: {"run": {KERNELS: 131.0, SYNCS: 1.0}}}
    assert len(ops.judged(bad, {KERNELS: 65.0}, 2.0)[1]) == 3
    assert len(ops.judged(bad, {KERNELS: 65.0}, None)[1]) == 2


def test_a_method_that_a_network_has_no_use_for_is_said_not_to_be_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    few = ["--arch", "small-vit", "--methods", "deep-inversion", "--kinds", "class", "--units", "1", "2"]
    assert ops.main(few) == 0
    assert "not measured: small-vit, deep-inversion, class" in capsys.readouterr().out


@pytest.fixture(scope="module")
def found() -> dict:
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", lambda text, **_: printed.append(text))
        code = ops.main([*FEW, "--json"])
    return {"code": code, **json.loads(printed[0])}


def test_counts_are_the_same_again(found: dict) -> None:
    own = found["networks"]["tiny"]
    model = ops.network("tiny")
    again = ops.measure(model, ops.bank_of(model), ops.Case("pixels", "class"), 4, 3)
    assert own["cases"]["pixels, class"]["counts"]["4"] == again
    assert own["bare"][KERNELS] < again["run"][KERNELS]


def test_a_step_of_more_units_dispatches_no_more_kernels_and_never_waits(found: dict) -> None:
    assert found["networks"]["tiny"]["missed"] == []
    assert found["code"] == 0
