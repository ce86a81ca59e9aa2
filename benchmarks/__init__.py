"""Measurements: each script runs as `python -m benchmarks.NAME`, prints a table, and with `--json` one JSON object."""
