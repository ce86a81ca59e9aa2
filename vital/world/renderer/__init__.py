"""From a scene to pixels: solids, materials, light and backgrounds."""
