"""Layouts of a network do the same, take turns, and win only by more than their spread."""

import json

import pytest
import torch

from benchmarks import layouts
from benchmarks.networks import network

RUN = ("--arch", "tiny", "--batch", "2", "--windows", "3", "--window", "1")


def test_every_layout_computes_the_same() -> None:
    plain = network("tiny")
    shown = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        wanted = plain.module(shown)
        for name in ("channels_last", "folded"):
            model = layouts.LAYOUTS[name](plain)
            assert [*dict(model.module.named_modules())] == [*dict(plain.module.named_modules())]
            assert torch.allclose(model.module(shown), wanted, atol=1e-5)


def test_folding_needs_batch_norm() -> None:
    with pytest.raises(Exception, match="small-vit has no batch norm behind a convolution"):
        layouts.folded(network("small-vit"))


def test_whole_steps_are_held_against_plain_ones(capsys: pytest.CaptureFixture[str]) -> None:
    layouts.main([*RUN, "--layouts", "channels_last", "folded", "--json"])
    found = json.loads(capsys.readouterr().out)["measured"]
    assert set(found) == {"vital, class", "fourier, class"}
    for own in found.values():
        assert own["failed"] == {}
        assert set(own["layouts"]) == {"plain", "channels_last", "folded"}
        assert own["layouts"]["plain"]["over plain"]["median"] == 1
        assert all(layout["over plain"]["n"] == 3 for layout in own["layouts"].values())


def found(**ratios: tuple[float, float]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Ratios by layout: the median and the third quartile."""
    rows = {"plain": (1.0, 1.0)} | ratios
    return {
        "layouts": {n: {"over plain": {"q1": m, "median": m, "q3": q}} for n, (m, q) in rows.items()},
        "failed": {"compiled": "no"},
    }  # type: ignore[return-value]


def test_a_layout_wins_by_more_than_its_spread_alone() -> None:
    assert layouts.winner(found(channels_last=(0.9, 0.95), folded=(0.8, 1.1))) == "channels_last"
    assert layouts.winner(found(channels_last=(0.9, 1.0))) is None
    told = layouts.said("vital, class", found(folded=(0.5, 0.6)), "cpu")
    assert told == [
        "vital, class, on cpu: folded wins (measured alone), 0.50 x plain, 0.50-0.60",
        "vital, class: compiled is not measured: no",
    ]


def test_what_fails_is_said_and_costs_no_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(model: object) -> None:
        raise RuntimeError("there is no compiler")

    monkeypatch.setitem(layouts.LAYOUTS, "compiled", broken)
    layouts.main([*RUN, "--methods", "fourier", "--layouts", "compiled", "channels_last"])
    assert "fourier, class: compiled is not measured: there is no compiler" in capsys.readouterr().out
