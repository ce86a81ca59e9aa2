"""A small piece of the known-answer world: 240 pictures, the classifier, and the encoder."""

import pytest

from vital import ImageSet, Model, load_model
from vital.makers import load_encoder
from vital.world.data import images
from vital.world.makers import Encoder


@pytest.fixture(scope="session")
def pictures() -> ImageSet:
    return images(240, seed=5)


@pytest.fixture
def net() -> Model:
    return load_model("world")


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder("world")  # type: ignore[return-value]
