"""Where candidate labels come from, and how they are chosen and scored."""
