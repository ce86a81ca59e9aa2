"""What `vital render`, `vital bank` and `vital dissect` do, as pieces for an engine; the files are the same.

Pictures and words go by units, a bank by parts of its images. A piece is done when its files are there, as in an atlas.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from vital.activations import ReferenceBank
from vital.activations.bank import check_inputs
from vital.activations.build import free_for_bank, load_bank, planned
from vital.activations.parts import bank_of_parts, damaged, parts_of, save_part
from vital.atlases.api import stop
from vital.atlases.changes import Watch
from vital.atlases.context import LOCKS, Context
from vital.atlases.engine import Engine
from vital.atlases.plan import Piece, Request, pieces_of
from vital.atlases.progress import StageProgress
from vital.atlases.stages import fatal, is_done
from vital.data import ImageSet
from vital.describing.api import Descriptions, Words, prepared
from vital.describing.variation import warn_of_halves
from vital.errors import DataError, RunError, VitalError
from vital.models import Model
from vital.models.identity import network
from vital.records import Description
from vital.rendering import Method
from vital.rendering.run_folder import Render, Run
from vital.units import Unit
from vital.utils.hashing import key_of
from vital.utils.io import as_json, cached_json, explained, locked, read_json, write
from vital.utils.text import shortened

PARTS = "parts.json"


def left(context: Context) -> list[Piece]:
    """The pieces that are not done."""
    return [piece for piece in context.pieces if not is_done(piece, context)]


def carry_out_pieces(context: Context, engine: Engine, *, progress: bool = True) -> dict[str, str]:
    """Do the pieces that are not done; the units that failed, and why. Raises what ends all."""
    todo, failed = left(context), dict[str, str]()
    shown = StageProgress.of(todo)
    context.tell = shown.tell
    try:
        with shown.shown(progress):
            for outcome in engine(todo, context):
                shown.tell(outcome.piece, 1.0)
                failed |= outcome.failed
    except VitalError as error:
        if fatal(error):
            stop(error, context)
        raise
    shutil.rmtree(context.run / LOCKS, ignore_errors=True)
    return failed


@dataclass(eq=False)
class Pictures(Context):
    """Pictures of units in a run folder that is held: of each render the groups of units that share passes."""

    asked: Mapping[str, Render] = field(default_factory=dict)
    references: ReferenceBank | None = None

    @classmethod
    def of(cls, runs: Sequence[Run], model: Model, units: Sequence[Unit], method: Method) -> Pictures:
        """The pictures of runs in one folder, which differ by their seeds."""
        asked = {run.render.stem: run.render for run in runs}
        request = Request(tuple(units), dict.fromkeys(asked, method), batch=runs[0].render.batch)
        return cls(runs[0].path, model, None, request, asked=asked)  # type: ignore[arg-type]

    def __getstate__(self) -> dict[str, Any]:
        """All with one network."""
        state, bank = super().__getstate__(), self.references
        return {**state, "references": None if bank is None else replace(bank, model=self.model)}

    @property
    def run(self) -> Path:
        """The folder itself."""
        return self.site

    @property
    def record(self) -> Path:
        """What the folder holds."""
        return self.run / "run.json"

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The groups of units, method by method."""
        return tuple(piece for piece in pieces_of(self.request) if piece.stage == "prototypes")

    @cached_property
    def renders(self) -> dict[str, Render]:
        """What is asked for."""
        return dict(self.asked)

    @cached_property
    def bank(self) -> ReferenceBank:
        """The bank that was read or made before, with the network that is here."""
        if self.references is None:
            raise DataError("the method needs reference images; give images or a bank")
        return replace(self.references, model=self.model)


