"""Makers of words and pictures: image-text encoders, captioners, summarisers and image generators.

Each is a small protocol. A maker is loaded by name, or is any object of the user's that fits.
"""

from vital.makers.builtin import BuiltIn
from vital.makers.load import (
    CAPTIONERS,
    ENCODERS,
    GENERATORS,
    SUMMARISERS,
    load_captioner,
    load_encoder,
    load_generator,
    load_summariser,
)
from vital.makers.phrases import Phrase, parts, shared_phrases, vocabulary
from vital.makers.protocols import Captioner, ImageGenerator, ImageTextEncoder, Simplifier, Summariser

__all__ = [
    "CAPTIONERS",
    "ENCODERS",
    "GENERATORS",
    "SUMMARISERS",
    "BuiltIn",
    "Captioner",
    "ImageGenerator",
    "ImageTextEncoder",
    "Phrase",
    "Simplifier",
    "Summariser",
    "load_captioner",
    "load_encoder",
    "load_generator",
    "load_summariser",
    "parts",
    "shared_phrases",
    "vocabulary",
]
