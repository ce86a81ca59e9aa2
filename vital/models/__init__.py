"""Networks, and all that is needed to show them an image."""

from vital.models.load import load_model
from vital.models.model import Model

__all__ = ["Model", "load_model"]
