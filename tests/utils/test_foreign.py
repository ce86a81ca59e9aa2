"""Code of the user's that raises what it likes, at every place where such code is called."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital import objectives as obj
from vital import transforms
from vital.errors import DataError, ForeignCodeError, ModelError, OutOfMemoryError, VitalError
from vital.tracing import Trace
from vital.utils.foreign import culprit, described, explained, foreign
from vital.utils.public import public

MODEL = toy.model()
RAISED = [
    KeyError("k"),
    ValueError(),
    SystemExit(0),
    SystemExit("bye"),
    StopIteration(3),
    RuntimeError("two\nlines"),
    AssertionError(),
    NotImplementedError("x"),
    type("OwnError", (Exception,), {})("own"),
]


@dataclass(frozen=True, repr=False)
class Own(vital.Term):
    raised: Any = None

    def __call__(self, trace: Trace) -> Tensor:
        raise self.raised


class Failing(nn.Module):
    def __init__(self, raised: BaseException) -> None:
        super().__init__()
        self.stem, self.raised = nn.Conv2d(3, 4, 3), raised

    def forward(self, x: Tensor) -> Tensor:
        del x
        raise self.raised


class Images:
    def __init__(self, raised: BaseException, at: int = 2) -> None:
        self.raised, self.at = raised, at

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> np.ndarray:
        if index >= self.at:
            raise self.raised
        return np.full((8, 8, 3), 40 * index, np.uint8)


def raising(error: BaseException) -> Any:
    def given(*_: object, **__: object) -> None:
        raise error

    return given


def search(error: BaseException, **given: Any) -> object:
    term = given.pop("term", obj.Channel("layer1:1"))
    return vital.optimize(MODEL, term, toy.Canvas(), steps=2, **given)


PLACES: dict[str, tuple[Callable[[BaseException], object], type[VitalError], str]] = {
    "forward": (
        lambda e: vital.list_layers(vital.Model(Failing(e), size=8)),
        ModelError,
        "model cannot run on an",
    ),
    "loading": (
        lambda e: vital.load_model(Failing(e), output="sigmoid"),
        ModelError,
        "Failing cannot run on an",
    ),
    "term": (lambda e: search(e, term=Own(e)), ForeignCodeError, "the term Own"),
    "transform": (
        lambda e: search(e, transforms=transforms.Lambda(raising(e))),
        ForeignCodeError,
        "the transform Lambda",
    ),
    "callback": (lambda e: search(e, callback=raising(e)), ForeignCodeError, "the callback failed: "),
    "items": (lambda e: vital.load_images(Images(e, at=0))[1], DataError, "the image 1 cannot be read: "),
    "length": (
        lambda e: vital.load_images(type("Long", (Images,), {"__len__": raising(e)})(e)),
        VitalError,
        "",
    ),
}


@pytest.mark.parametrize("error", RAISED, ids=lambda e: f"{type(e).__name__}({e})".splitlines()[0])
@pytest.mark.parametrize("place", PLACES)
def test_nothing_but_a_vital_error_passes_a_door_and_it_says_whose_code_failed(
    place: str, error: BaseException
) -> None:
    call, kind, whose = PLACES[place]
    with pytest.raises(kind) as caught:
        call(error)
    said = str(caught.value)
    assert said.startswith(whose)
    if not (
        place == "length" and isinstance(error, NotImplementedError)
    ):  # which says that it is read in order alone
        assert type(error).__name__ in said
        assert "test_foreign.py, line " in said
        assert caught.value.__cause__ is error
    assert "\n" not in said


@pytest.mark.parametrize("place", PLACES)
def test_control_c_passes(place: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        PLACES[place][0](KeyboardInterrupt())


def test_an_item_that_raises_in_the_middle_is_named_once() -> None:
    images = vital.load_images(Images(KeyError("label")))
    with pytest.warns(
        UserWarning, match=r"^the image 2 of Images is left out: KeyError: 'label' \(test_foreign\.py"
    ):
        assert images.tensor(range(4), MODEL).shape[0] == 2
    assert [name for name, _ in images.skipped] == ["2", "3"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.tensor(range(4), MODEL)


def test_warnings_that_are_errors_pass() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="bare"), foreign("it failed"):
            warnings.warn("bare", stacklevel=1)


def test_a_lack_of_memory_is_that_at_every_door() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory")
    for place in ("term", "callback", "transform"):
        with pytest.raises(OutOfMemoryError):
            PLACES[place][0](error)


def test_a_defect_is_told_from_what_was_given() -> None:
    @public
    def halved(number: Any) -> Any:
        return torch.ones(2) / number

    with pytest.raises(ForeignCodeError, match=r"^halved failed: TypeError: "):  # it stands in this file
        halved("a")
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        halved()
    with pytest.raises(
        VitalError, match=r"^vital failed: .*; if what you gave is allowed, this is a defect of vital"
    ):
        MODEL.normalize(torch.ones(1, 5, 8, 8))


def test_places_are_those_of_foreign_code_alone() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2) @ torch.ones(3)
    place = culprit(caught.value)
    assert place is not None
    assert place.name == "test_places_are_those_of_foreign_code_alone"
    assert described(caught.value).endswith(f"(test_foreign.py, line {place.lineno}, in {place.name})")
    assert str(explained(ValueError())).startswith("vital failed: ValueError; ")
