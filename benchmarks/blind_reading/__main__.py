"""`python -m benchmarks.blind_reading`."""

from benchmarks.blind_reading.command import main

if __name__ == "__main__":
    main()
