from __future__ import annotations

import itertools

import pytest
from PIL import Image

from vital.errors import InvalidValueError
from vital.figures import (
    Node,
    Place,
    Shown,
    Word,
    circuit_figure,
    exemplars_figure,
    explanation_figure,
    grid_figure,
    tiles_figure,
    words_figure,
)
from vital.figures.paper import WIDTHS

LONG = "Staffordshire bullterrier, Staffordshire bull terrier of the house of nobody knows whom"
NAMES = ("vital", "deep-inversion", "a-method-with-quite-a-long-name-of-its-own")


def picture(wide: int = 12, tall: int = 12) -> Image.Image:
    return Image.new("RGB", (wide, tall), "red")


def grid(units: int, methods: int, columns: int):
    titles = [[f"layer4.1.conv2:{i}", LONG] for i in range(units)]
    cells = {
        (r, c): picture() for r in range(methods) for c in range(units) if (r, c) != (methods - 1, units - 1)
    }
    return grid_figure(NAMES[:methods], titles, cells, columns)


def tiles(units: int, methods: int, columns: int):
    return tiles_figure([picture(16, 12)] * units, [[f"class:{i}", LONG] for i in range(units)], columns)


def exemplars(units: int, methods: int, columns: int):
    shown = Shown(
        ["class:3", LONG],
        [(picture(), name) for name in NAMES[: methods - 1]] + [("never rose", NAMES[methods - 1])],
        [(picture(12, 9), picture(12, 9))] * 6,
        [f"clip-dissect: {LONG}"],
    )
    return exemplars_figure([shown] * units, columns)


def circuit(units: int, methods: int, columns: int):
    below = [Node(f"layer1:{i}", [f"layer1:{i}", LONG], picture(), 0.1) for i in range(units)]
    return circuit_figure(
        [[Node("a", ["class:3", LONG], "flat")], below], [("a", n.name, 0.1) for n in below], columns
    )


def words(units: int, methods: int, columns: int):
    said = {(0, 0): Word(LONG, p_value=0.01), (units - 1, methods - 1): Word("a cat", holds=False)}
    return words_figure([["class:3", LONG]] * units, NAMES[:methods], said, columns)


def explanation(units: int, methods: int, columns: int):
    places = [Place(LONG, 0.5 - i, 0.25, None, ("", "cls", "all")[i % 3]) for i in range(units)]
    layers = [(f"layer{i}.{LONG}", places) for i in range(methods)]
    return explanation_figure(picture(), [LONG, "probability 99.0%"], layers, columns)


ALL = (grid, tiles, exemplars, circuit, words, explanation)


def boxes(figure) -> list:
    """The place of every text of a figure, in pixels."""
    figure.set_dpi(200)
    figure.canvas.draw()
    texts = [*figure.texts, *(axes.title for axes in figure.axes)]
    texts += [
        t for axes in figure.axes for t in (*axes.get_xticklabels(), *axes.get_yticklabels()) if axes.axison
    ]
    return [(text, text.get_window_extent()) for text in texts if text.get_text()]


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize(("units", "methods"), [(1, 1), (3, 3), (20, 2)])
def test_nothing_overlaps_nor_leaves_the_page_and_letters_can_be_read(make, columns, units, methods) -> None:
    figure = make(units, methods, columns)
    assert figure.get_size_inches()[0] == WIDTHS[columns]
    found = boxes(figure)
    assert found
    assert min(text.get_fontsize() for text, _ in found) >= 6
    wide, tall = figure.get_size_inches() * 200
    for text, box in found:
        assert box.x0 > -2, text
        assert box.x1 < wide + 2, text
        assert box.y0 > -2, text
        assert box.y1 < tall + 2, text
    for (a, one), (b, other) in itertools.combinations(found, 2):
        across = min(one.x1, other.x1) - max(one.x0, other.x0)
        along = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert across <= 1 or along <= 1, f"{a} lies on {b}"


def test_pictures_keep_their_proportions_and_what_is_missing_says_so() -> None:
    figure = grid(3, 2, 2)
    assert "no picture" in [text.get_text() for text in figure.texts]
    figure.canvas.draw()
    at = tiles(1, 1, 2).axes[0].get_position()
    figure = tiles(1, 1, 2)
    wide, tall = figure.get_size_inches()
    assert at.width * wide / (at.height * tall) == pytest.approx(16 / 12, rel=1e-3)


def test_a_level_that_is_too_wide_says_how_many_more_there_are() -> None:
    assert "and 11 more" in [t.get_text() for t in circuit(20, 1, 2).texts]


def test_other_numbers_of_columns_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="columns is 3; allowed are 1 and 2"):
        tiles(1, 1, 3)


def test_of_nothing_there_is_an_empty_figure() -> None:
    assert tiles_figure([], []).axes == []
    assert exemplars_figure([]).axes == []
    assert grid_figure([], [], {}).axes == []


def test_a_figure_of_thousands_of_units_is_refused_before_it_is_drawn() -> None:
    for make in (words, exemplars, tiles):
        with pytest.raises(InvalidValueError, match=r"more than 200 inches tall, .* show fewer units$"):
            make(3000, 1, 2)
    height = words(600, 1, 1).get_size_inches()[1]
    assert 80 < height < 200
