import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vital.backends import BuiltIn, load_captioner, load_encoder, load_generator, load_summarizer, protocols
from vital.errors import InvalidValueError, UnknownNameError, WeightsError
from vital.world import Scene, Thing, caption, concepts, parse, sample, truths
from vital.world.networks import architectures as networks
from vital.world.networks import backends
from vital.world.networks.backends import imagined, named
from vital.world.networks.weights import FOLDER, ship
from vital.world.scenes.concepts import labels
from vital.world.scenes.vocabulary import FACTORS

TRAINED = all((FOLDER / f"{name}.safetensors").is_file() for name in ("encoder", "captioner"))
trained = pytest.mark.skipif(not TRAINED, reason="the world's networks are not trained yet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Untrained networks, written as the trained ones are."""
    folder = tmp_path_factory.mktemp("world")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for name, module in (("encoder", networks.Encoder()), ("captioner", networks.Captioner())):
            ship(module, folder / f"{name}.safetensors")
    return folder


def test_the_four_makers_are_loaded_by_name(folder):
    assert isinstance(load_encoder("world", folder=folder), protocols.ImageTextEncoder)
    assert isinstance(load_captioner("world", folder=folder), protocols.Captioner)
    assert isinstance(load_generator("world"), protocols.ImageGenerator)
    summarizer = load_summarizer("world", folder=folder)
    assert isinstance(summarizer, protocols.Summarizer | BuiltIn)
    assert summarizer.name == "built-in (world)"
    assert {load_encoder("world", folder=folder).name, load_generator("world").name} == {"world"}


def test_the_encoder_embeds_as_its_network_does(folder):
    encoder = load_encoder("world", folder=folder)
    images = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        theirs = encoder.network.encode_image(images)
    ours = encoder.encode_image(images)
    torch.testing.assert_close(ours, theirs)
    assert not ours.requires_grad
    torch.testing.assert_close(ours.norm(dim=1), torch.ones(3))
    assert encoder.encode_text(["a red cube", "snow"]).shape == (2, 128)


def test_batches_change_nothing(folder, monkeypatch):
    encoder, captioner = load_encoder("world", folder=folder), load_captioner("world", folder=folder)
    images, texts = torch.rand(5, 3, 64, 64), ["a red cube", "snow", "on grass"]
    whole = encoder.encode_image(images), encoder.encode_text(texts), captioner.describe(images)
    monkeypatch.setattr(backends, "BATCH", 2)
    torch.testing.assert_close(encoder.encode_image(images), whole[0])
    torch.testing.assert_close(encoder.encode_text(texts), whole[1], atol=1e-5, rtol=1e-5)
    assert captioner.describe(images) == whole[2]
    assert len(whole[2]) == 5


def test_images_of_any_size_are_scaled(folder):
    encoder = load_encoder("world", folder=folder)
    image = torch.rand(1, 3, 64, 64)
    wide = torch.rand(1, 3, 200, 300)
    columns = [Image.fromarray(c.numpy()).resize((64, 64), Image.Resampling.BILINEAR) for c in wide[0]]
    small = torch.stack([torch.from_numpy(np.array(c)) for c in columns])[None]
    torch.testing.assert_close(encoder.encode_image(wide), encoder.encode_image(small), atol=1e-4, rtol=0)
    assert encoder.encode_image(torch.rand(2, 3, 20, 90)).shape == (2, 128)
    with pytest.raises(InvalidValueError, match=r"the images are \(3, 64, 64\)"):
        encoder.encode_image(image[0])


@pytest.mark.parametrize("texts", ["a red cube", []])
def test_texts_are_a_list_and_never_a_string(folder, texts):
    with pytest.raises(InvalidValueError, match="; allowed is a list of one text or more"):
        load_encoder("world", folder=folder).encode_text(texts)


def test_half_precision_stays_near(folder):
    images = torch.rand(2, 3, 64, 64)
    full, half = (load_encoder("world", folder=folder, dtype=d) for d in (None, "bfloat16"))
    found = half.encode_image(images)
    assert found.dtype == torch.float32
    assert (found - full.encode_image(images)).abs().max() < 0.05
    assert parse(load_captioner("world", folder=folder, dtype="bfloat16").describe(images)[0])


def test_every_caption_of_the_captioner_is_one_of_the_grammar(folder):
    lines = load_captioner("world", folder=folder).describe(torch.rand(4, 3, 64, 64))
    assert [caption(parse(line)) for line in lines] == lines


def test_networks_that_are_not_there_are_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match=r"^the world's networks are not trained yet: python -m"):
        load_encoder("world", folder=tmp_path)
    with pytest.raises(
        InvalidValueError, match=r"^the world's backends take no name, and one got 'judge'; write world$"
    ):
        load_captioner("world:judge")
    with pytest.raises(UnknownNameError, match="unknown option of world 'sise'; did you mean 'size'"):
        load_generator("world", sise=3)
    with pytest.raises(
        InvalidValueError, match="the dtype is float8; allowed are float32, float16, bfloat16"
    ):
        load_encoder("world", dtype="float8")


