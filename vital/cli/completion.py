"""What a shell completes: the values of arguments and options, without torch where that is possible."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from importlib.metadata import entry_points

import typer

MODELS = ("world", "world:competing", "torchvision:", "timm:", "hf:", "open_clip:", "lwta:4/")
METHODS = ("vital", "vital-scene", "vital-reference", "fourier", "maco", "deep-inversion", "pixels")
DESCRIBERS = ("clip-dissect", "activation-ranges", "linear", "dnd", "prototype")
ENCODERS = ("world", "open_clip:", "hf:")
TEXT_ENCODERS = ("sentence-transformers:", *ENCODERS)
WORLD_LAYERS = ("class", "layer1", "layer2", "layer3", "layer4", "planted", "stem")
"""The layers of the built-in network that one asks for; `vital layers world` lists all."""
SHELL = "_VITAL_COMPLETE"

Answer = list[str]


def of(*names: str) -> Callable[[str], Answer]:
    """What completes a few names."""

    def complete(incomplete: str) -> Answer:
        return _begun(names, incomplete)

    return complete


def models(incomplete: str) -> Answer:
    """Names of networks; those of torchvision and timm once their kind is typed."""
    library, colon, _ = incomplete.rpartition("/")[2].partition(":")
    before = incomplete[: incomplete.rfind(f"{library}:")] if colon else ""
    if colon and library == "torchvision":
        import torchvision.models as published
        from torchvision.models import list_models

        own = [name for name in list_models() if hasattr(published, name)]
        return _begun([f"{before}torchvision:{name}" for name in own], incomplete)
    if colon and library == "timm":
        try:
            import timm
        except ImportError:
            return []
        return _begun([f"{before}timm:{name}" for name in timm.list_models()], incomplete)
    return _begun(MODELS, incomplete)


def units(context: typer.Context, incomplete: str) -> Answer:
    """How units of the built-in network begin."""
    return _begun([f"{layer}:0" for layer in _layers(context)], incomplete)


def layers(context: typer.Context, incomplete: str) -> Answer:
    """Layers of the built-in network, also behind a comma."""
    return _listed(_layers(context), incomplete)


def methods(incomplete: str) -> Answer:
    """Methods for pictures, with those of installed packages; also behind a comma."""
    return _listed([*METHODS, *_plugins("vital.methods")], incomplete)


def describers(incomplete: str) -> Answer:
    """Methods for words, with those of installed packages; also behind a comma."""
    return _listed([*DESCRIBERS, *_plugins("vital.describers")], incomplete)


def all_methods(incomplete: str) -> Answer:
    """Methods for pictures and for words."""
    own = [*METHODS, *DESCRIBERS, *_plugins("vital.methods"), *_plugins("vital.describers")]
    return _listed(own, incomplete)


def encoders(incomplete: str) -> Answer:
    """Kinds of image-text encoders."""
    return _begun(ENCODERS, incomplete)


def text_encoders(incomplete: str) -> Answer:
    """Kinds of text encoders."""
    return _begun(TEXT_ENCODERS, incomplete)


def _layers(context: typer.Context) -> tuple[str, ...]:
    return WORLD_LAYERS if (context.params.get("model") or "world") == "world" else ()


def _plugins(group: str) -> list[str]:
    return [point.name for point in entry_points(group=group)]


def _begun(names: Iterable[str], incomplete: str) -> Answer:
    return [name for name in names if name.startswith(incomplete)]


def _listed(names: Iterable[str], incomplete: str) -> Answer:
    """The names with which the last part of a list may go on."""
    before, comma, last = incomplete.rpartition(",")
    return [
        f"{before}{comma}{name}" for name in names if name.startswith(last) and name not in before.split(",")
    ]


def for_bash(run: Callable[[], int]) -> int:
    """Answer bash, for which : and = part words: they are joined before, and cut off the answers again."""
    words, place = joined(os.environ["COMP_WORDS"].split(" "), int(os.environ["COMP_CWORD"]))
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = " ".join(words), str(place)
    typed = words[place] if place < len(words) else ""
    value = typed.partition("=")[2] if typed.startswith("-") else typed
    cut = value.rfind(":") + 1
    with redirect_stdout(io.StringIO()) as said:
        code = run()
    print("\n".join(line[cut:] for line in said.getvalue().splitlines()))  # noqa: T201  to the shell
    return code


def joined(words: list[str], place: int) -> tuple[list[str], int]:
    """Words that bash parted at : and =, and the number of the one that is completed.

    >>> joined(["vital", "layers", "torchvision", ":", "res"], 4)
    (['vital', 'layers', 'torchvision:res'], 2)
    """
    found, at, glue = list[str](), 0, False
    for number, word in enumerate(words):
        parts = bool(word) and set(word) <= {":", "="}
        if found and (glue or parts):
            found[-1] += word
        else:
            found.append(word)
        glue = parts
        if number == place:
            at = len(found) - 1
    return found, at if place < len(words) else place - len(words) + len(found)
