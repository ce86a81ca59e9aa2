"""Files of sparse autoencoders in the forms that saev, Prisma, Overcomplete and SAELens give them."""

import gzip
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vital.directions import sae_decoder, sae_encoder
from vital.directions.sae_files import open_sae
from vital.errors import DataError, InvalidValueError
from vital.types import Layer

LATENTS, CHANNELS = 10, 6


def decoder(latents: int = LATENTS) -> Tensor:
    return torch.arange(1.0, 1.0 + latents * CHANNELS).view(latents, CHANNELS).sin()


def encoder(latents: int = LATENTS) -> Tensor:
    return torch.arange(1.0, 1.0 + latents * CHANNELS).view(latents, CHANNELS).cos()


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True)


def layer(name: str = "layer2") -> Layer:
    return Layer(name, "map", (CHANNELS, 4, 4))


def named(latents: int) -> dict[str, Tensor]:
    """The state dict of saev, SAELens and Prisma."""
    return {
        "W_enc": encoder(latents).T.contiguous(),
        "b_enc": torch.zeros(latents),
        "W_dec": decoder(latents),
        "b_dec": torch.zeros(CHANNELS),
    }


def saev(folder: Path, latents: int, header: dict[str, Any] | None = None) -> Path:
    about = header or {
        "schema": 4,
        "cfg": {"d_model": CHANNELS, "d_sae": latents, "activation": {"cls": "TopK", "params": {"top_k": 2}}},
        "commit": "unknown",
        "lib": "0.1",
    }
    data = io.BytesIO()
    torch.save(named(latents), data)
    (folder / "sae.pt").write_bytes(json.dumps(about).encode() + b"\n" + data.getvalue())
    return folder / "sae.pt"


def oldest_saev(folder: Path, latents: int) -> Path:
    """Before there were schemas, the settings alone stood in the first line."""
    return saev(folder, latents, {"d_vit": CHANNELS, "exp_factor": 2, "l1_coeff": 0.1, "seed": 0})


def saelens(folder: Path, latents: int) -> Path:
    place = folder / "blocks.8.hook_resid_pre"
    place.mkdir()
    save_file(named(latents) | {"threshold": torch.zeros(latents)}, place / "sae_weights.safetensors")
    save_file({"sparsity": torch.zeros(latents)}, place / "sparsity.safetensors")
    settings = {
        "architecture": "jumprelu",
        "d_in": CHANNELS,
        "d_sae": latents,
        "normalize_activations": "none",
    }
    (place / "cfg.json").write_text(json.dumps(settings))
    return place


class RunnerConfig:
    """Settings of a package that whoever reads the file need not have."""

    def __init__(self, latents: int) -> None:
        self.d_sae, self.device, self.place = latents, torch.device("cpu"), Path("here")


def prisma(folder: Path, latents: int) -> Path:
    """Settings are an object of the package, beside the state dict."""
    torch.save({"cfg": RunnerConfig(latents), "state_dict": named(latents)}, folder / "n_images_1000.pt")
    return folder / "n_images_1000.pt"


def overcomplete(folder: Path, latents: int) -> Path:
    state = {
        "encoder.final_block.0.weight": encoder(latents),
        "encoder.final_block.0.bias": torch.zeros(latents),
        "encoder.final_block.1.weight": torch.ones(latents),
        "encoder.final_block.1.running_mean": torch.zeros(latents),
        "dictionary._weights": decoder(latents),
        "dictionary.multiplier": torch.tensor(0.0),
    }
    torch.save(state, folder / "topk.pth")
    return folder / "topk.pth"


FORMS: dict[str, Callable[[Path, int], Path]] = {
    "saev": saev,
    "oldest saev": oldest_saev,
    "SAELens": saelens,
    "Prisma": prisma,
    "Overcomplete": overcomplete,
}


@pytest.mark.parametrize("latents", [LATENTS, CHANNELS, 3])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read_a_square_matrix_too(tmp_path: Path, form: str, latents: int) -> None:
    path = FORMS[form](tmp_path, latents)
    torch.testing.assert_close(sae_decoder(path, layer()), unit(decoder(latents)))
    torch.testing.assert_close(sae_encoder(path, layer()), unit(encoder(latents)))


@pytest.mark.parametrize("name", ["ae.pt", "sae.safetensors"])
def test_linear_layers_are_read_where_their_shape_says_it(tmp_path: Path, name: str) -> None:
    for latents in (LATENTS, CHANNELS):
        state = {
            "encoder.weight": encoder(latents),
            "decoder.weight": decoder(latents).T.contiguous(),
            "bias": torch.zeros(CHANNELS),
        }
        if name.endswith("pt"):
            torch.save({"model_state_dict": state, "step": 3}, tmp_path / name)
        else:
            save_file(state, tmp_path / name)
        above = "model_state_dict." if name.endswith("pt") else ""
        for read, part, rows in ((sae_decoder, "decoder", decoder), (sae_encoder, "encoder", encoder)):
            key = f"{above}{part}.weight"
            if latents == CHANNELS:
                with pytest.raises(InvalidValueError, match=f"give key='{key}' to go by the name$"):
                    read(tmp_path, layer())
            else:
                torch.testing.assert_close(read(tmp_path, layer()), unit(rows(latents)))
            torch.testing.assert_close(read(tmp_path, layer(), key), unit(rows(latents)))


