from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from vital.errors import RunError
from vital.utils import tensor_cache as store
from vital.utils.tensor_rows import growing


@pytest.mark.parametrize("blocks", [[1], [3, 2], [5, 5, 1]])
@pytest.mark.parametrize("width", [1, 3, 4])
def test_rows_come_back_as_they_were_added(tmp_path: Path, blocks: list[int], width: int) -> None:
    parts = [torch.rand(count, width, dtype=torch.float64) for count in blocks]
    with growing(tmp_path / "a.safetensors", "values") as rows:
        for part in parts:
            rows.add(part)
        rows.finish({"numbers": torch.arange(sum(blocks))})
    whole = torch.cat(parts).float()
    for found in (store.load(tmp_path / "a.safetensors")[0], load_file(tmp_path / "a.safetensors")):
        assert torch.equal(found["values"], whole)
        assert found["numbers"].tolist() == list(range(sum(blocks)))


def test_rows_of_a_block_that_fails_are_not_there(tmp_path: Path) -> None:
    def fail() -> None:
        with growing(tmp_path / "a.safetensors", "values") as rows:
            rows.add(torch.zeros(2, 2))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"cannot write '.*a.safetensors': No space left"),
        growing(tmp_path / "a.safetensors", "values"),
    ):
        raise OSError(28, "No space left on device")
