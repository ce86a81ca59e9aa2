import pytest

from vital.errors import InvalidValueError, UnknownNameError
from vital.rendering import Vital, VitalReference, make_method


def test_texts_become_the_options_own_type() -> None:
    made = make_method(
        "vital-reference", steps="32", lr="0.1", layers="layer1,layer2", weights="1,2.5", choose="class"
    )
    assert made == VitalReference(
        steps=32, lr=0.1, layers=("layer1", "layer2"), weights=(1.0, 2.5), choose="class"
    )


def test_unknown_names_answer_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown method 'vitl'; did you mean 'vital'"):
        make_method("vitl")
    with pytest.raises(
        UnknownNameError, match=r"^unknown option of vital 'step'; did you mean 'steps' or 'size'\?$"
    ):
        make_method("vital", step=3)


def test_a_text_of_the_wrong_kind_names_what_is_allowed() -> None:
    with pytest.raises(InvalidValueError, match=r"^option steps is 'many'; allowed is a whole number$"):
        make_method("vital", steps="many")


def test_options_are_the_fields() -> None:
    assert Vital(steps=3).options()["steps"] == 3


def test_a_choice_that_does_not_exist_names_the_others() -> None:
    with pytest.raises(
        InvalidValueError, match=r"^option choose is 'label'; allowed is auto, activation, top, class$"
    ):
        make_method("vital", choose="label")
