"""Deterministic, sampled and averaged answers, and activity as measured."""

import pytest
import torch
from torch import nn

import vital
from vital.errors import InvalidValueError, ModelError
from vital.lwta import LWTA, LWTAConv2d
from vital.lwta.layers import sampled
from vital.lwta.predict import active, layers_of, outputs
from vital.models import Model


def small() -> Model:
    torch.manual_seed(0)
    parts = (LWTAConv2d(3, 8, 3, 4), nn.Conv2d(8, 6, 3), LWTA(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Model(nn.Sequential(*parts), size=(8, 8))


def test_without_samples_the_answer_is_the_networks_own() -> None:
    model, pictures = small(), torch.rand(3, 3, 8, 8)
    assert torch.equal(outputs(model, pictures), model.module.eval()(pictures))


def test_samples_are_averaged_and_follow_their_seed() -> None:
    model, pictures = small(), torch.rand(3, 3, 8, 8)
    assert torch.equal(outputs(model, pictures, 3), outputs(model, pictures, 3))
    assert not torch.equal(outputs(model, pictures, 3), outputs(model, pictures, 3, seed=1))
    few, many = (
        torch.stack([outputs(model, pictures, n, seed=s) for s in range(20)]).std(0).mean() for n in (1, 16)
    )
    assert many < few / 2
    with pytest.raises(InvalidValueError, match="samples is -1"):
        outputs(model, pictures, -1)


def test_a_sampled_answer_does_not_depend_on_the_batch() -> None:
    model, pictures = small(), torch.rand(5, 3, 8, 8)
    whole = outputs(model, pictures, 3)
    torch.testing.assert_close(whole[2:3], outputs(model, pictures[2:3], 3))
    torch.testing.assert_close(whole.flip(0), outputs(model, pictures.flip(0), 3))


def test_images_draw_their_own_luck() -> None:
    net = nn.Sequential(nn.Linear(3, 64), LWTA(4)).eval()
    x = torch.randn(1, 3).expand(2, -1)
    with sampled(net, [torch.Generator().manual_seed(s) for s in (0, 1)]):
        one, two = net(x)
    assert not torch.equal(one, two)


class TokensFirst(nn.Module):
    """Competes in tokens of (T, B, C)."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.lwta = LWTA(4, -1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.lwta(x.flatten(2).permute(2, 0, 1).repeat(1, 1, 4)).mean(0)
        return found


def test_layers_whose_first_axis_is_not_the_batch_are_sampled_too() -> None:
    model, pictures = Model(TokensFirst(), size=(3, 3)), torch.rand(4, 3, 3, 3)
    found = outputs(model, pictures, 3)
    assert found.shape == (4, 12)
    assert torch.equal(found, outputs(model, pictures, 3))
    assert not torch.equal(found, outputs(model, pictures, 3, seed=1))


def test_activity_is_counted_per_layer_and_image() -> None:
    found = active(small(), torch.rand(3, 3, 8, 8))
    assert {name: share.tolist() for name, share in found.items()} == {"0.lwta": [0.25] * 3, "2": [0.5] * 3}


def test_a_dense_network_has_no_activity() -> None:
    with pytest.raises(ModelError, match="no competing layers"):
        layers_of(vital.load_model("world"))


def test_the_train_mode_of_the_caller_comes_back() -> None:
    model = small()
    model.module.train()
    outputs(model, torch.rand(1, 3, 8, 8), 2)
    assert model.module.training
    assert model.module[2].sampler is None
