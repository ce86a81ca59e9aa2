import pytest
import torch
import torchvision
from torch import nn


@pytest.fixture(scope="package")
def resnet() -> nn.Module:
    """A ResNet-50 of random weights, in double precision."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = torchvision.models.resnet50().eval().double()
    return net.requires_grad_(False)
