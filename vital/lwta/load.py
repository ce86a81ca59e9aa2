"""Competing networks by name: `lwta:U/MODEL`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from vital.errors import UsageError
from vital.lwta.conversion import convert
from vital.models import Model, load_model
from vital.models.factory import parse_factory
from vital.models.load import RANDOM


def format_spec(competitors: int, skip: Sequence[str], spec: str) -> str:
    """Write the name by which a converted network is loaded.

    >>> format_spec(4, ["relu"], "world")
    'lwta:4-relu/world'
    """
    return f"lwta:{competitors}{'-' if skip else ''}{','.join(skip)}/{spec}"


def model(name: str, pretrained: bool, size: tuple[int, int] | None = None) -> Model:
    """Load `U/MODEL`, any network by its name, converted to blocks of U; `U-LAYER,LAYER/MODEL` leaves layers out.

    Layers are names or patterns, without commas in them.

    Raises `UsageError` for a name of another form, and what `load_model` and `convert` raise.
    """
    said, slash, spec = name.partition("/")
    count, _, skipped = said.partition("-")
    if not slash or not spec or not count.isdecimal():
        raise UsageError(
            f"'lwta:{name}' names no competing network; write lwta:U/MODEL, such as lwta:4/timm:resnet18"
        )
    own = pretrained or parse_factory(spec) is not None  # a factory has no weights but those that it makes
    net = load_model(spec, weights=None if own else RANDOM, size=size)
    example = torch.zeros(2, net.channels, *net.size)
    skip = [layer.strip() for layer in skipped.split(",") if layer.strip()]
    module = convert(net.module, int(count), skip=skip, example=example)
    return replace(net, module=module, name=format_spec(int(count), skip, spec))
