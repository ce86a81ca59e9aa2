"""Scores that are kept with the run: what was measured is read, and only what is missing is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel

from vital._version import __version__
from vital.comparing.context import EvalContext, Extractor
from vital.comparing.records import Score, Shown
from vital.errors import RunError
from vital.models import Model
from vital.models.identity import identity as network
from vital.rendering.run_schema import schema_of
from vital.utils.hashing import identity, key_of, picture_hash
from vital.utils.io import cached_json, read_json

FORMAT = 2
"""Part of every key: goes up when the scores of equal pictures change."""


class _ScoresFile(BaseModel):
    """Rows of metric, value, unit and seed."""

    scores: list[tuple[str, float, str, int | None]]


@dataclass(frozen=True)
class ScoreCache:
    """A folder of scores, a file for each measure of each set of pictures.

    Files are named by what decides the numbers: the measure, the pictures and what they were measured against. So
    scores come back for as long as all of it is the same, under whatever name the pictures are shown.
    """

    folder: Path

    def scores(self, method: str, key: str, measure: Callable[[], Iterable[Score]]) -> list[Score]:
        """The scores under a key as those of a method; measured, and written, where there are none. `RunError`."""
        found = cached_json(
            self._file(key),
            lambda: {"scores": [(s.metric, s.value, s.unit, s.seed) for s in measure()]},
            schema_of(_ScoresFile),
        )
        return [Score(method, *row) for row in found["scores"]]

    def holds(self, key: str) -> bool:
        """Whether there are scores under a key that can be read."""
        with suppress(RunError):
            return bool(read_json(self._file(key), schema_of(_ScoresFile)))
        return False

    def _file(self, key: str) -> Path:
        return self.folder / f"{key_of(FORMAT, __version__, key)}.json"


def pictures_key(shown: Shown) -> str:
    """Tell pictures with their units and seeds from others."""
    return key_of([*map(str, shown.units)], list(shown.seeds), [picture_hash(p) for p in shown.images])


def context_key(context: EvalContext, parts: Iterable[str]) -> str:
    """Tell these parts of a context from others."""
    return key_of(*(_PARTS[name](context) for name in parts))


def network_key(model: Model) -> str:
    """Tell a network, with its preprocessing and device, from others."""
    return key_of(network(model, ""))


def _seen(extractor: Extractor) -> list[object]:
    """An extractor, told by what it says of two pictures."""
    ramp = torch.linspace(0, 1, 3 * 32 * 32).view(1, 3, 32, 32)
    said = extractor.features(torch.cat([ramp, ramp.flip(3) ** 2]))
    return [extractor.name, [f"{value:.4g}" for value in said.flatten().tolist()[:64]]]


_PARTS: dict[str, Callable[[EvalContext], object]] = {
    "model": lambda context: network_key(context.model),
    "bank": lambda context: context.bank.key,
    "images": lambda context: context.bank.images.hash(),
    "layers": lambda context: [context.optimized, context.held_out, context.natural],
    "extractor": lambda context: _seen(context.extractor),
    "judges": lambda context: [identity(classifier) for classifier in context.judges],
    "encoder": lambda context: [identity(context.encoder) if context.encoder else "", context.prompt],
    "recognizer": lambda context: context.recognizer.key if context.recognizer else "",
    "questions": lambda context: [[str(u), q.answer, q.choices] for u, q in context.questions.items()],
}
