"""Optional packages that a request needs, named before any work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from vital.errors import missing_extra

Need = tuple[str, str, str]
"""A package as it is imported and as it is installed, and the extra that brings it."""

TIMM: Need = ("timm", "timm", "timm")
OPEN_CLIP: Need = ("open_clip", "open_clip_torch", "clip")
RAY: Need = ("ray", "ray", "ray")

MODELS: Mapping[str, tuple[Need, ...]] = {
    "timm": (TIMM,),
    "hf": (("transformers", "transformers", "caption"),),
    "open_clip": (OPEN_CLIP,),
}
"""What networks need, by the first word of their names."""

BACKENDS: Mapping[str, Mapping[str, tuple[Need, ...]]] = {
    "encoder": {
        "open_clip": (OPEN_CLIP,),
        "hf": (("transformers", "transformers", "caption"),),
        "sentence-transformers": (("sentence_transformers", "sentence-transformers", "sentences"),),
    },
    "captioner": {"transformers": (("transformers", "transformers", "caption"),)},
    "summarizer": {
        "openai": (("httpx", "httpx", "llm"), ("tenacity", "tenacity", "llm")),
        "transformers": (("transformers", "transformers", "llm"),),
    },
    "generator": {
        "diffusers": (("diffusers", "diffusers", "generate"), ("transformers", "transformers", "generate"))
    },
}
"""What backends need, by their option and the first word of their names."""


def check(given: Mapping[str, Any]) -> None:
    """Raise `MissingDependencyError` for the first package that is needed and is not there."""
    for (package, distribution, extra), purpose in needed(given):
        if find_spec(package) is None:
            raise missing_extra(distribution, extra, purpose)


def needed(given: Mapping[str, Any]) -> Iterator[tuple[Need, str]]:
    """What the values of a command's parameters need, and for what.

    >>> [need[0] for need, _ in needed({"model": "timm:resnet50"})]
    ['timm']
    """
    yield from _of_names("models named {}:NAME", MODELS, [given.get("model"), *(given.get("judge") or ())])
    for option, kinds in BACKENDS.items():
        if option == "encoder" or not given.get("replay"):  # kept answers need nobody to ask
            yield from _of_names(f"{option}s named {{}}:NAME", kinds, [given.get(option)])
    if given.get("engine") == "ray":
        yield RAY, "runs of the engine ray"


def _of_names(
    purpose: str, kinds: Mapping[str, tuple[Need, ...]], names: list[str | None]
) -> Iterator[tuple[Need, str]]:
    for name in names:
        spec = name or ""
        kind = (spec.partition("/")[2] if spec.startswith("lwta:") else spec).partition(":")[0]
        for need in kinds.get(kind, ()):
            yield need, purpose.format(kind)
