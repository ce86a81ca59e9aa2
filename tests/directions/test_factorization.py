import sys
from collections import OrderedDict
from dataclasses import dataclass
from importlib import import_module

import pytest
import torch
from torch import nn

import vital
from tests import toy
from vital.data import ImageSet
from vital.directions import nmf
from vital.directions.factorization import activations
from vital.errors import DataError, InvalidValueError, MissingDependencyError, UnitError

MODEL = toy.model(batch_norm=False)


@dataclass(frozen=True)
class Planted:
    """A network of one 1 x 1 convolution that turns the three colors into sums of three known directions."""

    directions: torch.Tensor

    def model(self) -> vital.Model:
        layer = nn.Conv2d(3, self.directions.shape[1], 1, bias=False)
        layer.weight.data = self.directions.T[:, :, None, None].clone()
        return vital.Model(nn.Sequential(OrderedDict(mix=layer)), size=(8, 8))


def planted() -> Planted:
    rows = torch.zeros(3, 9)
    for k in range(3):
        rows[k, 3 * k : 3 * k + 3] = torch.tensor([3.0, 2.0, 1.0]).roll(k)
    return Planted(rows / rows.norm(dim=1, keepdim=True) * torch.tensor([[1.0], [4.0], [2.0]]))


def colors(count: int = 12) -> ImageSet:
    """Each pixel mostly of one color, so that the directions can be told apart."""
    draw = torch.Generator().manual_seed(0)
    pixels = torch.rand(count, 3, 8, 8, generator=draw)
    return vital.load_images(pixels * (torch.rand(pixels.shape, generator=draw) > 0.6))


def test_the_directions_that_activations_are_made_of_are_found_strongest_first() -> None:
    made = planted()
    found = nmf(made.model(), "mix", colors(), 3)
    wanted = made.directions / made.directions.norm(dim=1, keepdim=True)
    torch.testing.assert_close(found, wanted[[1, 2, 0]], atol=0.02, rtol=0)


def test_directions_are_unit_vectors_without_negative_entries() -> None:
    found = nmf(MODEL, "act2", vital.load_images(toy.images(6).float()), 4)
    assert found.shape == (4, 16)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4))


factorize = import_module("vital.directions.factorization")


def test_the_same_seed_gives_the_same_directions_also_a_part_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures = vital.load_images(toy.images(6).float())
    made = planted()
    for limit in (factorize.MANY, 10):
        monkeypatch.setattr(factorize, "MANY", limit)
        assert torch.equal(*(nmf(MODEL, "act2", pictures, 3, seed=2, rows=100) for _ in range(2)))
        nearest = (nmf(made.model(), "mix", colors(), 3) @ made.directions.T).amax(0) / made.directions.norm(
            dim=1
        )
        assert (nearest > 0.95).all()


def test_rows_are_the_places_of_the_images_in_order() -> None:
    act = toy.trace(MODEL, ["act2"], toy.images(20).float())["act2"]
    rows = activations(MODEL, "act2", vital.load_images(toy.images(20).float()))
    torch.testing.assert_close(rows, act.permute(0, 2, 3, 1).reshape(-1, 16))


def test_few_rows_are_as_many_of_each_image() -> None:
    pictures = vital.load_images(toy.images(20).float())
    act = toy.trace(MODEL, ["act2"], toy.images(20).float())["act2"].flatten(2)
    some = activations(MODEL, "act2", pictures, rows=70)
    assert len(some) == 60
    for image, rows in zip(act, some.split(3), strict=True):
        distance = torch.cdist(rows, image.T, compute_mode="donot_use_mm_for_euclid_dist")
        assert (distance.amin(1) < 1e-4).all()
        assert len(set(distance.argmin(1).tolist())) == 3
    assert len(activations(MODEL, "act2", pictures, rows=7)) == 7
    assert not torch.equal(some, activations(MODEL, "act2", pictures, rows=70, seed=1))


def test_a_token_layer_is_read_where_it_is_told() -> None:
    model, pictures = toy.token_model(), vital.load_images(toy.images(2).float())
    act = toy.trace(model, ["block1"], toy.images(2).float())["block1"]
    torch.testing.assert_close(activations(model, "block1", pictures, tokens="cls"), act[:, :, 0])
    with pytest.raises(UnitError, match="ambiguous"):
        nmf(model, "block1", pictures, 2)


def dead() -> vital.Model:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    nn.init.zeros_(net[0].weight)
    nn.init.constant_(net[0].bias, -1.0)
    return vital.Model(net, size=(8, 8))


def test_what_cannot_be_factorized_is_one_sentence() -> None:
    pictures = vital.load_images(toy.images(2).float())
    with pytest.raises(
        InvalidValueError,
        match=r"at 'layer2' go down to -.*, and NMF needs values from 0; choose a layer behind a ReLU, "
        r"or a decomposition that takes negative values, such as PCA$",
    ):
        nmf(MODEL, "layer2", pictures, 2)
    with pytest.raises(
        InvalidValueError, match=r"^40 directions are asked for and there are 32 places at 'act3'; allowed"
    ):
        nmf(MODEL, "act3", pictures, 40)
    with pytest.raises(
        InvalidValueError, match=r"^count is 0, rows 50000, steps 400; allowed are whole numbers from 1$"
    ):
        nmf(MODEL, "act3", pictures, 0)
    with pytest.raises(DataError, match="the activations at '1' hold 0 directions and 2 are asked for"):
        nmf(dead(), "1", vital.load_images(torch.rand(2, 3, 8, 8)), 2)
    sick = dead()
    sick.module[0].weight.data[:] = float("inf")
    with pytest.raises(DataError, match="the activations at '1' are not all finite"):
        nmf(sick, "1", vital.load_images(torch.rand(2, 3, 8, 8)), 2)


def test_without_scikit_learn_the_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(
        MissingDependencyError, match=r"need the package scikit-learn: pip install 'vital-fv\[concepts\]'"
    ):
        nmf(MODEL, "act2", vital.load_images(toy.images(2).float()), 2)
