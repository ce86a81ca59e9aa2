"""What files of run folders hold is held against a schema: each field refuses what it cannot be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vital.errors import RunError
from vital.rendering.run_schema import (
    ExplanationFile,
    LogLine,
    PictureFile,
    RenderFacts,
    fits,
    is_file_name,
    schema_of,
)
from vital.utils.io import read_json

WINNER = {"unit": "fc:1", "label": "", "share": 1.0, "contribution": -0.5, "places": ["#.", ".#"]}
EXPLANATION = {
    "decision": "class:1",
    "class": "bee",
    "probability": 0.5,
    "by": "gradient",
    "winners": [WINNER],
}
LINE = {"method": "fourier", "seed": 0, "units": ["fc:1"], "seconds": 0.5, "cpu": 0.25}
PICTURE = {
    "unit": "fc:1",
    "method": "fourier",
    "seed": 0,
    "status": "done",
    "provenance": {"value": float("nan")},
}
RENDER = {"method": "fourier", "options": {}, "seed": 0, "batch": 1, "units": ["fc:1"], "channels": 3}

Change = Callable[[dict[str, Any]], dict[str, Any]]


def without(name: str) -> Change:
    return lambda held: {key: value for key, value in held.items() if key != name}


def with_(**new: Any) -> Change:
    return lambda held: {**held, **new}


def winner(change: Change) -> Change:
    return lambda held: {**held, "winners": [WINNER, change(WINNER)]}


REFUSED: list[tuple[str, Change]] = [
    *(("", without(name)) for name in EXPLANATION),
    ("decision: ", with_(decision="../secret")),
    ("decision: ", with_(decision=7)),
    ("class: ", with_(**{"class": None})),
    ("probability: ", with_(probability=1.01)),
    ("probability: ", with_(probability=-0.01)),
    ("probability: ", with_(probability=float("nan"))),
    ("probability: ", with_(probability="0.5")),
    ("by: ", with_(by=["gradient"])),
    ("winners: ", with_(winners=[])),
    ("winners: ", with_(winners={"0": WINNER})),
    *((f"winners.1.{name}: ", winner(without(name))) for name in ("unit", "label", "share", "contribution")),
    ("winners.1.unit: ", winner(with_(unit="fc"))),
    ("winners.1.share: ", winner(with_(share=1.01))),
    ("winners.1.share: ", winner(with_(share=-0.01))),
    ("winners.1.contribution: ", winner(with_(contribution=float("inf")))),
    ("winners.1.contribution: ", winner(with_(contribution=True))),
    ("winners.1.places: its rows of places are not of one length", winner(with_(places=["#", "##"]))),
    ("winners.1.places: its rows of places are not of one length", winner(with_(places=["", ""]))),
    ("winners.1.places", winner(with_(places=[["#"]]))),
]


@pytest.mark.parametrize(("said", "change"), REFUSED)
def test_an_explanation_that_is_none_is_refused(tmp_path: Path, said: str, change: Change) -> None:
    file = tmp_path / "explanation.json"
    file.write_text(json.dumps(EXPLANATION))
    assert read_json(file, schema_of(ExplanationFile)) == EXPLANATION
    file.write_text(json.dumps(change(EXPLANATION)))
    with pytest.raises(RunError, match=f"explanation.json' is damaged: {said}"):
        read_json(file, schema_of(ExplanationFile))


def test_an_explanation_may_have_no_probability_and_no_places() -> None:
    assert fits({**EXPLANATION, "probability": None, "more": 1}, ExplanationFile)
    assert fits({**EXPLANATION, "winners": [without("places")(WINNER)]}, ExplanationFile)
    assert fits({**EXPLANATION, "winners": [{**WINNER, "places": []}]}, ExplanationFile)
    assert fits({**EXPLANATION, "winners": [{**WINNER, "share": 0}]}, ExplanationFile)


@pytest.mark.parametrize(
    ("kind", "good", "change"),
    [
        *((LogLine, LINE, without(name)) for name in ("method", "seed", "units", "seconds")),
        (LogLine, LINE, with_(units=[])), (LogLine, LINE, with_(seconds=-1e-9)), (LogLine, LINE, with_(cpu=-1e-9)),
        (LogLine, LINE, with_(seconds=float("inf"))), (LogLine, LINE, with_(cpu=float("nan"))),
        (LogLine, LINE, with_(seed=2**64)), (LogLine, LINE, with_(seed=-(2**63) - 1)), (LogLine, LINE, with_(seed=1.0)),
        (PictureFile, PICTURE, with_(unit="fc")), (PictureFile, PICTURE, with_(method="../x")),
        (PictureFile, PICTURE, with_(bands=[-1])), (PictureFile, PICTURE, with_(channels=2**53)),
        (PictureFile, PICTURE, with_(provenance={"percentile": "high"})),
        (PictureFile, PICTURE, with_(losses={"a": [""]})),
        (RenderFacts, RENDER, with_(more=1)), (RenderFacts, RENDER, with_(channels=0)),
        (RenderFacts, RENDER, with_(channels=2**31)), (RenderFacts, RENDER, with_(batch=-1)),
        (RenderFacts, RENDER, with_(units=["fc:1", "/etc"])), (RenderFacts, RENDER, with_(images={"hash": "a"})),
    ],
)  # fmt: skip
def test_a_record_that_is_none_does_not_fit(kind: type, good: dict[str, Any], change: Change) -> None:
    assert fits(good, kind)
    assert not fits(change(good), kind)


NO_NAMES = (
    "", "a" * 151, "a/b", "a\\b", "c:d", "a*", "a?", '"', "<", ">", "|", ".a", " a", "a.", "a ", "a\0", "a\nb",
    "\u202e",
)  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_names_no_file(name: str) -> None:
    assert not is_file_name(name)


def test_what_names_a_file() -> None:
    assert all(map(is_file_name, ("a" * 150, "é", "a b", "a.png", "-")))
