import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests import toy
from vital import ImageSet, Model, load_images
from vital.activations import build_bank
from vital.activations import matrix as module
from vital.activations.matrix import build_matrix, embed_images, embed_texts, fingerprint, readout_key
from vital.directions import save_directions
from vital.errors import InvalidValueError, ModelError, RunError
from vital.models.random import random_weights
from vital.tracing import Tracer
from vital.utils import tensor_cache as store
from vital.utils.io import cache_folder
from vital.world.networks.backends import Encoder


def random_images(count: int = 9) -> ImageSet:
    return load_images(np.random.default_rng(0).integers(0, 255, (count, 32, 32, 3), dtype=np.uint8))


def test_values_are_the_means_over_places_of_whole_layers() -> None:
    model, shown = toy.model(), random_images()
    units = model.units(["layer2:3", "class:1", "layer1:2@1,1"])
    found = build_matrix(model, shown, units, batch=4)
    with Tracer(model, ["layer1", "layer2", "class"]) as tracer, torch.no_grad():
        trace = tracer(shown.tensor(range(9), model))
    for unit in units:
        assert torch.allclose(found.of([unit])[:, 0], trace.read(unit), atol=1e-5)
    assert found.layer(units[0]).shape == (9, 16)
    assert torch.equal(found.choosing, shown.part()[found.numbers])


def test_a_direction_s_values_are_projections(tmp_path: Path) -> None:
    model, shown = toy.model(), random_images()
    vectors = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    units = save_directions(tmp_path / "d.safetensors", vectors, "layer2")
    found = build_matrix(model, shown, units)
    assert torch.allclose(found.of(units), found.layer(units[0]) @ vectors.T, atol=1e-5)


def test_tokens_are_read_as_the_unit_says() -> None:
    model = toy.token_model()
    units = model.units(["block1:3#cls", "block1:3#patches"])
    found = build_matrix(model, random_images(), units)
    assert not torch.allclose(found.of(units[:1]), found.of(units[1:]))


def test_a_second_look_shows_nothing_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    model, shown = toy.model(), random_images()
    units = model.units(["layer1:0"])
    first = build_matrix(model, shown, units)
    monkeypatch.setattr(module, "Tracer", None)
    assert torch.equal(build_matrix(model, shown, units).of(units), first.of(units))


def test_other_weights_are_looked_at_anew() -> None:
    model, shown = toy.model(), random_images()
    units = model.units(["layer1:0"])
    first = build_matrix(model, shown, units).of(units)
    with torch.no_grad():
        model.module.get_submodule("layer1").weight.mul_(2)
    assert not torch.allclose(build_matrix(model, shown, units).of(units), first)


def test_images_that_cannot_be_read_keep_their_numbers(tmp_path: Path, encoder: Encoder) -> None:
    for i in range(4):
        toy_image = np.full((32, 32, 3), 40 * i, np.uint8)
        from PIL import Image

        Image.fromarray(toy_image).save(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_bytes(b"no picture")
    model, shown = toy.model(), load_images(tmp_path)
    found = build_matrix(model, shown, model.units(["layer1:0"]))
    assert found.numbers.tolist() == [0, 2, 3]
    assert embed_images(encoder, model, shown).shape == (3, 128)


def test_values_that_are_not_finite_are_said() -> None:
    class Sick(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3)) / 0

    model = Model(Sick(), size=(8, 8))
    with pytest.raises(ModelError, match="not finite"):
        build_matrix(model, random_images(), model.units(["class:0"]))


def test_embeddings_are_the_encoder_s_and_kept_under_what_it_says(encoder: Encoder) -> None:
    texts = ["a red cube", "snow"]
    assert torch.allclose(embed_texts(encoder, texts), encoder.encode_text(texts), atol=1e-6)

    class Other:
        name = encoder.name
        encode_image = encoder.encode_image

        def encode_text(self, texts: list[str]) -> torch.Tensor:
            return encoder.encode_text(texts).flip(1)

    assert fingerprint(Other()) != fingerprint(encoder)
    assert not torch.allclose(embed_texts(Other(), texts), embed_texts(encoder, texts))


def test_a_reading_is_that_of_the_whole_layer() -> None:
    model = toy.model()
    units = model.units(["layer1:0", "layer1:5", "layer1:5@0,0"])
    assert len({readout_key(unit) for unit in units}) == 2


