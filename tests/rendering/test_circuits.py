import numpy as np
import pytest
import torch
from PIL import Image

import vital
from tests import toy
from vital.attribution import AttributionGraph, Edge, Feeder, attribution_graph, feeders
from vital.errors import InvalidValueError
from vital.records import Prototypes
from vital.rendering.circuits import Circuit, circuit, circuit_sheet

MODEL = toy.model()
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def bank() -> vital.ReferenceBank:
    return vital.build_bank(MODEL, ["act2", "act3"], vital.load_images(toy.images(24).float()), disk=False)


def prototype(unit: str, color: tuple[int, int, int], width: int = 32) -> vital.Prototype:
    image = (torch.tensor(color) / 255.0)[:, None, None].expand(3, 32, width)
    return vital.Prototype(vital.Unit.parse(unit), image, torch.ones(32, width), "vital", 0)


def below(found: list[Feeder], top: str = "top:1") -> AttributionGraph:
    """The graph of a unit and its feeders alone."""
    unit = vital.Unit.parse(top)
    return AttributionGraph(unit, (tuple(found),), tuple(Edge(unit, f.unit, f.share) for f in found))


def columns(sheet: Image.Image, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The box that a color fills: left, top, right, bottom; it must fill all of it."""
    there = (np.asarray(sheet) == color).all(2)
    rows, across = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    box = int(across[0]), int(rows[0]), int(across[-1]) + 1, int(rows[-1]) + 1
    assert there[box[1] : box[3], box[0] : box[2]].all()
    return box


def test_a_circuit_holds_the_feeders_over_the_strongest_images_and_a_prototype_of_each(
    bank: vital.ReferenceBank,
) -> None:
    made = circuit(
        MODEL, "act3:8", "act2", bank=bank, count=3, n_exemplars=4, method="fourier", steps=1, progress=False
    )
    pictures = bank.tensor(bank.strongest("act3:8", 4))
    assert made.feeders == tuple(feeders(MODEL, "act3:8", "act2", pictures, 3))
    assert [p.unit for p in made.prototypes] == [made.unit, *(f.unit for f in made.feeders)]
    assert {p.method for p in made.prototypes} == {"fourier"}
    assert made._repr_png_().startswith(b"\x89PNG")
    assert made.to_grid(80).width == 8 + 3 * 88


def test_the_unit_stands_above_its_feeders_in_their_order_each_in_full() -> None:
    found = [Feeder(vital.Unit("low", 2), 0.75), Feeder(vital.Unit("low", 0), 0.05)]
    made = Prototypes([prototype("top:1", RED), prototype("low:2", GREEN), prototype("low:0", BLUE)])
    sheet = circuit_sheet(made, below(found), 64)
    above, first, second = (columns(sheet, color) for color in (RED, GREEN, BLUE))
    assert [(b[2] - b[0], b[3] - b[1]) for b in (above, first, second)] == [(64, 64)] * 3
    assert above[3] < first[1] == second[1]
    assert first[2] < second[0]
    assert above[0] + above[2] == pytest.approx(first[0] + second[2], abs=2)


def test_the_larger_the_share_the_thicker_the_line_and_text_differs_with_it() -> None:
    made = Prototypes([prototype("top:1", RED), prototype("low:2", GREEN), prototype("low:0", BLUE)])

    def ink(share: float) -> tuple[int, bytes]:
        shares = [Feeder(vital.Unit("low", 2), share), Feeder(vital.Unit("low", 0), 0.01)]
        sheet = circuit_sheet(made, below(shares), 64)
        between = np.asarray(sheet)[columns(sheet, RED)[3] : columns(sheet, GREEN)[1]]
        labels = np.asarray(sheet)[columns(sheet, GREEN)[3] :]
        return int((between < 255).any(2).sum()), labels.tobytes()

    assert ink(0.9)[0] > ink(0.3)[0] > 0
    assert ink(0.9)[1] != ink(0.3)[1]


def test_pictures_that_are_not_square_keep_their_proportions() -> None:
    made = Prototypes([prototype("top:1", RED, 64), prototype("low:2", GREEN, 64)])
    sheet = Circuit(below([Feeder(made[1].unit, 1.0)]), made).to_grid(64)
    left, top, right, bottom = columns(sheet, GREEN)
    assert (right - left, bottom - top) == (64, 32)


def test_a_prototype_too_few_is_one_sentence() -> None:
    with pytest.raises(
        InvalidValueError, match="there are 1 prototypes for a unit and 1 feeders; give one of each"
    ):
        circuit_sheet(Prototypes([prototype("top:1", RED)]), below([Feeder(vital.Unit("low", 2), 1.0)]))


def test_a_circuit_of_several_layers_holds_the_graph_and_a_prototype_of_each_unit() -> None:
    own = vital.build_bank(
        MODEL, ["act1", "act2", "act3"], vital.load_images(toy.images(24).float()), disk=False
    )
    asked = {"count": 2, "n_exemplars": 4}
    made = circuit(
        MODEL, "act3:8", ["act2", "act1"], bank=own, method="fourier", steps=1, progress=False, **asked
    )  # type: ignore[arg-type]
    pictures = own.tensor(own.strongest("act3:8", 4))
    assert made.graph == attribution_graph(MODEL, "act3:8", ["act2", "act1"], pictures, 2)
    assert [p.unit for p in made.prototypes] == made.graph.units
    assert len(made.graph.levels) == 2


def test_each_level_stands_below_the_one_before_joined_by_lines_as_thick_as_their_shares() -> None:
    top, mid, left, right = (vital.Unit.parse(text) for text in ("top:1", "mid:0", "low:0", "low:1"))
    made = Prototypes(
        prototype(str(unit), color)
        for unit, color in ((top, (250, 0, 250)), (mid, RED), (left, GREEN), (right, BLUE))
    )

    def sheet(share: float) -> Image.Image:
        edges = (Edge(top, mid, 0.9), Edge(mid, left, share), Edge(mid, right, 0.01))
        levels = ((Feeder(mid, 0.9),), (Feeder(left, 0.5), Feeder(right, 0.01)))
        return circuit_sheet(made, AttributionGraph(top, levels, edges), 64)

    boxes = [columns(sheet(0.5), color) for color in ((250, 0, 250), RED, GREEN, BLUE)]
    assert all((box[2] - box[0], box[3] - box[1]) == (64, 64) for box in boxes)
    assert boxes[0][3] < boxes[1][1] < boxes[1][3] < boxes[2][1] == boxes[3][1]
    assert boxes[2][2] < boxes[3][0]

    def ink(share: float) -> int:
        between = np.asarray(sheet(share))[boxes[2][1] - 20 : boxes[2][1]]
        return int((between < 255).any(2).sum())

    assert ink(0.9) > ink(0.3) > 0
