"""Networks that saw nothing but the world, and their weights."""
