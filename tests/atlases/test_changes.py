import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vital
from tests import toy
from vital.atlases import changes
from vital.atlases.changes import Watch
from vital.data.sources import selected
from vital.errors import DataError
from vital.rendering.natural_exemplars import exemplars


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    draw = np.random.default_rng(0)
    for i in range(6):
        pixels = draw.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{i}.png")
    return tmp_path / "pictures"


def test_files_that_change_or_go_are_seen(folder: Path) -> None:
    images = vital.data.joined([vital.load_images(folder), vital.load_images(toy.images(2).numpy())])
    watch = Watch(images)
    assert watch.changed(now=True) == []
    Image.new("RGB", (8, 8)).save(folder / "2.png")
    (folder / "4.png").unlink()
    assert watch.changed() == []  # it was looked at a moment ago
    assert [Path(name).name for name in watch.changed(now=True)] == ["2.png", "4.png"]


def test_shards_that_change_are_seen_in_a_part_of_a_set_too(folder: Path, tmp_path: Path) -> None:
    def shard() -> None:
        with tarfile.open(tmp_path / "a.tar", "w") as tar:
            for file in sorted(folder.iterdir()):
                tar.add(file, file.name)

    shard()
    images = vital.load_images(tmp_path / "a.tar")
    part = replace(
        images, source=selected(images.source, [0, 2]), names=images.names[:2], labels=(None, None)
    )
    watches = [Watch(images), Watch(part)]
    (folder / "0.png").unlink()
    shard()
    assert [[Path(name).name for name in watch.changed(now=True)] for watch in watches] == [["a.tar"]] * 2


def test_arrays_do_not_change() -> None:
    watch = Watch(vital.load_images(toy.images(2).numpy()))
    assert watch.changed(now=True) == []


def test_an_atlas_ends_where_images_change_and_takes_back_what_it_made_since(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(changes, "LOOK_SHARE", 1e9)
    before, calls = (folder / "3.png").read_bytes(), [0]

    def touched(*given: Any, **how: Any) -> Any:
        calls[0] += 1
        if calls[0] == 3:
            Image.new("RGB", (9, 9)).save(folder / "3.png")
        return exemplars(*given, **how)

    def make() -> vital.atlases.Atlas:
        return vital.atlas(
            toy.model(), "act1:0-2", vital.load_images(folder), tmp_path / "site", methods="fourier", steps=2,
            batch=1, count=2, progress=False,
        )  # fmt: skip

    with monkeypatch.context() as patched:
        patched.setattr("vital.atlases.stages.exemplars", touched)
        with pytest.raises(
            DataError, match=r"images changed during the run: .*3\.png; .*3 of 7 pieces are kept"
        ):
            make()
    with pytest.raises(vital.errors.RunError, match=r"images\.hash was .* and is now"):
        make()
    (folder / "3.png").write_bytes(before)
    assert make().finished
