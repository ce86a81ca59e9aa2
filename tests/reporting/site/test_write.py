import csv
import json
import os
import re
import shutil

import pytest
from PIL import Image

import vital
from tests.reporting.conftest import NETWORK, proto, said
from tests.reporting.test_page import EVIL, Tags
from vital.describing.run_folder import write_labels
from vital.errors import InvalidValueError, RunError
from vital.rendering.run_folder import Render, entered
from vital.reporting.facts import Link
from vital.reporting.site import is_site, save_neighbors, write_site


def page(site, name):
    return (site / "units" / name / "index.html").read_text(encoding="utf-8")


def plain(text):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text.partition("<main")[2]))


def state(site):
    """Every file of a site: its bytes, and when it was written."""
    files = [file for file in site.rglob("*") if file.is_file() and not file.name.startswith(".")]
    return {str(file.relative_to(site)): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def changed(before, after):
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def test_a_site_holds_what_its_runs_hold(rich, tmp_path):
    done = write_site(tmp_path / "site", rich)
    assert (done.units, done.written, done.removed) == (4, 4, 0)
    assert is_site(done.path)
    text = plain(page(done.path, "conv/2"))
    for part in (
        "a red cube",
        "vital: the unit alone",
        "vital-scene: in its usual surroundings",
        "truth: red cube",
        "not judged",
    ):
        assert part in text
    assert "stands, p 0.01" in text
    assert "1 candidate that lost" in text
    assert "above 99.5 % of the images" not in text  # the record tells no value to mark
    assert "25 % of it" in text
    assert "image 0.png" in text
    assert "not rendered yet" in plain(page(done.path, "conv/3"))
    assert "diverged at step 3: the loss is not finite" in plain(page(done.path, "conv/10"))
    assert "no label (would say sea)" in plain(page(done.path, "conv/10"))


def test_hatched_boxes_are_explained_where_there_are_some(rich, tmp_path):
    told = "A hatched box stands for a unit of which there is no picture here."
    text = page(write_site(tmp_path / "site", rich).path, "conv/2")
    assert text.count('<span class="blank"') == text.count(told) == 1
    save_neighbors(rich, "conv:2", [Link("conv:10", 0.8)], "activations")
    text = page(write_site(tmp_path / "site", rich).path, "conv/2")
    assert text.count('<span class="blank"') == text.count(told) == 0


def test_a_unit_without_a_name_or_words_is_named_once(rich, tmp_path):
    site = write_site(tmp_path / "site", rich).path
    text = page(site, "conv/3")
    lead = text[text.index('<header class="lead">') : text.index("</h1>")]
    assert lead.count("conv:3") == 1


def test_a_class_name_is_shown_and_found_where_its_label_was_taken_back(rich, tmp_path):
    site = write_site(tmp_path / "site", rich).path
    assert "<h1><bdi>airplane</bdi></h1>" in page(site, "class/7")
    assert "airplane" in (site / "data" / "units-0.js").read_text()
    assert "blue sky" in (site / "data" / "units-0.js").read_text()


def test_every_link_and_picture_is_there(rich, tmp_path):
    site = write_site(tmp_path / "site", rich).path
    pages = list(site.rglob("*.html"))
    assert len(pages) == 4 + 2 + 1
    for file in pages:
        for tag, attributes in Tags(file.read_text()).found:
            for name in ("href", "src"):
                target = attributes.get(name) or ""
                assert not re.match(r"[a-z]+:|//", target)
                place = target.partition("?")[0]
                if place and not place.startswith("#"):
                    assert (file.parent / place).is_file(), (file, tag, target)
            assert "style" not in attributes
            assert not [key for key in attributes if key.startswith("on")]


def test_a_unit_links_to_those_that_are_there_and_names_the_others(rich, tmp_path):
    text = page(write_site(tmp_path / "site", rich).path, "conv/2")
    assert 'href="../../../units/conv/10/index.html"' in text
    assert "elsewhere:1" in text
    assert "elsewhere/1" not in text


def test_originals_can_be_downloaded_as_they_were(rich, tmp_path):
    site = write_site(tmp_path / "site", rich).path
    own = (site / "units" / "conv" / "2" / "vital-0.png").read_bytes()
    assert own == (rich / "units" / "conv_2" / "vital-0.png").read_bytes()
    with Image.open(site / "units" / "conv" / "2" / "vital-0-mask.webp") as masked:
        assert (masked.format, masked.mode) == ("WEBP", "RGBA")


@pytest.mark.parametrize("name", ["vital-0.png", "vital-0.npy", "vital-0.json"])
def test_files_behind_links_are_their_own_and_of_the_run_folder(rich, tmp_path, name):
    unit = rich / "units" / "conv_2"
    (rich / "kept").mkdir()
    shutil.move(unit / "vital-0.png", rich / "kept" / "a.png")
    (unit / "vital-0.png").symlink_to(os.path.relpath(rich / "kept" / "a.png", unit))
    original = write_site(tmp_path / "site", rich).path / "units" / "conv" / "2" / "vital-0.png"
    assert original.read_bytes() == (rich / "kept" / "a.png").read_bytes()
    assert not original.is_symlink()
    (tmp_path / "secret").write_text("secret")
    (unit / name).unlink(missing_ok=True)
    (unit / name).symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match="leads out of the folder"):
        write_site(tmp_path / "site", rich)
    with pytest.raises(RunError, match="leads out of the folder"):
        vital.report(rich)


