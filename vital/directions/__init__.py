"""Concepts: directions in a layer, from the activations of images or from a sparse autoencoder.

Each is a row of a matrix (count, C) of unit vectors; written with `save_directions`, row 3 is the unit
`FILE.safetensors:3@layer4`, which can be rendered like any other.
"""

from vital.directions.factorization import decompose, make_estimator, nmf
from vital.directions.files import free_name, save_directions, unit_rows
from vital.directions.sae import sae_decoder, sae_encoder

__all__ = [
    "decompose",
    "free_name",
    "make_estimator",
    "nmf",
    "sae_decoder",
    "sae_encoder",
    "save_directions",
    "unit_rows",
]
