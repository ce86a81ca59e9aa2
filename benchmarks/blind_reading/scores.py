"""The scores of a reading: what is right, beside chance, and the file of results."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scipy.stats import fisher_exact

from benchmarks.blind_reading.answers import read_answers
from benchmarks.blind_reading.pictures import CHANCE, REAL, Record
from benchmarks.blind_reading.places import Words
from benchmarks.blind_reading.sheets import unseal
from benchmarks.kept import RESULTS
from vital.errors import InvalidValueError, RunError
from vital.metrics import interval
from vital.utils.io import locked, read_json, write

LEVEL = 0.05


def score(given: argparse.Namespace) -> Record:
    """Score one reading, and write it down: a set is read once."""
    if not (given.reader or "").strip():
        raise InvalidValueError("--answers needs to know who read; give --reader NAME")
    with locked(given.out):
        if (given.out / "read.json").exists():
            who = read_json(given.out / "read.json").get("reader", "somebody")
            raise RunError(
                f"the set in {str(given.out)!r} was read by {who}; a set is read once: make another"
            )
        key, name = unseal(given.out)
        kept = read_records(given.results)
        if any(row.get("set") == name for row in kept):
            raise RunError(
                f"{str(given.results)!r} holds a reading of this set; a set is read once: make another"
            )
        answers = read_answers(given.answers, key["asked"], len(key["pictures"]))
        record = scored(key, answers, given.reader.strip(), name)
        write(given.results, as_text(published([*kept, record])))
        write(given.out / "read.json", as_text(record))
    if given.results.resolve().parent == RESULTS:
        from benchmarks.fv_page import write_page

        write_page(RESULTS)
    return record


def scored(key: Mapping[str, Any], answers: Mapping[int, Words], reader: str, name: str) -> Record:
    """The record of one reading."""
    single, chance = judged(key, answers), chances(key["asked"])
    found = results(single, [*(one["label"] for one in key["methods"]), REAL])
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "set": name,
        "place": key["place"],
        "network": key["network"],
        "images": key["images"],
        "methods": key["methods"],
        "seed": key["seed"],
        "reader": reader,
        "classes": sorted({one["class"] for one in single}),
        "seconds": key["seconds"],
        "results": found,
        "chance": chance,
        "pairs": pairs(found, list(chance)),
        "answers": single,
        "machine": key["machine"],
    }


def judged(key: Mapping[str, Any], answers: Mapping[int, Words]) -> list[Record]:
    """Each picture with its answer, and what of it is right."""
    return [
        {
            "number": picture["number"],
            "method": picture["method"],
            "class": picture["class"],
            "answer": answers[picture["number"]],
            "right": right(picture["truth"], answers[picture["number"]]),
        }
        | ({} if picture["status"] == "done" else {"status": picture["status"]})
        for picture in key["pictures"]
    ]


def right(truth: Words, answer: Words) -> dict[str, bool]:
    """Which words of an answer are right, and where there are two, whether both are.

    >>> right({"solid": "cube", "material": "glass"}, {"solid": "cube", "material": "?"})
    {'solid': True, 'material': False, 'both': False}
    """
    found = {column: answer[column] == wanted for column, wanted in truth.items()}
    return found | {"both": all(found.values())} if len(found) > 1 else found


def chances(asked: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """How often a guess is right."""
    found = {column: 1 / len(words) for column, words in asked.items()}
    return found | {"both": math.prod(found.values())} if len(found) > 1 else found


def results(answers: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> dict[str, Record]:
    """For each method the number of pictures, and for each measure how many are right, with an interval."""
    found: dict[str, Record] = {}
    for label in labels:
        own = [one["right"] for one in answers if one["method"] == label]
        found[label] = {"n": len(own)} | {measure: tally([one[measure] for one in own]) for measure in own[0]}
    return found


def tally(hits: Sequence[bool]) -> Record:
    """How many are right, the share, and its interval."""
    share = interval([float(hit) for hit in hits])
    return {"right": sum(hits), "share": share.mean, "low": share.low, "high": share.high}


def pairs(found: Mapping[str, Mapping[str, Any]], measures: Sequence[str]) -> list[Record]:
    """The first method beside each other one: whether they differ by more than chance allows, by counts."""
    first, *others = found
    rows = []
    for other in others:
        for measure in measures:
            counts = [[found[m][measure]["right"], found[m]["n"]] for m in (first, other)]
            p = float(fisher_exact([[hits, n - hits] for hits, n in counts]).pvalue)
            row = {"method": first, "beside": other, "measure": measure, "p": p}
            rows.append(row | {"more than chance": p < LEVEL})
    return rows


def read_records(file: Path) -> list[Record]:
    """All readings that a file of results holds; none where it is not there yet."""
    if not file.exists():
        return []
    found = read_json(file).get("rows")
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise RunError(f"{str(file)!r} holds no readings; choose another --results")
    return found


def as_text(value: object) -> bytes:
    """JSON as the other results have it: in the order in which it is told."""
    return f"{json.dumps(value, indent=1, ensure_ascii=False)}\n".encode()


def published(records: Sequence[Record]) -> Record:
    """The file of results: all readings under `rows`, and what the page of results shows of them."""
    kinds = list(dict.fromkeys(tuple(one["chance"]) for one in records))
    machines = {json.dumps(one["machine"], sort_keys=True): one["machine"] for one in records}
    return {
        "title": "Blind readings",
        "budget": "Pictures of several methods and real images, mixed and numbered, named by a reader who knows "
        "nothing else of them: how many are named right, with 95 % intervals.",
        "seeds": len({one["seed"] for one in records}),
        "tables": [of_kind([one for one in records if tuple(one["chance"]) == kind]) for kind in kinds],
        "verdicts": [f"{titled(one)}: {said(pair)}" for one in records for pair in one["pairs"]],
        "missing": [],
        "pass": None,
        "machines": list(machines.values()),
        "rows": list(records),
    }


def of_kind(records: Sequence[Record]) -> list[list[object]]:
    """One table of readings that were asked the same."""
    rows = [[titled(one), *row] for one in records for row in table(one)[1:]]
    return [["reading", *table(records[0])[0]], *rows]


def titled(record: Mapping[str, Any]) -> str:
    """Which reading it is."""
    return f"{record['place']}, seed {record['seed']}, {record['reader']}, {record['date']}"


def said(pair: Mapping[str, Any]) -> str:
    """A comparison in words."""
    verdict = "more than chance allows" if pair["more than chance"] else "no more than chance allows"
    return f"{pair['method']} beside {pair['beside']}, {pair['measure']}: {verdict} (p = {pair['p']:.3g})"


def table(record: Mapping[str, Any]) -> list[list[object]]:
    """The scores as rows, the names of the columns first and chance last."""
    measures = list(record["chance"])
    rows: list[list[object]] = [["method", "n", *measures]]
    for label, found in record["results"].items():
        rows.append([label, found["n"], *(cell(found[measure]) for measure in measures)])
    return [*rows, [CHANCE, "", *(f"{record['chance'][measure]:.1%}" for measure in measures)]]


def cell(found: Mapping[str, float]) -> str:
    """A share with its interval, in percent."""
    return f"{found['share']:.0%} [{found['low']:.0%}, {found['high']:.0%}]"
