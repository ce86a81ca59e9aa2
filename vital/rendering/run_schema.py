"""What the files of a run folder hold, by pydantic: whatever is read from one is held against it first.

Run folders come from other people too. So names in them are names and no paths, units are units, and numbers are
numbers; what else a version wrote, or a method of somebody's own, may be in it as well.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from vital.units import is_unit

SCHEMA = 1
"""What run.json is written as."""
LONGEST_NAME = 150
"""The most characters of a name that becomes the name of a file."""


def is_file_name(text: str) -> bool:
    """Whether a text names a file in a folder, and neither a path nor a hidden file.

    >>> is_file_name("vital-reference"), is_file_name("../secret"), is_file_name(".lock")
    (True, False, False)
    """
    plain = text.isprintable() and not set(text) & set('/\\:*?"<>|')
    return plain and 0 < len(text) <= LONGEST_NAME and text[0] not in ". " and text[-1] not in ". "


def _file_name(text: str) -> str:
    if not is_file_name(text):
        raise ValueError(f"{text[:40]!r} is no name of a file, and may not be a path")
    return text


def _unit(text: str) -> str:
    if not is_unit(text):
        raise ValueError(f"{text[:40]!r} is no unit")
    return text


FileName = Annotated[str, AfterValidator(_file_name)]
UnitText = Annotated[str, AfterValidator(_unit)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**64)]
CountOrZero = Annotated[int, Field(ge=0, lt=2**53)]
Facts = dict[str, Any]
Number = Annotated[float, Field(allow_inf_nan=True)]


class _Record(BaseModel):
    """A JSON object; entries that this version does not know are let through."""

    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=())


class NetworkFacts(_Record):
    """What tells a network from others."""

    name: str | None = None
    weights: str | None = None
    weights_hash: str | None = None
    size: list[CountOrZero] = []
    device: str | None = None
    dtype: str | None = None


class ImageFacts(_Record):
    """What tells sets of images apart."""

    hash: str
    count: CountOrZero


class RenderFacts(_Record):
    """One request for pictures (`vital.rendering.run_folder.Render`)."""

    model_config = ConfigDict(strict=True, extra="forbid")

    method: FileName
    options: Facts
    seed: Seed
    batch: CountOrZero
    units: list[UnitText]
    frames: CountOrZero = 0
    images: ImageFacts | None = None
    directions: dict[str, str] = {}
    channels: Annotated[int, Field(ge=1, lt=2**31)] = 3
    bands: list[CountOrZero] = []
    files: dict[str, str] = {}


class RunFile(_Record):
    """run.json."""

    version: Literal[1] = Field(alias="schema")
    versions: dict[str, str] = {}
    model: NetworkFacts = NetworkFacts()
    renders: list[RenderFacts]


class _Provenance(_Record):
    lacking: list[str] = []
    unused: list[str] = []
    value: Number = 0.0
    value_at_network_size: Number = 0.0
    probability: Number = 0.0
    percentile: Number = 0.0


class PictureFile(_Record):
    """The record of a picture, METHOD-SEED.json."""

    unit: UnitText
    method: FileName
    seed: Seed
    status: str
    label: str = ""
    losses: dict[str, list[Number | None]] = {}
    provenance: _Provenance
    bands: list[CountOrZero] = []
    channels: CountOrZero = 3


class ExemplarFacts(_Record):
    """One image of exemplars.json."""

    name: str
    value: Number
    of: str
    by: str
    picture: FileName
    heat: FileName


class ExemplarsFile(_Record):
    """exemplars.json."""

    unit: UnitText
    exemplars: list[ExemplarFacts]


class WordsFacts(_Record):
    """One row of labels.json."""

    unit: UnitText
    method: str
    label: str
    seed: Seed | None = None


class WordsFile(_Record):
    """labels.json, and what a piece of an atlas says in words."""

    model: NetworkFacts = NetworkFacts()
    labels: list[WordsFacts] = []


class _AtlasPictures(_Record):
    method: FileName
    render: RenderFacts


class _AtlasWords(_Record):
    method: str


class AtlasFile(_Record):
    """atlas.json."""

    model: NetworkFacts
    prototypes: list[_AtlasPictures]
    words: list[_AtlasWords]


def _rows(rows: list[str]) -> list[str]:
    if len({len(row) for row in rows}) > 1 or (rows and not rows[0]):
        raise ValueError("its rows of places are not of one length")
    return rows


class _WinnerFacts(_Record):
    unit: UnitText
    label: str
    share: Annotated[float, Field(ge=0, le=1)]
    contribution: Annotated[float, Field(allow_inf_nan=False)]
    places: Annotated[list[str], AfterValidator(_rows)] = []


class ExplanationFile(_Record):
    """explanation.json."""

    decision: UnitText
    name: str = Field(alias="class")
    probability: Annotated[float, Field(ge=0, le=1)] | None
    by: str
    winners: Annotated[list[_WinnerFacts], Field(min_length=1)]


class LogLine(_Record):
    """A line of log.jsonl that tells of rendered units."""

    method: str
    seed: Seed
    units: Annotated[list[str], Field(min_length=1)]
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    cpu: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


@cache
def schema_of(kind: Any) -> TypeAdapter[Any]:
    """What `read_json` holds a file against."""
    return TypeAdapter(kind)


def fits(value: Any, kind: Any) -> bool:
    """Whether a value that was read from JSON is of a kind."""
    try:
        schema_of(kind).validate_python(value)
    except ValueError:
        return False
    return True