def test_what_feeds_a_unit_through_all_tokens_links_to_the_page_of_its_patches(tmp_path):
    run = tmp_path / "run"
    write_labels(
        run / "labels.csv", [said(unit, "dnd", "a cat", 0.5) for unit in ("b:1#patches", "c:1#patches")]
    )
    edges = [{"unit": "c:1#patches", "feeder": f"b:{i}#all", "share": 0.25} for i in (1, 2)]
    (run / "circuit.json").write_text(json.dumps({"edges": edges}))
    text = page(write_site(tmp_path / "site", run).path, next(_folder(tmp_path / "site", "c")))
    assert re.findall(r'href="([^"]*/b/[^"]*)"', text) == [
        f"../../../units/{next(_folder(tmp_path / 'site', 'b'))}/index.html"
    ]
    assert "b:1#all" in text
    assert "b:2#all" in text


def _folder(site, layer):
    return (
        str(file.parent.relative_to(site / "units")) for file in (site / "units" / layer).glob("*/index.html")
    )


def test_tables_hold_all_units(rich, tmp_path):
    site = write_site(tmp_path / "site", rich).path
    every = json.loads((site / "units.json").read_text())
    assert [one["unit"] for one in every] == ["conv:2", "conv:3", "conv:10", "class:7"]
    assert every[0]["neighbors"]["units"][0] == {"unit": "conv:10", "weight": 0.8}
    rows = list(csv.DictReader((site / "units.csv").read_text().splitlines()))
    assert {row["unit"] for row in rows} == {one["unit"] for one in every}


def test_equal_runs_make_equal_sites(rich, tmp_path):
    one, two = (state(write_site(tmp_path / name, rich).path) for name in ("a", "b"))
    assert {name: data for name, (data, _) in one.items()} == {name: data for name, (data, _) in two.items()}


def test_written_again_it_touches_only_what_has_changed(rich, tmp_path):
    site = tmp_path / "site"
    write_site(site, rich)
    before = state(site)
    assert write_site(site, rich).written == 0
    assert changed(before, state(site)) == set()
    write_labels(rich / "labels.csv", [said("conv:3", "dnd", "a blue cone")])
    assert write_site(site, rich).written == 2  # and the unit that conv:3 feeds, which names it
    touched = {name.rpartition("/")[0] for name in changed(before, state(site)) if name.count("/") == 3}
    assert touched == {"units/conv/2", "units/conv/3"}


def test_files_of_a_new_date_and_the_same_content_change_nothing(rich, tmp_path):
    site = tmp_path / "site"
    write_site(site, rich)
    for file in rich.rglob("*.png"):
        os.utime(file, (1, 1))
    assert write_site(site, rich).written == 0
    images = rich / "units" / "conv_2" / "exemplars"
    shutil.copy(images / "00-heat.png", images / "01.png")
    assert write_site(site, rich).written == 1


def test_a_site_grows_with_its_run_and_loses_what_the_run_loses(rich, tmp_path):
    site = tmp_path / "site"
    write_site(site, rich)
    more = tmp_path / "more"
    with entered(more, NETWORK, Render("vital", {}, 0, 1, ("conv:3", "deep:1"))) as opened:
        opened.save(proto("deep:1"))
    done = write_site(site, rich, more)
    assert (done.units, (site / "units" / "deep" / "1" / "index.html").is_file()) == (5, True)
    done = write_site(site, rich)
    assert (done.units, done.removed, (site / "units" / "deep").exists()) == (4, 1, False)


def test_links_stay_when_another_network_joins(rich, tmp_path):
    other = tmp_path / "other"
    with entered(
        other, {**NETWORK, "weights_hash": "77" * 32}, Render("vital", {}, 0, 1, ("conv:2",))
    ) as opened:
        opened.save(proto("conv:2"))
    site = tmp_path / "site"
    write_site(site, rich)
    write_site(site, other, rich)
    assert "a red cube" in page(site, "conv/2")
    assert len(list(site.glob("units-*/conv/2/index.html"))) == 1


