import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from vital.directions import save_directions, unit_rows
from vital.errors import DataError, InvalidValueError, UnitError
from vital.tracing import read_direction
from vital.units import Unit
from vital.units.direction import digests
from vital.utils.hashing import tensor_hash


def test_every_row_is_a_unit_that_reads_itself_back(tmp_path: Path) -> None:
    vectors = torch.arange(12.0).view(3, 4)
    units = save_directions(tmp_path / "a.safetensors", vectors.T.contiguous().T, "layer4", tokens="patches")
    for row, unit in enumerate(units):
        assert unit == Unit.parse(f"{tmp_path}/a.safetensors:{row}@layer4#patches")
        assert torch.equal(read_direction(unit), vectors[row])


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8])
def test_real_numbers_of_any_usual_kind_are_read(tmp_path: Path, kind: torch.dtype) -> None:
    save_file({"rows": torch.eye(3, dtype=kind)}, tmp_path / "a.safetensors")
    unit = Unit.parse(f"{tmp_path}/a.safetensors:1@layer4")
    assert read_direction(unit).tolist() == [0, 1, 0]
    whole = tensor_hash(torch.eye(3, dtype=torch.float64)[1])
    assert digests([unit, Unit("layer4", 1)]) == {str(unit): whole[:16]}


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.complex64])
def test_numbers_that_are_no_directions_are_refused(tmp_path: Path, kind: torch.dtype) -> None:
    save_file({"rows": torch.eye(3).to(kind)}, tmp_path / "a.safetensors")
    with pytest.raises(UnitError, match="allowed are real numbers of 16 bits and more"):
        read_direction(f"{tmp_path}/a.safetensors:1@layer4")


def test_the_file_says_its_layer_and_how_it_was_made(tmp_path: Path) -> None:
    save_directions(tmp_path / "a.safetensors", torch.eye(3), "layer4", notes={"by": "hand"})
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert json.loads(file.metadata()["vital"]) == {"by": "hand", "layer": "layer4"}


def test_directions_are_written_over_and_read_anew_and_other_files_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    (unit, *_) = save_directions(path, torch.eye(3), "layer4")
    assert read_direction(unit)[0] == 1
    save_directions(path, 2 * torch.eye(2, 5), "layer4")
    assert read_direction(unit).tolist() == [2, 0, 0, 0, 0]
    save_file({"weights": torch.ones(2)}, path)
    before = path.read_bytes()
    with pytest.raises(DataError, match="is there already and holds no directions; choose another name"):
        save_directions(path, torch.eye(3), "layer4")
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["a.pt", "a!b.safetensors"])
def test_a_name_that_units_cannot_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        InvalidValueError, match=r"cannot hold directions; allowed are names NAME.safetensors without '!'"
    ):
        save_directions(tmp_path / name, torch.eye(3), "layer4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("vectors", [torch.zeros(3), torch.zeros(0, 3), torch.full((2, 3), float("nan"))])
def test_what_is_no_matrix_of_numbers_is_refused(tmp_path: Path, vectors: torch.Tensor) -> None:
    with pytest.raises(InvalidValueError, match="directions are a matrix"):
        save_directions(tmp_path / "a.safetensors", vectors, "layer4")


def test_rows_get_length_one() -> None:
    made = unit_rows(torch.tensor([[3.0, -4.0], [0.0, 0.0], [1e-20, 0.0]]))
    torch.testing.assert_close(made, torch.tensor([[0.6, -0.8], [0.0, 0.0], [1.0, 0.0]]))
