"""The report: pictures and words of units side by side, on one page that needs nothing else."""

from vital.reporting.api import report

__all__ = ["report"]
