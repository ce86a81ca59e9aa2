from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import vital
from tests import toy
from vital.activations import ReferenceBank, build_bank, load_bank, merged
from vital.activations.rankings import SAMPLE
from vital.data import joined
from vital.errors import DataError
from vital.utils import tensor_cache as store

LAYERS = ["layer1", "act2"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path / "cache"))


def noise(count: int, seed: int = 0) -> Tensor:
    return toy.images(count, seed).float()


def bank(model: vital.Model, pictures: Tensor, top: int = 5) -> ReferenceBank:
    return build_bank(model, LAYERS, vital.load_images(pictures), top=top, batch=4, disk=False)


def same(one: ReferenceBank, two: ReferenceBank) -> bool:
    packed, other = one.tables.pack(), two.tables.pack()
    return packed.keys() == other.keys() and all(torch.equal(packed[k], other[k]) for k in packed)


def test_a_merged_bank_is_the_bank_of_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vital.activations.rankings.merge.__defaults__", (13,))  # fewer than there are images
    model, parts = toy.model(), [noise(8, 0), noise(4, 1), noise(20, 2)]
    whole = build_bank(
        model, LAYERS, joined([vital.load_images(p) for p in parts]), top=5, batch=4, disk=False
    )
    together = merged([bank(model, p) for p in parts])
    assert same(together, whole)
    assert together.key == whole.key
    assert together.images.hash() == whole.images.hash()
    assert len(whole.tables.sampled) == 13
    plain = bank(model, torch.cat(parts))  # the same pictures in one array
    assert same(together, plain)
    assert together.percentile("act2:3", 0.2) == plain.percentile("act2:3", 0.2)
    one = together.template("act2:3", ["layer1"], count=4).layers["layer1"]
    assert torch.equal(one, plain.template("act2:3", ["layer1"], count=4).layers["layer1"])


def test_the_order_of_the_parts_matters() -> None:
    model, parts = toy.model(), [noise(8, 0), noise(4, 1)]
    banks = [bank(model, p) for p in parts]
    assert merged(banks).strongest("act2:3", 3) != merged(banks[::-1]).strongest("act2:3", 3)


def test_banks_with_other_tables_are_not_merged() -> None:
    model = toy.model()
    whole, lacking = bank(model, noise(8, 0)), bank(model, noise(4, 1))
    peaks = {name: ranking for name, ranking in lacking.tables.peaks.items() if name != "act2"}
    lacking = replace(lacking, tables=replace(lacking.tables, peaks=peaks))
    for banks in ([whole, lacking], [lacking, whole]):
        with pytest.raises(DataError, match="hold other tables and cannot be merged"):
            merged(banks)


def test_a_merged_bank_is_saved_and_found_again(tmp_path: Path) -> None:
    model, parts = toy.model(), [noise(8, 0), noise(4, 1)]
    together = merged([bank(model, p) for p in parts])
    together.save(tmp_path / "b.safetensors")
    calls: list[int] = []
    model.module[0].register_forward_hook(lambda *_: calls.append(1))
    loaded = load_bank(tmp_path / "b.safetensors", model, together.images)
    found = build_bank(
        model, LAYERS, together.images, top=5, batch=4, path=tmp_path / "b.safetensors", disk=False
    )
    assert same(loaded, together)
    assert same(found, together)
    assert not calls
    assert same(merged([loaded]), together)


@pytest.mark.parametrize(("change", "named"), [("top", "top"), ("weights", "weights"), ("layers", "layers")])
def test_banks_that_do_not_belong_together_are_refused(change: str, named: str) -> None:
    model, other = toy.model(), toy.model()
    if change == "weights":
        with torch.no_grad():
            other.module[0].weight.mul_(2)
    layers = ["layer1"] if change == "layers" else LAYERS
    second = build_bank(
        other, layers, vital.load_images(noise(4)), top=6 if change == "top" else 5, disk=False
    )
    with pytest.raises(DataError, match=rf"were made of other {named} and cannot be merged$"):
        merged([bank(model, noise(4)), second])
    with pytest.raises(DataError, match=r"at least one$"):
        merged([])


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    model, pictures = toy.model(), noise(9)
    made = bank(model, pictures)
    made.save(tmp_path / "b.safetensors")
    again = load_bank(tmp_path / "b.safetensors", model, vital.load_images(pictures))
    assert same(made, again)
    assert again.strongest_places("act2:3", 4) == made.strongest_places("act2:3", 4)


def test_the_file_of_an_older_version_is_one_sentence(tmp_path: Path) -> None:
    model, pictures, path = toy.model(), noise(9), tmp_path / "old.safetensors"
    made = bank(model, pictures)
    made.save(path)
    _, notes = store.load(path)
    del notes["format"]
    store.save(path, {f"values/{k}": v.contiguous() for k, v in made.values.items()}, notes)
    with pytest.raises(
        DataError, match=r"is not a bank that can be read; make one with vital bank or build_bank$"
    ):
        load_bank(path, model, vital.load_images(pictures))


def test_a_bank_of_thousands_of_units_is_small() -> None:
    """Five layers of ResNet-50 and its outputs, 4,904 units, with the numbers of a bank of any number of images."""

    def size(units: int, outputs: int, images: int, top: int, sample: int) -> int:
        each = top * (4 + 8) + sample * 4
        return (units + outputs) * each + units * top * (4 + 8 + 8) + images * 16 + 8

    held = bank(toy.model(), noise(12)).tables.pack().values()
    assert sum(t.numel() * t.element_size() for t in held) == size(8 + 16, 10, 12, 6, 12)
    assert size(3904, 1000, 1000, 51, SAMPLE) < 30e6
