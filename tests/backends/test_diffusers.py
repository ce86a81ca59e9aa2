import shutil
from types import SimpleNamespace

import pytest
import torch

from vital.backends import ImageGenerator, load_generator
from vital.backends.diffusers import Diffusion
from vital.errors import InvalidValueError, ModelError, UnknownNameError, WeightsError

pytest.importorskip("diffusers")
pytest.importorskip("transformers")


@pytest.fixture
def load(made):
    def load(**options):
        return load_generator(f"diffusers:{made('diffusion')}", **{"steps": 2, **options})

    return load


def test_images_are_made(load):
    generator = load()
    assert isinstance(generator, ImageGenerator)
    assert generator.name.startswith("diffusers:")
    images = generator.generate("a red cube", 3, 0)
    assert (images.shape, images.dtype) == ((3, 3, 16, 16), torch.float32)
    assert 0 <= images.min() < images.max() <= 1


def test_an_image_follows_its_seed_and_not_its_company(load):
    together = load(batch=4).generate("a red cube", 5, 7)
    alone = torch.cat([load().generate("a red cube", 1, 7 + i) for i in range(5)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)
    assert torch.equal(together, load(batch=4).generate("a red cube", 5, 7))
    assert (together[0] - together[1]).abs().max() > 0.01
    assert (together[:1] - load().generate("a red cube", 1, 8)).abs().max() > 0.01


def test_the_text_stands_in_the_prompt(load):
    first, other = (load().generate(text, 1, 0) for text in ("cube", "sphere"))
    assert not torch.equal(first, other)
    whole = load(prompt="{}").generate("a realistic photo of cube", 1, 0)
    assert torch.equal(first, whole)
    assert load(prompt="{}").generate("{x} and {}", 1, 0).shape == (1, 3, 16, 16)


def test_the_pipeline_gets_the_options(load):
    assert load(size=(16, 24)).generate("cube", 1, 0).shape == (1, 3, 16, 24)
    assert not torch.equal(load(guidance=1.0).generate("cube", 1, 0), load().generate("cube", 1, 0))
    assert not torch.equal(load(steps=3).generate("cube", 1, 0), load().generate("cube", 1, 0))


def test_images_that_the_safety_checker_held_back_are_told():
    def pipeline(prompt, num_images_per_prompt, **options):
        return SimpleNamespace(
            images=torch.zeros(num_images_per_prompt, 3, 4, 4),
            nsfw_content_detected=[True] + [False] * (num_images_per_prompt - 1),
        )

    with pytest.warns(
        UserWarning, match=r"^own: 1 of 2 images are black: its safety checker held them back$"
    ):
        Diffusion(pipeline, "own").generate("cube", 2, 0)


def test_images_that_are_not_finite_are_one_sentence():
    def pipeline(prompt, num_images_per_prompt, **options):
        return SimpleNamespace(images=torch.full((num_images_per_prompt, 3, 4, 4), torch.nan))

    with pytest.raises(
        ModelError, match=r"^own gives images that are not finite; its weights may need float32$"
    ):
        Diffusion(pipeline, "own").generate("cube", 1, 0)


def test_loading_and_drawing_are_quiet(made, capfd):
    folder = made("diffusion")
    capfd.readouterr()
    load_generator(f"diffusers:{folder}", steps=2).generate("cube", 1, 0)
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_is_one_sentence(load, made, hub, tmp_path):
    for options in ({"steps": 0}, {"batch": 0}, {"prompt": "a photo"}):
        with pytest.raises(InvalidValueError, match=r"and a prompt with {} for the text"):
            load(**options)
    with pytest.raises(InvalidValueError, match="0 images are asked for"):
        load().generate("cube", 0, 0)
    with pytest.raises(UnknownNameError, match="unknown option of diffusers 'step'; did you mean 'steps'"):
        load(step=3)
    with pytest.raises(WeightsError, match="cannot be loaded: "):
        load_generator(f"diffusers:{tmp_path}")
    with pytest.raises(WeightsError, match="there is no folder '/nowhere/sd'"):
        load_generator("diffusers:/nowhere/sd")
    with pytest.raises(WeightsError) as caught:
        load_generator("diffusers:someone/pictures")
    assert "; where there is a network: hf download someone/pictures; or write a folder" in str(caught.value)
    folder = shutil.copytree(made("diffusion"), tmp_path / "broken")
    next((folder / "unet").glob("*.safetensors")).write_bytes(b"broken")
    with pytest.raises(WeightsError, match="cannot be loaded: "):
        load_generator(f"diffusers:{folder}")
