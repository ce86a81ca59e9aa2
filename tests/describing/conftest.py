"""Small pieces of the known-answer world: pictures, the classifier, the backends, and a context of them all."""

import pytest

import vital
from vital import ImageSet, Model
from vital.backends import load_captioner, load_encoder, load_generator
from vital.describing import Context
from vital.world import concepts
from vital.world.scenes.dataset import images


@pytest.fixture(scope="session")
def pictures() -> ImageSet:
    return images(240, seed=5)


@pytest.fixture
def net() -> Model:
    return vital.load_model("world")


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Context:
    """The world's network and backends, with a bank over few images; nothing of it is kept on disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITAL_CACHE", str(tmp_path_factory.mktemp("world-cache")))
        model, pictures = vital.load_model("world"), images(320, seed=3)
        bank = vital.build_bank(model, ["planted", "layer3"], pictures, disk=False)
    return Context(
        model,
        pictures,
        bank,
        tuple(concept.name for concept in concepts()),
        load_encoder("world"),
        load_captioner("world"),
        generator=load_generator("world", size=32),
    )
