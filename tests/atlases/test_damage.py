"""What a damaged file of an atlas does: it is made again, or the sentence names it, and the same command goes on."""

import json
import shutil
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.atlases.conftest import Maker
from vital.errors import RunError

pytestmark = pytest.mark.filterwarnings("ignore:.*held out.*:UserWarning")
ASKED: dict[str, Any] = {"methods": "fourier", "concepts": None, "encoder": None, "n_random_models": None}
"""An atlas without words."""
AGAIN = (
    "bank.safetensors",
    "units/act1_1/exemplars.json",
    "units/act1_1/activations.json",
    "units/act1_1/neighbors.json",
    "units/act1_1/fourier-0.json",
)
"""Files that are made again."""


@pytest.fixture
def atlas(make: Maker) -> Maker:
    """An atlas that is done but for one unit, and what it is when all of it is."""
    make("whole", **ASKED)
    shutil.copytree(make.folder / "whole", make.folder / "one")
    (make.site() / "run" / "units" / "class_0" / "exemplars.json").unlink()
    return make


@pytest.mark.parametrize("kind", ["empty", "cut", "another"])
def test_damaged_files_are_made_again(atlas: Maker, kind: str) -> None:
    for name in AGAIN:
        file = atlas.site() / "run" / name
        whole = file.read_bytes()
        if kind == "empty":
            file.write_bytes(b"")
        elif kind == "cut":
            file.write_bytes(whole[: len(whole) // 2])
        elif file.suffix == ".json":
            file.write_text('{"schema": 1}')
        else:
            save_file({"other": torch.zeros(3)}, file)
    assert atlas(**ASKED).finished
    assert atlas.files() == atlas.files("whole")


@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_pictures_that_were_cut_off_are_made_again(atlas: Maker, share: float) -> None:
    for name in ("fourier-0.png", "fourier-0-mask.png", "exemplars/00.png"):
        file = atlas.site() / "run" / "units" / "act1_1" / name
        file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    assert atlas(**ASKED).finished
    assert atlas.files() == atlas.files("whole")


RECORDS = ["", "{", "[]", "{}", '{"schema": 1}']


def test_a_damaged_record_of_what_was_asked_for_names_what_to_remove(atlas: Maker) -> None:
    run = atlas.site() / "run"
    known = json.loads((run / "atlas.json").read_text())
    lacking = [json.dumps({**known, part: None}) for part in known]
    says = (
        r"atlas.json', which says what was asked for, is damaged: .*; remove it and 'run.json' beside it, and"
    )
    for content in [*RECORDS, *lacking]:
        (run / "atlas.json").write_text(content)
        with pytest.raises(RunError, match=says):
            atlas(**ASKED)
    (run / "atlas.json").unlink()
    (run / "run.json").unlink()
    assert atlas(**ASKED).finished
    assert atlas.files() == atlas.files("whole")
