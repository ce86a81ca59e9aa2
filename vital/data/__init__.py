"""Sets of natural images, from wherever they lie."""

from vital.data.imageset import ImageSet, Unreadable
from vital.data.join import joined
from vital.data.open import images

__all__ = ["ImageSet", "Unreadable", "images", "joined"]
