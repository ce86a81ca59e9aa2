"""Scenes, what is true of them, and sets of their pictures."""
