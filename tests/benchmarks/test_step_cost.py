"""Each network has the goals that are its own."""

import pytest

from benchmarks import gpu, ops
from benchmarks.networks import NETWORKS, SMALL, cifar_resnet, network, units_of
from benchmarks.step_cost import GOALS


def test_goals_belong_to_networks() -> None:
    assert set(NETWORKS) >= set(GOALS)
    for name, own in {"resnet50": (1.4, 2.1), "world": (1.6, 2.2), "cifar-resnet20": (1.6, 2.2)}.items():
        assert (GOALS[name]["class_step_over_bare"], GOALS[name]["inner_step_over_bare"]) == own


def test_the_small_residual_network_has_20_layers_with_weights() -> None:
    weights = [value for name, value in cifar_resnet().named_parameters() if "around" not in name]
    assert sum(value.ndim > 1 for value in weights) == 20


def test_what_is_measured_by_default_has_networks() -> None:
    assert set(gpu.parsed([]).arch) <= set(GOALS)
    assert set(ops.parsed([]).arch) <= set(NETWORKS)


@pytest.mark.parametrize("name", [*SMALL, "world"])
def test_every_network_has_class_and_inner_units(name: str) -> None:
    model = network(name)
    assert {unit.is_class for unit in units_of(model, "class", 50)} == {True}
    assert len({unit.layer for unit in units_of(model, "inner", 50)} - {"class"}) == 1
