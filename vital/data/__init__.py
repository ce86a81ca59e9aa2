"""Sets of natural images, from wherever they lie."""

from vital.data.imageset import ImageSet, UnreadableImageError
from vital.data.join import joined
from vital.data.open import load_images

__all__ = ["ImageSet", "UnreadableImageError", "joined", "load_images"]
