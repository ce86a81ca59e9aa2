"""What a metric of words is, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from vital.errors import InvalidValueError
from vital.utils.registry import Registry

Pairwise = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Metric:
    """How well a concept tells of a unit: a number for each pair of unit and concept, higher is better.

    `trusted` metrics fall both when true labels are taken away and when false ones are added (NeuronEval, ICML 2025);
    the others are blind to one of the two, and stand beside them for comparison alone.
    """

    pairs: Pairwise
    trusted: bool

    def __call__(self, values: Tensor, presence: Tensor) -> Tensor:
        """Measure all pairs: `values` (N,) or (N, U), `presence` (N,) or (N, K) in [0, 1] -> (), (U,), (K,), (U, K).

        Rows are images; they are to be all images of a set that had no part in choosing the concept. `presence` may be
        graded: a share between 0 and 1 counts as so much of an image. float64. Raises `InvalidValueError`.
        """
        acts, shown = (x.double()[:, None] if x.ndim == 1 else x.double() for x in (values, presence))
        _check(acts, shown)
        found = self.pairs(acts, shown)
        found = found if presence.ndim > 1 else found[:, 0]
        return found if values.ndim > 1 else found[0]


METRICS: Registry[Metric] = Registry("metric of words")


def metric(name: str, *, trusted: bool) -> Callable[[Pairwise], Pairwise]:
    """File a function of values (N, U) and presence (N, K), float64, to (U, K) as a metric."""

    def add(pairs: Pairwise) -> Pairwise:
        METRICS.register(name)(Metric(pairs, trusted))
        return pairs

    return add


def _check(values: Tensor, presence: Tensor) -> None:
    if values.ndim != 2 or presence.ndim != 2 or len(values) != len(presence) or not len(values):
        shapes = f"{tuple(values.shape)} and {tuple(presence.shape)}"
        raise InvalidValueError(
            f"values and presence are {shapes}; allowed are (N, U) and (N, K) of the same images"
        )
    if not all(end.isfinite() for end in values.aminmax()):
        raise InvalidValueError("the values are not all finite; allowed are numbers")
    if not (presence.amin() >= 0 and presence.amax() <= 1):
        low, high = float(presence.amin()), float(presence.amax())
        raise InvalidValueError(f"the presence lies between {low:g} and {high:g}; allowed is [0, 1]")


def trusted() -> list[str]:
    """Name the metrics that can be trusted.

    >>> trusted()
    ['correlation', 'cosine', 'auprc', 'f1', 'iou']
    """
    return [name for name in METRICS if METRICS[name].trusted]


def untrusted() -> list[str]:
    """Name the metrics that are blind to missing or to extra labels.

    >>> untrusted()
    ['auc', 'mad', 'wpmi', 'top-recall']
    """
    return [name for name in METRICS if not METRICS[name].trusted]
