import numpy as np
import pytest
import torch

import vital
from tests import toy
from vital.activations import ReferenceBank
from vital.data import ImageSet
from vital.units import Unit


@pytest.fixture
def model() -> vital.Model:
    return toy.model()


@pytest.fixture
def pictures() -> ImageSet:
    """Noise in the color of the class, so that natural images of a class are more alike than others."""
    labels = np.arange(40) % 10
    tints = torch.rand(10, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    pixels = ((toy.images(40) + 2 * tints[labels]).permute(0, 2, 3, 1) * 85).byte().numpy()
    return vital.load_images(pixels, labels=labels)


@pytest.fixture
def bank(model: vital.Model, pictures: ImageSet) -> ReferenceBank:
    return vital.build_bank(model, ["layer3"], pictures, disk=False)


@pytest.fixture
def units(model: vital.Model) -> tuple[Unit, ...]:

    return tuple(model.units(["class:0-1", "layer3:0-1"]))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
