"""What tells a network from others, and what decides what its pictures look like."""

from __future__ import annotations

from typing import Any

from vital.models.model import Model


def network(model: Model) -> dict[str, Any]:
    """What identifies a network: its code, weights and preprocessing."""
    facts: dict[str, Any] = {"code": model.code_hash(), "weights": model.weights_hash()}
    facts |= {"autocast": str(model.autocast)} if model.autocast else {}
    facts |= {"channels_last": True} if model.channels_last else {}
    facts |= {"head": model.head} if model.head is not None else {}
    return facts | {"preprocessing": model.preprocessing}


def identity(model: Model, spec: str | None = None) -> dict[str, Any]:
    """All of a network that decides what its pictures look like; `spec` is how it was named, by default its name."""
    return {
        "spec": model.name if spec is None else spec,
        "name": model.name,
        "weights": model.weights,
        "weights_hash": model.weights_hash(),
        "code": model.code_hash(),
        "size": list(model.size),
        "channels": model.channels,
        "resize": model.resize,
        "interpolation": model.interpolation,
        "mean": list(model.mean),
        "std": list(model.std),
        "device": model.device.type,
        "dtype": model.precision,
        "channels_last": model.channels_last,
        "output": model.output,
        "head": model.head,
    }
