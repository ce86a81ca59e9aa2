import json
from threading import Event, Thread

import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.reporting.conftest import NETWORK, proto
from vital.cli.app import app
from vital.errors import RunError
from vital.rendering.run_folder import Render, entered
from vital.reporting.page import as_html
from vital.reporting.sections import page_of
from vital.reporting.site import write_site

CLASSES = {
    "unit": "conv:2",
    "classes": [
        {"class": "class:1", "label": "dog", "share": 0.1, "images": 3},
        {"class": "class:7", "label": "airplane", "share": 0.4, "images": 9},
    ],
}
EXPLAINED = {
    "decision": "class:7",
    "class": "airplane",
    "by": "gradient",
    "score": 2.5,
    "probability": 0.75,
    "winners": [
        {"unit": "conv:2", "label": "a red cube", "share": 0.5, "strength": 1.0, "contribution": 0.25}
    ],
}


@pytest.fixture
def full(rich):
    """The run folder `rich` with a comparison, served classes, frames and the picture of its circuit."""
    (rich / "table.csv").write_text("method,activation\nvital,3.5\nreal images,2.5\n")
    (rich / "classes.json").write_text(json.dumps(CLASSES))
    for name in ("montage.png", "circuit.png"):
        Image.new("RGB", (40, 20), "red").save(rich / name)
    picture = Image.new("P", (16, 16))
    picture.save(rich / "units" / "conv_2" / "vital-0.gif", save_all=True, append_images=[picture])
    return rich


def test_comparison_circuit_and_classes_are_on_report_and_site(full, tmp_path):
    page = page_of([full])
    titles = ["Methods compared", "What feeds conv:2", "Classes that conv:2 serves"]
    assert [found.title for found in page.findings] == titles
    assert page.findings[0].tables[0].controls == {1}
    site = write_site(tmp_path / "site", full).path
    for text in (as_html(page), (site / "index.html").read_text()):
        assert all(f"<bdi>{title}</bdi>" in text for title in titles)
        assert 'download="montage.png"' in text
    assert {file.name for file in (site / "sheets").iterdir()} == {
        "finding-0-montage.png",
        "finding-1-circuit.png",
    }


def test_uninformative_columns_are_folded_and_all_controls_marked(tmp_path):
    (tmp_path / "table.csv").write_text(
        'method,percentile,judge,HOG\nvital,99,1,0\nreal images,90,1,1\n"vital, random weights",70,0,0\n'
        "informative,yes,,no: as good with random weights\n"
    )
    rows = ["method,metric,unit,seed,value"]
    for method, value in (("vital", 99), ("fourier", 90), ('"vital, random weights"', 70)):
        rows += [f"{method},percentile,fc:{i},0,{value}" for i in range(3)]
    (tmp_path / "comparison.csv").write_text("\n".join(rows) + "\n")
    page = page_of([tmp_path])
    (found,) = page.findings
    assert found.lines == ("Tells something here (1 of 1): percentile.", "Who leads in percentile: vital.")
    told, mute = found.tables
    assert (told.header, mute.header) == (("method", "percentile", "judge"), ("method", "HOG"))
    assert (told.folded, mute.folded) == (False, True)
    assert told.controls == mute.controls == {1, 2}
    assert told.rows[0] == ("vital", "99", "1")
    html = as_html(page)
    assert '<details class="more"><summary><bdi>1 more, uninformative' in html
    assert "<td><bdi>no: as good with random weights</bdi></td>" in html


def test_a_unit_shows_frames_and_the_classes_that_it_serves(full, tmp_path):
    one = page_of([full]).units[1]
    assert [(link.unit, link.title, link.weight) for link in one.view.classes] == [
        ("class:7", "airplane", 0.4),
        ("class:1", "dog", 0.1),
    ]
    assert one.images["vital-0-frames"].src.startswith("data:image/gif;base64,")
    text = (write_site(tmp_path / "site", full).path / "units" / "conv" / "2" / "index.html").read_text()
    assert "Classes it serves" in text
    assert 'src="vital-0.gif"' in text


def test_a_folder_of_an_explanation_alone_is_a_page(tmp_path):
    (tmp_path / "why").mkdir()
    (tmp_path / "why" / "explanation.json").write_text(json.dumps(EXPLAINED))
    page = page_of([tmp_path / "why"])
    (found,) = page.findings
    assert (found.title, found.lines) == (
        "Why airplane",
        ("probability 75.0 %, score 2.5; contributions by gradient",),
    )
    assert found.tables[0].rows == (("conv:2", "a red cube", "50.0 %", "1", "0.25"),)
    assert "Why airplane" in as_html(page)
    (tmp_path / "why" / "explanation.json").write_text('{"winners": 3}')
    with pytest.raises(RunError, match=r"explanation\.json' is damaged: it lists no rows"):
        page_of([tmp_path / "why"])


def test_runs_of_the_same_name_are_told_apart(run, tmp_path):
    other = tmp_path / "b" / "mine"
    with entered(other, NETWORK, Render("fourier", {}, 0, 1, ("conv:2",))) as opened:
        opened.save(proto("conv:2", method="fourier"))
    page = page_of([run, other])
    assert [one.name for one in page.runs] == [f"{tmp_path.name}/mine", "b/mine"]
    assert page.units[0].runs == (f"{tmp_path.name}/mine", "b/mine")
    assert "run <bdi>b/mine</bdi>" in as_html(page)


def test_class_names_come_from_the_words_where_nothing_was_rendered(tmp_path):
    (tmp_path / "labels.csv").write_text("unit,method,label\nclass:7,dnd,\n")
    (tmp_path / "labels.json").write_text(
        json.dumps({"labels": [{"unit": "class:7", "method": "dnd", "label": "", "class": "airplane"}]})
    )
    assert page_of([tmp_path]).units[0].view.name == "airplane"


def test_a_folder_that_is_being_written_shows_what_is_whole(tmp_path):
    folder, ready, done = tmp_path / "run", Event(), Event()

    def writer():
        with entered(folder, NETWORK, Render("vital", {}, 0, 1, ("conv:1", "conv:2", "conv:3"))) as opened:
            opened.save(proto("conv:1"))
            opened.file("conv:2").parent.mkdir(parents=True)
            opened.file("conv:2").write_bytes(b"half a pic")
            opened.save(proto("conv:3"))
            opened.file("conv:3").write_bytes(b"half a pic")
            ready.set()
            done.wait(60)

    thread = Thread(target=writer)
    thread.start()
    assert ready.wait(60)
    try:
        said = CliRunner().invoke(app, ["report", str(folder)])
        page = page_of([folder])
    finally:
        done.set()
        thread.join()
    assert said.exit_code == 0, said.output
    assert "3 units, 1 of them under way" in said.output.replace("\n", " ")
    assert [one.view.state for one in page.units] == [0, 1, 2]
    assert "cannot read 'vital-0.png'" in page.units[2].view.faults[0]
    with pytest.raises(RunError, match="cannot read"):
        page_of([folder])


def test_a_folder_that_another_process_has_just_opened_is_an_empty_page(tmp_path):
    from vital.utils.io import locked

    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"):
        assert page_of([tmp_path / "run"]).units == ()
    with pytest.raises(RunError, match="is no run folder"):
        page_of([tmp_path / "run"])
