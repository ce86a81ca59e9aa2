"""`vital.report`: one HTML file from run folders, or from what Python holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from vital.backends import TextEncoder, load_text_encoder
from vital.comparing import Comparison
from vital.errors import InvalidValueError
from vital.records import Description, Prototype
from vital.rendering.natural_exemplars import Exemplar
from vital.reporting.records import Page
from vital.utils.io import path_of, resolved, write
from vital.utils.public import public

NAME = "report.html"

T = TypeVar("T")
Shown: TypeAlias = str | Path | Prototype | Exemplar | Description | Comparison | Mapping[str, Any]
"""What a page can show."""
KINDS = (str, Path, Prototype, Exemplar, Description, Comparison, Mapping)


@public
def report(
    out: str | Path,
    *shown: Shown | Iterable[Shown],
    title: str | None = None,
    encoder: str | TextEncoder | None = None,
) -> Path:
    """Write one self-contained HTML page, and say where it is.

    It shows run folders, or what Python holds: pictures, words and exemplars of one unit in one section. With nothing
    else `out` is a run folder, and the page shows what it holds.

    Parameters
    ----------
    out
        A file that ends in .html, or a folder, which gets report.html. In a run folder report.html is the page of
        that run, and no other page takes its place.
    shown
        Run folders; or prototypes, exemplars, descriptions, comparisons and rows of a table by name of column, one by
        one or in lists, in any order.
    title
        The heading; by default the network and the number of units.
    encoder
        What says how far labels agree, an encoder of texts or its name; by default the words in common.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    RunError, InvalidValueError
        For a folder that holds no run or cannot be written, and for what cannot be shown.

    Examples
    --------
    >>> import tempfile, torch, vital
    >>> from vital.records import Description, Prototype
    >>> unit = vital.Unit.parse("class:3")
    >>> protos = [Prototype(unit, torch.rand(3, 8, 8), torch.ones(8, 8), "fourier", 0)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = vital.report(folder, protos, [Description(unit, "dnd", "a red cube", 0.5)])
    ...     file.name, "a red cube" in file.read_text(encoding="utf-8")
    ('report.html', True)

    """
    from vital.reporting.sections import page_from, page_of

    out, given = path_of(out), list(_each(shown))
    eyes = None if encoder is None else load_text_encoder(encoder)
    folders = [path_of(one) for one in given if isinstance(one, str | Path)]
    if not shown:
        folders = [out.parent if out.suffix == ".html" else out]
    if shown and not given:
        raise InvalidValueError("there is nothing to show: the lists that are given are empty")
    if folders and len(folders) < len(given):
        raise InvalidValueError(
            f"a page is of run folders, such as {str(folders[0])!r}, or of what Python holds; give one of them"
        )
    if folders:
        file = page_file(out, folders)
        return write_page(page_of(folders, title, encoder=eyes), file)
    protos, labels, exemplars = _of(given, Prototype), _of(given, Description), _of(given, Exemplar)
    file, rows = page_file(out), [dict(one) for one in given if isinstance(one, Mapping)]
    for one in _of(given, Comparison):
        header, *cells = one.table.wide()
        rows += [dict(zip(header, row, strict=True)) for row in cells]
    return write_page(page_from(protos, labels, rows, exemplars, title, eyes), file)


def _each(shown: Iterable[Any]) -> Iterator[Any]:
    """What is shown, one by one. Raises `InvalidValueError` for what cannot be."""
    for one in shown:
        if isinstance(one, KINDS):
            yield one
        elif isinstance(one, Iterable) and not hasattr(one, "shape"):
            yield from _each(one)
        else:
            raise InvalidValueError(
                f"a {type(one).__name__} cannot be shown on a page; give run folders, prototypes, exemplars, "
                "descriptions, comparisons, or rows of a table by name of column"
            )


def _of(given: Sequence[Any], kind: type[T]) -> list[T]:
    return [one for one in given if isinstance(one, kind)]


def page_file(out: Path, runs: Sequence[Path] = ()) -> Path:
    """Where a page of these run folders goes: to the file `out`, or to report.html in the folder `out`.

    In a run folder report.html shows that run alone. Raises `InvalidValueError` where another would replace it.
    """
    from vital.reporting.collect import is_run

    file = out if out.suffix in (".html", ".htm") else out / NAME
    alone = len(runs) == 1 and resolved(runs[0]) == resolved(file.parent)
    if file.name == NAME and is_run(file.parent) and not alone:
        raise InvalidValueError(
            f"{str(file)!r} is the page of the run in that folder alone; give another file, such as "
            f"{str(file.with_name('page.html'))!r}"
        )
    return file


def write_page(page: Page, file: Path) -> Path:
    """Lay a page out and write it."""
    from vital.reporting.page import as_html

    write(file, as_html(page).encode())
    return file
