"""Reports, sites and figures whose every name is an attack, in a browser: nothing runs, and nothing is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import torch
from PIL import Image

import vital
from tests.reporting.conftest import NETWORK, proto, said
from tests.reporting.test_page import EVIL, page_with
from vital.describing.run_folder import write_labels
from vital.rendering import save_exemplars
from vital.rendering.natural_exemplars import Exemplar
from vital.rendering.run_folder import Render, entered
from vital.reporting.api import write_page
from vital.units import Unit

pytestmark = pytest.mark.slow

ATTACKS = [
    *EVIL,
    "<svg onload=alert(1)>",
    '<a href="javascript:alert(1)">here</a>',
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<style>@import 'https://example.org/x'</style>",
    "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "]]></text><script>alert(1)</script>",
    "\\u003cimg src=x onerror=alert(1)\\u003e",
]
HANDLERS = "all => all.flatMap(e => e.getAttributeNames()).filter(name => name.startsWith('on'))"
LINKS = "all => all.map(e => (e.getAttribute('href') || '').trim().toLowerCase())"


class Watch:
    """Opens pages and notes all that a page is not to do."""

    def __init__(self, chromium: Any) -> None:
        self.context, self.seen = chromium.new_context(), list[str]()

    def open(self, file: Path, state: str = "") -> Any:
        """Show a file, and look at what it became."""
        page = self.context.new_page()
        page.on("dialog", lambda dialog: (self.seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda line: self.seen.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: self.seen.append(str(error)))
        page.on("popup", lambda other: self.seen.append(f"popup {other.url}"))
        page.on("request", self.asked)
        page.goto(file.as_uri() + (f"#{state}" if state else ""))
        assert page.url.startswith(file.as_uri())
        return page

    def asked(self, request: Any) -> None:
        """Note what a page asks for elsewhere."""
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.seen.append(request.url)

    def inert(self, page: Any) -> None:
        """Hold that a page runs nothing but its own script, and leads nowhere that runs."""
        assert page.eval_on_selector_all("*", HANDLERS) == []
        assert not [
            link for link in page.eval_on_selector_all("[href]", LINKS) if link.startswith("javascript")
        ]
        assert page.locator("iframe, object, embed, base, meta[http-equiv=refresh]").count() == 0
        page.wait_for_timeout(200)
        assert self.seen == []


@pytest.fixture
def watch(chromium):
    found = Watch(chromium)
    yield found
    found.context.close()


@pytest.fixture
def hostile(tmp_path) -> Path:
    """A run folder in which all that is a text of somebody is an attack."""
    folder, units = tmp_path / "run", [f"conv:{i}" for i in range(len(ATTACKS))]
    with entered(folder, NETWORK, Render("vital", {}, 0, 2, tuple(units))) as opened:
        for unit, text in zip(units, ATTACKS, strict=True):
            made = proto(unit, status=f"diverged: {text}")
            object.__setattr__(made.unit, "label", text)
            opened.save(made)
    image = torch.rand(3, 8, 8)
    for unit, text in zip(units, ATTACKS, strict=True):
        one = Exemplar(Unit.parse(unit), image, image[0], 0, text, 1.0, "activation", text)
        save_exemplars(folder, [one])
    write_labels(
        folder / "labels.csv",
        [said(unit, method, label, candidate=text, others=((text, 0.2),))
         for unit, text in zip(units, ATTACKS, strict=True)
         for method, label in (("dnd", text), ("clip-dissect", ""))],
    )  # fmt: skip
    (folder / "scores.csv").write_text("method,row,mrr\n" + '"<img src=x onerror=alert(1)>",,0.5\n')
    return folder


@pytest.mark.parametrize("texts", [ATTACKS, [text * 3 for text in ATTACKS]], ids=["once", "thrice"])
def test_a_hostile_page_is_inert(texts, tmp_path, watch):
    file = write_page(page_with(texts), tmp_path / "report.html")
    for text in ["", *texts]:
        page = watch.open(file, f"q={quote(text)}")
        page.wait_for_selector("html[data-ready]")
        watch.inert(page)
        page.close()


def test_a_hostile_report_of_a_run_is_inert_when_it_is_used(hostile, watch):
    page = watch.open(vital.report(hostile))
    page.wait_for_selector("html[data-ready]")
    for text in ATTACKS:
        page.fill("#q", text.replace("\x00", ""))
    page.fill("#q", "")
    page.locator(".zoom").first.click()
    for _ in range(2 * len(ATTACKS)):
        page.keyboard.press("ArrowRight")
    watch.inert(page)


def test_every_page_of_a_hostile_site_is_inert(hostile, tmp_path, watch):
    site = vital.write_site(tmp_path / "site", hostile, title=" ".join(ATTACKS)).path
    files = sorted(site.rglob("*.html"))
    assert len(files) > len(ATTACKS)
    for file in files:
        page = watch.open(file)
        page.wait_for_selector("html[data-ready]")
        watch.inert(page)
        page.close()
    page = watch.open(site / "index.html")
    page.wait_for_selector("html[data-ready]")
    for text in ATTACKS:
        page.fill("#q", text.replace("\x00", ""))
    watch.inert(page)


def test_hostile_figures_are_inert(tmp_path, watch):
    pytest.importorskip("matplotlib")
    from vital.figures import tiles_figure

    pictures = [Image.new("RGB", (8, 8))] * len(ATTACKS)
    file = tiles_figure(pictures, [[text, text] for text in ATTACKS]).save(tmp_path / "figure.svg")
    page = watch.open(file)
    assert page.evaluate("document.documentElement.localName") == "svg"
    assert page.locator("script, foreignObject, a").count() == 0
    assert page.locator("text").count() >= len(ATTACKS)
    watch.inert(page)
