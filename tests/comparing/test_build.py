from pathlib import Path

import pytest

import vital
from vital.comparing.build import of_the_world


@pytest.mark.parametrize("name", ["world", "world:judge", "world:twin-solid"])
def test_the_networks_of_the_world_are_known(name: str) -> None:
    assert of_the_world(vital.load_model(name, weights="random"))


@pytest.mark.parametrize("name", ["world", "world_net", "worldwide"])
def test_a_file_whose_name_begins_so_is_none_of_them(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text(
        "from torch import nn\n\nSIZE = 16\n\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(768, 3))\n"
    )
    model = vital.load_model(f"{tmp_path / name}.py:make")
    assert model.name == f"{name}:make"
    assert not of_the_world(model)
