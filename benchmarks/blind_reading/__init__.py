"""Does a person recognize what is in a picture? Sets of numbered pictures to read blind, and the scores of readers.

A set mixes the pictures of several methods with real images, which are the ceiling, in numbered sheets. The key is
sealed in the set's folder, and a set is read once. Making it draws classes by the seed:

    python -m benchmarks.blind_reading --place world --methods vital,vital-scene,fourier --out runs/blind
    python -m benchmarks.blind_reading --place torchvision:resnet50 --images DIR --labels CSV --out runs/blind
    python -m benchmarks.blind_reading --place world --methods vital,long=vital:steps=256 --each 12 --out runs/blind

In the world each method shows classes of its own draw, as few of them twice as can be; a reader names the solid and the
material. Of another network each method shows the same ten classes once; a reader chooses among their names.
A reader looks at sheet-1.png and those that follow, fills in answers.csv, with ? where nothing is seen, and then:

    python -m benchmarks.blind_reading --out runs/blind --answers runs/blind/answers.csv --reader NAME

The scores are printed, and added to benchmarks/results/blind-reading.json. Intervals are 95 % bootstraps over pictures.
Differences from the first method are tested one by one, two-sided and exact (Fisher): "more than chance" is p < 0.05.
"""

from __future__ import annotations

from benchmarks.blind_reading.places import BRANCHES, drawn

__all__ = ["BRANCHES", "drawn"]
