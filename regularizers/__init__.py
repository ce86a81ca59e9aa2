"""The regularizers of vital under a short name; README.md lists them, and the code is in vital/regularizers."""

from vital.regularizers import *  # noqa: F403
