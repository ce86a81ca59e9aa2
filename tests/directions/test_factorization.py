from collections import OrderedDict
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, PCA, FastICA, KernelPCA, MiniBatchNMF, TruncatedSVD
from torch import nn

import vital
from tests import toy
from vital.data import ImageSet
from vital.directions import decompose, make_estimator, nmf, unit_rows
from vital.directions.factorization import ESTIMATORS, activations
from vital.errors import DataError, InvalidValueError, UnitError, UnknownNameError

MODEL = toy.model(batch_norm=False)
PICTURES = vital.load_images(toy.images(6).float())


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


def matrix(layer: str, seed: int = 0) -> Any:
    rows = activations(MODEL, layer, PICTURES, rows=300, seed=seed)
    return (rows / rows.abs().mean()).numpy()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_gives_unit_vectors_and_the_same_for_a_seed(name: str) -> None:
    slow = {"max_iter": 20} if "Dictionary" in name or "SparsePCA" in name else {}
    estimator = make_estimator(name, 3, **slow)
    one, two = (decompose(MODEL, "act2", PICTURES, estimator, seed=1, rows=300) for _ in range(2))
    assert one.shape == (3, 16)
    assert one.dtype == torch.float32
    torch.testing.assert_close(one.norm(dim=1), torch.ones(3))
    assert torch.equal(one, two)
    assert not hasattr(estimator, "components_")
    assert not hasattr(estimator, "cluster_centers_")


@pytest.mark.parametrize("kind", [PCA, TruncatedSVD])
def test_components_are_those_of_scikit_learn_in_their_order(kind: Any) -> None:
    found = decompose(MODEL, "layer2", PICTURES, kind(3), seed=2, rows=300)
    own = kind(3, random_state=2).fit(matrix("layer2", 2)).components_
    torch.testing.assert_close(found, unit_rows(torch.as_tensor(own)).float())


def test_cluster_centers_come_by_the_size_of_the_cluster() -> None:
    found = decompose(MODEL, "act2", PICTURES, KMeans(3), rows=300)
    own = KMeans(3, random_state=0).fit(matrix("act2"))
    order = torch.as_tensor(own.labels_).long().bincount().argsort(descending=True, stable=True)
    torch.testing.assert_close(found, unit_rows(torch.as_tensor(own.cluster_centers_)[order]).float())


def test_independent_components_come_by_what_they_carry() -> None:
    found = decompose(MODEL, "layer2", PICTURES, FastICA(3), rows=300)
    own = FastICA(3, random_state=0)
    codes = torch.as_tensor(own.fit_transform(matrix("layer2")))
    carried = codes.abs().sum(0) * torch.as_tensor(own.mixing_).norm(dim=0)
    order = carried.argsort(descending=True)
    torch.testing.assert_close(found, unit_rows(torch.as_tensor(own.components_)[order]).float())


def test_a_random_state_of_the_estimator_goes_before_the_seed() -> None:
    fixed = NMF(3, init="random", random_state=5, max_iter=500)
    given = [decompose(MODEL, "act2", PICTURES, fixed, seed=0, rows=10_000) for seed in (0, 1)]
    assert torch.equal(*given)
    free = [
        decompose(MODEL, "act2", PICTURES, NMF(3, init="random", max_iter=500), seed=seed, rows=10_000)
        for seed in (0, 1)
    ]
    assert not torch.equal(*free)


def test_nmf_is_one_of_them() -> None:
    found = decompose(MODEL, "act2", PICTURES, NMF(4, max_iter=400), seed=3)
    assert torch.equal(found, nmf(MODEL, "act2", PICTURES, 4, seed=3))


class Mean:
    """An estimator of nobody: it has fit and components_ alone."""

    def fit(self, matrix: Any) -> "Mean":
        self.components_ = matrix.mean(0, keepdims=True)
        return self


def test_an_estimator_of_the_users_own_needs_no_more_than_fit_and_components() -> None:
    mine = Mean()
    found = decompose(MODEL, "layer2", PICTURES, mine, rows=300)
    torch.testing.assert_close(found, unit_rows(torch.as_tensor(matrix("layer2")).mean(0, keepdim=True)))
    assert not hasattr(mine, "components_")


class Narrow(BaseEstimator):
    def fit(self, matrix: Any) -> "Narrow":
        self.components_ = matrix[:2, :3]
        return self


@pytest.mark.parametrize("kind", [NMF, MiniBatchNMF])
def test_negative_values_are_refused_where_the_estimator_takes_none(kind: Any) -> None:
    with pytest.raises(
        InvalidValueError, match=rf"go down to -.*, and {kind.__name__} needs values from 0; .*such as PCA$"
    ):
        decompose(MODEL, "layer2", PICTURES, kind(2))


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (KernelPCA(2), "^KernelPCA has neither components_ nor cluster_centers_; allowed are"),
        (Narrow(), r"^Narrow gives directions of the shape \(2, 3\), and the layer has 16 channels$"),
        (PCA(40), "^PCA cannot be fitted to the activations at 'act2', 300 x 16: n_components=40"),
        (PCA(2, svd_solver="fast"), "^PCA cannot be fitted .*: The 'svd_solver' parameter of PCA must be"),
        (KMeans(301), "^301 directions are asked for and there are 300 places at 'act2'; allowed are up to"),
        ("PCA", "^the estimator is 'PCA', which has no method fit; give one of scikit-learn"),
    ],
)
def test_an_estimator_that_gives_no_directions_is_one_sentence(estimator: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        decompose(MODEL, "act2", PICTURES, estimator, rows=300)


def test_more_components_than_the_activations_hold_are_refused() -> None:
    pictures = vital.load_images(torch.rand(2, 3, 8, 8))
    for estimator in (PCA(2), KMeans(2), NMF(2)):
        with pytest.raises(DataError, match="at '1' hold 0 directions and 2 are asked for; ask for fewer"):
            decompose(dead(), "1", pictures, estimator)


def test_names_and_parameters_of_an_estimator() -> None:
    made = make_estimator("MiniBatchDictionaryLearning", 7, alpha="0.5", fit_algorithm="lars", tol="none")
    assert made.get_params() | {"n_components": 7, "alpha": 0.5, "fit_algorithm": "lars", "tol": None} == (
        made.get_params()
    )
    assert make_estimator("PCA", 3, whiten="True").whiten is True
    with pytest.raises(UnknownNameError, match="unknown decomposition 'Kmeans'; did you mean 'KMeans'"):
        make_estimator("Kmeans", 3)
    with pytest.raises(
        UnknownNameError, match="unknown parameter of NMF 'max_iters'; did you mean 'max_iter'"
    ):
        make_estimator("NMF", 3, max_iters="3")
    for name, own, by in [
        ("PCA", "n_components", "count"),
        ("KMeans", "n_clusters", "count"),
        ("PCA", "random_state", "seed"),
    ]:
        with pytest.raises(InvalidValueError, match=f"^{own} of {name} is given by {by}; leave it out$"):
            make_estimator(name, 3, **{own: 3})
