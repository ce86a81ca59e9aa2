"""What is read of a unit's values and of embeddings, on numbers that are known."""

from types import SimpleNamespace

import pytest
import torch

from vital.describing.matching import clip_features
from vital.describing.matching.clip_features import ClipFeatures, _check_finite
from vital.errors import ModelError


def test_evidence_is_the_strongest_of_the_images_that_labels_are_chosen_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = tuple("abcdefg")
    monkeypatch.setattr(clip_features, "probe_images", lambda _: SimpleNamespace(names=names))
    values = torch.tensor([[0.0, 3.0], [9.0, 1.0], [2.0, 5.0], [4.0, 4.0], [7.0, 2.0]])
    matrix = SimpleNamespace(
        numbers=torch.tensor([0, 1, 3, 5, 6]),  # c and e could not be read
        choosing=torch.tensor([True, False, True, True, True]),
        of=lambda units: values[:, units],
    )
    features = ClipFeatures(None, matrix, torch.zeros(5, 2), torch.zeros(0, 2))  # type: ignore[arg-type]
    assert features.own(0).tolist() == [0.0, 2.0, 4.0, 7.0]  # type: ignore[arg-type]
    assert features.strongest(0, 3) == ("g", "f", "d")  # type: ignore[arg-type]
    assert features.strongest(1, 9) == ("d", "f", "a", "g")  # type: ignore[arg-type]
    assert features.strongest(1, 0) == ()  # type: ignore[arg-type]


def test_embeddings_that_are_no_numbers_are_told_with_their_texts() -> None:
    whole, broken = torch.ones(3, 2), torch.tensor([[1.0, 1.0], [torch.nan, 1.0], [torch.inf, 1.0]])
    _check_finite("clip", whole, whole, "abc")
    with pytest.raises(ModelError, match=r"^clip gives embeddings that are not finite for 2 of 3 images$"):
        _check_finite("clip", broken, whole, "abc")
    with pytest.raises(ModelError, match=r"^clip gives embeddings that are not finite for b, c$"):
        _check_finite("clip", whole, broken, "abc")


def test_without_concepts_there_are_no_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.ones(3, 2)
    for name, found in (("probe_images", None), ("matrix_of", None), ("embed_images", images)):
        monkeypatch.setattr(clip_features, name, lambda *_, found=found, **__: found)
    context = SimpleNamespace(encoder=SimpleNamespace(name="clip"), concepts=(), model=None, progress=False)
    features = ClipFeatures.of(context, [])  # type: ignore[arg-type]
    assert features.text_embeddings.shape == (0, 2)
    assert features.image_embeddings is images
