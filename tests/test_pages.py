"""Every block of code on a page does what it shows: Python runs on the world, commands are parsed by the real ones.

A block below a line `<!-- not run: WHY -->` is compiled alone, and the names that it uses of `vital` are looked up.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

import vital
from vital.attribution import RULES
from vital.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
FENCE = re.compile(r"^(<!-- not run: .+? -->\n\n?)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMPILED_ALONE = {"README.md"}  # its blocks are of a ResNet, whose weights would be downloaded
ELSEWHERE = re.compile(r"torchvision:|timm:|open_clip:|path/to/")

WORLD = """
import torch
import vital
from vital import objectives as obj, params as par, regularizers as reg, transforms
"""
GIVEN = {
    "docs/guide.md": WORLD,
    "docs/methods.md": f"""{WORLD}
model, images = vital.load_model("world"), vital.load_images("world")
template = vital.build_bank(model, ["layer4"], images).template("layer4:5")
""",
}
"""What a page takes for granted, where its blocks are examples of one call each."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its code, and whether it is to be run."""

    language: str
    code: str
    runs: bool


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(language, code, not (left_out or page in COMPILED_ALONE or ELSEWHERE.search(code)))
        for left_out, language, code in FENCE.findall(text)
    ]


def python_of(page: str) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python"]


def commands(page: str) -> Iterator[list[str]]:
    """The words of each command of `vital` in the blocks of a shell."""
    for block in blocks(page):
        if block.language in {"bash", "shell"}:
            for line in re.split(r"\n|&&", block.code.replace("\\\n", " ")):
                words = shlex.split(line, comments=True)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    del words[0]
                if words and words[0].split("/")[-1] == "vital":
                    yield words[1:]


def parse(words: list[str]) -> None:
    """Let the command line read a command without doing it. Raises what it says of a wrong one."""
    command, name = typer.main.get_command(app), "vital"
    context = None
    while hasattr(command, "commands"):
        assert words[0] in command.commands, f"there is no command {words[0]!r}"
        context = command.context_class(command, info_name=name, parent=context)
        command, name, words = command.commands[words[0]], words[0], words[1:]
    command.make_context(name, list(words), parent=context).close()


@pytest.mark.parametrize("page", NAMES)
def test_every_block_says_its_language(page: str) -> None:
    known = {"python", "bash", "toml", "text", "pycon", ""}
    assert {block.language for block in blocks(page)} <= known
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(blocks(page))


@pytest.mark.parametrize("page", [page for page in NAMES if any(commands(page))])
def test_every_command_is_understood(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tables = [block.code for block in blocks(page) if block.language == "toml"]
    for words in commands(page):
        if "--config" in words:
            file = Path(words[words.index("--config") + 1])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(next(table for table in tables if f"[{words[0]}]" in table), encoding="utf-8")
        try:
            parse(words)
        except Exception as error:  # noqa: BLE001 (whatever the command line has against it)
            pytest.fail(f"vital {' '.join(words)}: {getattr(error, 'message', error)}")


def test_a_wrong_command_is_found_out() -> None:
    parse(["render", "world", "class:0", "--out", "runs/a", "--images", "world"])
    with pytest.raises(Exception, match=r"(?i)no such option"):
        parse(["render", "world", "class:0", "--out", "runs/a", "--pictures", "world"])
    with pytest.raises(AssertionError, match="no command 'rendr'"):
        parse(["rendr"])


@pytest.mark.parametrize("page", NAMES)
def test_every_script_that_is_run_exists(page: str) -> None:
    shown = " ".join(block.code for block in blocks(page) if block.language in {"bash", "shell", ""})
    scripts = re.findall(r"\bpython3? ((?:examples|docs|benchmarks)/\S+\.py)", shown)
    modules = re.findall(r"\bpython3? -m ((?:benchmarks|vital)[\w.]*)", shown)
    assert [path for path in scripts if not (ROOT / path).is_file()] == []
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


def called(tree: ast.AST) -> Iterator[tuple[str, Any, list[str]]]:
    """Each call of something of `vital` by its dotted name: the name, what it is, and the keywords."""
    for node in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        name = ast.unparse(node.func)
        if re.fullmatch(r"vital(\.\w+)+", name):
            thing: Any = vital
            for part in name.split(".")[1:]:
                thing = getattr(thing, part)
            yield name, thing, [keyword.arg for keyword in node.keywords if keyword.arg]


@pytest.mark.parametrize("page", [page for page in NAMES if python_of(page)])
def test_every_block_of_python_compiles_and_names_what_there_is(page: str) -> None:
    for block in python_of(page):
        for name, thing, keywords in called(ast.parse(block.code)):
            parameters = inspect.signature(thing).parameters
            if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                assert set(keywords) <= set(parameters), f"{name} has no {set(keywords) - set(parameters)}"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The world with few images, few steps, a folder of one's own, and the rules of relevance as they were."""
    from vital.world.scenes.dataset import images

    few, load, render = images(96, seed=5), vital.load_images, vital.render

    def load_few(source: Any, **options: Any) -> Any:
        return few if isinstance(source, str) and source == "world" else load(source, **options)

    def render_soon(*args: Any, **options: Any) -> Any:
        options |= {"progress": False}
        if isinstance(options.get("method", ""), str):
            options["steps"] = 4
        return render(*args, **options)

    monkeypatch.setattr(vital, "load_images", load_few, raising=False)
    monkeypatch.setattr(vital, "render", render_soon, raising=False)
    monkeypatch.chdir(tmp_path)
    rules = dict(RULES.entries)
    yield
    RULES.entries.clear()
    RULES.entries.update(rules)


def run(page: str) -> None:
    """Run the blocks of a page one after the other, as in a notebook."""
    left: dict[str, Any] = {"__name__": "page"}
    codes = [("before", GIVEN.get(page, "")), *enumerate(b.code for b in python_of(page) if b.runs)]
    for place, code in codes:
        made = compile(code, f"block {place} of {page}", "exec", dont_inherit=True)
        exec(made, left)  # noqa: S102


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in NAMES if any(block.runs for block in python_of(page))])
def test_every_block_of_python_runs_on_the_world(page: str, small: None) -> None:
    run(page)


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def sentences() -> str:
    """All texts in the code of `vital`, with {} for what is filled in."""
    found = []
    for path in (ROOT / "vital").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(p.value if isinstance(p, ast.Constant) else "{}" for p in node.values))
            elif is_text(node):
                found.append(node.value)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "unknown":
                found.append(f"unknown {ast.literal_eval(node.args[0])}" if is_text(node.args[0]) else "")
    return "\n".join(found)


def test_every_error_of_the_faq_is_one_of_the_code() -> None:
    text, told = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8"), sentences()
    errors = re.findall(r"^### `(.+)`$", text, re.MULTILINE)
    statuses = re.findall(r"^\| `(.+?)` \|", text, re.MULTILINE)
    assert len(errors) >= 20
    assert [part for part in (*errors, *statuses) if part not in told] == []
