"""The description methods."""
