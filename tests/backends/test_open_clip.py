import shutil
import socket
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from vital.backends import ImageTextEncoder, load_encoder
from vital.backends.open_clip import _check_activation, _published
from vital.errors import (
    InvalidValueError,
    MissingDependencyError,
    ModelError,
    UnknownNameError,
    UsageError,
    WeightsError,
)

open_clip = pytest.importorskip("open_clip")


@pytest.fixture(scope="module")
def folder(made):
    return made("clip")


@pytest.fixture
def encoder(folder):
    return load_encoder(f"open_clip:tiny-clip@{folder / 'clip.pt'}")


def test_a_checkpoint_of_ones_own_is_loaded(encoder, folder):
    assert isinstance(encoder, ImageTextEncoder)
    assert encoder.name == f"open_clip:tiny-clip@{folder / 'clip.pt'}"
    state = torch.load(folder / "clip.pt", weights_only=True)
    assert torch.equal(encoder.network.state_dict()["visual.proj"], state["visual.proj"])
    assert not encoder.network.training


def test_embeddings_are_those_of_the_library_on_its_own_preprocessing(encoder, folder):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    network, _, preprocess = open_clip.create_model_and_transforms(
        "tiny-clip", pretrained=str(folder / "clip.pt")
    )
    network.eval()
    with torch.no_grad():
        seen = network.encode_image(torch.stack([preprocess(Image.fromarray(row)) for row in pixels]))
        read = network.encode_text(open_clip.get_tokenizer("tiny-clip")(["a red cube", "snow"]))
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    ours = encoder.encode_image(images)
    torch.testing.assert_close(ours, seen / seen.norm(dim=1, keepdim=True))
    torch.testing.assert_close(
        encoder.encode_text(["a red cube", "snow"]), read / read.norm(dim=1, keepdim=True)
    )
    assert not ours.requires_grad


def test_batches_change_nothing(encoder, folder):
    small = load_encoder(f"open_clip:tiny-clip@{folder / 'clip.pt'}", batch=2)
    images, texts = torch.rand(5, 3, 32, 32), ["a", "red cube", "the sea", "a dog", "on snow"]
    torch.testing.assert_close(small.encode_image(images), encoder.encode_image(images))
    torch.testing.assert_close(small.encode_text(texts), encoder.encode_text(texts))
    assert small.encode_image(images).shape == (5, 8)


def test_a_folder_brings_its_own_preprocessing(folder):
    encoder = load_encoder(f"open_clip:{folder / 'hub'}")
    assert encoder.network.visual.preprocess_cfg["mean"] == [0.5, 0.5, 0.5]
    black = encoder.preprocess(Image.new("RGB", (70, 20)))
    assert black.shape == (3, 32, 32)
    assert black.unique().tolist() == [-1]
    assert encoder.encode_image(torch.rand(1, 3, 20, 70)).shape == (1, 8)


def test_published_weights_are_read_from_the_cache_without_a_network(folder, hub, monkeypatch):
    """The cache is laid out by hand as the hub does it; the network's configuration is the tiny one."""
    import huggingface_hub
    import safetensors.torch

    weights = hub / "models--someone--clip" / "snapshots" / "abc" / "open_clip_model.safetensors"
    weights.parent.mkdir(parents=True)
    (hub / "models--someone--clip" / "refs").mkdir()
    (hub / "models--someone--clip" / "refs" / "main").write_text("abc")
    state = torch.load(folder / "clip.pt", weights_only=True)
    safetensors.torch.save_file(state, weights)
    known = {"hf_hub": "someone/clip/", "mean": (0.1, 0.2, 0.3), "quick_gelu": True}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-clip", {"mine": known})
    asked = []
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **options: asked.append(host) or [])
    encoder = load_encoder("open_clip:tiny-clip/mine")
    assert asked == []
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert encoder.network.visual.preprocess_cfg["mean"] == (0.1, 0.2, 0.3)
    assert torch.equal(encoder.network.state_dict()["visual.proj"], state["visual.proj"])
    assert "QuickGELU" in repr(encoder.network)
    weights.unlink()
    with pytest.raises(
        WeightsError, match=r"^open_clip:tiny-clip/mine is not on this machine and the download fai"
    ):
        load_encoder("open_clip:tiny-clip/mine")


def test_half_precision_stays_near(encoder, folder):
    half = load_encoder(f"open_clip:tiny-clip@{folder / 'clip.pt'}", dtype="bfloat16", device="cpu")
    images = torch.rand(2, 3, 32, 32)
    assert half.encode_image(images).dtype == torch.float32
    assert (half.encode_image(images) * encoder.encode_image(images)).sum(1).min() > 0.99
    assert (half.encode_text(["a dog"]) * encoder.encode_text(["a dog"])).sum() > 0.99


