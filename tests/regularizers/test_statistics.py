from __future__ import annotations

import pytest
import torch

from tests import toy
from vital.errors import InvalidValueError, ModelError
from vital.regularizers import BatchNormStatistics

MODEL = toy.model(double=True)


def test_it_reads_the_inputs_of_all_batch_norms_in_order() -> None:
    assert BatchNormStatistics.of(MODEL).layers == ("<norm1", "<norm2", "<norm3")


@pytest.mark.parametrize("first", [1.0, 10.0])
def test_it_is_the_distance_of_each_images_statistics_from_the_running_ones(first: float) -> None:
    term = BatchNormStatistics.of(MODEL, first=first)
    image = toy.images(3)
    expected = torch.zeros(3, dtype=torch.float64)
    for row in range(3):
        x = MODEL.normalize(image[row : row + 1])
        for name, part in MODEL.module.eval().named_children():
            if name in ("norm1", "norm2", "norm3"):
                mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
                apart = (mean - part.running_mean).norm() + (var - part.running_var).norm()
                expected[row] += apart * (first if name == "norm1" else 1)
            x = part(x)
    torch.testing.assert_close(term(toy.trace(MODEL, term.layers, image)), expected.detach())


def test_a_network_without_batch_norm_is_explained() -> None:
    with pytest.raises(ModelError, match="toy has no batch norm with running statistics over images"):
        BatchNormStatistics.of(toy.model(batch_norm=False))


def test_an_empty_list_of_layers_points_to_of() -> None:
    with pytest.raises(
        InvalidValueError, match=r"has no batch norm to read; use BatchNormStatistics.of\(model\)"
    ):
        BatchNormStatistics()


def test_a_layer_that_is_no_batch_norm_is_explained() -> None:
    with pytest.raises(ModelError, match="'layer2' of toy is a Conv2d without running statistics"):
        BatchNormStatistics(("<layer2",))(toy.trace(MODEL, ["<layer2"], toy.images(1)))