@dataclass(eq=False)
class Parts(Context):
    """What is put together at the end, in a folder of its own until then; `made_of` is all that decides it."""

    made_of: Mapping[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        """The folder of the parts."""
        return self.site

    @property
    def record(self) -> Path:
        """What the parts are of."""
        return self.run / PARTS

    @property
    def renders(self) -> dict[str, Render]:
        """No pictures."""
        return {}

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep the folder to this process, and remove it at the end; where something goes wrong, its parts stay.

        Parts of something else go. Raises `DataError` where they are of other images alone, for that may be a mistake.
        """
        with explained(self.run, "write"):
            self.run.mkdir(parents=True, exist_ok=True)
        with locked(self.run):
            self._claim()
            yield
        shutil.rmtree(self.run, ignore_errors=True)

    def carry_out(self, engine: Engine, *, progress: bool = True) -> dict[str, str]:
        """Do the parts that are not done, as `carry_out_pieces` does.

        Raises `DataError` where images change meanwhile; then no part is kept.
        """
        watch = Watch(self.images)
        failed = carry_out_pieces(self, engine, progress=progress)
        if changed := watch.changed(now=True):
            self.clear()
            raise DataError(
                f"images changed during the run: {shortened(changed)}; what was made of them is removed, and the same "
                "command begins anew when nothing writes there"
            )
        return failed

    def _claim(self) -> None:
        earlier = cached_json(self.record, dict)
        now: dict[str, Any] = json.loads(as_json(self.made_of))
        if earlier == now:
            return
        if {**earlier, "images": None} == {**now, "images": None}:
            raise DataError(
                f"the images of {self.images.name} have changed since this was begun; put them back, or remove "
                f"{str(self.run)!r} to begin anew"
            )
        self.clear()
        write(self.record, as_json(now))

    def clear(self) -> None:
        """Remove the parts that are there."""
        with explained(self.run, "write"):
            for file in self.run.iterdir():
                if file.is_file() and file.name != ".lock":
                    file.unlink(missing_ok=True)


@dataclass(eq=False)
class BankParts(Parts):
    """Parts of a bank: the images a few at a time."""

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The parts of the images."""
        return tuple(
            Piece("bank", number, (f"{part.start}-{part.stop - 1}",))
            for number, part in enumerate(parts_of(self.images))
        )

    def bank_file(self, piece: Piece) -> Path:
        """The file of a part, named by its images: another size of batch makes other parts."""
        return self.run / f"bank-{piece.units[0]}.safetensors"

    def make_bank(self, piece: Piece) -> None:
        """Show the images of a part."""
        part = parts_of(self.images)[piece.number]
        save_part(self.model, self.images, part, self.bank_file(piece), self.made_of)


@dataclass(eq=False)
class WordParts(Parts):
    """Parts of the words of layers: units of one layer, as many as are judged at once."""

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The groups of units."""
        return tuple(piece for piece in pieces_of(self.request) if piece.stage == "words")

    @cached_property
    def words(self) -> Words:
        """What puts units into words, without a bank."""
        asked, given = self.request, dict(self.request.backends)
        return prepared(
            self.model, asked.units, (dict(asked.describers), asked.judge), bank=None, images=self.images,
            concepts=given.pop("concepts"), backends=given, seed=asked.seed,
        )  # fmt: skip

    def words_file(self, piece: Piece) -> Path:
        """The file of a part."""
        return self.run / f"{piece.name}.json"

    def save_words(self, piece: Piece, said: Sequence[Description]) -> None:
        """Keep the words of a part, with all digits."""
        rows = [{one.name: getattr(d, one.name) for one in fields(d)} | {"unit": str(d.unit)} for d in said]
        write(self.words_file(piece), as_json({"said": rows}))

    def said(self, piece: Piece) -> list[Description]:
        """Read the words of a part. Raises `RunError` for a damaged file, which is removed."""
        file = self.words_file(piece)
        try:
            return [
                Description(
                    **row
                    | {
                        "unit": self.units[row["unit"]],
                        "others": tuple((text, score) for text, score in row["others"]),
                        "evidence": tuple(row["evidence"]),
                    }
                )
                for row in read_json(file)["said"]
            ]
        except (RunError, KeyError, TypeError, ValueError) as error:
            file.unlink(missing_ok=True)
            raise damaged(file) from error


def bank_in_parts(
    model: Model,
    layers: str | Sequence[str],
    images: ImageSet,
    path: str | Path,
    engine: Engine,
    *,
    top: int = 50,
    progress: bool = True,
) -> ReferenceBank:
    """Make a bank as `build_bank` does, by an engine, which does parts of the images. Raises what `build_bank` raises.

    What was made is kept in `.NAME.parts` beside the file until all is there, and the same call goes on.
    """
    path = Path(path)
    check_inputs(model, images, None)
    made_of = planned(model, layers, images, top=top)
    free_for_bank(path)
    if path.exists():
        with suppress(DataError):  # of something else, which the new one replaces
            found = load_bank(path, model, images)
            if (found.layers, found.made_of["top"]) == (made_of["layers"], top):
                return found
    context = BankParts(
        path.with_name(f".{path.name}.parts"), model, images, Request((), {}), made_of=made_of
    )
    with context.claimed():
        context.carry_out(engine, progress=progress)
        bank = bank_of_parts(model, images, [context.bank_file(piece) for piece in context.pieces], made_of)
        bank.save(path)
    return bank


def words_in_parts(
    words: Words,
    units: Sequence[Unit],
    folder: Path,
    engine: Engine,
    *,
    encoder: Any = None,
    progress: bool = True,
) -> Descriptions:
    """Do what `Words.describe` does, by an engine, which does the units of a layer a few at a time.

    `encoder` is what the processes load, by default that of the words. What was made is kept in `.words` in the folder
    until all is there, and the same call goes on. Raises `RunError` where units failed, with the reason.
    """
    known, judge = words.context, words.judge
    assert known.images is not None  # noqa: S101  words of whole layers are chosen by images
    made_of = {
        **network(known.model),
        "images": known.images.hash(),
        "units": list(map(str, units)),
        "methods": {name: one.options() for name, one in words.described.items()},
        "judge": [judge.alpha, judge.n_random_models, judge.split_seed],
        "concepts": key_of(list(known.concepts)),
        "encoder": str(getattr(known.encoder, "name", known.encoder)),
        "seed": known.seed,
    }
    backends = {"concepts": known.concepts, "encoder": encoder or known.encoder}
    request = Request(tuple(units), {}, words.described, judge, backends, seed=known.seed)
    context = WordParts(folder / ".words", known.model, known.images, request, made_of=made_of)
    warn_of_halves(known, known.model.units(units))
    with context.claimed():
        failed = context.carry_out(engine, progress=progress)
        if failed:
            name, why = next(iter(failed.items()))
            raise RunError(
                f"{len(failed)} units have no words, the first {name}: {why}; the same command goes on"
            )
        said = [one for piece in context.pieces for one in context.said(piece)]
    order = {unit: place for place, unit in enumerate(units)}
    return Descriptions(sorted(said, key=lambda d: order[d.unit]))
