from pathlib import Path

import pytest

import vital
from vital import ImageSet, Model
from vital.describing import read_labels
from vital.describing.api import Descriptions
from vital.errors import InvalidValueError, RunError, UnknownNameError, UsageError
from vital.records import Description
from vital.units import Unit


def test_several_methods_are_asked_and_the_answers_stand_unit_by_unit(
    net: Model, pictures: ImageSet, tmp_path: Path
) -> None:
    found = vital.describe(
        net, ["planted:2", "class:9"], images=pictures, methods=("clip-dissect", "activation-ranges"), n_others=2,
        concepts=["red", "green", "striped sphere", "snow"], progress=False,
    )  # fmt: skip
    assert [(str(d.unit), d.method) for d in found] == [
        (unit, method)
        for unit in ("planted:2", "class:9")
        for method in ("clip-dissect", "activation-ranges")
    ]
    assert [d.candidate for d in found] == ["red", "red", "striped sphere", "striped sphere"]
    assert all(d.p_value is not None and "held-out" in d.details for d in found)
    assert len(found[0].others) == 2
    found.to_csv(tmp_path / "labels.csv")
    assert [row["candidate"] for row in read_labels(tmp_path / "labels.csv")] == [d.candidate for d in found]


def test_a_bank_brings_its_images(net: Model, pictures: ImageSet) -> None:
    bank = vital.build_bank(net, ["planted"], pictures)
    found = vital.describe(
        net, "planted:2", bank=bank, similarity="cos-cubed", n_random_models=0, progress=False
    )
    assert found[0].candidate == "red"


def test_labels_are_untrusted_text_in_a_notebook() -> None:
    shown = Descriptions([Description(Unit("fc", 1), "x", "<script>", 0.0)])._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_wrong_requests_are_told_before_any_work(net: Model, pictures: ImageSet) -> None:
    def ask(**changed: object) -> None:
        vital.describe(net, ["class:0"], **{"images": pictures, "progress": False, **changed})  # type: ignore[arg-type]

    with pytest.raises(UnknownNameError, match="clip-dissect"):
        ask(methods=["clip-disect"])
    with pytest.raises(UnknownNameError, match="simlarity"):
        ask(simlarity="cos")
    with pytest.raises(InvalidValueError, match="top_k is 'many'; allowed are whole numbers from 1, or none"):
        ask(top_k="many")
    with pytest.raises(UsageError, match="needs probe images"):
        ask(images=None)
    with pytest.raises(RunError, match=r"^cannot read 'nowhere\.txt'"):
        ask(concepts="nowhere.txt")
    with pytest.raises(UsageError, match="no method"):
        ask(methods=[])
    stranger = Model(net.module, name="mine", size=(64, 64))
    with pytest.raises(UsageError, match=r"clip-dissect needs words to choose from: .*; and an image-text"):
        vital.describe(stranger, ["class:0"], images=pictures, progress=False)
    with pytest.raises(UsageError, match="needs an image-text encoder"):
        vital.describe(stranger, ["class:0"], images=pictures, concepts=["a", "b"], progress=False)
