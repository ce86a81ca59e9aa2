"""Reports: pictures and words of units side by side, on one page that needs nothing else, or as a site of pages."""

from vital.reporting.api import report
from vital.reporting.site import Site, write_site

__all__ = ["Site", "report", "write_site"]
