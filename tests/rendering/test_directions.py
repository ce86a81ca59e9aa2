from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import vital
from tests import toy
from vital import objectives as obj
from vital import params as par
from vital.errors import InvalidValueError

MODEL = toy.model()


@pytest.fixture(scope="module")
def bank() -> vital.ReferenceBank:
    return vital.build_bank(MODEL, ["act2"], vital.load_images(toy.images(24).float()), disk=False)


@pytest.fixture
def file(tmp_path: Path) -> str:
    save_file(
        {"rows": torch.stack([torch.eye(16)[5], torch.linspace(-1, 1, 16)])}, tmp_path / "d.safetensors"
    )
    return str(tmp_path / "d.safetensors")


def test_the_direction_of_one_channel_has_that_channels_references(
    bank: vital.ReferenceBank, file: str
) -> None:
    along, channel = bank.references(f"{file}:0@act2", 4), bank.references("act2:5", 4)
    assert along.indices == channel.indices
    assert along.weights == pytest.approx(channel.weights, rel=1e-4)


def test_a_direction_ranks_images_by_its_mean_projection(bank: vital.ReferenceBank, file: str) -> None:
    act = toy.trace(MODEL, ["act2"], toy.images(24).float())["act2"]
    value = [
        sum(float(v) * act[i, c].mean().item() for c, v in enumerate(torch.linspace(-1, 1, 16)))
        for i in range(24)
    ]
    assert (
        list(bank.references(f"{file}:1@act2", 5).indices) == sorted(range(24), key=lambda i: -value[i])[:5]
    )
    with pytest.raises(InvalidValueError, match="0 reference images are asked for"):
        bank.references(f"{file}:1@act2", 0)


@pytest.mark.parametrize("name", list(vital.METHODS))
def test_every_method_renders_directions(name: str, bank: vital.ReferenceBank, file: str) -> None:
    one, other = vital.render(
        MODEL, [f"{file}:{row}@act2" for row in (0, 1)], method=name, bank=bank, steps=1, progress=False
    )
    assert one.status == other.status == "done"
    assert not torch.equal(one.image, other.image)


@pytest.mark.parametrize("name", list(vital.METHODS))
def test_every_method_renders_a_direction_at_one_position(
    name: str, bank: vital.ReferenceBank, file: str
) -> None:
    everywhere, here = vital.render(
        MODEL, [f"{file}:1@act2", f"{file}:1@act2@2,5"], method=name, bank=bank, steps=1, progress=False
    )
    assert here.status == "done"
    assert str(here.unit) == f"{file}:1@act2@2,5"
    assert name == "vital-reference" or not torch.equal(everywhere.image, here.image)


def test_a_direction_is_aligned_with_relevance_as_its_channel_is(
    bank: vital.ReferenceBank, file: str
) -> None:
    layers, unit = ["layer1", "act2"], vital.Unit.parse(f"{file}:0@act2")
    template = bank.template(unit, layers, count=4, rule="zplus")
    channel = bank.template("act2:5", layers, count=4, rule="zplus")
    for layer in layers:
        torch.testing.assert_close(template.layers[layer], channel.layers[layer], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(
            template.importance[layer], channel.importance[layer], rtol=1e-3, atol=1e-4
        )
    made = [
        vital.optimize(MODEL, obj.Alignment(t), par.Pixels((32, 32)), steps=2, keys=["same"], progress=False)
        for t in (template, channel)
    ]
    torch.testing.assert_close(made[0].images, made[1].images, rtol=1e-2, atol=1e-3)
    plain = bank.template(unit, layers, count=4)
    assert not torch.allclose(plain.layers["act2"], template.layers["act2"])
