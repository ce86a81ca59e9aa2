"""Backends by name, or as they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from vital.backends._loading import Device, Dtype
from vital.backends.diffusers import from_diffusers
from vital.backends.open_clip import from_open_clip
from vital.backends.openai import from_endpoint
from vital.backends.phrases_summarizer import built_in
from vital.backends.protocols import Captioner, ImageGenerator, ImageTextEncoder, Summarizer, TextEncoder
from vital.backends.sentence_transformers import Sentences, from_sentence_transformers
from vital.backends.transformers import caption_with_transformers, summarize_with_transformers
from vital.backends.transformers_encoders import encode_with_transformers
from vital.errors import InvalidValueError, UsageError, unknown
from vital.utils.logs import busy
from vital.utils.registry import Registry

T = TypeVar("T")

ENCODERS: Registry[Callable[..., ImageTextEncoder]] = Registry("kind of image-text encoder")
TEXT_ENCODERS: Registry[Callable[..., TextEncoder]] = Registry("kind of text encoder")
CAPTIONERS: Registry[Callable[..., Captioner]] = Registry("kind of captioner")
SUMMARIZERS: Registry[Callable[..., Summarizer]] = Registry("kind of summarizer")
GENERATORS: Registry[Callable[..., ImageGenerator]] = Registry("kind of image generator")

ENCODERS.register("open_clip", example="open_clip:ViT-B-32/laion2b_s34b_b79k or open_clip:ViT-B-32@FILE")(
    from_open_clip
)
ENCODERS.register("hf", example="hf:google/siglip2-base-patch16-224 or a folder")(encode_with_transformers)
TEXT_ENCODERS.register(
    "sentence-transformers",
    example="sentence-transformers:sentence-transformers/all-mpnet-base-v2 or a folder",
)(from_sentence_transformers)
CAPTIONERS.register("transformers", example="transformers:Salesforce/blip-image-captioning-base or a folder")(
    caption_with_transformers
)
SUMMARIZERS.register("built-in", example="built-in")(built_in)
SUMMARIZERS.register("openai", example="openai:MODEL@http://localhost:11434/v1")(from_endpoint)
SUMMARIZERS.register("transformers", example="transformers:Qwen/Qwen2.5-0.5B-Instruct or a folder")(
    summarize_with_transformers
)
GENERATORS.register("diffusers", example="diffusers:stable-diffusion-v1-5/stable-diffusion-v1-5 or a folder")(
    from_diffusers
)

_KINDS: dict[str, Registry[Any]] = {
    "encoder": ENCODERS,
    "captioner": CAPTIONERS,
    "summarizer": SUMMARIZERS,
    "generator": GENERATORS,
}
_TEXTS: tuple[Registry[Any], ...] = (TEXT_ENCODERS, ENCODERS)
"""Where the makers of text encoders are; every image-text encoder is one."""

# The world lies above the backends, so its own are imported when they are asked for.
ENCODERS.register_lazy("world", "vital.world.networks.backends:encoder", example="world")
CAPTIONERS.register_lazy("world", "vital.world.networks.backends:captioner", example="world")
SUMMARIZERS.register_lazy("world", "vital.world.networks.backends:summarizer", example="world")
GENERATORS.register_lazy("world", "vital.world.networks.backends:generator", example="world")


def load_encoder(
    spec: str | ImageTextEncoder, *, device: Device = None, dtype: Dtype = None, **options: Any
) -> ImageTextEncoder:
    """Load an image-text encoder.

    `spec` is one of

    - `world`: the encoder of the known-answer world;
    - `open_clip:NAME[/PRETRAINED]` (extra `clip`): published weights; `open_clip:NAME@FILE`: a checkpoint of one's
      own; `open_clip:FOLDER`: a folder as open_clip saves it for a hub;
    - `hf:NAME` or `hf:FOLDER` (extra `caption`): CLIP, SigLIP and SigLIP 2 of transformers;
    - any object with `encode_image`, `encode_text` and `name`, taken as it is, with nothing below applied.

    `device` is the CPU unless given, `dtype` float32; `options` are those of the kind. Files on this machine come
    first; what is named by a published name and is not here is downloaded by the library. Raises `UsageError` for a
    request that cannot be read, `WeightsError` for weights that cannot be had, `MissingDependencyError` for a package
    that is not there.
    """
    return _loaded("an image-text encoder", ImageTextEncoder, ENCODERS, spec, device, dtype, options)


def load_text_encoder(
    spec: str | TextEncoder, *, device: Device = None, dtype: Dtype = None, **options: Any
) -> TextEncoder:
    """Load a text encoder.

    `spec` is `sentence-transformers:NAME` or `sentence-transformers:FOLDER` (extra `sentences`), whatever
    `load_encoder` takes, or any object with `name` and `encode_text`, or with an `encode` that takes a list of texts.
    All else is as in `load_encoder`.
    """
    if isinstance(spec, str):
        kinds: Registry[Any] = Registry(
            TEXT_ENCODERS.what, {name: entry for own in _TEXTS for name, entry in own.entries.items()}
        )
        found: TextEncoder = _loaded("a text encoder", TextEncoder, kinds, spec, device, dtype, options)
        return found
    if not hasattr(spec, "encode_text") and hasattr(spec, "encode"):
        return Sentences(spec, str(getattr(spec, "name", type(spec).__name__)))
    return _fitting("a text encoder", TextEncoder, spec)


def load_captioner(
    spec: str | Captioner, *, device: Device = None, dtype: Dtype = None, **options: Any
) -> Captioner:
    """Load a captioner.

    `spec` is `world`, `transformers:NAME` or `transformers:FOLDER` (extra `caption`; BLIP, BLIP-2, Florence-2, GIT
    and chat models that see), or any object with `describe` and `name`. All else is as in `load_encoder`.
    """
    return _loaded("a captioner", Captioner, CAPTIONERS, spec, device, dtype, options)


def load_summarizer(
    spec: str | Summarizer, *, device: Device = None, dtype: Dtype = None, **options: Any
) -> Summarizer:
    """Load a summarizer.

    `spec` is one of

    - `built-in`: no language model; with `encoder=` its agreement with the images counts too;
    - `world`: the same with the encoder of the known-answer world;
    - `openai:MODEL@URL` (extra `llm`): any endpoint that speaks OpenAI's chat completions; the key is read from what
      `key_from` names when it is needed, and kept nowhere. `openai:MODEL` is one of OpenAI's own, whose key is that
      of `$OPENAI_API_KEY`;
    - `transformers:NAME` or `transformers:FOLDER` (extra `llm`): a language model on this machine;
    - any object with `summarize` and `name`.

    All else is as in `load_encoder`.

    >>> load_summarizer("built-in").summarize(["a red cube on sand", "a red cube"], 1)
    ['red cube']
    """
    return _loaded("a summarizer", Summarizer, SUMMARIZERS, spec, device, dtype, options)


def load_generator(
    spec: str | ImageGenerator, *, device: Device = None, dtype: Dtype = None, **options: Any
) -> ImageGenerator:
    """Load an image generator.

    `spec` is `world` (the renderer), `diffusers:NAME` or `diffusers:FOLDER` (extra `generate`), or any object with
    `generate` and `name`. All else is as in `load_encoder`.
    """
    return _loaded("an image generator", ImageGenerator, GENERATORS, spec, device, dtype, options)


def options_among(kind: str, spec: str | object, given: Mapping[str, Any]) -> dict[str, Any]:
    """Of some options those that the backend of a name has; none for an object and for a name that is unknown.

    >>> options_among("summarizer", "openai:m@http://localhost:1/v1", {"timeout": 3.0, "batch": 8})
    {'timeout': 3.0}
    """
    among = _TEXTS if kind == "text_encoder" else (_KINDS[kind],)
    name = spec.partition(":")[0] if isinstance(spec, str) else ""
    registry = next((own for own in among if name in own), None)
    if registry is None:
        return {}
    known = inspect.signature(registry[name]).parameters
    return {key: value for key, value in given.items() if key in known}


def _loaded(
    what: str,
    protocol: type[Any],
    kinds: Registry[Callable[..., T]],
    spec: str | T,
    device: Device,
    dtype: Dtype,
    options: dict[str, Any],
) -> T:
    if not isinstance(spec, str):
        return _fitting(what, protocol, spec)
    kind, colon, name = spec.partition(":")
    if kind not in kinds:
        examples = "; ".join(entry.example for entry in kinds.entries.values())
        raise UsageError(f"{unknown(kinds.what, kind, kinds)}; write {examples}")
    if colon and not name:
        raise UsageError(f"{spec!r} names nothing after the colon; write {kinds.entries[kind].example}")
    make = kinds[kind]
    _check_options(kind, make, options)
    with busy(f"loading {spec}"):
        return make(name, device=device, dtype=dtype, **options)


def _fitting(what: str, protocol: type[Any], backend: T) -> T:
    if isinstance(backend, protocol):
        return backend
    wanted = [name for name in dir(protocol) if not name.startswith("_")]
    lacking = [name for name in wanted if not hasattr(backend, name)]
    kind = type(backend).__name__
    raise InvalidValueError(
        f"the {kind} is not {what}: it lacks {', '.join(lacking)}; needed are {', '.join(wanted)}"
    )


def _check_options(kind: str, make: Callable[..., Any], options: dict[str, Any]) -> None:
    known = [name for name in inspect.signature(make).parameters if name != "name"]
    for option in options:
        if option not in known:
            raise unknown(f"option of {kind}", option, known)
