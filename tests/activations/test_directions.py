from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import vital
from tests import toy
from vital.activations import ReferenceBank, build_bank, effective_field
from vital.errors import InvalidValueError

VECTORS = torch.randn(4, 16, generator=torch.Generator().manual_seed(5))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path: Path) -> str:
    save_file({"vectors": VECTORS}, tmp_path / "dirs.safetensors")
    return str(tmp_path / "dirs.safetensors")


def noise(count: int) -> Tensor:
    return toy.images(count).float()


def along(model: vital.Model, pictures: Tensor, row: int) -> Tensor:
    with torch.no_grad():
        act = toy.trace(model, ["act2"], pictures)["act2"]
    return torch.einsum("bchw,c->bhw", act, VECTORS[row]).flatten(1)


def bank(model: vital.Model, pictures: Tensor, *, disk: bool = False) -> ReferenceBank:
    return build_bank(model, ["act2"], vital.load_images(pictures), top=12, disk=disk)


def test_a_direction_is_ranked_by_its_products(file: str) -> None:
    model, pictures = toy.model(), noise(30)
    made, values = bank(model, pictures), along(model, pictures, 2)
    unit = f"{file}:2@act2"
    assert made.strongest(unit, 6) == values.mean(1).argsort(descending=True)[:6].tolist()
    best = values.amax(1).argsort(descending=True)[:6].tolist()
    spots = made.strongest_places(unit, 6)
    assert [spot.image for spot in spots] == best
    assert [spot.position for spot in spots] == [divmod(int(values[i].argmax()), 8) for i in best]
    value = float(values.mean(1).median()) + 1e-3
    assert made.percentile(unit, value) == pytest.approx(
        100 * float((values.mean(1) < value).double().mean())
    )


def test_a_direction_along_a_channel_is_the_channel(tmp_path: Path) -> None:
    save_file({"v": torch.eye(16)}, tmp_path / "eye.safetensors")
    made, unit = bank(toy.model(), noise(30)), f"{tmp_path}/eye.safetensors:3@act2"
    assert made.strongest(unit) == made.strongest("act2:3")
    assert made.patches(unit, 4).boxes == made.patches("act2:3", 4).boxes
    assert made.references(unit).weights == pytest.approx(made.references("act2:3").weights, abs=1e-5)
    one, two = (made.template(u, ["layer1"], patches=True).layers["layer1"] for u in (unit, "act2:3"))
    torch.testing.assert_close(one, two)
    picture = noise(1)[0]
    boxes = [effective_field(made.model, u, picture, (3, 3), 0.5) for u in (unit, "act2:3")]
    assert boxes[0] == boxes[1]


def test_many_directions_take_one_pass_and_it_is_kept(file: str) -> None:
    model, pictures = toy.model(), noise(20)
    made = bank(model, pictures, disk=True)
    calls: list[int] = []
    model.module[0].register_forward_hook(lambda *_: calls.append(1))
    units = [f"{file}:{i}@act2" for i in range(4)]
    made.rank(["act2:3", *units])
    assert len(calls) == 2  # 20 images in batches of 16
    ranked = [made.strongest(unit) for unit in units]
    again = bank(model, pictures, disk=True)
    assert [again.strongest(unit) for unit in units] == ranked
    assert len(calls) == 2


def test_another_vector_in_the_same_file_is_ranked_again(file: str) -> None:
    made, unit = bank(toy.model(), noise(20), disk=True), f"{file}:1@act2"
    before, key = made.strongest(unit), made.template(unit, ["layer1"], patches=True).key
    save_file({"vectors": -VECTORS}, file)
    assert made.strongest(unit) != before
    assert made.template(unit, ["layer1"], patches=True).key != key


def test_a_vector_that_does_not_fit_is_one_sentence(file: str) -> None:
    with pytest.raises(
        InvalidValueError,
        match=r"has 16 entries, and layer 'layer1' has 8 channels; a direction has one for each$",
    ):
        bank(toy.model(), noise(5)).strongest(f"{file}:1@layer1")


def test_relevance_is_followed_from_a_direction_and_kept_by_its_vector(file: str) -> None:
    own = bank(toy.model(), noise(5))
    made = [own.template(f"{file}:{row}@act2", ["layer1"], count=5, rule="zplus") for row in (0, 1)]
    assert made[0].key != made[1].key
    assert not torch.equal(made[0].layers["layer1"], made[1].layers["layer1"])
