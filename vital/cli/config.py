"""`--config FILE`: the options of a command from a file, and the file that a run leaves of its own.

A file is TOML, YAML or JSON. Its keys are the names of options without their dashes, and of arguments in small letters
as `vital COMMAND --help` shows them. A table named as a command holds the options of this command alone; the other keys
go for every command. What the command line says counts more.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from vital._version import __version__
from vital.cli.stopping import StoppedError
from vital.errors import DataError, InvalidValueError, RunError, UsageError, unknown
from vital.utils.file_kinds import no_file
from vital.utils.io import did_you_mean, path_of, read_regular

NAME = "config.toml"
"""The file of a run folder that says how the run was asked for."""
HEAD = "# Written by vital"
MOST_PAIRS = 1000
"""The most values of one option that are given by name."""
ASIDE = (
    "config", "out", "help", "quiet", "verbose", "key-from", "shard", "only", "estimate", "engine", "address", "actors",
)  # fmt: skip
"""What is never written: where a key is, who does which share of the work, and how much is said of it.

Nor is the folder written, so that equal runs are equal files; it is the one where the file lies (`defaults`).
"""

_KEPT: ContextVar[Callable[[], None]] = ContextVar("_KEPT")


def _take(context: typer.Context, file: Path | None) -> Path | None:
    """Let a file say what the command line does not."""
    if file is not None and not context.resilient_parsing:
        context.default_map = defaults(context, file.expanduser())
    return file


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=_take,
        help="Options from a file: TOML, YAML or JSON; those of the command line count more.",
    ),
]


def key_of(parameter: Any) -> str:
    """How a parameter of a command is called in a file: an option without dashes, an argument by its name."""
    flag = next((name for name in parameter.opts if name.startswith("--")), "")
    return flag.removeprefix("--") or str(parameter.name)


def defaults(context: typer.Context, file: Path) -> dict[str, Any]:
    """What a file says for the parameters of a command; that of a run folder means the folder where it lies.

    Raises `UsageError` for what the command does not have.
    """
    known = {key_of(one): one for one in context.command.params}
    own, commands = _read(file), _commands(context)
    name = _command(context)
    tables = {key for key, value in own.items() if isinstance(value, Mapping) and key in commands}
    said = {key: value for key, value in own.items() if key not in tables}
    said |= own[name] if name in tables else {}
    allowed = [key for key in known if key not in ("config", "help")]
    for key, value in said.items():
        if key not in allowed:
            names = [*allowed, *sorted(commands)] if isinstance(value, Mapping) else allowed
            raise UsageError(f"{str(file)!r}: {unknown(f'option of vital {name}', str(key), names)}")
    if file.name == NAME and _ours(file) and (folder := _run_folder(known.get("out"), file)):
        said.setdefault("out", str(folder))
    return {
        str(known[key].name): _typed(known[key], f"{str(file)!r}: {key}", value)
        for key, value in said.items()
        if value is not None
    }


def _run_folder(out: Any, file: Path) -> Path | None:
    """What --out was for the file of a run folder; None for a command without one."""
    return {"RUN": file.parent, "SITE": file.parent.parent}.get(getattr(out, "metavar", ""))


def _command(context: typer.Context) -> str:
    """The name of the command; "lwta train" in a group."""
    return str(context.command_path).partition(" ")[2]


def _commands(context: typer.Context) -> set[str]:
    """The names of all commands, with their groups."""
    found: set[str] = set()
    left = [("", context.find_root().command)]
    while left:
        before, command = left.pop()
        for name, own in getattr(command, "commands", {}).items():
            left.append((f"{before}{name} ", own))
            found.add(f"{before}{name}")
    return found


def _read(file: Path) -> dict[str, Any]:
    """Read a file of options. Raises `UsageError` where there is none, and `DataError` for one that is damaged."""
    file = path_of(file)
    if not file.exists():
        raise UsageError(f"there is no file {str(file)!r} for --config{did_you_mean(file)}")
    if why := no_file(file):
        raise UsageError(f"--config {str(file)!r} cannot be read: {why}")
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise UsageError(f"--config is {str(file)!r}; allowed are files named {', '.join(READERS)}")
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"--config {str(file)!r} cannot be read: {error}") from error
    try:
        found = reader(text)
    except (ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise DataError(f"--config {str(file)!r} cannot be read: {said}") from error
    if not isinstance(found, Mapping | None):
        raise DataError(f"--config {str(file)!r} holds no names with values, such as steps = 64")
    return dict(found or {})


def _check_once(names: Iterable[str]) -> None:
    """Raise `ValueError` for a name that is given twice."""
    seen = set[str]()
    for name in names:
        if name in seen:
            raise ValueError(f"{name} is given twice")
        seen.add(name)


def _json(text: str) -> Any:
    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        _check_once(name for name, _ in pairs)
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


def _yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Refuses a name that is given twice, of which the last would count."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            _check_once(part.value for part, _ in node.value if isinstance(part, yaml.ScalarNode))
            found: dict[Any, Any] = super().construct_mapping(node, deep)
            return found

    try:
        return yaml.load(text, Loader)  # noqa: S506  it is a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


READERS: Mapping[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".json": _json,
}


def _typed(parameter: Any, where: str, value: Any) -> Any:
    """A value as it would be typed; it is checked as what is typed is."""
    if getattr(parameter, "is_flag", False):
        if not isinstance(value, bool):
            raise InvalidValueError(f"{where} is {value!r}; allowed are true and false")
        return value
    if getattr(parameter, "multiple", False) or parameter.nargs == -1:
        if isinstance(value, Mapping):
            pairs = list(islice(_pairs(where, value), MOST_PAIRS + 1))
            if len(pairs) > MOST_PAIRS:  # a few lines of YAML can stand for any number
                raise InvalidValueError(f"{where} holds too many values; allowed are {MOST_PAIRS} at most")
            return [f"{name}={text}" for name, text in pairs]
        return [_text(where, part) for part in (value if isinstance(value, list) else [value])]
    if isinstance(value, list) and "," in (parameter.metavar or ""):
        return ",".join(_text(where, part) for part in value)
    return _text(where, value)


def _pairs(where: str, values: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Names and texts of a mapping; of one in it, such as the options of a method, with a dot between."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _pairs(where, value, f"{before}{name}.")
        else:
            parts = value if isinstance(value, list) else [value]
            texts = (
                str(part).lower() if isinstance(part, bool | None) else _text(where, part) for part in parts
            )
            yield f"{before}{name}", ",".join(texts)


def _text(where: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        raise InvalidValueError(f"{where} holds {shown}; allowed are a text in quotes and a number")
    return str(value)


@contextmanager
def kept(context: typer.Context | None, out: Path | None) -> Iterator[None]:
    """Write what a command was asked for into its run folder when the block ends, or before by `keep_config`.

    Nothing is written where the block fails otherwise than in single units, or by being stopped.
    """
    folder = None if context is None or out is None else _folder(context, out)

    def keep() -> None:
        if context is not None and folder is not None:
            _keep(context, folder)

    token = _KEPT.set(keep)
    try:
        yield
        keep()
    except (typer.Exit, StoppedError):
        keep()
        raise
    finally:
        _KEPT.reset(token)


def keep_config() -> None:
    """Write what the running command was asked for into its run folder, before long work.

    A file of that name that somebody else wrote stays as it is.
    """
    _KEPT.get(lambda: None)()


def _folder(context: typer.Context, out: Path) -> Path | None:
    """The run folder that --out names, or that is in the site that it names; None where it names a file."""
    metavar = next((one.metavar for one in context.command.params if one.name == "out"), "")
    return {"RUN": out, "SITE": out / "run"}.get(metavar or "")


def _keep(context: typer.Context, folder: Path) -> None:
    from vital.utils.io import write

    file = folder / NAME
    if not folder.is_dir() or (file.exists() and not _ours(file)):
        return
    try:
        others = _read(file) if file.exists() else {}
    except (DataError, UsageError):
        others = {}
    own = {key_of(one): context.params.get(str(one.name)) for one in context.command.params}
    own = {key: value for key, value in own.items() if key not in ASIDE and _said(value)}
    tables = others | {_command(context): own}
    head = f"{HEAD} {__version__}: what each command was asked for, last. The same again: vital COMMAND --config FILE\n"
    text = "\n".join([head, *(_table(name, table) for name, table in tables.items())])
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a path that is no text
        return
    write(file, data)


def _said(value: Any) -> bool:
    return value is not None and value is not False and value not in ([], ())


def _ours(file: Path) -> bool:
    try:
        return read_regular(file).startswith(HEAD.encode())
    except RunError:
        return False


def _table(name: str, values: Mapping[str, Any]) -> str:
    """A table of TOML.

    >>> print(_table("render", {"model": "world", "units": ["class:0"], "fit": True}))
    [render]
    model = "world"
    units = ["class:0"]
    fit = true
    <BLANKLINE>
    """
    head = name if name.isidentifier() else _quoted(name)
    return "\n".join([f"[{head}]", *(f"{key} = {_value(value)}" for key, value in values.items()), ""])


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return str(value) if isinstance(value, int | float) else _quoted(str(value))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
