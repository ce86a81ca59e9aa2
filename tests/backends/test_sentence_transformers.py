import numpy as np
import pytest
import torch

from vital.backends import TextEncoder, load_text_encoder
from vital.errors import InvalidValueError, MissingDependencyError, UsageError, WeightsError


class Counts:
    """An object that embeds texts its own way."""

    def encode(self, texts):
        return np.array([[len(text), 1.0] for text in texts])


def test_any_object_that_embeds_texts_is_an_encoder():
    encoder = load_text_encoder(Counts())
    assert isinstance(encoder, TextEncoder)
    vectors = encoder.encode_text(["abc"] * 100)
    assert vectors.shape == (100, 2)
    torch.testing.assert_close(vectors[0], torch.tensor([3.0, 1.0]) / 10**0.5)
    assert load_text_encoder(encoder) is encoder
    with pytest.raises(InvalidValueError, match="lacks encode_text"):
        load_text_encoder(object())


def test_a_text_is_not_read_letter_by_letter():
    with pytest.raises(InvalidValueError, match="a list of one text"):
        load_text_encoder(Counts()).encode_text("abc")


def test_encoders_of_images_embed_texts_too():
    encoder = load_text_encoder("world")
    assert encoder.encode_text(["red cube", "cube"]).shape[0] == 2


def test_wrong_names_say_what_may_be_written():
    with pytest.raises(UsageError, match="sentence-transformers:"):
        load_text_encoder("sentences:x")


def test_a_folder_that_is_not_there_is_said(sentences):
    with pytest.raises(WeightsError, match="there is no folder '/nowhere'"):
        load_text_encoder("sentence-transformers:/nowhere")


@pytest.mark.slow
def test_sentences_that_mean_the_same_are_near(sentences):
    encoder = load_text_encoder(sentences)
    same, near, far = encoder.encode_text(
        ["a dog plays in the snow", "a puppy in winter", "an electric guitar"]
    )
    assert torch.linalg.vector_norm(same) == pytest.approx(1, abs=1e-5)
    assert float(same @ near) > 0.4
    assert float(same @ far) < 0.2


def test_without_the_package_the_command_that_mends_it_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(MissingDependencyError, match=r"vital-fv\[sentences\]"):
        load_text_encoder("sentence-transformers:x")
