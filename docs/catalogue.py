"""Write the catalogs of objectives and regularizers from their docstrings.

    python docs/catalogue.py            write objectives/README.md and regularizers/README.md
    python docs/catalogue.py --check    say whether they are up to date; exit code 1 if not

A term's docstring begins with what it does and has a paragraph of two entries, `Formula: …` and `Source: …`; an entry
that needs more than a line goes on in indented lines.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from vital import objectives, regularizers  # noqa: E402, F401 (importing them fills the registries)
from vital.terms import OBJECTIVES, REGULARIZERS  # noqa: E402
from vital.utils.registry import Entry, Registry  # noqa: E402

HEADS = {
    "objectives": """# Objectives

What an image is asked to do to a network. Each is a `vital.terms.Term`: it looks at one forward pass and returns
one loss per image, lower is better. Terms add, subtract and scale by numbers. The code is in `vital/objectives`.

Symbols: f are activations, c a channel, i a place (a position of a map, or a token), z the network's output.
""",
    "regularizers": """# Regularizers

Penalties on the picture itself, to be added to an objective with a small weight. Each is a `vital.terms.Term`, as
the objectives are. The code is in `vital/regularizers`.

Symbols: x is the picture with values from 0 to 1, N its number of values. With `of="seen"` most look at the
picture after the random transforms instead, with `of="input"` at what the network gets.
""",
}
NAMES = """
In the examples `obj` is `vital.objectives`, `reg` is `vital.regularizers`, `model` a loaded network, `picture` an
image (1, 3, H, W) with values from 0 to 1, and `template` a reference bank's template of a unit.

This page is written by `python docs/catalogue.py` from the docstrings.

The pictures are rendered on the network of `examples/shapes.py` by `python docs/thumbnails.py`: an objective alone, a
regularizer beside the logit of "blue triangle" and strong enough to be seen.

| name | what it does | formula | source | picture | example |
| --- | --- | --- | --- | --- | --- |
"""


def page(folder: str, registry: Registry[Any]) -> str:
    """The catalog of a registry as Markdown, sorted by name."""
    entries = sorted(registry.entries.values(), key=lambda entry: entry.name)
    return HEADS[folder] + NAMES + "".join(row(entry) for entry in entries)


def row(entry: Entry[Any]) -> str:
    """One line of the table."""
    text = inspect.getdoc(entry.item) or ""
    cells = [
        f"`{entry.name}`",
        text.splitlines()[0],
        f"`{noted(text, 'Formula')}`",
        noted(text, "Source"),
        f"![{entry.name}](../docs/thumbnails/{entry.name}.jpg)",
        f"`{entry.example}`",
    ]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def noted(docstring: str, what: str) -> str:
    """The text after `what:` in a docstring, with its indented lines."""
    found = re.search(rf"^{what}: (.+(?:\n[ ]+\S.*)*)", docstring, re.MULTILINE)
    if not found:
        raise ValueError(f"a docstring has no line '{what}: …': {docstring.splitlines()[:1]}")
    return " ".join(found[1].split())


def pages() -> dict[Path, str]:
    """What each README should say."""
    registries = {"objectives": OBJECTIVES, "regularizers": REGULARIZERS}
    return {ROOT / name / "README.md": page(name, registry) for name, registry in registries.items()}


def stale() -> list[Path]:
    """The READMEs that differ from the docstrings, or are missing."""
    return [p for p, text in pages().items() if not p.is_file() or p.read_text("utf-8") != text]


def main(arguments: list[str] | None = None) -> int:
    """Write or check the catalogs; the exit code."""
    parser = argparse.ArgumentParser(description="Write the catalogs of objectives and regularizers.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with 1 where a page is stale"
    )
    options = parser.parse_args(arguments)
    late = stale()
    for path in late:
        print(f"{'stale' if options.check else 'written'}: {path.relative_to(ROOT)}")
        if not options.check:
            path.write_text(pages()[path], "utf-8")
    return int(bool(options.check and late))


if __name__ == "__main__":
    sys.exit(main())
