"""`vital figure` from the command line, on folders that the other commands wrote."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib")

SHORT = ("--steps", 2, "--size", 16)


@pytest.fixture
def run(vital, here):
    """Two units by two methods; one method lacks a unit."""
    for method, units in (("fourier", ("class:bee", "3:3")), ("pixels", ("class:bee",))):
        assert vital("render", "net.py:make", *units, "--method", method, *SHORT, "--out", "run").code in (
            0,
            1,
        )
    return here / "run"


def test_a_run_becomes_a_figure_of_its_units_by_methods(vital, run):
    done = vital("figure", "run")
    assert done.code == 0, done.err
    assert done.out.startswith("run/figure.pdf: grid, 2 units by fourier, pixels; 6.75 x ")
    assert (run / "figure.pdf").read_bytes().startswith(b"%PDF")
    one = vital("figure", "run", "--columns", "1", "--out", "one.svg")
    assert (one.code, "; 3.25 x " in one.out) == (0, True)
    text = (run.parent / "one.svg").read_text()
    assert {"not rendered", "fourier", "pixels", "class:1"} <= set(text.replace("<", ">").split(">"))
    again = vital("figure", "run", "--columns", "1", "--out", "two.svg")
    assert (again.code, (run.parent / "two.svg").read_text()) == (0, text)


def test_units_and_methods_are_chosen_and_put_in_order(vital, run):
    done = vital("figure", "run", "--unit", "bee", "--methods", "pixels,fourier", "--out", "a.png")
    assert "grid, 1 unit by pixels, fourier;" in done.out, done.err
    assert "grid, 1 of 2 units by" in vital("figure", "run", "--count", "1", "--out", "a.png").out
    for words, sentence in (
        (("--unit", "bea"), "unknown unit 'bea'; known are: class:1, 3:3"),
        (("--methods", "fourie"), "unknown method 'fourie'; did you mean 'fourier'"),
        (("--kind", "gird"), "unknown kind of figure 'gird'; did you mean 'grid'"),
        (("--kind", "circuit"), "'run' has nothing for a figure of the kind circuit; it has grid"),
        (
            ("--layers", "3"),
            "a figure of the kind grid takes no choice of layers; it takes units, methods, count",
        ),
        (("--metrics", "percentile"), "a figure of the kind grid takes no choice of metrics"),
        (("--out", "a.jpg"), "allowed are the endings .pdf, .svg and .png"),
    ):
        done = vital("figure", "run", *words)
        assert (done.code > 0, sentence in done.err) == (True, True), done.err


def test_what_is_no_run_is_one_sentence(vital, here):
    assert vital("figure", "nowhere").err == "vital: there is no run folder 'nowhere'\n"
    (here / "runs" / "mine").mkdir(parents=True)
    for command in ("figure", "report"):
        assert "no run folder 'runs/mien'; did you mean 'runs/mine'?" in vital(command, "runs/mien").err
    (here / "empty").mkdir()
    done = vital("figure", "empty")
    assert (
        done.code,
        "'empty' holds nothing to make a figure of; give a folder that vital render" in done.err,
    ) == (1, True)
    assert "needs a name; give --out FILE" in vital("figure", "empty", "empty").err


def test_exemplars_and_words_make_a_figure_of_their_own(vital, run, pictures):
    source = ("--images", "pictures")
    assert vital("exemplars", "net.py:make", "class:bee", *source, "--count", "3", "--out", "run").code == 0
    done = vital("figure", "run", "--out", "a.png")
    assert "a.png: exemplars, 1 unit with the images" in done.out, done.err
    assert "hold these too: grid (--kind)" in done.out
    assert vital("exemplars", "net.py:make", "3:3", *source, "--count", "3", "--out", "bare").code == 0
    alone = vital("figure", "bare", "--out", "b.png")
    assert "exemplars, 1 unit with" in alone.out, alone.err
    (file,) = (pictures.parent / "bare").glob("units/*/exemplars.json")
    file.write_text('{"unit": "../secret", "exemplars": []}')
    assert "exemplars.json' is damaged: unit: '../secret' is no unit" in vital("figure", "bare").err


def test_a_circuit_is_a_figure(vital, pictures):
    words = ("--layers", "0", "--images", "pictures", "--method", "fourier", *SHORT, "--count", 2)
    made = vital("circuit", "net.py:make", "3:3", *words, "--out", "run")
    assert (pictures.parent / "run" / "circuit.json").is_file(), made.err
    done = vital("figure", "run", "--out", "a.png")
    assert "circuit, 3:3 and 2 units that feed it" in done.out, done.err
    (pictures.parent / "run" / "circuit.json").write_text("{}")
    assert (
        "circuit.json' is damaged: it lacks 'unit'; remove it, and make it again"
        in vital("figure", "run").err
    )


def test_a_comparison_is_a_figure_of_quality_against_seconds(vital, here):
    rows = ["method,metric,unit,seed,value"]
    for method, seconds in (("vital", 4), ("fourier", 1), ("real images", 0)):
        rows += [f"{method},percentile,fc:{i},0,{90 + i}" for i in range(3)]
        rows += [f"{method},seconds,,,{seconds}"] * bool(seconds)
    (here / "run").mkdir()
    (here / "run" / "comparison.csv").write_text("\n".join(rows) + "\n")
    done = vital("figure", "run", "--out", "a.svg")
    assert "compare, 1 metric of vital, fourier;" in done.out, done.err
    text = (here / "a.svg").read_text()
    assert {"percentile ↑", "real images", "seconds per picture"} <= set(text.replace("<", ">").split(">"))
    assert "unknown metric 'percentil'" in vital("figure", "run", "--metrics", "percentil").err
    assert (
        "compare, 1 metric of fourier;"
        in vital("figure", "run", "--methods", "fourier", "--out", "a.svg").out
    )


def test_a_figure_leaves_out_uninformative_metrics_unless_all_are_asked_for(vital, here):
    rows = ["method,metric,unit,seed,value"]
    for method, value in (("vital", 1), ('"vital, random weights"', 0)):
        rows += [f"{method},judge a,fc:{i},0,{value}" for i in range(3)]
        rows += [f"{method},judge b,fc:{i},0,1" for i in range(3)]
    (here / "run").mkdir()
    (here / "run" / "comparison.csv").write_text("\n".join(rows) + "\n")
    done = vital("figure", "run", "--out", "a.svg")
    assert "1 of 2 metrics of vital (--metrics all shows the uninformative too);" in done.out, done.err
    assert "uninformative" not in (here / "a.svg").read_text()
    assert "compare, 2 metrics of vital;" in vital("figure", "run", "--metrics", "all", "--out", "a.svg").out
    assert "(uninformative)" in (here / "a.svg").read_text()


def test_an_explanation_is_a_figure_with_its_places(vital, here):
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(here / "scene.png")
    assert (
        vital("explain", "world:competing", "scene.png", "--layers", "layer4.relu2", "--out", "run").code == 0
    )
    done = vital("figure", "run", "--out", "a.png")
    assert "by the winners of layer4.relu2;" in done.out, done.err
    assert "unknown layer of the explanation" in vital("figure", "run", "--layers", "layer4").err
    (here / "run" / "image.png").unlink()
    assert "cannot read 'run/image.png'" in vital("figure", "run").err
