from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vital.directions import sae_decoder
from vital.errors import DataError, InvalidValueError, UnknownNameError
from vital.types import Layer

LAYER = Layer("layer2", "map", (6, 4, 4))
ROWS = torch.arange(1.0, 61.0).view(10, 6).sin()
UNIT = ROWS / ROWS.norm(dim=1, keepdim=True)


def kept(folder: Path, **matrices: Tensor) -> Path:
    named = {name.replace("__", "."): matrix.contiguous() for name, matrix in matrices.items()}
    save_file(named, folder / "sae.safetensors")
    return folder / "sae.safetensors"


@pytest.mark.parametrize(
    "name", ["decoder__weight", "dec__weight", "W_dec", "sae__decoder__weight", "blocks__0__W_dec"]
)
@pytest.mark.parametrize("turned", [True, False])
def test_the_shape_says_which_axis_holds_the_latents(tmp_path: Path, name: str, turned: bool) -> None:
    matrix = ROWS.T if turned else ROWS
    path = kept(tmp_path, **{name: matrix, "encoder__weight": torch.zeros(10, 6), "b_dec": torch.zeros(6)})
    torch.testing.assert_close(sae_decoder(path, LAYER), UNIT)


def test_a_square_matrix_is_in_doubt_until_its_key_is_given(tmp_path: Path) -> None:
    square = ROWS[:6]
    path = kept(tmp_path, decoder__weight=square)
    with pytest.raises(
        InvalidValueError,
        match=r"\(6, 6\), which does not say .*; give key='decoder.weight' to go by the name",
    ):
        sae_decoder(path, LAYER)
    torch.testing.assert_close(
        sae_decoder(path, LAYER, "decoder.weight"), square.T / square.T.norm(dim=1)[:, None]
    )
    path = kept(tmp_path, W_dec=square)
    torch.testing.assert_close(sae_decoder(path, LAYER, key="W_dec"), UNIT[:6])


def test_a_dead_latent_keeps_its_zeros(tmp_path: Path) -> None:
    rows = ROWS.clone()
    rows[3] = 0
    assert not sae_decoder(kept(tmp_path, W_dec=rows), LAYER)[3].any()


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        sae_decoder(tmp_path / "no.safetensors", LAYER)
    (tmp_path / "no.safetensors").write_text("no")
    with pytest.raises(DataError, match="is not a safetensors file"):
        sae_decoder(tmp_path / "no.safetensors", LAYER)
    path = kept(tmp_path, W_dec=ROWS, dec__weight=ROWS.T)
    with pytest.raises(
        InvalidValueError,
        match=r"holds 2 matrices with the name of a decoder; give the key, one of W_dec, dec",
    ):
        sae_decoder(path, LAYER)
    with pytest.raises(UnknownNameError, match="did you mean 'W_dec'"):
        sae_decoder(path, LAYER, "W_de")
    path = kept(tmp_path, mine=ROWS)
    with pytest.raises(
        InvalidValueError, match="holds no matrix with the name of a decoder; give the key, one of mine"
    ):
        sae_decoder(path, LAYER)
    torch.testing.assert_close(sae_decoder(path, LAYER, "mine"), UNIT)
    with pytest.raises(
        InvalidValueError, match=r"has the shape \(10, 6\); a decoder for layer 'other' has 7 rows or columns"
    ):
        sae_decoder(path, Layer("other", "vector", (7,)), "mine")


@pytest.mark.filterwarnings("ignore:.*quantize")
@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.to_sparse(),
        lambda t: torch.quantize_per_tensor(t, 1 / 64, 0, torch.qint8),
        lambda t: t.bfloat16(),
    ],
    ids=["sparse", "quantized", "bfloat16"],
)
def test_tensors_of_every_layout_are_their_values(tmp_path: Path, make: Callable[[Tensor], Tensor]) -> None:
    torch.save({"W_dec": make(ROWS)}, tmp_path / "sae.pt")
    found = sae_decoder(tmp_path / "sae.pt", LAYER)
    torch.testing.assert_close(found, UNIT, atol=0.02, rtol=0)
    assert found.dtype == torch.float32


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (torch.zeros(1).expand(2**40, ROWS.shape[1]), "holds 4 bytes; give one with a value for each place"),
        (ROWS.to("meta"), "on the device meta holds no values"),
        (ROWS.to(torch.complex64), "'W_dec' holds complex numbers"),
    ],
    ids=["endless", "meta", "complex"],
)
def test_a_matrix_without_values_of_its_own_is_refused(tmp_path: Path, matrix: Tensor, said: str) -> None:
    torch.save({"W_dec": matrix}, tmp_path / "sae.pt")
    with pytest.raises((DataError, InvalidValueError), match=said):
        sae_decoder(tmp_path / "sae.pt", LAYER)
