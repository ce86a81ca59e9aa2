"""Any estimator of scikit-learn gives the directions of a layer."""

import sys
from typing import Any

import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, PCA, FastICA, KernelPCA, MiniBatchNMF, TruncatedSVD

import vital
from tests import toy
from tests.directions.test_factorization import dead
from vital.directions import decompose, make_estimator, nmf, unit_rows
from vital.directions.factorization import ESTIMATORS, activations
from vital.errors import DataError, InvalidValueError, MissingDependencyError, UnknownNameError

MODEL = toy.model(batch_norm=False)
PICTURES = vital.load_images(toy.images(6).float())


def rows(layer: str, seed: int = 0) -> Any:
    matrix = activations(MODEL, layer, PICTURES, rows=300, seed=seed)
    return (matrix / matrix.abs().mean()).numpy()


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
    own = kind(3, random_state=2).fit(rows("layer2", 2)).components_
    torch.testing.assert_close(found, unit_rows(torch.as_tensor(own)).float())


def test_cluster_centers_come_by_the_size_of_the_cluster() -> None:
    found = decompose(MODEL, "act2", PICTURES, KMeans(3), rows=300)
    own = KMeans(3, random_state=0).fit(rows("act2"))
    order = torch.as_tensor(own.labels_).long().bincount().argsort(descending=True, stable=True)
    torch.testing.assert_close(found, unit_rows(torch.as_tensor(own.cluster_centers_)[order]).float())


def test_independent_components_come_by_what_they_carry() -> None:
    found = decompose(MODEL, "layer2", PICTURES, FastICA(3), rows=300)
    own = FastICA(3, random_state=0)
    codes = torch.as_tensor(own.fit_transform(rows("layer2")))
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
    torch.testing.assert_close(found, unit_rows(torch.as_tensor(rows("layer2")).mean(0, keepdim=True)))
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


def test_without_scikit_learn_the_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(MissingDependencyError, match=r"scikit-learn: pip install 'vital-fv\[concepts\]'"):
        make_estimator("KMeans", 2)
