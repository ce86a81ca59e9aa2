"""`python -m vital.world.training`."""

from vital.world.training.train import main

if __name__ == "__main__":
    main()
