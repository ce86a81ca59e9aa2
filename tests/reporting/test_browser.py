"""The demo's site and report in a browser, as somebody looks at them who has just run it."""

import io
from threading import Thread

import pytest
from PIL import Image
from typer.testing import CliRunner

from vital.cli.app import app
from vital.reporting.site.server import opened

pytestmark = pytest.mark.slow

UNIT = "units/class/41/index.html"
PLACES = ("index.html", "units/class/index.html", UNIT, "report.html")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "site"
    done = CliRunner().invoke(app, ["demo", "--out", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def host(demo):
    """Where the demo is served: browsers show local files rather than download them."""
    server = opened(demo)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def saved(page, link):
    """What a link downloads: its name, and the picture."""
    with page.expect_download() as download:
        link.click()
    name = download.value.suggested_filename
    return name, Image.open(io.BytesIO(download.value.path().read_bytes()))


def of_unit(page):
    """The part of a page that shows class:41."""
    return page.locator('[data-scope]:not([data-unit]), [data-unit="class:41"]').first


def enlarged(page):
    return page.locator("#large-caption").inner_text()


def test_the_site_searches_filters_and_opens_a_unit(demo, look):
    page = look(demo)
    page.keyboard.press("/")
    page.keyboard.type("striped torus")
    tiles = page.locator("#grid .tile .id")
    assert tiles.all_inner_texts() == ["class:41"]
    page.select_option("#show", "labeled")
    page.fill("#q", "")
    page.select_option("#among", label="planted")
    assert tiles.all_inner_texts() == ["planted:0", "planted:1", "planted:2"]
    page.locator("#count").click()
    page.keyboard.press("Escape")
    page.fill("#q", "class:41")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{UNIT}")
    assert page.locator("h1").inner_text() == "striped torus"


@pytest.mark.parametrize("place", [UNIT, "report.html"])
def test_pictures_enlarge_step_and_are_downloaded_as_png(demo, host, look, place):
    page = look(demo, place)
    if place == UNIT:
        page.goto(f"{host}/{place}")
    unit = of_unit(page)
    zooms = unit.locator(".zoom")
    zooms.first.click()
    assert enlarged(page).startswith("class:41 · vital: the unit alone")
    name, picture = saved(page, page.locator("#large-save"))
    assert (name, picture.format, picture.mode) == ("class-41-vital-0.png", "PNG", "RGB")
    page.locator("#large-over").click()
    name, picture = saved(page, page.locator("#large-save"))
    assert (name, picture.format, picture.mode) == ("class-41-vital-0-mask.png", "PNG", "RGBA")
    page.keyboard.press("ArrowRight")
    assert "activation" in enlarged(page)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#large-count").inner_text() == f"{zooms.count()} of {zooms.count()}"
    page.keyboard.press("Escape")
    assert page.locator("#large").is_hidden()
    assert page.evaluate("document.activeElement.className") == "zoom"
    name, picture = saved(page, unit.get_by_role("link", name="PNG", exact=True))
    assert (name, picture.size) == ("class-41-vital-0.png", (64, 64))


@pytest.mark.parametrize("place", [UNIT, "report.html"])
def test_masks_and_heat_have_their_own_controls(demo, look, place):
    page = look(demo, place)
    unit = page.locator("[data-scope]").first
    for section, key in ((".s-prototypes", "m"), (".s-exemplars", "h")):
        over = unit.locator(f"{section} .over").first
        unit.locator(f"{section} [data-toggle]").click()
        assert over.is_visible()
        unit.locator(f"{section} [data-toggle]").click()
        assert over.is_hidden()
        page.keyboard.press(key)
        assert over.is_visible()


def test_the_report_searches_sorts_and_filters(demo, look):
    page = look(demo, "report.html")

    def shown():
        return page.locator(".card:not([hidden])").evaluate_all("all => all.map((c) => c.dataset.unit)")

    every = shown()
    assert len(every) == 8
    page.fill("#q", "metal star")
    assert shown() == ["class:62"]
    page.fill("#q", "")
    page.select_option("#layer", "planted")
    assert shown() == ["planted:0", "planted:1", "planted:2"]
    page.select_option("#layer", "")
    page.select_option("#sort", "value")
    down = shown()
    page.select_option("#sort", "-value")
    assert shown() == down[::-1]
    assert sorted(down) == sorted(every)
    page.select_option("#show", "failed")
    assert page.locator("#nothing").is_visible()
    page.click("#clear")
    assert len(shown()) == 8


@pytest.mark.parametrize("place", [UNIT, "report.html"])
def test_the_images_behind_words_and_what_lost_can_be_seen(demo, look, place):
    page = look(demo, place)
    word = of_unit(page).locator(".word.images").first
    for summary in word.locator("summary").all():
        summary.click()
    assert word.locator(".lost li").count() == 5
    assert word.locator(".evidence img").first.evaluate("(i) => i.decode().then(() => i.naturalWidth)") > 32
    word.locator(".jump").first.click()
    assert page.evaluate("document.activeElement.className") == "zoom"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_a_phone(demo, chromium, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for width in (360, 1280):
        size = {"width": width, "height": 740}
        context = chromium.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
        for place in PLACES:
            page = context.new_page()
            page.goto((demo / place).as_uri())
            page.wait_for_selector("html[data-ready]")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found = axe.run(page, options={"preload": False})
            assert found.violations_count == 0, (place, found.generate_report())
        context.close()


def test_pages_are_dark_where_that_is_wanted(demo, chromium):
    for scheme, least, most in (("light", 200, 255), ("dark", 0, 60)):
        page = chromium.new_page(color_scheme=scheme)
        for place in PLACES:
            page.goto((demo / place).as_uri())
            color = page.evaluate("getComputedStyle(document.body).backgroundColor")
            first = int(color.removeprefix("rgb(").partition(",")[0])
            assert least <= first <= most, (place, color)
        page.close()


@pytest.mark.parametrize("place", [UNIT, "report.html"])
def test_on_paper_there_are_no_controls_and_nothing_is_folded(demo, look, place):
    page = look(demo, place)
    folded = page.locator("main details:not([open], .frames)").count()
    assert folded
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("main details:not([open], .frames)").count() == 0
    for control in (".toggle", "input", "select", ".get", ".walk"):
        assert not any(one.is_visible() for one in page.locator(control).all())
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("main details:not([open], .frames)").count() == folded
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("place", [UNIT, "report.html"])
def test_tab_reaches_every_control_in_the_order_of_the_page(demo, look, place):
    page = look(demo, place)
    page.evaluate("""() => { window.seen = []; addEventListener("focusin", (e) => seen.push(e.target)); }""")
    for _ in range(24):
        page.keyboard.press("Tab")
    kinds = page.evaluate("seen.map((one) => one.id || one.className.split(' ')[0])")
    assert kinds[0] == "skip"
    assert {"q", "toggle", "zoom"} <= set(kinds)
    follows = "seen.slice(1).every((one, i) => seen[i].compareDocumentPosition(one) & 4)"
    assert page.evaluate(follows)
