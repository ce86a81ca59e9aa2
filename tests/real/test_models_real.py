"""Real networks on real images reach the accuracy that is on record for them."""

import numpy as np
import pytest
import torch

from vital.data import ImageSet, load_images
from vital.models import Model, load_model


def accuracy(model: Model, pictures: ImageSet, indices: range) -> float:
    right = 0
    for which, batch in pictures.batches(model, 16, indices=indices):
        with torch.no_grad():
            found = model.module(model.normalize(batch)).argmax(1)
        right += sum(int(f) == pictures.labels[i] for f, i in zip(found, which, strict=True))
    return right / len(indices)


@pytest.fixture(scope="module")
def imagenet(shared) -> ImageSet:
    return load_images(shared / "data/imagenet1000/images", labels=shared / "data/imagenet1000/labels.csv")


def test_the_imagenet_labels_are_read_by_wnid(imagenet):
    assert sorted(imagenet.labels) == list(range(1000))
    tabby = imagenet.of_class(281)
    assert [imagenet.names[i] for i in tabby] == ["n02123045.JPEG"]


@pytest.mark.parametrize(
    ("spec", "weights", "size", "expected", "count"),
    [
        pytest.param(
            "{nets}/googlenet_bvlc.py:googlenet", "googlenet_bvlc", None, 0.746, 100, marks=pytest.mark.slow
        ),
        ("{nets}/googlenet_bvlc.py:squeezenet", "squeezenet1_1", 227, 0.621, 100),
        ("{own}/mobilenet.py:net", "mobilenetv2_100_tf", None, 0.873, 50),
        pytest.param(
            "torchvision:resnet50/IMAGENET1K_V1",
            "noncommercial/resnet50_pqf",
            None,
            0.811,
            100,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_imagenet_networks_reach_their_accuracy(
    shared, imagenet, tmp_path, spec, weights, size, expected, count
):
    if "mobilenet" in spec:
        pytest.importorskip("timm")
        (tmp_path / "mobilenet.py").write_text(
            "import timm\nMEAN = STD = (0.5, 0.5, 0.5)\nRESIZE = 256\n"
            "def net():\n    return timm.create_model('mobilenetv2_100', pad_type='same')\n"
        )
    file = shared / f"data/imagenet_weights/{weights}.safetensors"
    model = load_model(spec.format(nets=shared / "nets", own=tmp_path), weights=file, size=size)
    found = accuracy(model, imagenet, range(0, 1000, 1000 // count))
    deviation = np.sqrt(expected * (1 - expected) / count)
    assert abs(found - expected) < 2 * deviation + 0.01


@pytest.mark.parametrize(("name", "expected"), [("resnet20", 0.81), ("resnet56", 0.83)])
def test_cifar_networks_reach_their_accuracy(shared, name, expected):
    pictures = load_images(shared / "data/cifar10/test.npz")
    spec = f"{shared}/nets/cifar_resnet.py:{name}"
    model = load_model(spec, weights=shared / f"data/cifar10/{name}.safetensors", size=32)
    assert model.classes[3] == "cat"
    assert len(pictures.of_class(3, model.classes)) == 1000
    assert abs(accuracy(model, pictures, range(500)) - expected) < 0.035


def test_weights_of_another_network_do_not_fit(shared):
    from vital.errors import WeightsError

    file = shared / "data/cifar10/resnet56.safetensors"
    with pytest.raises(
        WeightsError, match=r"does not fit the network: 180 unexpected \(layer1\.3\.bn1\.bias, "
    ):
        load_model(f"{shared}/nets/cifar_resnet.py:resnet20", weights=file, size=32)
