"""How the networks of the world are trained: `python -m vital.world.training`."""
