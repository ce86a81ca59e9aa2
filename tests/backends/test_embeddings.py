"""What an encoder answers is held to be a row of finite numbers for each image or text."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import pytest
import torch

import vital
from tests import toy
from vital.backends.embeddings import embedded_images, embedded_texts
from vital.errors import ModelError

WRONG: list[Any] = [
    None, [[1.0] * 8] * 2, np.ones((2, 8)), torch.ones(1, 8), torch.ones(3, 8), torch.ones(2, 8, 1), torch.ones(2),
    torch.ones(2, 0), torch.ones(2, 8, dtype=torch.int64), torch.ones(2, 8, dtype=torch.complex64),
    torch.ones(2, 8).to(torch.float8_e4m3fn),
]  # fmt: skip


class Encoder:
    """An encoder that gives one answer to everything."""

    name = "mine"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def encode_image(self, images: torch.Tensor) -> Any:
        return torch.full((len(images), 8), math.nan) if isinstance(self.answer, str) else self.answer

    def encode_text(self, texts: list[str]) -> Any:
        return self.encode_image(torch.zeros(len(texts)))


@pytest.mark.parametrize("answer", WRONG)
def test_what_is_no_row_for_each_is_refused(answer: Any) -> None:
    with pytest.raises(
        ModelError, match=r"^mine gives .* for 2 images; needed is a tensor of floating numbers"
    ):
        embedded_images(Encoder(answer), torch.zeros(2, 3, 8, 8))
    with pytest.raises(
        ModelError, match=r"^mine gives .* for 2 texts; needed is a tensor of floating numbers"
    ):
        embedded_texts(Encoder(answer), ["a", "b"])


@pytest.mark.filterwarnings("ignore:none of the")
@pytest.mark.parametrize("answer", [None, torch.ones(1, 8), "NaN"])
def test_words_are_not_made_of_it(answer: Any) -> None:
    images = vital.load_images(toy.images(6).numpy())
    with pytest.raises(ModelError, match=r"^mine gives "):
        vital.describe(
            toy.model(),
            "class:0",
            images=images,
            encoder=Encoder(answer),
            concepts=["red", "blue"],
            progress=False,
        )


def test_many_texts_are_said_to_be_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("vital.backends.embeddings.MANY", 2)
    with caplog.at_level(logging.DEBUG, "vital"):
        embedded_texts(Encoder(torch.ones(2, 8)), ["a", "b"])
        assert "embedding" not in caplog.text
        embedded_texts(Encoder(torch.ones(3, 8)), ["a", "b", "c"])
    assert "embedding 3 texts took" in caplog.text