def test_every_concept_of_the_world_is_understood():
    wrong = [c.name for c in concepts() if named(c.name) != dict(c.wants)]
    assert wrong == []
    assert len(concepts()) > 1000


def test_pictures_show_what_the_text_names():
    some = concepts()[::37]
    for concept in some:
        scenes = imagined(concept.name, 12, seed=1)
        assert truths(scenes, [concept]).all(), concept.name


def test_a_whole_caption_fixes_everything_but_the_accidents():
    for scene in sample(torch.Generator().manual_seed(4), 30, pairs=0.5):
        for drawn in imagined(caption(scene), 2, seed=0):
            assert drawn.described == scene.described
            assert drawn.variation > 0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A RED cube.", {"solid": "cube", "colour": "red"}),
        ("a photo of striped cubes", {"solid": "cube", "material": "striped"}),
        ("red and white wooden cube", {"solid": "cube", "material": "wooden", "colour": "red"}),
        ("red and red dotted star", {"solid": "star", "material": "dotted", "colour": "red"}),
        ("blue sphere with white", {"solid": "sphere", "colour": "blue", "accent": "white"}),
        ("with white striped", {"material": "striped", "accent": "white"}),
        ("a glass of water at night", {"material": "glass", "background": "water"}),
        ("cone and cube", {"solid": "cone"}),
        ("on the left, lit from the right", {"place": "left", "light": "right"}),
        ("seen from above on snow", {"background": "snow", "camera": "above"}),
        ("in the middle of the night", {"place": "middle", "background": "night"}),
        ("a dog", {}),
    ],
)
def test_texts_are_read_word_by_word(text, wanted):
    assert named(text) == wanted


def test_what_is_not_named_is_drawn_evenly():
    numbers = labels(imagined("red cube", 400, seed=0))
    assert set(numbers["colour"].tolist()) == {0}
    for factor in ("material", "size", "place", "background", "light", "camera"):
        shares = numbers[factor].bincount(minlength=len(FACTORS[factor])) / 400
        assert (shares - 1 / len(FACTORS[factor])).abs().max() < 0.1, factor


def test_pictures_follow_the_seed_and_not_the_count():
    generator = load_generator("world", size=24)
    few, many, other = (generator.generate("red cube", n, s) for n, s in ((2, 0), (5, 0), (2, 1)))
    assert many.shape == (5, 3, 24, 24)
    assert torch.equal(few, many[:2])
    assert not torch.equal(few, other)
    assert 0 <= many.min() <= many.max() <= 1


def test_a_text_that_says_nothing_of_the_world_is_one_sentence():
    with pytest.raises(
        InvalidValueError, match=r"^'a tabby cat' names nothing that the world knows; allowed are words"
    ):
        load_generator("world").generate("a tabby cat", 1, 0)
    with pytest.raises(InvalidValueError, match="0 images are asked for"):
        load_generator("world").generate("cube", 0, 0)


def test_any_object_that_fits_is_taken_as_it_is():
    class Own(nn.Module):
        name = "own"

        def describe(self, images):
            return ["x"] * len(images)

    own = Own()
    assert load_captioner(own) is own
    with pytest.raises(
        InvalidValueError, match=r"^the Encoder is not an image-text encoder: it lacks name; needed are "
    ):
        load_encoder(networks.Encoder())


def test_importing_vital_registers_the_world_without_importing_its_backends():
    code = "import sys, vital.backends as m; print('world' in m.ENCODERS, "
    code += "'vital.world.networks.backends' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.split() == ["True", "False"]


@trained
def test_the_trained_encoder_ranks_the_caption_that_is_true():
    scenes = sample(torch.Generator().manual_seed(9), 40)
    encoder = load_encoder("world")
    images = torch.cat([load_generator("world").generate(caption(scene), 1, 3) for scene in scenes])
    scores = encoder.encode_image(images) @ encoder.encode_text([caption(scene) for scene in scenes]).T
    assert (scores.argmax(1) == torch.arange(40)).float().mean() > 0.8


@trained
def test_the_world_sees_describes_and_summarizes_what_it_was_told_to_render():
    images = load_generator("world").generate("striped cube", 10, 0)
    captions = load_captioner("world").describe(images)
    assert load_summarizer("world").summarize(captions, 3, images)[0] == "striped cube"


def test_a_scene_behind_stays_behind():
    scene = Scene(Thing("cube"), Thing("cone", place="left"), background="sand")
    assert {s.behind for s in imagined(caption(scene), 4, 0)} == {scene.behind}
