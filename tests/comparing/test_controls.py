import pytest
import torch

from vital.comparing.controls import rerouted, shuffled
from vital.errors import InvalidValueError
from vital.models.random import random_weights


def test_shuffled_references_are_other_images_under_the_same_numbers(bank, units) -> None:
    mixed = shuffled(bank)
    assert sorted(mixed.images.names) == sorted(bank.images.names)
    assert mixed.strongest(units[2], 5) == bank.strongest(units[2], 5)
    assert not torch.equal(mixed.tensor([0, 1, 2, 3]), bank.tensor([0, 1, 2, 3]))
    assert mixed.key != bank.key
    assert torch.equal(shuffled(bank).tensor(range(5)), mixed.tensor(range(5)))


def test_a_shuffled_image_keeps_its_own_name(bank) -> None:
    mixed = shuffled(bank)
    for i in range(4):
        there = bank.images.names.index(mixed.images.names[i])
        assert torch.equal(mixed.tensor([i]), bank.tensor([there]))


def test_rerouted_references_are_those_of_the_next_unit_of_the_layer(bank, units) -> None:
    other = rerouted(bank, units)
    one, two = units[2], units[3]
    assert other.strongest(one, 5) == bank.strongest(two, 5)
    assert other.strongest(two, 5) == bank.strongest(one, 5)
    assert [s.position for s in other.strongest_places(one, 3)] == [
        s.position for s in bank.strongest_places(two, 3)
    ]
    assert other.natural_value(one) == bank.natural_value(one)
    assert other.percentile(one, 0.1) == bank.percentile(one, 0.1)
    assert other.key != bank.key


def test_rerouted_labels_are_those_of_the_other_class(bank, units) -> None:
    other, (one, two) = rerouted(bank, units), units[:2]
    drawn = set(other.references(one, 4, "class").indices)
    assert drawn == set(bank.images.of_class(two.index))
    assert other.references(one, 3, "activation").indices == tuple(bank.strongest(two, 3))


def test_the_bank_itself_is_not_changed(bank, units) -> None:
    before = bank.strongest(units[2], 5), bank.images.labels
    rerouted(bank, units)
    shuffled(bank)
    assert (bank.strongest(units[2], 5), bank.images.labels) == before


def test_a_unit_alone_in_its_layer_has_nobody_to_lend_it_references(bank, units) -> None:
    with pytest.raises(InvalidValueError, match="only unit of 'layer3'"):
        rerouted(bank, units[:3])


def test_random_weights_are_new_seeded_and_leave_the_network_alone(model) -> None:
    before = model.weights_hash()
    one, other, third = random_weights(model), random_weights(model), random_weights(model, seed=1)
    assert model.weights_hash() == before
    assert one.weights_hash() == other.weights_hash()
    assert len({before, one.weights_hash(), third.weights_hash()}) == 3
    norm = one.module.norm1
    assert norm.running_mean.abs().sum() == 0
    assert one.module.layer1.weight.std() > 0.05
