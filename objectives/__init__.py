"""The objectives of vital under a short name; README.md lists them, and the code is in vital/objectives."""

from vital.objectives import *  # noqa: F403
