"""The shipped networks: small files beside the code, in half precision, loaded in single."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from vital.errors import unknown
from vital.files import write
from vital.models import Model
from vital.models.weights import load_weights
from vital.world.networks import MEAN, SIZE, STD
from vital.world.tasks import OUTPUTS, TASKS

FOLDER = Path(__file__).parent / "weights"


def network(name: str, folder: Path = FOLDER) -> nn.Module:
    """Load one of the world's networks, in evaluation mode. Raises `UnknownName` and `BadWeights`."""
    if name not in TASKS:
        raise unknown("network of the world", name, TASKS)
    module = TASKS[name].build()
    load_weights(module, folder / f"{name}.safetensors")
    return module.eval()


def model(name: str = "classifier", folder: Path = FOLDER) -> Model:
    """Load the classifier, or a shortcut twin, with its preprocessing and class names.

    Raises `UnknownName` for a network without classes, and `BadWeights`.
    """
    if name not in OUTPUTS:
        raise unknown("classifier of the world", name, OUTPUTS)
    return wrapped(network(name, folder), name)


def wrapped(module: nn.Module, name: str = "classifier", weights: str = "shipped") -> Model:
    """Make a `Model` of one of the world's classifiers."""
    title = "world" if name == "classifier" else f"world:{name}"
    return Model(
        module, title, (SIZE, SIZE), 3, (MEAN,), (STD,), SIZE, classes=OUTPUTS[name], weights=weights
    )


def ship(module: nn.Module, path: Path) -> None:
    """Write a network's weights in half precision, and round the network itself to what was written."""
    state = module.state_dict()
    half = {k: v.detach().cpu().half() if v.is_floating_point() else v.cpu() for k, v in state.items()}
    kept = {k: v.contiguous() for k, v in half.items() if not k.endswith("num_batches_tracked")}
    write(path, save(kept))
    with torch.no_grad():
        for key, value in kept.items():
            state[key].copy_(value)
