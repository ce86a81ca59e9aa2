"""Backends of words and pictures: image-text and text encoders, captioners, summarizers and image generators.

Each is a small protocol. A backend is loaded by name, or is any object of the user's that fits.
"""

from vital.backends.load import (
    CAPTIONERS,
    ENCODERS,
    GENERATORS,
    SUMMARIZERS,
    TEXT_ENCODERS,
    load_captioner,
    load_encoder,
    load_generator,
    load_summarizer,
    load_text_encoder,
)
from vital.backends.noun_phrases import Phrase, parts, shared_phrases, vocabulary
from vital.backends.phrases_summarizer import BuiltIn
from vital.backends.protocols import (
    Captioner,
    ImageGenerator,
    ImageTextEncoder,
    NoAnswerError,
    Simplifier,
    Summarizer,
    TextEncoder,
)

__all__ = [
    "CAPTIONERS",
    "ENCODERS",
    "GENERATORS",
    "SUMMARIZERS",
    "TEXT_ENCODERS",
    "BuiltIn",
    "Captioner",
    "ImageGenerator",
    "ImageTextEncoder",
    "NoAnswerError",
    "Phrase",
    "Simplifier",
    "Summarizer",
    "TextEncoder",
    "load_captioner",
    "load_encoder",
    "load_generator",
    "load_summarizer",
    "load_text_encoder",
    "parts",
    "shared_phrases",
    "vocabulary",
]
