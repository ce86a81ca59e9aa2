"""What the sheets share, for the recipes and all above them (vital/utils/drawing.py)."""

from vital.utils.drawing import FAINT, GAP, INK, PAPER, fitted, font, png, scaled, write_centred

__all__ = ["FAINT", "GAP", "INK", "PAPER", "fitted", "font", "png", "scaled", "write_centred"]