def test_pages_name_the_run_of_everything_once_there_are_several(rich, tmp_path):
    other = tmp_path / "other"
    write_labels(other / "labels.csv", [said("conv:40", "dnd", "a cat", 0.5)])
    vital.write_site(tmp_path / "grown", rich, title="it")
    vital.write_site(tmp_path / "grown", rich, other, title="it")
    vital.write_site(tmp_path / "new", rich, other, title="it")
    grown, new = (
        {name: content for name, (content, _) in state(tmp_path / folder).items()}
        for folder in ("grown", "new")
    )
    assert grown == new


def test_two_runs_with_the_same_method_and_seed_stand_side_by_side(rich, tmp_path):
    other = tmp_path / "other"
    with entered(other, NETWORK, Render("vital", {"steps": 9}, 0, 1, ("conv:2",))) as opened:
        opened.save(proto("conv:2", seed=0))
    text = page(write_site(tmp_path / "site", rich, other).path, "conv/2")
    assert "vital-0.webp" in text
    assert "vital-0.other.webp" in text
    assert "run <bdi>other</bdi>" in text


def test_a_damaged_picture_is_told_on_its_page_and_the_others_are_shown(rich, tmp_path):
    (rich / "units" / "conv_2" / "vital-0.png").write_bytes(b"no picture")
    (rich / "units" / "conv_10" / "activations.json").write_text("{")
    (rich / "units" / "conv_10" / "vital-0.json").write_text("{}")
    site = write_site(tmp_path / "site", rich).path
    text = page(site, "conv/2")
    assert "cannot read" in text
    assert "vital-scene-0.webp" in text
    assert str(tmp_path) not in text
    assert "activations.json" in page(site, "conv/10")
    assert "vital-0.json" in page(site, "conv/10")
    assert str(tmp_path) not in (site / "units.json").read_text()


def test_texts_of_others_stay_texts(tmp_path):
    run = tmp_path / "run"
    unit = 'layer<script>"4'
    write_labels(
        run / "labels.csv",
        [said(f"{unit}:3", text, text if i % 2 else "", candidate=text, others=((text, 0.1),)) for i, text in
         enumerate(EVIL)],
    )  # fmt: skip
    site = write_site(tmp_path / "site", run, title=EVIL[0] + EVIL[4]).path
    for file in site.rglob("*.html"):
        text = file.read_text()
        tags = Tags(text)
        assert all(attributes.get("src") for tag, attributes in tags.found if tag == "script")
        assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", text)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", (site / "data" / "units-0.js").read_text())


def test_where_no_site_can_go_is_said(rich, tmp_path):
    with pytest.raises(InvalidValueError, match=r"is a run folder; give another, such as .*site'"):
        write_site(rich, rich)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(InvalidValueError, match="holds something that is no site"):
        write_site(tmp_path / "full", rich)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError):
        write_site(tmp_path / "file", rich)
    with pytest.raises(RunError, match="give one run folder or more"):
        write_site(tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_site_may_lie_in_its_run_folder(rich):
    assert vital.write_site(rich / "site", rich).units == 4
    assert vital.write_site(rich / "site", rich).written == 0


def test_a_writing_that_was_stopped_goes_on(rich, tmp_path, monkeypatch):
    from vital.reporting.site import write

    site, made = tmp_path / "site", write.write_pictures

    def stop(view, *given):
        if view.unit == "conv:10":
            raise RunError("the disk is full")
        return made(view, *given)

    monkeypatch.setattr(write, "write_pictures", stop)
    with pytest.raises(RunError, match="the disk is full"):
        write_site(site, rich)
    assert is_site(site)
    monkeypatch.setattr(write, "write_pictures", made)
    assert write_site(site, rich).written < 4
    assert len(json.loads((site / "units.json").read_text())) == 4


def test_downloads_catch_up_after_a_writing_that_was_stopped_behind_the_pages(rich, tmp_path, monkeypatch):
    whole = write_site(tmp_path / "whole", rich).path

    def stopped(*_):
        raise KeyboardInterrupt

    site = write_site(tmp_path / "site", rich).path
    write_labels(rich / "labels.csv", [said("conv:2", "clip-dissect", "a blue cube")])
    with monkeypatch.context() as patch:
        patch.setattr("vital.reporting.site.layout.Layout.write_downloads", stopped)
        with pytest.raises(KeyboardInterrupt):
            write_site(site, rich)
    assert (site / "units.csv").read_bytes() == (whole / "units.csv").read_bytes()
    assert write_site(site, rich).written == 0, "all pages are there"
    assert b"a blue cube" in (site / "units.csv").read_bytes()
    assert b"a blue cube" in (site / "units.json").read_bytes()


def test_the_first_page_says_what_is_shown_and_names_each_picture_with_its_truth(rich, tmp_path):
    site = write_site(tmp_path / "site", rich, about="A <small> network.").path
    text = (site / "index.html").read_text(encoding="utf-8")
    assert "A &lt;small&gt; network." in text
    for part in ("conv:2", "a red cube", "truth: red cube", "airplane"):
        assert part in plain(text)
