"""A unit and its control, the same network with random weights, stand side by side."""

import csv
import re
from pathlib import Path

import pytest

from tests.reporting.conftest import proto, said
from vital.describing.run_folder import write_labels
from vital.rendering.run_folder import Render, entered
from vital.reporting.collect import Runs
from vital.reporting.figures import make_figure
from vital.reporting.holdings import Holdings
from vital.reporting.page import as_html
from vital.reporting.sections import page_of
from vital.reporting.site import write_site

TRAINED = {"spec": "net.py:make", "name": "net", "code": "c0", "weights": "own.pt", "weights_hash": "01" * 32}
RANDOM = {**TRAINED, "weights": "random", "weights_hash": "02" * 32}


def rendered(
    folder: Path, network: dict[str, str], units: tuple[str, ...], methods=("vital",), seed=0
) -> Path:
    for method in methods:
        with entered(folder, network, Render(method, {}, seed, 1, units)) as opened:
            for unit in units:
                opened.save(proto(unit, method=method, seed=seed))
    return folder


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    """A run of two units by two methods, with words, and its control by one of them, with words too."""
    mine = rendered(tmp_path / "mine", TRAINED, ("conv:2", "conv:3"), ("vital", "fourier"))
    write_labels(mine / "labels.csv", [said("conv:2", "dnd", "a cube", 0.5)])
    control = rendered(tmp_path / "control", RANDOM, ("conv:2", "conv:3"))
    write_labels(control / "labels.csv", [said("conv:2", "clip-dissect", "a cone", 0.9)])
    return mine, control


@pytest.mark.parametrize("order", [1, -1])
def test_a_unit_and_its_control_share_a_card(folders, order):
    page = page_of(folders[::order])
    assert [one.view.unit for one in page.units] == ["conv:2", "conv:3"]
    view = page.units[0].view
    ways = [(made.method, made.control) for made in view.prototypes]
    assert ways == [("vital", ""), ("vital", "random weights"), ("fourier", "")]
    assert view.best is view.prototypes[0]
    assert [made.method for made in view.own] == ["vital", "fourier"]
    assert [(s.row.label, s.control) for s in view.words] == [("a cube", ""), ("a cone", "random weights")]
    assert view.headline == "a cube"
    assert page.title == "net.py:make: 2 units"


def test_the_picture_of_a_control_says_so_and_the_head_of_the_page_does_not(folders):
    text = as_html(page_of(folders))
    assert "random weights" not in text.partition("<header")[2].partition("</header>")[0]
    figures = re.findall(r"<figure>.*?</figure>", text.partition("<main")[2], re.DOTALL)
    assert [">control: random weights</span>" in one for one in figures[:3]] == [False, True, False]


@pytest.mark.parametrize("other", [{"name": "another"}, {"code": "c1"}])
def test_a_network_of_another_name_or_code_has_cards_of_its_own(folders, tmp_path, other):
    apart = rendered(tmp_path / "apart", {**RANDOM, **other}, ("conv:2",))
    assert [one.view.unit for one in page_of([folders[0], apart]).units] == ["conv:2", "conv:2", "conv:3"]


def test_a_control_stands_beside_every_training_of_its_network(folders, tmp_path):
    again = rendered(tmp_path / "again", {**TRAINED, "weights_hash": "03" * 32}, ("conv:2",))
    found = [one.view for one in page_of([*folders, again]).units if one.view.unit == "conv:2"]
    assert [[made.control for made in view.prototypes].count("random weights") for view in found] == [1, 1]


def test_a_control_alone_has_cards_as_any_run(folders):
    (first, _) = page_of(folders[1:]).units
    assert (first.view.headline, first.view.best) == ("a cone", first.view.prototypes[0])


@pytest.mark.parametrize("order", [1, -1])
def test_a_site_shows_a_unit_and_its_control_on_one_page(folders, tmp_path, order):
    site = write_site(tmp_path / "site", *folders[::order])
    assert site.units == 2
    text = (site.path / "units" / "conv" / "2" / "index.html").read_text()
    assert text.count(">control: random weights</span>") == 2
    assert {"vital-0.webp", "vital-0.control.webp"} <= {
        f.name for f in (site.path / "units/conv/2").iterdir()
    }
    with (site.path / "units.csv").open() as file:
        assert [(row["unit"], row["label"]) for row in csv.DictReader(file)] == [
            ("conv:2", "a cube"),
            ("conv:3", ""),
        ]
    assert "<h1><bdi>net.py:make: 2 units</bdi></h1>" in (site.path / "index.html").read_text()


def test_a_changed_control_is_written_anew(folders, tmp_path):
    write_site(tmp_path / "site", *folders)
    picture = folders[1] / "units" / "conv_2" / "vital-0.png"
    picture.write_bytes((folders[1] / "units" / "conv_3" / "vital-0.png").read_bytes() + b"\0")
    assert write_site(tmp_path / "site", *folders).written == 1


def test_a_figure_has_a_row_for_controls_and_names_them_where_they_are_alone(folders):
    held = Holdings(folders)
    assert list(held.ways().values()) == ["vital", "vital, random weights", "fourier"]
    assert held.title(("01" * 32, "conv:2")) == ["conv:2"]
    texts = [text.get_text() for text in make_figure(*folders, kind="grid").figure.texts]
    assert "vital, random weights" in texts
    alone = Holdings(folders[1:])
    assert alone.title(("02" * 32, "conv:2")) == ["conv:2", "random weights"]


def test_what_is_read_of_a_unit_is_not_that_of_its_control(folders):
    runs = Runs(folders[::-1])
    assert runs.folders_of(("01" * 32, "conv:2")) == [folders[0]]
