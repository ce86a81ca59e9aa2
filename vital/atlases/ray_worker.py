"""What runs in the processes of a Ray cluster: the context is loaded once, then pieces are done."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import os
import pickle
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import torch

from vital.atlases.context import Context
from vital.atlases.engine import Outcome, attempt
from vital.atlases.plan import Piece
from vital.errors import ModelError, VitalError
from vital.models.weights_hash import hashed_once
from vital.rendering.run_folder import versions
from vital.utils.foreign import described, explained


@dataclass(frozen=True)
class Surroundings:
    """Where a run was started: its folder, the places of imports, modules of the user's files, VITAL_ settings."""

    folder: str
    path: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    settings: dict[str, str]
    versions: dict[str, Any]


def surroundings() -> Surroundings:
    """Those of this process."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("VITAL_")}
    path = tuple(str(Path(place).resolve()) for place in sys.path)
    return Surroundings(str(Path.cwd()), path, tuple(_own_files()), settings, versions())


def _own_files() -> Iterator[tuple[str, str]]:
    """The modules that come from files which are found on no path, such as a network's `FILE:FUNCTION`."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if "." in name or name == "__main__" or not file or not str(file).endswith(".py"):
            continue
        if PathFinder.find_spec(name) is None:
            yield name, str(Path(file).resolve())


def packed(context: Context) -> bytes:
    """A context as bytes, with the network on the CPU. Raises `ModelError` where that is not possible."""
    cloudpickle: Any = importlib.import_module("ray.cloudpickle")
    net = context.model
    if net.device.type != "cpu":
        context = replace(context, model=replace(net, module=copy.deepcopy(net.module).cpu()))
    try:
        data: bytes = cloudpickle.dumps((context, context.renders))
    except Exception as error:
        raise ModelError(
            f"{net.name} with its images and methods cannot be sent to other processes: {described(error)}; use the "
            "engine local"
        ) from error
    return data


class Worker:
    """Does pieces in a process of its own."""

    def __init__(self, around: Surroundings, threads: int) -> None:
        self.around = around
        self.context: Context | None = None
        os.environ.update(around.settings)
        with suppress(OSError):  # where the folder is not there, that of the atlas is told
            os.chdir(around.folder)
        sys.path += [place for place in around.path if place not in sys.path]
        torch.set_num_threads(threads)
        # Ray ends a process by an error in whatever it does, which would be taken for a fault of the network
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))

    def load(self, data: bytes, *, gpu: bool) -> str:
        """Take in the context; say why that is not possible, or nothing."""
        try:
            return self._load(data, gpu=gpu)
        except Exception as error:  # noqa: BLE001  whatever it is, the node cannot work
            return str(error) if isinstance(error, VitalError) else described(error)

    def _load(self, data: bytes, *, gpu: bool) -> str:
        here, there = versions(), self.around.versions
        if differing := [f"{n} {here.get(n)} for {there[n]}" for n in there if here.get(n) != there[n]]:
            return f"it has {', '.join(differing)}; install the same versions on all nodes"
        sys.meta_path.append(_OwnFiles(dict(self.around.files)))
        context, renders = pickle.loads(data)  # noqa: S301  what the run itself has sent
        if not context.record.exists():
            return f"it does not see {str(context.site)!r}; put that folder on storage that all nodes share"
        if gpu:
            context = replace(context, model=replace(context.model, module=context.model.module.to("cuda")))
        context.__dict__["renders"] = renders
        ExitStack().enter_context(hashed_once())  # for as long as the process lives
        self.context = context
        return ""

    def work(
        self, piece: Piece, *, wait: bool
    ) -> tuple[Outcome | None, Exception | None, BaseException | None]:
        """Do a piece: its outcome, or what ends the whole run and the cause of that."""
        assert self.context is not None  # noqa: S101  pieces come after the context
        try:
            return attempt(piece, self.context, wait=wait), None, None
        except Exception as error:  # noqa: BLE001  it is raised again where the run was started
            return None, _sendable(error), _sendable(error.__cause__)


class _OwnFiles(MetaPathFinder):
    """Finds the modules of the user's files, and what lies beside them, when the context asks for them."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        """Find a module of these that is found nowhere else."""
        file = Path(self.files.get(fullname, ""))
        if not file.is_file():
            return None
        if str(file.parent) not in sys.path:
            sys.path.append(str(file.parent))
        return importlib.util.spec_from_file_location(fullname, file)


def _sendable(error: Any) -> Any:
    """An error that arrives elsewhere as it is here, or what is to be said of it."""
    if error is None:
        return None
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  made in this line
    except Exception:  # noqa: BLE001  foreign errors may need anything
        return explained(error)
    return error
