"""The words of the world, and what they stand for in numbers.

A factor is what can be said of a scene in one word; its values are those words. Factors of a thing are the solid,
the material, the color, the accent (the second color of a patterned material), the size and the place; factors of
the whole scene are the background, the light and the camera.
"""

from __future__ import annotations

RGB = tuple[float, float, float]

SOLIDS = ("cube", "sphere", "cylinder", "cone", "pyramid", "torus", "capsule", "star")
MATERIALS = ("plain", "striped", "checkered", "dotted", "marble", "wooden", "metal", "glass")
PATTERNED = ("striped", "checkered", "dotted")
"""The materials that have an accent."""

COLORS: dict[str, RGB] = {
    "red": (0.86, 0.09, 0.10),
    "orange": (0.98, 0.48, 0.04),
    "yellow": (0.98, 0.85, 0.10),
    "green": (0.10, 0.62, 0.16),
    "cyan": (0.10, 0.80, 0.82),
    "blue": (0.10, 0.25, 0.88),
    "purple": (0.50, 0.13, 0.75),
    "pink": (0.99, 0.50, 0.72),
    "white": (0.96, 0.96, 0.94),
    "black": (0.11, 0.11, 0.13),
}
"""Colors as a screen shows them (sRGB)."""

ACCENTS = ("white", "black")
"""The second colors that are drawn: at least one of them stands out from any color. Others may be asked for."""

SIZES = {"small": 0.68, "large": 1.0}
"""The radius of a thing, in units of the world."""

PLACES = {"left": -0.66, "middle": 0.0, "right": 0.66}
"""How far to the right a thing stands."""

BACKGROUNDS = ("grass", "sand", "water", "snow", "night", "brick")

LIGHTS: dict[str, RGB] = {
    "left": (-0.80, 0.80, 0.45),
    "front": (0.12, 0.85, 0.95),
    "right": (0.80, 0.80, 0.45),
}
"""Where the light comes from: right, up, towards the viewer."""

CAMERAS = {"front": 9.0, "above": 33.0}
"""How far above the ground the viewer stands, in degrees."""

THING_FACTORS: dict[str, tuple[str, ...]] = {
    "solid": SOLIDS,
    "material": MATERIALS,
    "colour": tuple(COLORS),  # spelled so in the shipped weights, whose heads are named by factors
    "accent": tuple(COLORS),
    "size": tuple(SIZES),
    "place": tuple(PLACES),
}
SCENE_FACTORS: dict[str, tuple[str, ...]] = {
    "background": BACKGROUNDS,
    "light": tuple(LIGHTS),
    "camera": tuple(CAMERAS),
}
FACTORS: dict[str, tuple[str, ...]] = THING_FACTORS | SCENE_FACTORS
"""All factors with their values, in the order in which a caption names them."""
