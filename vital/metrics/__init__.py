"""Numbers that say how good a description is: pure functions of what units do and what images show."""

from vital.metrics import words as words
from vital.metrics.base import METRICS as METRICS
from vital.metrics.base import Metric as Metric
from vital.metrics.base import metric as metric
from vital.metrics.base import trusted as trusted
from vital.metrics.base import untrusted as untrusted

__all__ = ["METRICS", "Metric", "metric", "trusted", "untrusted", "words"]