@pytest.mark.parametrize(
    ("spec", "kind", "sentence"),
    [
        (
            "open_clip:RN50",
            UsageError,
            "open_clip:RN50 does not say which weights; write open_clip:RN50/ and one",
        ),
        ("open_clip:tiny-clip", UsageError, "does not say which weights; write open_clip:tiny-clip@FILE"),
        ("open_clip:RN51/openai", UsageError, "unknown open_clip model 'RN51'; did you mean 'RN50'"),
        (
            "open_clip:RN50/openaii",
            UnknownNameError,
            "unknown weights of open_clip:RN50 'openaii'; did you mean",
        ),
        ("open_clip:tiny-clip@nowhere.pt", WeightsError, "there is no file 'nowhere.pt'"),
        (
            "open_clip:",
            UsageError,
            "names nothing after the colon; write open_clip:ViT-B-32/laion2b_s34b_b79k",
        ),
        (
            "openclip:RN50/openai",
            UsageError,
            "unknown kind of image-text encoder 'openclip'; did you mean 'open_clip'",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(folder, spec, kind, sentence):
    with pytest.raises(kind) as caught:
        load_encoder(spec)
    assert sentence in str(caught.value)


def test_published_weights_without_a_network_are_one_sentence(hub, capfd):
    with pytest.raises(WeightsError) as caught:
        load_encoder("open_clip:ViT-B-32/laion2b_s34b_b79k")
    sentence = str(caught.value)
    assert sentence.startswith(
        "open_clip:ViT-B-32/laion2b_s34b_b79k is not on this machine and the download failed ("
    )
    assert sentence.endswith("write open_clip:NAME/PRETRAINED, open_clip:NAME@FILE or open_clip:FOLDER")
    assert capfd.readouterr().err == ""


def test_damaged_and_dangerous_checkpoints_are_one_sentence(folder, tmp_path):
    state = torch.load(folder / "clip.pt", weights_only=True)
    torch.save({k: v for k, v in state.items() if k != "visual.proj"}, tmp_path / "short.pt")
    with pytest.raises(
        WeightsError, match=r"cannot be loaded: Error.* in loading state_dict for CLIP: Missing key"
    ):
        load_encoder(f"open_clip:tiny-clip@{tmp_path / 'short.pt'}")

    class Evil:
        def __reduce__(self):
            return (shutil.rmtree, (str(tmp_path / "gone"),))

    (tmp_path / "gone").mkdir()
    torch.save({"a": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(
        WeightsError, match=r"it holds pickled objects or is damaged, and only plain tensors are read$"
    ):
        load_encoder(f"open_clip:tiny-clip@{tmp_path / 'evil.pt'}")
    assert (tmp_path / "gone").is_dir()
    torch.save(
        {k: v * torch.nan if v.is_floating_point() else v for k, v in state.items()}, tmp_path / "nan.pt"
    )
    with pytest.raises(ModelError, match="gives values that are not finite"):
        load_encoder(f"open_clip:tiny-clip@{tmp_path / 'nan.pt'}").encode_text(["a"])


def test_images_of_another_shape_are_refused(encoder):
    with pytest.raises(InvalidValueError, match=r"the images are \(3, 32, 32\); allowed is"):
        encoder.encode_image(torch.rand(3, 32, 32))


@pytest.mark.parametrize("texts", ["a red cube", []])
def test_texts_are_a_list_and_never_a_string(encoder, texts):
    with pytest.raises(InvalidValueError, match="; allowed is a list of one text or more"):
        encoder.encode_text(texts)


def test_a_missing_package_carries_the_command(hidden):
    hidden("open_clip")
    with pytest.raises(
        MissingDependencyError, match=r"need the package open_clip_torch: pip install 'vital-fv\[clip\]', or"
    ):
        load_encoder("open_clip:RN50/openai")


def test_texts_past_the_context_are_named(encoder):
    long = ["a red cube on a wide field of grass", "a red cube on a wide field of snow"]
    with pytest.warns(
        UserWarning, match=r"reads the first 8 tokens of a text alone; cut are 'a red cube on a wide field"
    ):
        encoder.encode_text(["a cube", *long])


@pytest.mark.parametrize("name", ["openai-vit.pt", "ViT_quickgelu.pt", "metaclip_400m.pt"])
def test_weights_of_another_activation_are_told(folder, tmp_path, name):
    shutil.copy(folder / "clip.pt", tmp_path / name)
    with pytest.warns(
        UserWarning, match=r"computes with GELU, and its weights seem to be trained with QuickGELU"
    ):
        load_encoder(f"open_clip:tiny-clip@{tmp_path / name}")


def test_no_published_weights_are_called_unfit():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model, tag in open_clip.list_pretrained():
            options = _published(open_clip, model, tag)
            _check_activation(open_clip, f"open_clip:{model}/{tag}", model, options)
    plain = {"force_quick_gelu": False, "pretrained": "laion"}
    with pytest.warns(UserWarning, match=r"trained with GELU; open_clip:ViT-B-32 fits"):
        _check_activation(open_clip, "it", "ViT-B-32-quickgelu", plain)
