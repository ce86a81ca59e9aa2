"""What the site has beside the pages of docs/: pages made of other files, of the command line and of docstrings.

Links work on both sides: a page links to `../benchmarks/README.md` where the file is, and the site has a page of it.
"""

from __future__ import annotations

import html
import importlib
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

OUTSIDE = {
    "objectives/README.md": "objectives.md",
    "regularizers/README.md": "regularizers.md",
    "benchmarks/README.md": "results/methods.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
} | {f"benchmarks/results/{p.name}": f"results/{p.name}" for p in ROOT.glob("benchmarks/results/*.md")}
"""Files of the repository, and the pages of the site that show them."""

PYTHON = {
    "vital": ("Main functions", ["vital"]),
    "parts": (
        "Terms, canvases, transforms",
        ["terms", "objectives", "regularizers", "params", "transforms", "optim"],
    ),
    "pictures": ("Pictures", ["rendering", "activations", "callbacks", "records"]),
    "words": ("Words", ["describing", "backends", "metrics"]),
    "networks": ("Networks and images", ["models", "data", "units", "tracing", "types", "errors"]),
    "attribution": ("Relevance, directions", ["attribution", "directions"]),
    "pages": ("Comparing, pages, atlas", ["comparing", "reporting", "figures", "atlases"]),
    "world": ("World, competing units", ["world", "lwta"]),
}
"""The pages of the Python reference: a title, and the packages whose public names they list."""

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"(^```.*?^```[ \t]*$)", re.MULTILINE | re.DOTALL)


def generated() -> dict[str, str]:
    """Every page that is no file of docs/, by its place in the site."""
    pages = {page: (ROOT / file).read_text("utf-8") for file, page in OUTSIDE.items()}
    pages |= {page: in_sections(pages[page]) for page in ("objectives.md", "regularizers.md")}
    pages |= {f"api/{name}.md": reference(*made) for name, made in PYTHON.items()}
    return pages | {"examples.md": examples()}


def linked(text: str, place: str, source: str) -> str:
    """The text of the page at a place of the site, whose links go from the file `source` of the repository."""

    def moved(found: re.Match[str]) -> str:
        mark, label, target = found.groups()
        path, _, anchor = target.partition("#")
        if not path or ":" in path or path.startswith("/"):
            return found[0]
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        page = site_page(file)
        if page is None:
            return f"{label} (`{file}`)" if (ROOT / file).exists() else found[0]
        to = posixpath.relpath(page, posixpath.dirname(place) or ".")
        return f"{mark}[{label}]({to}{'#' * bool(anchor)}{anchor})"

    parts = FENCE.split(text)  # what stands between fences is no Markdown
    return "".join(part if i % 2 else LINK.sub(moved, part) for i, part in enumerate(parts))


def site_page(file: str) -> str | None:
    """The page or picture of the site that shows a file of the repository; None where there is none."""
    if file in OUTSIDE:
        return OUTSIDE[file]
    if file.startswith("examples"):
        return "examples.md"
    if file.startswith("docs/") and not file.endswith(".py"):
        return file.removeprefix("docs/")
    return None


def in_sections(catalog: str) -> str:
    """A catalog of terms whose table is too wide for a page: a section for each row."""
    head, table = catalog.split("\n| name |")
    rows = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in table.splitlines()[2:]]
    sections = []
    for name, what, formula, source, picture, example in rows:
        code = f"```python\n{bare(example)}\n```"
        parts = [f"## {name.strip('`')}", picture, what, f"`{bare(formula)}`", f"*Source.* {source}", code]
        sections.append("\n\n".join(parts))
    return f"{head}\n" + "\n\n".join(sections).replace(r"\|", "|") + "\n"


def bare(code: str) -> str:
    """What stands between the marks of code in a cell of a table."""
    return code.strip("`").replace(r"\|", "|")


def reference(title: str, packages: list[str]) -> str:
    """A page of the Python reference: every public name of some packages, for mkdocstrings to fill in."""
    lines = [f"# {title}", ""]
    for name in packages:
        module = importlib.import_module("vital" if name == "vital" else f"vital.{name}")
        first = (module.__doc__ or "").strip().split("\n\n", maxsplit=1)[0]
        lines += [f"## {module.__name__}", "", first if name != "vital" else "What `import vital` gives.", ""]
        for public in public_names(module):
            lines += [f"::: {module.__name__}.{public}", ""]
    return "\n".join(lines)


def public_names(module: Any) -> list[str]:
    """The public classes and functions of a package, but its subpackages; of a module those that it defines."""
    listed = getattr(module, "__all__", None)
    if listed is None:
        listed = [name for name, thing in vars(module).items() if is_of(module, thing) and thing.__doc__]
    return [
        name
        for name in listed
        if not name.startswith("_") and callable(getattr(module, name, None)) and name[0].isalpha()
    ]


def is_of(module: Any, thing: Any) -> bool:
    """Whether a thing is defined in a module or below it; public ones say `vital` (vital/utils/public.py)."""
    home = getattr(thing, "__module__", None) or ""
    return callable(thing) and (home == "vital" or f"{home}.".startswith(f"{module.__name__}."))


def examples() -> str:
    """The page of the example scripts: each with what its first lines say, and its code."""
    lines = [
        "# Example scripts",
        "",
        "Whole programs of the folder `examples/`; a test runs each of them.",
        "",
    ]
    for file in sorted((ROOT / "examples").glob("*.py")):
        lines += [f"## {file.name}", "", "```python", file.read_text("utf-8").rstrip(), "```", ""]
    return "\n".join(lines)


def with_formulas(text: str) -> str:
    """A page in which formulas are MathML, which browsers draw themselves."""
    from latex2mathml.converter import convert

    def inline(found: re.Match[str]) -> str:
        return str(convert(html.unescape(found[1])))

    def block(found: re.Match[str]) -> str:
        return str(convert(html.unescape(found[1]).strip(), display="block"))

    text = re.sub(r'<span class="arithmatex">\\\((.*?)\\\)</span>', inline, text, flags=re.DOTALL)
    return re.sub(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', block, text, flags=re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made here. (An event of mkdocs, as the two below.)"""
    from mkdocs.structure.files import File

    for place, text in generated().items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links to files of the repository to their pages."""
    del config, files
    place = page.file.src_uri
    source = next((file for file, made in OUTSIDE.items() if made == place), f"docs/{place}")
    return linked(markdown, place, source)


def on_page_content(content: str, page: Any, config: Any, files: Any) -> str:
    """Draw formulas."""
    del page, config, files
    return with_formulas(content) if 'class="arithmatex"' in content else content
