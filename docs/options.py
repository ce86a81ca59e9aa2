"""Write the tables of options: of the methods in docs/methods.md, and of the commands in docs/commands.md.

    python docs/options.py            write the tables
    python docs/options.py --check    say whether they are up to date; exit code 1 if not

In docs/methods.md they stand between two marks, and what is written by hand around them stays. docs/commands.md holds
nothing else.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from vital.cli.app import app  # noqa: E402
from vital.cli.examples import EXAMPLES  # noqa: E402
from vital.cli.methods import documented  # noqa: E402
from vital.utils.options import options_of, shown, summary  # noqa: E402

PAGE = ROOT / "docs" / "methods.md"
COMMANDS = ROOT / "docs" / "commands.md"
HEAD = """# Commands

<!-- written by docs/options.py -->

Every command, with its arguments and options; `vital COMMAND --help` says the same.
[The guide](guide.md#the-command-line) says what they have in common.
"""
START, END = "<!-- written by docs/options.py -->\n", "<!-- end -->\n"


def tables() -> str:
    """A section for each method: what it does, and a row for each option."""
    sections = []
    for name, kind in documented().items():
        rows = [
            f"| `{option.name}` | `{shown(option.default)}` | {option.meaning.replace('|', chr(92) + '|')} |"
            for option in options_of(kind).values()
        ]
        head = ["| option | default | meaning |", "|---|---|---|"]
        sections.append("\n".join([f"### {name}", "", summary(kind), "", *head, *rows, ""]))
    return "\n".join(sections)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its name, in the order of the help; those of a group behind it."""
    top = typer.main.get_command(app)
    for name, command in top.commands.items():
        below = getattr(command, "commands", {})
        yield from ((f"{name} {own}", one) for own, one in below.items())
        if not below:
            yield name, command


def command_page() -> str:
    """The page of the commands as it should be."""
    sections = [HEAD]
    for name, command in commands():
        text = inspect.cleandoc(command.help or "")
        rows = [_row(one) for one in command.params if one.name != "help"]
        examples = "\n".join(EXAMPLES[name])
        sections.append(f"## vital {name}\n\n{text}\n\n```bash\n{examples}\n```\n")
        if rows:
            sections.append("\n".join(["| option | default | meaning |", "|---|---|---|", *rows, ""]))
    return "\n".join(sections)


def _row(one: Any) -> str:
    flags = [flag for flag in (*one.opts, *one.secondary_opts) if flag.startswith("-")]
    shown = f"{' / '.join(flags)} {'' if one.is_flag else one.metavar}".strip() if flags else one.metavar
    given = one.default not in (None, False, [], ()) and not one.required
    default = "needed" if one.required else f"`{one.default}`" if given else ""
    key = "" if flags or one.name == one.metavar.lower() else f" In a file `{one.name}`."
    often = " May be repeated." if getattr(one, "multiple", False) else ""
    cells = [f"`{shown}`", default, f"{one.help}{often if 'repeated' not in one.help else ''}{key}"]
    return f"| {' | '.join(re.sub(r'[|]', chr(92) + '|', cell) for cell in cells)} |"


def page() -> str:
    """The page of the methods as it should be."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{tables()}\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Write or check the pages; the exit code."""
    parser = argparse.ArgumentParser(description="Write the tables of options of methods and commands.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with 1 where the page is stale"
    )
    options = parser.parse_args(arguments)
    made = {PAGE: page(), COMMANDS: command_page()}
    stale = [file for file, text in made.items() if not file.is_file() or file.read_text("utf-8") != text]
    for file in stale:
        print(f"{'stale' if options.check else 'written'}: {file.relative_to(ROOT)}")
        if not options.check:
            file.write_text(made[file], "utf-8")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
