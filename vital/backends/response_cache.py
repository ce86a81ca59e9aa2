"""What backends answered, kept: every caption, summary and set of images is asked for once, and can be played back.

An answer is kept under the backend (its name, options, code and weights, or what it says of itself in `fingerprint`),
what it was asked, and the seed. What is no answer (a refusal, an empty text) is not kept: only that none came, so that
a replay can go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vital.backends.answers import read_caption, read_lines
from vital.backends.prompts import Chat
from vital.backends.protocols import Captioner, ImageGenerator, NoAnswerError, Summarizer
from vital.errors import InvalidValueError, ModelError, RunError
from vital.errors import said as shown
from vital.types import Images
from vital.utils.drawing import to_pil
from vital.utils.hashing import identity, key_of, picture_hash
from vital.utils.io import append_json, as_png, cache_folder, json_lines, read_picture, write

Table = dict[str, Any]


@dataclass
class ResponseCache:
    """A folder of answers, by default `answers` in the cache folder.

    `fresh` passes over what earlier runs kept, and writes new answers over it. `calls` is the most new answers that are
    asked for: a caption, a summary and a set of images are one each; None is no limit. `replay` asks for none, and
    takes kept answers alone; backends need not be there then, their names are enough. `spent` counts the new answers so
    far. An answer is written as soon as it is there, so that nothing is lost when the calls are spent. Captions and
    summaries are lines of JSON, images are PNG. Raises `InvalidValueError` for a negative number of calls, and for
    `fresh` with `replay`.

    >>> import tempfile
    >>> from vital.backends import BuiltIn
    >>> captions = ["a red cube", "red cubes"]
    >>> with tempfile.TemporaryDirectory() as name:
    ...     said = ResponseCache(Path(name)).summarizer(BuiltIn()).summarize(captions, 1)
    ...     again = ResponseCache(Path(name), replay=True).summarizer("built-in").summarize(captions, 1)
    >>> said == again == ["red cube"]
    True
    """

    folder: Path = field(default_factory=lambda: cache_folder() / "answers")
    calls: int | None = None
    replay: bool = False
    fresh: bool = False
    spent: int = field(default=0, init=False)
    _read: dict[str, Table] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.calls is not None and self.calls < 0:
            raise InvalidValueError(
                f"calls is {self.calls}; allowed are whole numbers from 0, and None for no limit"
            )
        if self.replay and self.fresh:
            raise InvalidValueError(
                "replay takes kept answers alone, and fresh none of them; give one of the two"
            )

    def captioner(self, backend: Captioner | str) -> CachedCaptioner:
        """Wrap a captioner, or play back the one of this name."""
        return CachedCaptioner(self, *self._known("captioner", backend))

    def summarizer(self, backend: Summarizer | str) -> CachedSummarizer:
        """Wrap a summarizer, or play back the one of this name."""
        return CachedSummarizer(self, *self._known("summarizer", backend))

    def generator(self, backend: ImageGenerator | str) -> CachedGenerator:
        """Wrap an image generator, or play back the one of this name."""
        return CachedGenerator(self, *self._known("generator", backend))

    def _known(self, kind: str, backend: Any) -> tuple[str, str, Any]:
        """Name a backend and what tells it from others, and note it, so that its name is enough to play it back."""
        if isinstance(backend, str):
            found = self.kept("backends").get(f"{kind} {backend}")
            if found is None:
                raise ModelError(
                    f"no answer of the {kind} {backend} is kept in {str(self.folder)!r}; run it once with the {kind}"
                )
            return backend, str(found), None
        name, own = str(backend.name), identity(backend)
        if self.kept("backends").get(f"{kind} {name}") != own:
            self.keep("backends", [(f"{kind} {name}", own)])
        return name, own, backend

    def knows(self, kind: str, name: str) -> bool:
        """Whether answers of a backend are kept under this name, so that the name is enough to play it back."""
        return f"{kind} {name}" in self.kept("backends")

    def kept(self, kind: str) -> Table:
        """Read the answers of a kind; a line that was cut off, as by a full disk, is passed over."""
        if kind not in self._read:
            passed = self.fresh and kind != "backends"
            self._read[kind] = {} if passed else dict(_pairs(self.folder / f"{kind}.jsonl"))
        return self._read[kind]

    def no_answer(self, key: str) -> bool:
        """Whether a replay knows that no answer came to a question. Raises `NoAnswerError` where it knows why."""
        why = self.replay and self.kept("unanswered").get(key)
        if isinstance(why, str):
            raise NoAnswerError(why)
        return bool(why)

    def note_unanswered(self, keys: Iterable[str], why: str = "") -> None:
        """Note that no answer came to questions, and why where it is known; they are asked again next time."""
        new = [(key, why or True) for key in keys if self.kept("unanswered").get(key) != (why or True)]
        if new:
            self.keep("unanswered", new)

    def keep(self, kind: str, entries: Iterable[tuple[str, Any]]) -> None:
        """Write answers down at once. Raises `RunError`."""
        new = dict(entries)
        append_json(self.folder / f"{kind}.jsonl", new.items())
        self.kept(kind).update(new)

    def afford(self, what: str, wanted: int = 1, failed: str = "") -> int:
        """Spend one to `wanted` calls: as many as are left. Raises `ModelError` where none is, or in a replay.

        `failed` says what became of the call before, where it brought nothing.
        """
        if self.replay:
            raise ModelError(
                f"{what}: an answer is not kept in {str(self.folder)!r}, and replay asks nobody; "
                "run it once without replay"
            )
        left = wanted if self.calls is None else min(wanted, self.calls - self.spent)
        if left < 1:
            last = f" (the last one failed: {failed})" if failed else ""
            allow = "answers so far are kept, and calls=NUMBER allows more"
            raise ModelError(f"{what}: the budget of {self.calls} calls is spent{last}; {allow}")
        self.spent += left
        return left


def _pairs(path: Path) -> Iterator[tuple[str, Any]]:
    for line in json_lines(path):
        if isinstance(line, list) and len(line) == 2:
            yield str(line[0]), line[1]


@dataclass(frozen=True, eq=False)
class CachedBackend:
    """A backend whose answers are kept; without the backend itself, those that are kept are all there is."""

    cache: ResponseCache
    name: str
    identity: str = field(repr=False)
    backend: Any = field(default=None, repr=False)

    def asked(self) -> Any:
        """The backend. Raises `ModelError` where it is known by its name alone."""
        if self.backend is None:
            raise ModelError(
                f"{self.name} is known by its name alone, and an answer is not kept; run it once with the backend"
            )
        return self.backend


@dataclass(frozen=True, eq=False)
class CachedCaptioner(CachedBackend):
    """A captioner whose captions are kept."""

    def describe(self, images: Images) -> list[str]:
        """Give one caption for each image: those that are kept, and new ones for the others, all at once."""
        keys = [key_of(self.identity, picture_hash(image)) for image in images]
        kept, silent = self.cache.kept("captioner"), dict[str, str]()
        first = {key: row for row, key in reversed(list(enumerate(keys)))}
        silent |= {key: "" for key in first if key not in kept and self.cache.no_answer(key)}
        missing = sorted(row for key, row in first.items() if key not in kept and key not in silent)
        while missing:
            now = missing[: self.cache.afford(self.name, len(missing))]
            told = _texts(self.name, self.asked().describe(images[now]), len(now))
            said = dict(zip([keys[row] for row in now], told, strict=True))
            read = {key: read_caption(line) for key, line in said.items()}
            self.cache.keep("captioner", ((key, said[key]) for key, line in read.items() if line))
            silent |= {key: "" for key, line in read.items() if not line}
            missing = missing[len(now) :]
        self.cache.note_unanswered(silent)
        return [silent[key] if key in silent else read_caption(str(kept[key])) for key in keys]


@dataclass(frozen=True, eq=False)
class CachedSummarizer(CachedBackend):
    """A summarizer whose summaries are kept, under the captions in their order and the images."""

    def summarize(self, captions: list[str], count: int, images: Images | None = None) -> list[str]:
        """Give the kept summary, or a new one."""
        seen = [] if images is None else [picture_hash(image) for image in images]
        key = key_of(self.identity, "summary", captions, count, seen)
        kept = self.cache.kept("summarizer")
        if not isinstance(kept.get(key), list):  # a file of answers may hold anything
            if self.cache.no_answer(key):
                return []
            self._afford()
            try:
                said = read_lines(_texts(self.name, self.asked().summarize(captions, count, images)))
            except NoAnswerError as error:
                self.cache.note_unanswered([key], str(error))
                raise
            if not said:
                self.cache.note_unanswered([key])
                return []
            self.cache.keep("summarizer", [(key, said)])
        return [str(line) for line in kept[key]]

    def simplify(self, captions: list[str]) -> list[str]:
        """Give captions in short, as the summarizer does; as they are where it cannot, and where no answer was kept."""
        return [self._short(caption) for caption in captions]

    def _short(self, caption: str) -> str:
        key = key_of(self.identity, "short", caption)
        if key not in (kept := self.cache.kept("summarizer")):
            short = getattr(self.backend, "simplify", None)
            if short is None or self.cache.no_answer(key):
                return caption
            self._afford()
            told = [self.backend.phrase(caption)] if isinstance(self.backend, Chat) else short([caption])
            said = read_lines(_texts(self.name, told))
            if not said:
                self.cache.note_unanswered([key])
                return caption
            self.cache.keep("summarizer", [(key, said[0])])
        return str(kept[key])

    def _afford(self) -> None:
        """Spend a call, unless the backend counts its requests in the same budget."""
        if getattr(self.backend, "cache", None) is not self.cache:
            self.cache.afford(self.name)


@dataclass(frozen=True, eq=False)
class CachedGenerator(CachedBackend):
    """An image generator whose images are kept, as one PNG for each text: one image below the other."""

    def generate(self, text: str, count: int, seed: int) -> Images:
        """Give the kept images or new ones, (N, 3, H, W) in [0, 1], either way rounded to 8 bits."""
        name = key_of(self.identity, text, count, seed)
        path = self.cache.folder / "generator" / name[:2] / f"{name}.png"
        picture = self._kept(name, path, count)
        if picture is None:
            self.cache.afford(self.name)
            write(path, _strip(_pictures(self.name, self.asked().generate(text, count, seed), count)))
            self.cache.kept("images")[name] = True
            picture = read_picture(path)
        pixels = torch.from_numpy(np.array(picture.convert("RGB")))
        images: Images = pixels.view(count, -1, *pixels.shape[1:]).permute(0, 3, 1, 2).float() / 255
        return images

    def _kept(self, name: str, path: Path, count: int) -> Image.Image | None:
        """Read the images that are kept; None where there are none, or where those of earlier runs do not count."""
        if self.cache.fresh and name not in self.cache.kept("images"):
            return None
        try:
            found = read_picture(path)
        except RunError:
            return None
        return None if found.height % count else found


def _texts(name: str, found: Any, count: int | None = None) -> list[str]:
    """The texts that a backend gave. Raises `ModelError` for what is no list of texts, or of another number."""
    right = isinstance(found, list | tuple) and all(isinstance(text, str) for text in found)
    if not right or count not in (None, len(found)):
        wanted = "a list of texts" if count is None else f"a list of {count} texts"
        raise ModelError(f"{name} gives {shown(found)}; needed is {wanted}")
    return list(found)


def _pictures(name: str, found: Any, count: int) -> Images:
    """The pictures that a backend gave. Raises `ModelError` for what is none, or of another number."""
    if not isinstance(found, Tensor) or found.ndim != 4 or found.shape[:2] != (count, 3) or not found.numel():
        told = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else shown(found)
        raise ModelError(f"{name} gives {told}; needed is one of shape ({count}, 3, H, W), from 0 to 1")
    return found


def _strip(images: Images) -> bytes:
    return as_png(to_pil(torch.cat(list(images.float().cpu()), 1)))