def test_the_greatest_place_counts_where_it_is_asked_for() -> None:
    model, shown = toy.model(), random_images()
    units = model.units(["layer2:3", "class:1"])
    mean, found = build_matrix(model, shown, units), build_matrix(model, shown, units, pool="max")
    with Tracer(model, ["layer2"]) as tracer, torch.no_grad():
        trace = tracer(shown.tensor(range(9), model))
    assert torch.allclose(found.of(units[:1])[:, 0], trace["layer2"][:, 3].amax((1, 2)), atol=1e-5)
    assert torch.equal(found.of(units[1:]), mean.of(units[1:]))
    assert found.key != mean.key
    with pytest.raises(InvalidValueError, match="pool is 'median'; allowed are mean, max"):
        build_matrix(model, shown, units, pool="median")


def test_values_stay_on_disk_while_anybody_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "LIMIT_BYTES", 1)
    monkeypatch.setattr(store, "FRESH_SECONDS", -1)
    model, shown = toy.model(), random_images()
    passes = []
    monkeypatch.setattr(module, "Tracer", lambda *given: passes.append(1) or Tracer(*given))
    for _ in range(2):
        for layer in ("layer1:0", "layer2:0"):
            build_matrix(model, shown, model.units([layer]))
    assert len(passes) == 2


def test_memory_does_not_grow_with_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the values grows; what the process holds of its own does not."""
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path))
    model = Model(nn.Sequential(nn.Conv2d(3, 2048, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten()), size=(2, 2))
    taken = []
    for count in (500, 8000):
        shown = load_images(np.zeros((count, 2, 2, 3), np.uint8))
        shown.hash()
        before = anonymous()
        found = build_matrix(model, shown, model.units(["0:0"]))
        taken.append(anonymous() - before)
        assert found.megabytes == pytest.approx(count * 2048 * 4 / 1e6)
    assert taken[1] - taken[0] < 20


def anonymous() -> float:
    """Megabytes that this process holds and that lie in no file."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("only Linux tells")
    return int(re.search(r"RssAnon:\s+(\d+)", status.read_text())[1]) / 1000


def test_what_cannot_be_read_back_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model, shown = toy.model(), random_images(3)
    monkeypatch.setattr(store, "load", lambda *_: None)
    with pytest.raises(
        RunError, match=r"was written, but cannot be read back; give another folder by VITAL_CACHE"
    ):
        build_matrix(model, shown, model.units(["layer2:3"]))


def test_it_is_told_for_which_layers_images_are_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "vital")
    model, shown = toy.model(), random_images(7)
    build_bank(model, ["layer1"], shown, disk=False)
    build_matrix(model, shown, model.units(["layer2:3"]))
    assert "reading 7 images once for layer1, class" in caplog.messages
    assert "reading 7 images once for layer2" in caplog.messages


WOUNDS = {
    "one row": lambda x: x[:1],
    "flat": lambda x: x.flatten(),
    "another type": lambda x: x.to(torch.float16),
    "bits": lambda x: x.to(torch.bool),
    "NaN": lambda x: x.double().mul(torch.nan).to(x.dtype) if x.is_floating_point() else x - 7,
    "gone": lambda x: None,
}


@pytest.mark.parametrize("wound", WOUNDS)
def test_files_with_other_tensors_are_made_again(
    encoder: Encoder, wound: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path))
    model, pictures = toy.model(), random_images()

    def made() -> list[torch.Tensor]:
        matrix = build_matrix(model, pictures, model.units(["act1:0"]))
        texts = ["a red cube", "a large torus"]
        return [
            matrix.numbers, *matrix.layers.values(), embed_images(encoder, model, pictures), embed_texts(encoder, texts)
        ]  # fmt: skip

    right = [one.clone() for one in made()]
    files = list((cache_folder() / "words").iterdir())
    assert len(files) >= 3
    for file in files:
        tensors, notes = store.load(file) or ({}, {})
        for name, tensor in tensors.items():
            worse = WOUNDS[wound](tensor)
            others = (
                {**tensors, name: worse}
                if worse is not None
                else {k: t for k, t in tensors.items() if k != name}
            )
            store.save(file, others, notes)
            for was, now in zip(right, made(), strict=True):
                assert torch.equal(was, now), (file.name, name)


def test_the_pass_of_a_network_with_random_weights_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "vital")
    model = random_weights(toy.model())
    build_matrix(model, random_images(), model.units(["layer1:0"]))
    assert f"reading 9 images once for layer1 of {toy.model().name}, random weights" in caplog.messages
