"""Sets of natural images, from wherever they lie."""

from vital.images.imageset import ImageSet, Unreadable
from vital.images.join import joined
from vital.images.open import images

__all__ = ["ImageSet", "Unreadable", "images", "joined"]
