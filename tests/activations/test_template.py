import pytest
import torch
from torch import nn

from vital.activations import make_template
from vital.errors import DataError
from vital.models import Model


@pytest.fixture
def net() -> Model:
    torch.manual_seed(0)
    return Model(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5)), size=(8, 8)
    )


def test_template_is_the_mean_of_each_images_sorted_activations(net: Model) -> None:
    pictures = torch.rand(5, 3, 8, 8)
    expected = torch.stack([net.module[:2](x[None])[0].flatten(1).sort(dim=1).values for x in pictures]).mean(
        0
    )
    made = make_template(net, ["1"], [pictures])
    torch.testing.assert_close(made.layers["1"], expected.detach())


def test_batches_do_not_change_the_template(net: Model) -> None:
    pictures = torch.rand(5, 3, 8, 8)
    whole = make_template(net, ["0", "class"], [pictures])
    parts = make_template(net, ["0", "class"], pictures.split(2))
    for layer in ("0", "class"):
        torch.testing.assert_close(whole.layers[layer], parts.layers[layer])


def test_vectors_have_one_place(net: Model) -> None:
    assert make_template(net, ["class"], [torch.rand(2, 3, 8, 8)]).layers["class"].shape == (5, 1)


def test_no_images_is_one_sentence(net: Model) -> None:
    with pytest.raises(DataError, match=r"^there are no reference images for class:3$"):
        make_template(net, ["0"], [], unit="class:3")
