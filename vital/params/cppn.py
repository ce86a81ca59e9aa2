"""Images as a small network from coordinates to colors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.params.base import PARAMS, Sheet, Size, check, normal, sides
from vital.types import Parameters

_REACH = 3**0.5
# Adam moves every stored number by about its learning rate; the 0.05 that suits spectra would wreck a network.
_GAIN = 0.1


@PARAMS.register("cppn", example="par.CPPN(32)")
@dataclass(frozen=True)
class CPPN(Sheet):
    """A compositional pattern-producing network: each pixel's color is computed from its place alone.

        a_0 = (x, y);   u_k = atan(W_k a_(k−1) + b_k);   a_k = (u_k / 0.67, u_k² / 0.6);   canvas = V a_layers + c

    (Mordvintsev et al., Differentiable Image Parameterizations, 2018.) The coordinates run over [−√3, √3] along the
    longer side. Hidden weights start from N(0, 1 / inputs); V, b and c start at 0, so that every slot starts grey.
    Colors are not decorrelated by default, as published. Parameters: `weight K` (S, out, in) and `bias K`
    (S, out, 1), kept at ten times their value, so that a learning rate of 0.05 moves the network by 0.005.

    >>> par = CPPN((5, 7))
    >>> par.decode(par.init(torch.Generator().manual_seed(0))).unique().tolist()
    [0.5]
    """

    size: Size
    channels: int = 3
    hidden: int = 24
    layers: int = 8
    decorrelate: bool = False

    def __post_init__(self) -> None:
        check(self.size, self.channels)
        for name, value in (("hidden", self.hidden), ("layers", self.layers)):
            if value < 1:
                raise InvalidValueError(f"{name} is {value}; allowed are whole numbers from 1")

    def init(self, generator: torch.Generator) -> Parameters:
        """Draw the hidden weights, from the first layer to the last; the output starts at 0."""
        parameters = {}
        inputs = 2
        for layer in range(self.layers):
            parameters[f"weight {layer}"] = normal(generator, (1, self.hidden, inputs), inputs**-0.5 / _GAIN)
            parameters[f"bias {layer}"] = torch.zeros(1, self.hidden, 1)
            inputs = 2 * self.hidden
        parameters[f"weight {self.layers}"] = torch.zeros(1, self.channels, inputs)
        parameters[f"bias {self.layers}"] = torch.zeros(1, self.channels, 1)
        return parameters

    def paint(self, parameters: Parameters) -> Tensor:
        """Run each slot's network over all places, (S, C, H, W)."""
        network = {k: _GAIN * v for k, v in parameters.items()}
        flow = self._places(network["weight 0"])
        for layer in range(self.layers):
            bent = torch.atan(network[f"weight {layer}"] @ flow + network[f"bias {layer}"])
            flow = torch.cat([bent / 0.67, bent.square() / 0.6], 1)
        return (network[f"weight {self.layers}"] @ flow + network[f"bias {self.layers}"]).view(
            -1, *self.shape
        )

    def _places(self, like: Tensor) -> Tensor:
        """The coordinates (x, y) of all pixels, (1, 2, H · W)."""
        height, width = sides(self.size)
        step = 2 * _REACH / max(height - 1, width - 1, 1)
        y, x = (
            (torch.arange(n, device=like.device, dtype=like.dtype) - (n - 1) / 2) * step
            for n in (height, width)
        )
        return torch.stack(torch.meshgrid(x, y, indexing="xy")).flatten(1)[None]
