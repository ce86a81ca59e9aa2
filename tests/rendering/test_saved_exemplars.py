import pytest
import torch

from vital.errors import InvalidValueError
from vital.rendering import kept_exemplars, save_exemplars
from vital.rendering.exemplars import Exemplar
from vital.units import Unit


def exemplar(unit, i):
    image = torch.rand(3, 8, 8)
    return Exemplar(Unit.parse(unit), image, image[0], i, f"{i}.png", 1 / (i + 1), "activation", "lrp zplus")


def test_exemplars_come_back_in_their_order(tmp_path):
    given = [exemplar("layer4:3", i) for i in range(3)]
    save_exemplars(tmp_path, given)
    kept = kept_exemplars(tmp_path, "layer4:3")
    assert [(k.name, k.value, k.of, k.by) for k in kept] == [
        ("0.png", 1.0, "activation", "lrp zplus"), ("1.png", 0.5, "activation", "lrp zplus"),
        ("2.png", 0.333333, "activation", "lrp zplus"),
    ]  # fmt: skip
    for one, own in zip(kept, given, strict=True):
        for heat in (False, True):
            assert one.to_pil(heat=heat).tobytes() == own.to_pil(heat=heat).tobytes()
    assert kept_exemplars(tmp_path, "layer4:4") == []


def test_exemplars_of_two_units_are_refused(tmp_path):
    for some in ([], [exemplar("layer4:3", 0), exemplar("layer4:4", 0)]):
        with pytest.raises(InvalidValueError, match=f"of {len(some)} units"):
            save_exemplars(tmp_path, some)
