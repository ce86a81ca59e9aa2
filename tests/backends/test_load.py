import re
import sys

import pytest
import torch

from vital.backends import (
    CAPTIONERS,
    ENCODERS,
    GENERATORS,
    SUMMARIZERS,
    BuiltIn,
    load_captioner,
    load_encoder,
    load_generator,
    load_summarizer,
)
from vital.errors import InvalidValueError, MissingDependencyError, UnknownNameError, UsageError

LOADERS = {
    "encoder": (load_encoder, ENCODERS, {"encode_image", "encode_text", "name"}),
    "captioner": (load_captioner, CAPTIONERS, {"describe", "name"}),
    "summarizer": (load_summarizer, SUMMARIZERS, {"summarize", "name"}),
    "generator": (load_generator, GENERATORS, {"generate", "name"}),
}


def having(names):
    return type("Own", (), dict.fromkeys(names, lambda self, *given: None))()


@pytest.mark.parametrize("kind", LOADERS)
def test_an_object_that_fits_is_taken_as_it_is(kind):
    load, _, names = LOADERS[kind]
    own = having(names)
    assert load(own) is own
    assert load(own, device="cpu", dtype="float16") is own


@pytest.mark.parametrize("kind", LOADERS)
def test_an_object_that_does_not_fit_is_told_what_it_lacks(kind):
    load, _, names = LOADERS[kind]
    for name in names:
        with pytest.raises(InvalidValueError) as caught:
            load(having(names - {name}))
        assert f": it lacks {name}; needed are {', '.join(sorted(names))}" in str(caught.value)
    with pytest.raises(InvalidValueError, match=r"^the int is not an? "):
        load(3)


@pytest.mark.parametrize("kind", LOADERS)
def test_an_unknown_kind_answers_with_the_nearest_and_with_examples(kind):
    load, registry, _ = LOADERS[kind]
    with pytest.raises(UsageError, match=r"unknown kind of .* 'wordl'; did you mean 'world'\?; write "):
        load("wordl")
    for entry in registry.entries.values():
        assert entry.example.startswith(entry.name)


def test_the_kinds_are_these():
    assert set(ENCODERS) == {"hf", "open_clip", "world"}
    assert set(CAPTIONERS) == {"transformers", "world"}
    assert set(SUMMARIZERS) == {"built-in", "openai", "transformers", "world"}
    assert set(GENERATORS) == {"diffusers", "world"}


def test_options_are_those_of_the_kind():
    encoder = having({"encode_image", "encode_text", "name"})
    assert load_summarizer("built-in", encoder=encoder) == BuiltIn(encoder)
    with pytest.raises(UnknownNameError, match="unknown option of built-in 'encodr'; did you mean 'encoder'"):
        load_summarizer("built-in", encodr=encoder)
    with pytest.raises(UnknownNameError, match="unknown option of world 'sz'"):
        load_generator("world", sz=3)


@pytest.mark.parametrize("device", ["cuda:99", "nonsense", "xla"])
def test_a_device_that_is_not_there_is_one_sentence(device):
    with pytest.raises(
        InvalidValueError, match=rf"^the device '{re.escape(device)}' cannot be used here: "
    ) as caught:
        load_generator("world", device=device)
    assert "\n" not in str(caught.value)
    with pytest.raises(
        InvalidValueError, match=r"the dtype is torch.int8; allowed are float32, float16, bfloat16"
    ):
        load_generator("world", dtype=torch.int8)


@pytest.mark.parametrize(
    ("load", "name", "package", "extra", "whose"),
    [
        (
            load_generator,
            "diffusers:someone/pictures",
            "diffusers",
            "generate",
            "image generators named diffusers:NAME",
        ),
        (load_summarizer, "openai:m", "httpx", "llm", "summarizers named openai:MODEL"),
        (
            load_captioner,
            "transformers:someone/words",
            "transformers",
            "caption",
            "captioners named transformers:NAME",
        ),
        (
            load_summarizer,
            "transformers:someone/small",
            "transformers",
            "llm",
            "summarizers named transformers:NAME",
        ),
    ],
)
def test_a_missing_package_carries_the_command(hidden, load, name, package, extra, whose):
    hidden(package)
    with pytest.raises(MissingDependencyError) as caught:
        load(name)
    assert (
        str(caught.value)
        == f"{whose} need the package {package}: pip install 'vital-fv[{extra}]', or '.[{extra}]' in a clone"
    )
    assert package not in sys.modules
