"""Presence in blocks is that of the whole matrix, in memory that does not grow with the concepts."""

import pytest
import torch
from torch import Tensor

from vital import ImageSet, Model
from vital.describing import Context, describer
from vital.describing.candidates.concept_lists import world_concepts
from vital.describing.matching import presence as module
from vital.describing.matching.clip_features import ClipFeatures
from vital.describing.matching.presence import BLOCK, presence, presence_blocks, stretched
from vital.describing.methods.activation_ranges import ActivationRanges
from vital.describing.methods.linear import Linear
from vital.errors import InvalidValueError
from vital.metrics import METRICS
from vital.world.networks.backends import Encoder


def whole(cosines: Tensor) -> Tensor:
    """The formula, by sorting all."""
    ordered = cosines.sort(dim=0).values
    middle, top = ordered[len(ordered) // 2], ordered[int(0.995 * len(ordered))]
    return ((cosines - middle) / (top - middle).clamp(min=1e-6)).clamp(0, 1) ** 3


@pytest.mark.parametrize("count", [1, 2, 3, 200, 201])
def test_presence_is_its_formula_and_leaves_the_cosines_alone(count: int) -> None:
    for texts in (1, 7):
        cosines = torch.randn(count, texts, generator=torch.Generator().manual_seed(count))
        before = cosines.clone()
        assert torch.equal(presence(cosines), whole(cosines))
        rows = torch.arange(count) % 3 == 0
        assert torch.equal(presence(cosines, rows), whole(cosines)[rows])
        assert torch.equal(cosines, before)


@pytest.mark.parametrize("shape", [(5,), (5, 2, 1), (0, 2)])
def test_cosines_are_those_of_images_with_texts(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError, match=r"allowed is \(images, texts\)"):
        presence(torch.zeros(shape))


@pytest.mark.parametrize(("gain", "shift"), [(1.0, 0.0), (1e-6, 0.0), (4.0, -7.0)])
def test_a_sum_is_stretched_to_the_least_and_the_greatest(gain: float, shift: float) -> None:
    x = torch.tensor([2.0, 4.0, 3.0, 6.0])
    torch.testing.assert_close(stretched(gain * x + shift), torch.tensor([0.0, 0.5, 0.25, 1.0]))
    assert torch.equal(stretched(torch.full((3,), shift)), torch.zeros(3))


def test_blocks_are_the_whole_matrix() -> None:
    draw = torch.Generator().manual_seed(0)
    images, texts = torch.randn(50, 8, generator=draw), torch.randn(2 * BLOCK + 5, 8, generator=draw)
    rows = torch.arange(50) % 2 == 0
    found = torch.cat([shown for _, shown in presence_blocks(images, texts, rows)], 1)
    assert [start for start, _ in presence_blocks(images, texts, rows)] == [0, BLOCK, 2 * BLOCK]
    assert torch.allclose(found, whole(images @ texts.T)[rows], atol=1e-5)


def test_ranges_and_sums_say_what_the_whole_matrix_says(
    net: Model, pictures: ImageSet, encoder: Encoder
) -> None:
    words = world_concepts()
    context = Context(net, pictures, concepts=words, encoder=encoder)
    units = net.units(["planted:2", "planted:19", "class:9", "layer3:4"])
    features = ClipFeatures.of(context, units)
    shown = whole(features.image_embeddings @ features.text_embeddings.T)[features.matrix.choosing]
    spread = shown.std(0).clamp(min=1e-6)
    for found in describer("activation-ranges").describe(context, units):
        parts = ActivationRanges().rows(features.own(found.unit)).values()
        for one, rows in zip(found.details["ranges"], parts, strict=True):
            apart = (shown[rows].mean(0) - shown.mean(0)) / (spread / len(rows) ** 0.5)
            assert one["score"] == pytest.approx(float(apart.max()), abs=1e-3)
            assert float(apart[words.index(one["concept"])]) == pytest.approx(float(apart.max()), abs=1e-3)
    linear = Linear(n_preselected=20)
    for unit in units:
        every = torch.ones(int(features.matrix.choosing.sum()), dtype=torch.bool)
        (pool,) = linear._preselected(features, [unit], every)
        likeness = METRICS["correlation"](features.own(unit), shown)
        assert torch.allclose(likeness[pool], likeness.topk(20).values, atol=1e-6)


@pytest.mark.parametrize("name", ["linear", "activation-ranges"])
def test_memory_does_not_grow_with_the_concepts(
    net: Model, pictures: ImageSet, encoder: Encoder, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = []
    for words in (world_concepts()[: 2 * BLOCK], world_concepts()):
        sizes: list[int] = []

        def watched(cosines: Tensor, rows: Tensor | None = None, sizes: list[int] = sizes) -> Tensor:
            sizes.append(cosines.numel())
            return presence(cosines, rows)

        monkeypatch.setattr(module, "presence", watched)
        describer(name).describe(Context(net, pictures, concepts=words, encoder=encoder), ["planted:2"])
        largest.append(max(sizes))
    assert largest == [BLOCK * len(pictures)] * 2
