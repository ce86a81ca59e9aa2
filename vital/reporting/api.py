"""`vital.report`: one HTML file from run folders, or from what Python holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vital.backends import TextEncoder, load_text_encoder
from vital.errors import InvalidValueError
from vital.records import Description, Prototype
from vital.rendering.natural_exemplars import Exemplar
from vital.reporting.records import Page
from vital.utils.io import path_of, resolved, write
from vital.utils.public import public

NAME = "report.html"


@public
def report(
    out: str | Path,
    protos: Iterable[Prototype] = (),
    labels: Iterable[Description] = (),
    table: Iterable[Mapping[str, Any]] = (),
    *,
    exemplars: Iterable[Exemplar] = (),
    title: str | None = None,
    encoder: str | TextEncoder | None = None,
) -> Path:
    """Write one self-contained HTML page, and say where it is.

    With nothing else `out` is a run folder, and the page shows what it holds. Otherwise the page shows what is given,
    with pictures, words and exemplars of one unit on one card.

    Parameters
    ----------
    out
        A file that ends in .html, or a folder, which gets report.html. In a run folder report.html is the page of
        that run, and no other page takes its place.
    protos
        Prototypes.
    labels
        Descriptions.
    table
        Rows by name of column, which are shown below the cards.
    exemplars
        Exemplars.
    title
        The heading; by default the name of the folder or file.
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
    out = path_of(out)
    run = out.parent if out.suffix == ".html" else out
    eyes = None if encoder is None else load_text_encoder(encoder)
    protos, labels, table, exemplars = list(protos), list(labels), list(table), list(exemplars)
    if not (protos or labels or table or exemplars):
        from vital.reporting.sections import page_of

        file = page_file(out, [run])
        page = page_of([run], title, encoder=eyes)
    else:
        from vital.reporting.sections import page_from

        file = page_file(out)
        page = page_from(protos, labels, table, exemplars, out.stem if title is None else title, eyes)
    return write_page(page, file)


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
