"""`python -m vital` is the command `vital`."""

import sys

from vital.cli import main

if __name__ == "__main__":
    sys.exit(main())
