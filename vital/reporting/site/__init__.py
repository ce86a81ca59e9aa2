"""The site: a static folder of pages for any number of units, for any host and for no host at all."""

from vital.reporting.facts import histogram, nearest_units, save_feeders, save_histogram, save_neighbors
from vital.reporting.site.write import Site, is_site, write_site

__all__ = [
    "Site",
    "histogram",
    "is_site",
    "nearest_units",
    "save_feeders",
    "save_histogram",
    "save_neighbors",
    "write_site",
]
