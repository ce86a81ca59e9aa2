from __future__ import annotations

import pytest

import vital
from vital.describe import Toolbox
from vital.makers import load_captioner, load_encoder, load_generator
from vital.world import concepts
from vital.world.data import images


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Toolbox:
    """The world's network and makers, with a bank over few images; nothing of it is kept on disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITAL_CACHE", str(tmp_path_factory.mktemp("world-cache")))
        model, pictures = vital.load_model("world"), images(320, seed=3)
        bank = vital.reference_bank(model, ["planted", "layer3"], pictures, disk=False)
    return Toolbox(
        model,
        pictures,
        bank,
        tuple(concept.name for concept in concepts()),
        load_encoder("world"),
        load_captioner("world"),
        generator=load_generator("world", size=32),
    )
