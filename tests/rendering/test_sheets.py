import numpy as np
import pytest
import torch

import vital
from vital.errors import InvalidValueError
from vital.rendering.natural_exemplars import Exemplar
from vital.rendering.sheets import plot_with_exemplars

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def picture(color: tuple[int, int, int], width: int = 32) -> torch.Tensor:
    return (torch.tensor(color) / 255.0)[:, None, None].expand(3, 32, width)


def prototype(unit: str, width: int = 32) -> vital.Prototype:
    return vital.Prototype(vital.Unit.parse(unit), picture(RED, width), torch.ones(32, width), "vital", 0)


def exemplar(unit: str, color: tuple[int, int, int], width: int = 32) -> Exemplar:
    heat = torch.ones(32, width)
    return Exemplar(
        vital.Unit.parse(unit), picture(color, width), heat, 0, "0", 1.0, "activation", "lrp zplus"
    )


def boxes(sheet: np.ndarray, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    there = (sheet == color).all(2)
    rows, across = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    box = int(across[0]), int(rows[0]), int(across[-1]) + 1, int(rows[-1]) + 1
    assert there[box[1] : box[3], box[0] : box[2]].all()
    return box


def test_a_row_is_the_prototype_then_exemplars_and_below_these_their_heat() -> None:
    sheet = np.asarray(
        plot_with_exemplars([prototype("a:0")], [[exemplar("a:0", GREEN), exemplar("a:0", BLUE)]], 48)
    )
    shown, first, second = (boxes(sheet, color) for color in (RED, GREEN, BLUE))
    assert shown[2] < first[0] < first[2] < second[0]
    assert (first[3] - first[1], shown[3] - shown[1]) == (48, 2 * 48 + 4)
    assert shown[1] == first[1] == second[1]
    warm = sheet[first[3] + 4 : first[3] + 52, first[0] : first[2]]
    assert len(np.unique(warm.reshape(-1, 3), axis=0)) == 1
    assert warm[0, 0, 0] > 150 > warm[0, 0, 2]


def test_every_unit_has_a_row_of_its_own_also_with_fewer_exemplars() -> None:
    two = plot_with_exemplars(
        [prototype("a:0"), prototype("a:1")],
        [[exemplar("a:0", GREEN), exemplar("a:0", GREEN)], [exemplar("a:1", BLUE)]],
        48,
    )
    one = plot_with_exemplars([prototype("a:0")], [[exemplar("a:0", GREEN), exemplar("a:0", GREEN)]], 48)
    assert two.size == (one.width, 2 * one.height)
    assert np.asarray(one).tobytes() == np.asarray(two)[: one.height].tobytes()
    assert plot_with_exemplars([prototype("a:0")], [[]], 48).width > 100


def test_the_line_above_says_the_unit_and_how() -> None:
    kinds = [
        Exemplar(vital.Unit("a", 0), picture(GREEN), torch.ones(32, 32), 0, "0", 1.0, "activation", by)
        for by in ("lrp zplus", "gradient x activation")
    ]
    lrp, fallback = (np.asarray(plot_with_exemplars([prototype("a:0")], [[e, e, e, e]])) for e in kinds)
    title = slice(0, 26)
    assert (lrp[title] != fallback[title]).any()
    assert (lrp[26:] == fallback[26:]).all()


def test_wide_pictures_keep_their_proportions() -> None:
    sheet = np.asarray(plot_with_exemplars([prototype("a:0", 64)], [[exemplar("a:0", GREEN, 64)]], 48))
    shown, first = boxes(sheet, RED), boxes(sheet, GREEN)
    assert (first[2] - first[0], first[3] - first[1]) == (48, 24)
    assert (shown[2] - shown[0], shown[3] - shown[1]) == (104, 52)


def test_what_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(
        InvalidValueError, match="there are 1 prototypes and 0 lists of exemplars; give one list for each"
    ):
        plot_with_exemplars([prototype("a:0")], [])
    with pytest.raises(InvalidValueError, match="there are 0 prototypes and 0 lists"):
        plot_with_exemplars([], [])
    with pytest.raises(InvalidValueError, match="exemplars of a:1 are given beside the prototype of a:0"):
        plot_with_exemplars([prototype("a:0")], [[exemplar("a:1", GREEN)]])
