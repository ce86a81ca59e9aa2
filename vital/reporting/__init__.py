"""Reports: pictures and words of units side by side, on one page that needs nothing else, or as a site of pages."""

from vital.reporting.api import report
from vital.reporting.figures import make_figure
from vital.reporting.site import Site, write_site

__all__ = ["Site", "make_figure", "report", "write_site"]
