"""How a unit is matched with candidates: similarities, CLIP features and searches."""
