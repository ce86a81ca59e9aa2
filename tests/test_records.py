"""What passes between the parts: how it shows itself, and how it is found in lists."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import vital
from tests import toy
from vital.describing.api import Descriptions
from vital.errors import InvalidValueError, UnknownNameError
from vital.optim import Rendering, optimize
from vital.records import Description, Prototype, Prototypes
from vital.rendering.natural_exemplars import Exemplar, Exemplars
from vital.units import RecordList, Unit

TABBY, INNER = Unit("class", 281, label="tabby, tabby cat"), Unit("layer4", 3)


def prototype(unit: Unit, seed: int = 0, *, channels: int = 3, **facts: Any) -> Prototype:
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand(channels, 6, 8, generator=draw)
    return Prototype(unit, image, torch.ones(6, 8), "fourier", seed, provenance=facts)


def exemplar(unit: Unit, name: str) -> Exemplar:
    return Exemplar(
        unit, torch.full((3, 4, 4), 0.5), torch.zeros(4, 4), 7, name, 1.5, "activation", "lrp zplus"
    )


def description(unit: Unit, method: str = "dnd", p_value: float | None = None) -> Description:
    return Description(unit, method, "a cat", 0.25, p_value=p_value, evidence=("1.png",), details={"x": [1]})


LISTS: dict[str, RecordList[Any]] = {
    "prototypes": Prototypes([prototype(TABBY), prototype(INNER), prototype(INNER, 1)]),
    "exemplars": Exemplars([exemplar(TABBY, "a"), exemplar(INNER, "b"), exemplar(INNER, "c")]),
    "descriptions": Descriptions([description(TABBY), description(INNER), description(INNER, "linear")]),
}
every_list = pytest.mark.parametrize("name", LISTS)


@every_list
def test_a_part_of_a_list_is_such_a_list(name: str) -> None:
    records = LISTS[name]
    for part in (records[:2], records[::-1][1:], records + records[:1], records.copy(), records.of(INNER)):
        assert type(part) is type(records)
    assert list(records[:2]) == [records[0], records[1]]
    assert list(records + records[:1]) == [*records, records[0]]
    assert records[-1] is list(records)[2]
    assert records[np.int64(1)] is records[1]


@every_list
@pytest.mark.parametrize("text", ["class:281", "class:tabby", "Tabby_cat", "tabby, tabby cat", TABBY])
def test_a_record_is_found_by_the_text_or_the_name_of_its_unit(name: str, text: str | Unit) -> None:
    records = LISTS[name]
    assert records[text] is records[0]
    assert text in records
    assert records[0] in records
    assert records[0] not in records[1:]
    assert list(records.of(text)) == [records[0]]


@every_list
def test_several_records_of_a_unit_are_said_and_given_by_of(name: str) -> None:
    records = LISTS[name]
    with pytest.raises(InvalidValueError) as caught:
        records["layer4:3"]
    assert str(caught.value) == "2 records are of 'layer4:3'; of('layer4:3') gives all of them"
    assert list(records.of("layer4:3")) == [records[1], records[2]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("class:tabbi", "unknown unit 'class:tabbi'; did you mean 'class:tabby'"),
        ("layer4:33", "unknown unit 'layer4:33'; did you mean 'layer4:3'?"),
        ("conv", "unknown unit 'conv'; known are: class:281, layer4:3, class:tabby, class:tabby cat"),
    ],
)
def test_an_unknown_unit_is_answered_with_the_nearest(text: str, sentence: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        LISTS["prototypes"][text]
    assert str(caught.value).startswith(sentence)
    assert text not in LISTS["prototypes"]
    with pytest.raises(UnknownNameError, match="there is no unit to choose from"):
        Prototypes().of(text)


def test_an_unlabeled_unit_is_not_found_by_an_empty_name() -> None:
    with pytest.raises(UnknownNameError):
        Prototypes([prototype(INNER)])["class:"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_array_of_a_prototype_is_what_matplotlib_shows(channels: int) -> None:
    one = prototype(TABBY, channels=channels)
    array = np.asarray(one)
    assert (array.shape, array.dtype) == ((6, 8, channels), np.float32)
    np.testing.assert_array_equal(array, one.image.permute(1, 2, 0).numpy())
    array[:] = 0
    assert one.image.max() > 0
    assert np.asarray(one, np.float64).dtype == np.float64
    assert np.asarray(Prototypes([one, one])).shape == (2, 6, 8, channels)
    with pytest.raises(ValueError, match="an array of a picture is a copy"):
        one.__array__(copy=False)


def test_an_array_of_an_exemplar_is_its_image() -> None:
    assert (np.asarray(exemplar(TABBY, "a")) == np.full((4, 4, 3), 0.5, np.float32)).all()


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (prototype(TABBY), "Prototype('class:281 (tabby, tabby cat)': 3 x 6 x 8, fourier, seed 0, done)"),
        (LISTS["prototypes"], "Prototypes(3: class:281 (tabby, tabby cat), layer4:3, layer4:3)"),
        (Prototypes([prototype(INNER)] * 9), f"Prototypes(9: {'layer4:3, ' * 4}… (9 in all))"),
        (Prototypes(), "Prototypes(0)"),
        (
            exemplar(INNER, "b.png"),
            "Exemplar('layer4:3': image 'b.png', activation 1.5, heat by lrp zplus)",
        ),
        (description(INNER), "Description('layer4:3': 'a cat', dnd, score 0.25)"),
        (description(INNER, p_value=0.01), "Description('layer4:3': 'a cat', dnd, score 0.25, p 0.01)"),
        (LISTS["descriptions"][:1], "Descriptions(1: class:281 (tabby, tabby cat))"),
        (toy.model(), "Model('toy': 3 x 32 x 32, 10 class names, weights 'as given')"),
    ],
)
def test_texts_are_one_short_line(thing: object, text: str) -> None:
    assert repr(thing) == text


def test_the_text_of_a_bank_is_one_short_line() -> None:
    bank = vital.build_bank(toy.model(), ["layer2"], vital.load_images(toy.images(4).float()), disk=False)
    assert repr(bank) == "ReferenceBank('toy': 4 images, layers layer2, class)"


def rendering() -> Rendering:
    model = vital.Model(nn.Sequential(nn.Conv2d(3, 4, 3)), size=(8, 8))
    terms = [vital.objectives.Channel("0:1"), vital.objectives.Channel("0:2")]
    return optimize(model, terms, vital.params.Pixels(8), steps=2)


def test_a_rendering_shows_its_pictures_with_their_losses() -> None:
    made = rendering()
    assert repr(made) == "Rendering(2 images of 3 x 8 x 8, 2 steps, 2 done)"
    shown = Image.open(io.BytesIO(made._repr_png_()))
    assert shown.size == made.to_grid().size == (2 * 136 + 8, 136 + 2 * 14 + 8)
    stopped = Rendering(made.images, made.alpha, made.losses, ("done", "diverged at step 1"), 2)
    assert repr(stopped) == "Rendering(2 images of 3 x 8 x 8, 2 steps, 1 done, 1 diverged at step 1)"
    assert stopped.to_grid().tobytes() != made.to_grid().tobytes()


def test_figures_have_a_title_over_each_picture() -> None:
    pytest.importorskip("matplotlib")
    figure = LISTS["prototypes"].figure(columns=2)  # type: ignore[attr-defined]
    assert [axes.get_title() for axes in figure.axes] == [
        "class:281\ntabby, tabby cat",
        "layer4:3\nseed 0",
        "layer4:3\nseed 1",
    ]
    shown = figure.axes[0].images[0].get_array()
    assert (np.asarray(shown) == np.asarray(LISTS["prototypes"][0].to_pil())).all()
    assert [axes.get_title() for axes in LISTS["exemplars"].figure().axes] == [  # type: ignore[attr-defined]
        "a\n1.5", "b\n1.5", "c\n1.5", "", "", ""
    ]  # fmt: skip
    figure.savefig(io.BytesIO(), format="png")
    assert Prototypes().figure().axes == []


def test_a_data_frame_has_a_row_for_each_prototype() -> None:
    pandas = pytest.importorskip("pandas")
    facts = {"value": 1.5, "percentile": 99.0, "model": "net", "options": {"steps": 2}, "lacking": []}
    frame = Prototypes([prototype(TABBY, **facts), prototype(INNER, 1)]).to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    named = ["unit", "label", "method", "seed", "status", "value", "percentile", "model"]
    assert list(frame.columns) == named
    assert frame.iloc[0].tolist() == ["class:281", "tabby, tabby cat", "fourier", 0, "done", 1.5, 99.0, "net"]
    assert frame["seed"].tolist() == [0, 1]
    assert math.isnan(frame["value"][1])


def test_exemplars_and_descriptions_are_data_frames_too() -> None:
    pytest.importorskip("pandas")
    assert LISTS["exemplars"].to_pandas()["name"].tolist() == ["a", "b", "c"]
    words = LISTS["descriptions"].to_pandas()
    assert words["method"].tolist() == ["dnd", "dnd", "linear"]
    assert "details" not in words.columns
