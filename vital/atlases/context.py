"""What a piece of work is done with: the network, the images, the request, and the folder that keeps what is made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vital.activations import ReferenceBank, build_bank, load_bank
from vital.atlases.plan import Piece, Request, pieces_of, spelled
from vital.data import ImageSet
from vital.describing.api import Words, prepared
from vital.errors import DataError, RunError
from vital.models import Model
from vital.models.identity import identity
from vital.records import Description, Prototype
from vital.rendering import render
from vital.rendering.resume import request_for
from vital.rendering.run_folder import LOG, Render, Run, check_names, differences, versions
from vital.rendering.run_schema import SCHEMA, AtlasFile, schema_of
from vital.reporting.facts import FAILED, WORDS, Link, nearest_units
from vital.units import Unit
from vital.utils.hashing import key_of
from vital.utils.io import append_json, as_json, explained, locked, read_json, within, write

RUN, RECORD, BANK, LOCKS = "run", "atlas.json", "bank.safetensors", ".locks"
CLAIMING_SECONDS = 60
"""How long another process may take to say what it asks for."""


@dataclass(eq=False)
class Context:
    """What pieces are done with. It can be pickled: what it has loaded or made is left behind, and made anew.

    `site` is the folder of the atlas. `spec` is how the network was named, and `opened` how the images were, for a
    bank that is to find them again. `tell` is called with a piece and the share of it that is done.
    """

    site: Path
    model: Model
    images: ImageSet
    request: Request
    spec: str | None = None
    opened: Mapping[str, str] | None = None
    tell: Callable[[Piece, float], None] = field(default=lambda _piece, _share: None)

    def __getstate__(self) -> dict[str, Any]:
        """All but what was loaded, and what listens here."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "tell"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def run(self) -> Path:
        """The run folder inside the atlas."""
        return self.site / RUN

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The whole plan."""
        return pieces_of(self.request)

    @cached_property
    def units(self) -> dict[str, Unit]:
        """The units by their text."""
        return {str(unit): unit for unit in self.request.units}

    @cached_property
    def bank(self) -> ReferenceBank:
        """The bank over the images: that of the run folder, or a new one that goes there; one process makes it."""
        file = self.run / BANK
        with self.held(Piece("bank"), wait=True):
            found = self._kept_bank()
            if found is None:
                layers = tuple(dict.fromkeys(unit.layer for unit in self.request.units))
                found = build_bank(self.model, layers, self.images, top=self.request.top)
                found.save(file, self.opened)
            found.rank(self.request.units)  # one pass for all directions, not one for each
        return found

    def _kept_bank(self) -> ReferenceBank | None:
        """The bank of the run folder; None where there is none, or a damaged one, which is made again."""
        with suppress(DataError):
            return load_bank(self.run / BANK, self.model, self.images)
        return None

    @cached_property
    def neighbors(self) -> dict[str, list[Link]]:
        """The units that are most like each, found once for all pieces."""
        return {str(unit): links for unit, links in nearest_units(self.bank, self.request.units)}

    @cached_property
    def words(self) -> Words:
        """What puts units into words."""
        asked, given = self.request, dict(self.request.backends)
        made = prepared(
            self.model, asked.units, (dict(asked.describers), asked.judge), bank=self.bank, images=self.images,
            concepts=given.pop("concepts", None), backends=given, seed=asked.seed,
        )  # fmt: skip
        return replace(made, context=replace(made.context, prototypes=self._drawn))

    def _drawn(self, units: Sequence[Unit], seed: int) -> list[Prototype]:
        """Pictures of units for who puts them into words: those of the atlas, and of other seeds new ones."""
        name, method = next(iter(self.request.methods.items()), ("", None))
        kept = self.pictures(name) if method is not None and seed == self.request.seed else None
        found = {unit: kept.prototype(unit) for unit in units if kept is not None and kept.complete([unit])}
        if missing := [unit for unit in units if unit not in found]:
            made = render(
                self.model, missing, method=method or "vital", bank=self.bank, seed=seed, progress=False
            )
            found |= dict(zip(missing, made, strict=True))
        return [found[unit] for unit in units]

    @cached_property
    def renders(self) -> dict[str, Render]:
        """What is asked for of each method, as run.json has it."""
        asked = self.request
        how: dict[str, Any] = {"seed": asked.seed, "batch": asked.batch, "images": self.images}
        return {
            name: request_for(self.model, asked.units, method, **how)
            for name, method in asked.methods.items()
        }

    def pictures(self, method: str) -> Run:
        """The run folder as one method sees it."""
        return Run(self.run, self.renders[method])

    @property
    def record(self) -> Path:
        """What is there before any piece is begun, and is seen by whoever sees the folder."""
        return self.run / RECORD

    def bank_file(self, piece: Piece) -> Path:
        """Where the bank, or the part of it that a piece makes, is kept."""
        del piece
        return self.run / BANK

    def make_bank(self, piece: Piece) -> None:
        """Make the bank, or a part of it."""
        del piece
        _ = self.bank

    def words_file(self, piece: Piece) -> Path:
        """Where the words of a piece are kept."""
        return self.run / WORDS / f"{piece.name}.json"

    def save_words(self, piece: Piece, said: Sequence[Description]) -> None:
        """Keep the words of a piece."""
        write(self.words_file(piece), as_json({"labels": [one.to_dict() for one in said]}))

    def save_failed(self, piece: Piece, failed: Mapping[str, str]) -> None:
        """Keep for the pages which units a piece has no words of, and why; nothing is kept where none failed."""
        file = self.run / WORDS / f"{piece.name}{FAILED}"
        if failed:
            write(file, as_json({"method": piece.method, "failed": failed}))
        else:
            file.unlink(missing_ok=True)

    def log(self, event: str, **facts: Any) -> None:
        """Add a line to log.jsonl, with the time. Raises `RunError`."""
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "event": event, **facts}
        append_json(self.run / LOG, [line])

    @contextmanager
    def held(self, piece: Piece, *, wait: bool = False) -> Iterator[bool]:
        """Keep a piece to this process, and say whether it has it; the system lets go when the process dies.

        File systems without locks hold nothing back: then a piece may be done twice, with the same files.
        """
        lock = FileLock(self.run / LOCKS / f"{piece.name}.lock", is_singleton=True)
        with explained(self.run, "write"):
            (self.run / LOCKS).mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        except (OSError, NotImplementedError):
            yield True
            return
        try:
            yield True
        finally:
            lock.release()

    def check(self) -> None:
        """Raise `RunError` where the folder holds another atlas, or units would share a folder; nothing is written."""
        check_names(self.units)
        _joined(self.run, self._record())

    def claim(self) -> None:
        """Write down what is asked for: atlas.json, and run.json, which tells readers what the folder holds.

        Methods and describers may join those of an earlier request. Raises `RunError` where anything else differs,
        and says what.
        """
        check_names(self.units)
        with explained(self.run, "write"):
            self.run.mkdir(parents=True, exist_ok=True)
        with locked(self.run, wait=CLAIMING_SECONDS):
            record = _joined(self.run, self._record())
            if not (self.run / RECORD).exists() or read_json(self.run / RECORD) != record:
                write(self.run / RECORD, as_json(record))
            renders = [part["render"] for part in record["prototypes"]]
            facts = {
                "schema": SCHEMA,
                "versions": record["versions"],
                "model": record["model"],
                "renders": renders,
            }
            if not (self.run / "run.json").exists() or read_json(self.run / "run.json") != facts:
                write(self.run / "run.json", as_json(facts))

    def _record(self) -> dict[str, Any]:
        asked = self.request
        prototypes = [{"method": name, "render": render.plain()} for name, render in self.renders.items()]
        judge = {"alpha": asked.judge.alpha, "n_random_models": asked.judge.n_random_models}
        words = [
            {"method": name, "options": one.options(), "judge": judge, **_told(asked.backends)}
            for name, one in asked.describers.items()
        ]
        found = {
            "schema": SCHEMA,
            "versions": versions(),
            "model": identity(self.model, self.spec),
            "images": {"hash": self.images.hash(), "count": len(self.images)},
            "units": spelled(asked.units),
            "options": {name: getattr(asked, name) for name in ("batch", "count", "top", "seed")},
            "prototypes": prototypes,
            "words": words,
        }
        plain: dict[str, Any] = json.loads(as_json(found))
        return plain


def _told(backends: Mapping[str, Any]) -> dict[str, Any]:
    """The encoder by its name, and the concepts by their number and a hash."""
    encoder, concepts = backends.get("encoder"), backends.get("concepts") or ()
    name = None if encoder is None else str(getattr(encoder, "name", encoder))
    return {"encoder": name, "concepts": {"count": len(concepts), "hash": key_of(list(concepts))}}


def _joined(run: Path, record: dict[str, Any]) -> dict[str, Any]:
    """The record of a folder with what is asked for now. Raises `RunError` for what does not go together."""
    if not (run / RECORD).exists():
        if (run / "run.json").exists():
            raise RunError(f"{str(run)!r} holds a run that is no atlas; choose another folder")
        return record
    earlier = _earlier(run)
    changed = [
        difference
        for part in record
        if part not in ("prototypes", "words")
        for difference in differences(earlier.get(part), record[part], part)
        if not difference.startswith("model.spec ")
    ]
    joined = {**record, "model": earlier.get("model")}
    for part in ("prototypes", "words"):
        old = {one["method"]: one for one in earlier.get(part, [])}
        new = {one["method"]: one for one in record[part]}
        for name in old.keys() & new.keys():
            changed += differences(_settings(old[name]), _settings(new[name]), name)
        joined[part] = list((old | new).values())
    if changed:
        raise RunError(
            f"the folder {str(run.parent)!r} holds another atlas: {'; '.join(changed)}; choose another folder, or ask "
            "for the same"
        )
    return joined


def _earlier(run: Path) -> dict[str, Any]:
    """The record of a folder. Raises `RunError` for a damaged one."""
    try:
        found, why = (
            read_json(within(run, run / RECORD), schema_of(AtlasFile)),
            "it does not have the form of one",
        )
    except RunError as error:
        found, why = {}, str(error).partition(" is damaged: ")[2].partition("; remove it")[0] or str(error)
    filled = {"schema": int, "versions": dict, "model": dict, "images": dict, "units": dict, "options": dict}
    lists = {"prototypes": list, "words": list}
    methods = [one for part in ("prototypes", "words") for one in found.get(part) or ()]
    formed = all(found.get(part) for part in filled) and all(
        isinstance(found.get(part), kind) for part, kind in (filled | lists).items()
    )
    if formed and all(
        isinstance(one, dict) and "method" in one and isinstance(one.get("render", {}), dict)
        for one in methods
    ):
        return found
    raise RunError(
        f"{str(run / RECORD)!r}, which says what was asked for, is damaged: {why}; remove it and 'run.json' beside it, "
        "and the same command goes on"
    )


def _settings(part: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the files of a method, without the units, which the record holds once for all."""
    render = part.get("render")
    own = {name: value for name, value in part.items() if name not in ("render", "method")}
    if render:
        own |= {
            name: value
            for name, value in render.items()
            if name not in ("units", "method", "images", "batch", "seed")
        }
    return own
