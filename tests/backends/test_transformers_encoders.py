import pytest
import torch

from vital.backends import ImageTextEncoder, load_encoder
from vital.errors import WeightsError

transformers = pytest.importorskip("transformers")


@pytest.fixture(params=["clip", "siglip"])
def folder(made, request):
    return made("two_towers", family=request.param)


def test_embeddings_are_those_of_the_library(folder):
    encoder = load_encoder(f"hf:{folder}")
    assert isinstance(encoder, ImageTextEncoder)
    assert encoder.name == f"hf:{folder}"
    images, texts = torch.rand(3, 3, 40, 50), ["red cube", "the cone on grass"]
    seen, read = encoder.encode_image(images), encoder.encode_text(texts)
    assert seen.shape[0] == 3
    assert read.shape == (2, seen.shape[1])
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(3))
    tokens = transformers.AutoTokenizer.from_pretrained(folder)
    given = tokens(texts, padding="max_length", max_length=12, return_tensors="pt")
    given.pop("token_type_ids", None)
    with torch.no_grad():
        own = encoder.network.get_text_features(**given)
    own = own if isinstance(own, torch.Tensor) else own.pooler_output
    torch.testing.assert_close(read, own / own.norm(dim=1, keepdim=True))


def test_batches_change_nothing(folder):
    whole, small = load_encoder(f"hf:{folder}"), load_encoder(f"hf:{folder}", batch=2)
    images, texts = torch.rand(5, 3, 32, 32), ["red", "cube", "small red cone", "grass", "sphere"]
    torch.testing.assert_close(small.encode_image(images), whole.encode_image(images))
    torch.testing.assert_close(small.encode_text(texts), whole.encode_text(texts))


def test_texts_past_the_context_are_named(folder):
    encoder = load_encoder(f"hf:{folder}")
    with pytest.warns(UserWarning, match=r"reads the first 12 tokens of a text alone; cut are 'red red"):
        encoder.encode_text(["red cube", "red " * 20])


def test_a_network_without_one_space_is_refused(made):
    with pytest.raises(WeightsError, match="has no embeddings of images and of texts in one space"):
        load_encoder(f"hf:{made('llama')}")