def test_transposed_matrices_are_told_by_the_width_of_the_layer(tmp_path: Path) -> None:
    torch.save({"W_dec": decoder().T, "W_enc": encoder()}, tmp_path / "layer3.sae.pt")
    torch.testing.assert_close(sae_decoder(tmp_path / "layer3.sae.pt", layer()), unit(decoder()))
    torch.testing.assert_close(sae_encoder(tmp_path / "layer3.sae.pt", layer()), unit(encoder()))
    torch.save({"W_dec": decoder(CHANNELS)}, tmp_path / "square.pt")
    with pytest.raises(InvalidValueError, match="does not say whether a latent is a row or a column"):
        sae_decoder(tmp_path / "square.pt", layer())


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_an_archetypal_dictionary_is_the_mixture_of_its_points(tmp_path: Path, suffix: str) -> None:
    draw = torch.Generator().manual_seed(0)
    mixed, points = (torch.randn(shape, generator=draw) for shape in ((LATENTS, 20), (20, CHANNELS)))
    added = 0.1 * torch.randn(LATENTS, CHANNELS, generator=draw)
    state = {
        "encoder.weight": encoder(),
        "dictionary.W": mixed,
        "dictionary.C": points,
        "dictionary.Relax": added,
        "dictionary.multiplier": torch.tensor(0.3),
    }
    path = tmp_path / f"archetypal.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(state, path)
    shares = mixed.relu() / mixed.relu().sum(1, keepdim=True)
    torch.testing.assert_close(sae_decoder(path, layer()), unit(shares @ points + added))


def test_the_last_of_several_layers_is_no_encoder_of_the_layer(tmp_path: Path) -> None:
    state = {"encoder.mlp_blocks.0.0.weight": torch.ones(CHANNELS, CHANNELS)}
    torch.save(state | {"encoder.final_block.0.weight": encoder()}, tmp_path / "deep.pt")
    with pytest.raises(InvalidValueError, match="holds no matrix with the name of an encoder; give the key"):
        sae_encoder(tmp_path / "deep.pt", layer())


class Sae(nn.Module):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.decoder = nn.Linear(LATENTS, CHANNELS)


def run(place: Path) -> None:
    place.write_text("ran")


class Ran:
    """What runs when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return run, (self.place,)


class Evaluated(Ran):
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"__import__('pathlib').Path({str(self.place)!r}).write_text('ran')",)


@pytest.mark.parametrize("kind", [Ran, Evaluated])
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_pickled_runs(tmp_path: Path, kind: type[Ran], zipped: bool) -> None:
    bomb, path = kind(tmp_path / "ran"), tmp_path / "sae.pt"
    torch.save({"cfg": bomb, "state_dict": named(LATENTS)}, path, _use_new_zipfile_serialization=zipped)
    if zipped:
        torch.testing.assert_close(sae_decoder(path, layer()), unit(decoder()))
    else:
        with pytest.raises(DataError, match="nothing pickled is run"):
            sae_decoder(path, layer())
    torch.save(bomb, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match="nothing pickled is run"):
        sae_decoder(path, layer())
    path.write_bytes(pickle.dumps({"state_dict": named(LATENTS), "cfg": bomb}))
    with pytest.raises(DataError, match=r"sae\.pt' "):
        sae_decoder(path, layer())
    assert not (tmp_path / "ran").exists()
    pickle.loads(pickle.dumps(bomb))  # noqa: S301
    assert (tmp_path / "ran").exists()  # that it would have run, had it been unpickled


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_module_says_how_to_save_its_state_dict(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "sae.pt"
    torch.save(Sae(), path, _use_new_zipfile_serialization=zipped)
    what = rf"a pickled {__name__}\.Sae" if zipped else "pickled objects or is damaged"
    with pytest.raises(
        DataError,
        match=rf"holds {what}, and tensors alone are read, since nothing pickled is run; "
        r"where it was made, save its state dict with torch\.save\(sae\.state_dict\(\), FILE\)$",
    ):
        sae_decoder(path, layer())
    torch.save(Sae().state_dict(), path)
    assert sae_decoder(path, layer()).shape == (LATENTS, CHANNELS)


def test_files_that_are_none_are_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "sae.pt"
    for content, message in (
        (b"{no json\n", "begins like a file of saev and has no line of JSON"),
        (
            b"",
            "cannot be read .*; allowed are a safetensors file, a state dict that torch.save wrote, or a folder",
        ),
        (b"words", "pickled objects or is damaged|cannot be read"),
        (gzip.compress(pickle.dumps({"W_dec": 1})), "pickled objects or is damaged"),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=message):
            open_sae(file)
    torch.save([1, "two"], file)
    with pytest.raises(DataError, match="holds no state dict, and tensors alone are read"):
        open_sae(file)


def test_a_folder_holds_one_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds none of the files that weights are in .*: it is empty$"):
        open_sae(tmp_path)
    saelens(tmp_path, LATENTS)
    with pytest.raises(DataError, match=r"give one of its own: blocks\.8\.hook_resid_pre$"):
        open_sae(tmp_path)
    saev(tmp_path, LATENTS)
    assert open_sae(tmp_path).layout == "saev"
    torch.save(named(LATENTS), tmp_path / "ae.pt")
    with pytest.raises(
        DataError, match=r"holds several of the files .*; give one of its own: sae\.pt, ae\.pt$"
    ):
        open_sae(tmp_path)


def test_keys_that_were_found_and_names_that_are_known_are_said(tmp_path: Path) -> None:
    torch.save({f"part{i}": torch.zeros(2) for i in range(20)}, tmp_path / "other.pt")
    with pytest.raises(
        InvalidValueError,
        match=r"no matrix with the name of a decoder; give the key, one of part0, .*part11, … \(20 in all\); "
        r"names that are known without one: W_dec, decoder\.W, decoder\.weight",
    ):
        sae_decoder(tmp_path / "other.pt", layer())
