import numpy as np
import pytest
import torch
from PIL import Image

import vital
from vital.records import Prototypes
from vital.utils.drawing import contact_sheet, titled_sheet


def grey(width: int, height: int, shade: int = 90) -> Image.Image:
    return Image.new("RGB", (width, height), (shade,) * 3)


def test_a_tile_is_wide_enough_for_its_title_and_small_pictures_are_enlarged() -> None:
    for size, width in ((None, 128), (96, 128), (200, 200)):
        sheet = np.asarray(titled_sheet([grey(16, 16)], [["layer4:162"]], size=size))
        assert sheet.shape[1] == width + 16
        assert (sheet[8 : 8 + width, 8 : 8 + width] == 90).all()
        below = sheet[8 + width :, :, 0]
        rows = np.flatnonzero(below.min(1) < 100)
        assert rows[-1] - rows[0] + 1 >= 8  # letters of 11 pixels or more, from the top of l to the foot of y
    assert titled_sheet([grey(16, 16), grey(224, 224)], [["a"], ["b"]]).width == 2 * 232 + 8


def test_pictures_keep_their_proportions_and_titles_stay_within_their_tile() -> None:
    long = "a/very/long/path/to/some.safetensors:3@features.denseblock4.denselayer16.conv2"
    sheet = np.asarray(titled_sheet([grey(64, 32), grey(32, 64)], [[long], [long]]).convert("L"))
    assert (sheet[8 : 8 + 64, 8:136] == 90).all()
    assert (sheet[8 : 8 + 256, 144:272] == 90).all()
    assert sheet[:, :8].min() == sheet[:, 136:144].min() == sheet[:, 272:].min() == 255


def test_rows_are_filled_from_the_left_and_every_line_of_a_title_has_room() -> None:
    one = titled_sheet([grey(128, 128)] * 5, [["a"]] * 5, columns=2)
    two = titled_sheet([grey(128, 128)] * 5, [["a"]] * 4 + [["a", "b"]], columns=2)
    assert one.width == two.width == 2 * 136 + 8
    assert two.height - one.height == 3 * 14
    assert titled_sheet([], []).size == (1, 1)


def test_a_list_of_prototypes_shows_its_units_titles() -> None:
    image = torch.full((3, 16, 16), 0.5)

    def sheet(*units: vital.Unit) -> Image.Image:
        return Prototypes(
            vital.Prototype(unit, image, torch.ones(16, 16), "fourier", 0) for unit in units
        ).to_grid()

    inner, cls = vital.Unit.parse("layer4:162"), vital.Unit("class", 3, label="hen")
    assert sheet(inner).tobytes() == titled_sheet([grey(16, 16, 128)], [["layer4:162"]]).tobytes()
    assert sheet(cls).tobytes() == titled_sheet([grey(16, 16, 128)], [["class:3", "hen"]]).tobytes()
    assert sheet(inner, cls).tobytes() == sheet(inner, cls).tobytes()


def test_a_sheet_without_titles_is_as_it_was() -> None:
    assert contact_sheet([grey(12, 12)] * 3, columns=2).size == (2 * 16 + 4, 2 * 16 + 4)


@pytest.mark.parametrize("columns", [0, 9])
def test_columns_are_as_many_as_there_are_pictures(columns: int) -> None:
    assert titled_sheet([grey(128, 128)] * 2, [["a"]] * 2, columns=columns).width in {144, 280}
