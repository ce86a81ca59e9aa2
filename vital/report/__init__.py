"""The report: pictures and words of units side by side, on one page that needs nothing else."""

from vital.report.make import report as report

__all__ = ["report"]
