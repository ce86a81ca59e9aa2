"""Your own network and your own data set, without any file: wrap the one, index the other.

python examples/shapes.py && python examples/own_model.py [FOLDER [STEPS]]
"""

import sys
from pathlib import Path

import shapes  # the neighbor in this folder: it stands for your own code
import torch
from safetensors.torch import load_file
from torch.utils.data import Dataset

import vital


class Drawings(Dataset):
    """Any data set will do: a length, and items that are (picture, label)."""

    classes = shapes.CLASSES

    def __len__(self):
        return 120

    def __getitem__(self, index):
        label = index % len(self.classes)
        return shapes.draw(torch.tensor([label]), torch.Generator().manual_seed(index))[0], label


def wrapped(folder: Path) -> vital.Model:
    """The network with all that `vital` must know to show it a picture."""
    net = shapes.network()
    net.load_state_dict(load_file(folder / "weights.safetensors"))
    size, mean, std = (shapes.SIZE, shapes.SIZE), (shapes.MEAN,), (shapes.STD,)
    return vital.Model(net, "shapes", size=size, mean=mean, std=std, classes=shapes.CLASSES)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if sys.argv[1:] else "runs/shapes")
    steps = int(sys.argv[2]) if sys.argv[2:] else 256
    model, images = wrapped(folder), vital.load_images(Drawings())
    units = ["class:red cross", "class:5", "3:7"]
    bank = vital.build_bank(model, ["3"], images)
    prototypes = vital.render(model, units, bank=bank, steps=steps)
    for prototype in prototypes:
        print(prototype.unit.title, prototype.status, prototype.provenance["references"])
    prototypes.to_grid().save(folder / "own_model.png")
