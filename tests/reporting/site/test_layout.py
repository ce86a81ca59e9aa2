"""The pages in a browser, opened from their folder: nothing serves them."""

import pytest

from tests.reporting.conftest import said
from tests.reporting.test_page import EVIL
from vital.describing.run_folder import write_labels
from vital.reporting.site import write_site

pytestmark = pytest.mark.slow


def shown(page):
    return page.locator("#grid .tile .id").all_inner_texts()


def test_the_index_finds_units_words_and_classes(rich, tmp_path, look):
    page = look(write_site(tmp_path / "site", rich).path)
    assert page.locator("#results").is_hidden()
    for text, units in (
        ("airplane", ["class:7"]),
        ("red cube", ["conv:2"]),
        ("conv:1", ["conv:10"]),
        ("SEA", ["conv:10"]),
    ):
        page.fill("#q", text)
        assert shown(page) == units
    page.fill("#q", "nothing like it")
    assert page.locator("#nothing").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#layers").is_visible()


def test_a_layer_sorts_filters_and_goes_by_keys(rich, tmp_path, look):
    page = look(write_site(tmp_path / "site", rich).path, "units/conv/index.html")
    assert shown(page) == ["conv:2", "conv:3", "conv:10"]
    page.select_option("#show", "silent")
    assert shown(page) == ["conv:3", "conv:10"]
    page.select_option("#show", "failed")
    assert shown(page) == ["conv:10"]
    page.select_option("#show", "all")
    page.select_option("#sort", "percentile")
    assert shown(page) == ["conv:2", "conv:10", "conv:3"]
    page.select_option("#picture", "e00")
    page.check("#heat")
    assert page.locator("#grid img").first.get_attribute("src").endswith("e00-heat.webp")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.locator("#heat").is_checked()
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/units/conv/10/index.html")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/units/conv/3/index.html")
    page.keyboard.press("Escape")
    page.wait_for_url("**/units/conv/index.html*")


def test_a_unit_enlarges_masks_heats_and_downloads(rich, tmp_path, look):
    page = look(write_site(tmp_path / "site", rich).path, "units/conv/2/index.html")
    first = page.locator(".prototypes .zoom").first
    page.keyboard.press("m")
    assert first.locator(".over").is_visible()
    assert first.locator(".plain").is_hidden()
    first.click()
    assert page.locator("#large").is_visible()
    assert page.locator("#large-save").get_attribute("href") == "vital-0-mask.png"
    page.keyboard.press("m")
    assert page.locator("#large-save").get_attribute("href") == "vital-0.png"
    page.keyboard.press("ArrowRight")
    assert page.locator("#large-save").get_attribute("href") == "vital-scene-0.png"
    page.keyboard.press("Escape")
    assert page.locator("#large").is_hidden()
    assert "units/conv/2" in page.url
    page.keyboard.press("h")
    assert page.locator(".exemplars .over").first.is_visible()
    page.keyboard.press("/")
    page.keyboard.type("airplane")
    page.keyboard.press("Enter")
    page.wait_for_url("**/index.html#q=airplane")
    page.wait_for_selector("html[data-ready]")
    assert shown(page) == ["class:7"]


def test_pages_fit_a_phone_and_print(rich, tmp_path, look):
    site = write_site(tmp_path / "site", rich).path
    for place in ("index.html", "units/conv/index.html", "units/conv/2/index.html"):
        page = look(site, place)
        page.set_viewport_size({"width": 360, "height": 740})
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.pdf().startswith(b"%PDF")


def test_texts_of_others_do_nothing(tmp_path, look):
    run = tmp_path / "run"
    write_labels(
        run / "labels.csv",
        [
            said(f"layer:{i}", "dnd", text, candidate=text, others=((text, 0.1),))
            for i, text in enumerate(EVIL)
        ],
    )
    site = write_site(tmp_path / "site", run, title=EVIL[0]).path
    page = look(site, "units/layer/index.html")
    assert page.locator("#grid .what").all_inner_texts()[0] == EVIL[0]
    assert page.locator("#grid script, #grid img[src=x]").count() == 0
    for i in range(len(EVIL)):
        assert look(site, f"units/layer/{i}/index.html").locator("img[src=x]").count() == 0


def test_only_the_tiles_in_view_are_in_the_page(tmp_path, look):
    run = tmp_path / "run"
    write_labels(run / "labels.csv", [said(f"layer:{i}", "dnd", f"word {i}") for i in range(1200)])
    page = look(write_site(tmp_path / "site", run).path, "units/layer/index.html")
    assert page.locator(".tile").count() < 80
    assert page.locator("#count").inner_text() == "1,200 units"
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_selector("text=layer:1199")
    assert page.locator(".tile").count() < 80
