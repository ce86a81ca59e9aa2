"""Write the tables of options in docs/methods.md from the docstrings of the methods.

    python docs/options.py            write the tables
    python docs/options.py --check    say whether they are up to date; exit code 1 if not

The tables stand between the two marks of the page; what is written by hand around them stays.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from vital.cli.methods import documented  # noqa: E402
from vital.utils.options import options_of, shown, summary  # noqa: E402

PAGE = ROOT / "docs" / "methods.md"
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


def page() -> str:
    """The page as it should be."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{tables()}\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Write or check the page; the exit code."""
    parser = argparse.ArgumentParser(description="Write the tables of options in docs/methods.md.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with 1 where the page is stale"
    )
    options = parser.parse_args(arguments)
    stale = page() != PAGE.read_text("utf-8")
    if stale:
        print(f"{'stale' if options.check else 'written'}: {PAGE.relative_to(ROOT)}")
    if stale and not options.check:
        PAGE.write_text(page(), "utf-8")
    return int(options.check and stale)


if __name__ == "__main__":
    sys.exit(main())
