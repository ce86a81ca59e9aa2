"""The shipped networks: small files beside the code, in half precision, loaded in single."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from vital.errors import WeightsError, unknown
from vital.models import Model
from vital.models.weights import load_weights
from vital.utils.io import write
from vital.world.networks.architectures import MEAN, SIZE, STD, Encoder
from vital.world.scenes.vocabulary import SOLIDS
from vital.world.training.tasks import OUTPUTS, TASKS

FOLDER = Path(__file__).parents[1] / "weights"


def network(name: str, folder: Path = FOLDER) -> nn.Module:
    """Load one of the world's networks, in evaluation mode. Raises `UnknownNameError` and `WeightsError`."""
    module, path = _built(name), folder / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsError("the world's networks are not trained yet: python -m vital.world.training")
    load_weights(module, path)
    return module.eval()


def _built(name: str) -> nn.Module:
    if name not in TASKS:
        raise unknown("network of the world", name, TASKS)
    return TASKS[name].build()


def model(name: str = "classifier", folder: Path = FOLDER, *, pretrained: bool = True) -> Model:
    """Load one of the world's networks with its preprocessing and class names; random unless `pretrained`.

    The output of the judge and of the captioner is that of their first head, the solid; the other heads are the
    layers `heads.factors.NAME`. Of the encoder it is the image tower, whose outputs have no names. Raises
    `UnknownNameError` and `WeightsError`.

    >>> model("judge", pretrained=False).classes[:2]
    ('cube', 'sphere')
    """
    if pretrained:
        return wrapped(network(name, folder), name)
    return wrapped(_built(name).eval(), name, "random")


def from_world(name: str, pretrained: bool, size: tuple[int, int] | None = None) -> Model:
    """Load the network that `world:NAME` names, or the classifier for `world`."""
    del size
    return model(name or "classifier", pretrained=pretrained)


def wrapped(module: nn.Module, name: str = "classifier", weights: str = "shipped") -> Model:
    """Make a `Model` of one of the world's networks."""
    if isinstance(module, Encoder):
        module = nn.Sequential(OrderedDict(image=module.image, image_out=module.image_out))
    title = "world" if name == "classifier" else f"world:{name}"
    classes = {**OUTPUTS, "judge": SOLIDS, "captioner": SOLIDS}.get(name, ())
    return Model(
        module,
        title,
        (SIZE, SIZE),
        3,
        (MEAN,),
        (STD,),
        SIZE,
        classes=classes,
        weights=weights,
        output="softmax" if classes else "embedding",
        head="solid" if classes is SOLIDS else None,
    )


def take_over(module: nn.Module, name: str, folder: Path = FOLDER) -> None:
    """Give a network the image tower of a trained one, for good: it learns no more. Raises `WeightsError`."""
    eyes = module.get_submodule("image")
    eyes.load_state_dict(network(name, folder).get_submodule("tower").state_dict())
    eyes.requires_grad_(False)


def ship(module: nn.Module, path: Path) -> None:
    """Write a network's weights in half precision, and round the network itself to what was written."""
    state = module.state_dict()
    half = {k: v.detach().cpu().half() if v.is_floating_point() else v.cpu() for k, v in state.items()}
    kept = {k: v.contiguous() for k, v in half.items() if not k.endswith("num_batches_tracked")}
    write(path, save(kept))
    with torch.no_grad():
        for key, value in kept.items():
            state[key].copy_(value)
