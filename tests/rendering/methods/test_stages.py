import pytest
import timm
import torchvision
from torch import nn

import vital
from vital.errors import ModelError
from vital.rendering import stages

TORCHVISION = {
    "resnet18": ("conv1", "layer1", "layer2", "layer3", "layer4"),
    "resnet50": ("conv1", "layer1", "layer2", "layer3", "layer4"),  # whose blocks begin before they narrow
    "mobilenet_v2": ("features.0.0", "features.1", "features.3", "features.6", "features.13"),
    "densenet121": ("features.conv0", *(f"features.denseblock{i}" for i in (1, 2, 3))),
    "vgg11": ("features.0", "features.4", "features.9", "features.14", "features.19"),
    "squeezenet1_1": ("features.0", "features.4", "features.7"),
    "vit_b_32": ("conv_proj", *(f"encoder.layers.encoder_layer_{i}" for i in (2, 5, 8, 11))),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_known_networks_give_the_layers_that_people_choose(name: str) -> None:
    net = torchvision.models.get_model(name, weights=None).eval()
    found = stages(vital.Model(net, size=(224, 224)))
    assert found[: len(TORCHVISION[name])] == TORCHVISION[name]


@pytest.mark.parametrize("name", ["convnext_tiny", "swin_t", "mobilenet_v2", "densenet121"])
def test_every_resolution_has_one_layer(name: str) -> None:
    model = vital.Model(torchvision.models.get_model(name, weights=None).eval(), size=(64, 64))
    layers = [vital.list_layers(model)[layer] for layer in stages(model)]
    assert len(layers) >= 4
    assert [la.order for la in layers] == sorted(la.order for la in layers)
    sizes = [la.shape[1:] for la in layers[1:]]
    assert len(set(sizes)) == len(sizes)


def test_timm_tokens_give_blocks() -> None:
    model = vital.Model(timm.create_model("vit_tiny_patch16_224", pretrained=False).eval())
    assert stages(model)[-1] == "blocks.11"


def test_beside_a_side_branch_the_wider_trunk_is_aligned_too() -> None:
    assert stages(vital.load_model("world"))[3:5] == ("layer3", "relu")


def test_a_network_without_places_is_one_sentence() -> None:
    model = vital.Model(
        nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.Linear(4, 3)), size=(4, 4), name="mlp"
    )
    with pytest.raises(ModelError, match=r"^mlp has no layer with places to align; name the layers$"):
        stages(model)


def test_the_parts_of_a_block_are_no_blocks_where_there_are_more_of_them() -> None:
    net = torchvision.models.VisionTransformer(32, 8, 3, 2, 16, 32, num_classes=3).eval()
    names = (f"encoder.layers.encoder_layer_{i}" for i in range(3))
    assert stages(vital.Model(net, size=(32, 32))) == ("conv_proj", *names)
