from pathlib import Path

import pytest
import torch

import vital

pytestmark = pytest.mark.slow


def cifar(shared: Path, name: str) -> vital.Model:
    weights = shared / "data" / "cifar10" / f"{name}.safetensors"
    return vital.load_model(f"{shared / 'nets' / 'cifar_resnet.py'}:{name}", weights=str(weights), size=32)


def test_another_network_recognizes_nine_of_ten_classes(shared: Path) -> None:
    model, judge = cifar(shared, "resnet56"), cifar(shared, "resnet20")
    images = vital.load_images(shared / "data" / "cifar10" / "train5k.npz")
    made = vital.render(model, "class:0-9", images=images, batch=10, progress=False)
    pictures = torch.stack([p.image for p in made])
    judge.module.eval()
    with torch.no_grad():
        found = judge.module(judge.normalize(pictures)).argmax(1)
    assert int((found == torch.arange(10)).sum()) >= 9
    assert made[0].provenance["options"]["steps"] <= 512
