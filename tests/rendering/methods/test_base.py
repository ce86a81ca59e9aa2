from importlib import import_module

import pytest
from torch import nn

import vital
from tests import toy
from vital.errors import InvalidValueError, UnknownNameError
from vital.models import Model
from vital.rendering import Vital, VitalReference, make_method
from vital.rendering.methods.base import unused_options


def test_texts_become_the_options_own_type() -> None:
    made = make_method(
        "vital-reference",
        steps="32",
        lr="0.1",
        layers="layer1,layer2",
        layer_weights="1,2.5",
        selection="class",
    )
    assert made == VitalReference(
        steps=32, lr=0.1, layers=("layer1", "layer2"), layer_weights=(1.0, 2.5), selection="class"
    )


def test_unknown_names_answer_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown method 'vitl'; did you mean 'vital'"):
        make_method("vitl")
    with pytest.raises(UnknownNameError, match=r"^unknown option of vital 'step'; did you mean 'steps'\?$"):
        make_method("vital", step=3)


def test_a_text_of_the_wrong_kind_names_what_is_allowed() -> None:
    with pytest.raises(InvalidValueError, match=r"^steps is 'many'; allowed are whole numbers from 1$"):
        make_method("vital", steps="many")


def test_options_are_the_fields() -> None:
    assert Vital(steps=3).options()["steps"] == 3


def test_a_choice_that_does_not_exist_names_the_others() -> None:
    with pytest.raises(
        InvalidValueError, match=r"^selection is 'label'; allowed are auto, activation, top, class$"
    ):
        make_method("vital", selection="label")


@pytest.mark.parametrize(("name", "published"), [("pixels", 8), ("deep-inversion", 30)])
def test_a_roll_is_a_share_of_the_side_and_by_default_the_published_pixels(name: str, published: int) -> None:
    model = Model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), size=(48, 64))
    unit = model.units("1:0")

    def pixels(**options: object) -> int:
        return make_method(name, **options).plan(model, unit, None, 0).transforms[0].pixels  # type: ignore[attr-defined]

    assert pixels() == pixels(roll="none") == published
    assert (pixels(roll=0.25), pixels(roll="0.25", size="80"), pixels(roll=0)) == (12, 20, 0)


def test_options_that_do_not_apply_are_said_of_the_units_alone_for_which_they_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = toy.model()
    bank = vital.build_bank(model, ["layer2"], vital.load_images(toy.images(6).float()), disk=False)
    module = import_module("vital.rendering.methods.vital")
    monkeypatch.setattr(module, "bears_half_size", lambda *_: False)
    monkeypatch.setattr(module, "max_noise", lambda *_: 0.05)
    unit = model.unit("layer2:1")
    set_ = vital.make_method("vital", coarse=0.3, noise=0.2)
    assert unused_options(set_, model, unit, bank) == [
        "coarse=0.3 does not apply: the network does not recognize images of half the size",
        "noise=0.2 is brought down to 0.05, the most that the network bears",
    ]
    assert unused_options(vital.make_method("vital"), model, unit, bank) == []
    told = "layer2:1: selection=top does not apply: the references of an inner unit are the images that excite it most"
    with pytest.warns(UserWarning, match=f"^{told}"):
        vital.render(
            model,
            [unit, "class:0"],
            method="vital-reference",
            selection="top",
            bank=bank,
            steps=2,
            progress=False,
        )
