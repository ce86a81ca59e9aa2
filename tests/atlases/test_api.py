"""An atlas ends with the same files, however often it was stopped and by how many it was made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import vital
from tests import toy
from tests.atlases.conftest import Maker
from vital.activations import directions
from vital.activations.scan import scan
from vital.atlases import prepare
from vital.describing.candidates.concept_lists import read_concepts
from vital.describing.run_folder import read_labels
from vital.directions import save_directions
from vital.errors import DataError, InvalidValueError, RunError, UnknownNameError, UsageError
from vital.rendering import Method
from vital.rendering.run_folder import kept_exemplars, runs
from vital.world.scenes.dataset import images as scenes

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*images held out.*:UserWarning", "ignore:.*held out.*:UserWarning"
)


def pieces(make: Maker, name: str = "one") -> list[str]:
    """The pieces that were done, as the log says."""
    lines = (make.site(name) / "run" / "log.jsonl").read_text().splitlines()
    return [line["piece"] for line in map(json.loads, lines) if line["event"] == "piece"]


class Killed(BaseException):
    """What stands for a kill here: nothing catches it."""


@contextmanager
def killed_at(write: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End at the n-th file that is written, before it is in its place."""
    left, sync = [write], os.fsync

    def counted(file: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        sync(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", counted)
        try:
            yield
        except Killed:
            return
        raise AssertionError(f"fewer than {write} files were written")


def test_an_atlas_holds_pictures_exemplars_and_words_of_every_unit(make: Maker) -> None:
    made = make()
    assert (made.done, made.pieces, made.finished) == (9, 9, True)
    assert made.site == make.site()
    assert (made.site / "index.html").is_file()
    units = ("act1:0", "act1:1", "act1:2", "class:0")
    assert [run.render.method for run in runs(made.run)] == ["vital", "fourier"]
    assert all(run.complete(units) for run in runs(made.run))
    assert [len(kept_exemplars(made.run, unit)) for unit in units] == [2, 2, 2, 2]
    assert [row["unit"] for row in read_labels(made.run / "labels.csv")] == list(units)
    assert not (made.run / ".locks").exists()


def test_nothing_is_done_twice(make: Maker) -> None:
    make()
    before, done = make.files(), pieces(make)
    assert len(done) == len(set(done)) == 9
    make()
    assert (make.files(), pieces(make)) == (before, done)


@pytest.mark.slow
def test_an_atlas_that_is_killed_anywhere_ends_with_the_same_files(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("whole")
    for write in range(1, 51, 7):
        with killed_at(write, monkeypatch):
            make(f"killed-{write}")
        make(f"killed-{write}")
        assert make.files(f"killed-{write}") == make.files("whole"), write
        assert sorted(pieces(make, f"killed-{write}")) == sorted(pieces(make, "whole")), write


def test_shards_make_what_one_makes_and_share_the_work(make: Maker) -> None:
    make("whole")
    first = make("parts", shard="1/2")
    assert not first.finished
    second = make("parts", shard="2/2")
    assert second.finished
    assert make.files("parts") == make.files("whole")
    assert sorted(pieces(make, "parts")) == sorted(pieces(make, "whole"))


def test_a_part_of_the_stages_and_units_and_then_the_rest(make: Maker) -> None:
    make("whole")
    make("parts", only="exemplars")
    assert pieces(make, "parts") == ["exemplars-00000", "exemplars-00001"]
    make("parts", only=["act1:1", "prototypes"])
    assert pieces(make, "parts")[2:] == ["prototypes-vital-00000", "prototypes-fourier-00000"]
    assert not (make.site("parts") / "run" / "labels.csv").exists()
    assert make("parts").finished
    assert make.files("parts") == make.files("whole")


def test_methods_may_be_added(make: Maker) -> None:
    make("whole", methods=["fourier", "vital"])
    make("parts", methods="fourier", concepts=None, encoder=None, n_random_models=None)
    assert not (make.site("parts") / "run" / "labels.csv").exists()
    assert make("parts", methods="vital").finished
    assert [run.render.method for run in runs(make.site("parts") / "run")] == ["fourier", "vital"]
    assert make.files("parts") == make.files("whole")


def test_images_are_shown_once_for_all_directions(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[tuple[str, ...]] = []

    def counted(model: Any, layers: Any, *given: Any, **how: Any) -> Any:
        passes.append(layers)
        return scan(model, layers, *given, **how)

    monkeypatch.setattr(directions, "scan", counted)
    vectors = torch.randn(4, 8, generator=torch.Generator().manual_seed(5))
    units = save_directions(make.folder / "found.safetensors", vectors, "act1")
    asked = {"methods": "fourier", "batch": 1, "concepts": None, "encoder": None, "n_random_models": None}
    assert make(layers=[str(unit) for unit in units], **asked).finished
    assert passes == [("act1",)]


@pytest.mark.parametrize("content", ["{}", '{"labels": 1}', '{"labels": [{"unit": "act1:0"}]}'])
def test_damaged_words_are_one_sentence(make: Maker, content: str) -> None:
    make(methods=["fourier", "clip-dissect"])
    file = make.site() / "run" / "words" / "words-clip-dissect-00000.json"
    file.write_text(content)
    with pytest.raises(RunError, match=r"00000\.json' is damaged: .*; remove it, and the same command makes"):
        make(methods=["fourier", "clip-dissect"])
    file.unlink()
    assert make(methods=["fourier", "clip-dissect"]).finished


def test_describers_may_be_added(make: Maker) -> None:
    make("whole", methods=["fourier", "clip-dissect", "linear"])
    make("parts", methods=["fourier", "clip-dissect"])
    made = make("parts", methods=["fourier", "linear"])
    assert made.finished
    said = read_labels(made.run / "labels.csv")
    assert {(row["unit"], row["method"]) for row in said} == {
        (row["unit"], row["method"]) for row in read_labels(make.site("whole") / "run" / "labels.csv")
    }
    details = json.loads((made.run / "labels.json").read_text())["labels"]
    assert {row["method"] for row in details} == {"clip-dissect", "linear"}
    for file in ("words-clip-dissect-00000.json", "words-linear-00001.json"):
        assert make.files("parts")[f"run/words/{file}"] == make.files("whole")[f"run/words/{file}"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"steps": 3}, "vital.options.steps was 2 and is now 3"),
        ({"seed": 1}, "options.seed was 0 and is now 1"),
        ({"count": 3}, "options.count was 2 and is now 3"),
        ({"batch": 3}, "options.batch was 2 and is now 3"),
        ({"layers": ["act1:0-3", "class:0"]}, "units.act1 was '0-2' and is now '0-3'"),
        ({"concepts": ["red", "sea"]}, "clip-dissect.concepts.count was 6 and is now 2"),
        ({"alpha": 0.1}, "clip-dissect.judge.alpha was 0.05 and is now 0.1"),
    ],
)
def test_another_request_is_refused_with_what_differs(make: Maker, more: dict[str, Any], says: str) -> None:
    make(only="bank")
    with pytest.raises(
        RunError, match=f"holds another atlas: .*{says}.*; choose another folder, or ask for the"
    ):
        make(**more)


def test_other_images_and_weights_are_refused(make: Maker) -> None:
    make(only="bank")
    others = vital.load_images(toy.images(24, seed=1).float().numpy())
    with pytest.raises(RunError, match=r"images\.hash was"):
        Maker(make.folder, make.model, others)()
    smooth = toy.model(smooth=True, double=True)
    with pytest.raises(RunError, match=r"model\.code was"):
        Maker(make.folder, smooth, make.images)()


def test_a_folder_with_another_run_is_refused(make: Maker) -> None:
    run = make.site() / "run"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    with pytest.raises(RunError, match="holds a run that is no atlas; choose another folder"):
        make()


def test_options_go_to_the_methods_that_have_them(make: Maker) -> None:
    make(only="bank", tv=1.0, top_k=5, alpha=0.2)
    record = json.loads((make.site() / "run" / "atlas.json").read_text())
    found = {part["method"]: part["render"]["options"] for part in record["prototypes"]}
    assert (found["vital"]["tv"], "tv" in found["fourier"]) == (1.0, False)
    assert record["words"][0]["options"]["top_k"] == 5
    assert record["words"][0]["judge"]["alpha"] == 0.2


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"methods": "vitl"}, UnknownNameError, "unknown method 'vitl'; did you mean 'vital'"),
        (
            {"stepz": 3},
            UnknownNameError,
            "unknown option of vital, fourier, clip-dissect 'stepz'; did you mean",
        ),
        ({"encoder": None}, UsageError, "clip-dissect needs an image-text encoder: --encoder"),
        ({"encoder": None, "methods": ()}, UsageError, "clip-dissect needs an image-text encoder: --encoder"),
        (
            {"concepts": None, "encoder": "hf:x"},
            UsageError,
            "clip-dissect needs words to choose from: --concepts",
        ),
        ({"per_layer": 0}, InvalidValueError, "per_layer is 0; allowed are whole numbers from 1"),
        ({"shard": "3/2"}, InvalidValueError, "shard is '3/2'"),
        ({"engine": "locl"}, UnknownNameError, "unknown engine 'locl'; did you mean 'local'"),
        ({"layers": "act9"}, UnknownNameError, "no layer 'act9'; did you mean"),
        ({"tokens": "some"}, InvalidValueError, "tokens is 'some'; allowed are cls, patches, all"),
    ],
)
def test_what_does_not_exist_is_told_before_any_work(
    make: Maker, more: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make(**more)
    assert not (make.site() / "run").exists()


def test_without_concepts_there_are_pictures_alone(tmp_path: Path) -> None:
    images = vital.load_images(toy.images(4).float().numpy())
    context = prepare(toy.model(), "act1", images, tmp_path)
    assert (list(context.request.methods), list(context.request.describers)) == (["vital", "vital-scene"], [])


def test_the_encoder_of_the_world_brings_its_words_to_any_network(tmp_path: Path) -> None:
    images = vital.load_images(toy.images(4).float().numpy())
    context = prepare(toy.model(), "act1", images, tmp_path, methods="fourier", encoder="world")
    assert list(context.request.describers) == ["clip-dissect"]
    assert context.request.backends["concepts"] == read_concepts("world")


def test_the_world_has_words_without_being_asked(tmp_path: Path) -> None:
    images = vital.load_images("world")
    context = prepare(vital.load_model("world"), "planted", images, tmp_path, methods="fourier")
    assert (list(context.request.methods), list(context.request.describers)) == (
        ["fourier"],
        ["clip-dissect"],
    )


def test_a_method_of_words_that_joins_later_is_asked_about_every_unit(make: Maker) -> None:
    make()
    made = make(methods=["vital", "fourier", "clip-dissect", "activation-ranges"])
    said = {(row["unit"], row["method"]) for row in read_labels(made.run / "labels.csv")}
    units = ("act1:0", "act1:1", "act1:2", "class:0")
    assert {(unit, "activation-ranges") for unit in units} <= said
    assert {(unit, "clip-dissect") for unit in units} <= said


def test_words_of_prototypes_are_those_of_the_pictures_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = scenes(24)
    context = prepare(
        vital.load_model("world"), ["planted:0-1"], images, tmp_path,
        methods=["fourier", "prototype"], steps=2, n_seeds=2,
    )  # fmt: skip
    units = context.request.units
    drawn = context.words.context.prototypes
    assert drawn is not None
    context.claim()
    for prototype in vital.render(context.model, units[:1], method=context.request.methods["fourier"]):
        context.pictures("fourier").save(prototype)
    asked: list[list[str]] = []

    def render(model: Any, units: Any, **how: Any) -> Any:
        asked.append([f"{unit} {how['seed']}" for unit in units])
        return vital.render(model, units, **how)

    monkeypatch.setattr("vital.atlases.context.render", render)
    assert [made.unit for made in drawn(units, 0)] == list(units)
    assert [made.seed for made in drawn(units, 1)] == [1, 1]
    assert asked == [["planted:1 0"], ["planted:0 1", "planted:1 1"]]


def test_units_that_would_share_a_folder_are_refused(tmp_path: Path) -> None:
    from torch import nn

    class Both(nn.Module):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.act, self.Act = nn.Conv2d(3, 2, 3), nn.Conv2d(2, 2, 3)

        def forward(self, x: Any) -> Any:
            return self.Act(self.act(x)).mean((2, 3))

    make = Maker(tmp_path, vital.Model(Both(), size=16), vital.load_images(toy.images(4).float().numpy()))
    with pytest.raises(RunError, match="the units act:0 and Act:0 would share a folder"):
        make(layers=["act:0", "Act:0"])


def test_units_that_fail_have_a_reason_and_the_others_go_on(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("whole", methods=["fourier", "clip-dissect"])
    plan = vital.METHODS["fourier"].plan

    def refusing(self: Method, model: Any, units: Any, bank: Any, seed: int) -> Any:
        if any(str(unit) == "act1:1" for unit in units):
            raise DataError("this one cannot be drawn")
        return plan(self, model, units, bank, seed)

    with monkeypatch.context() as patched:
        patched.setattr(vital.METHODS["fourier"], "plan", refusing)
        made = make("sick", methods=["fourier", "clip-dissect"])
    assert made.failed.pop("act1:1 (prototypes)") == "this one cannot be drawn"
    assert all(why.startswith("never rose") for why in made.failed.values())  # after two steps
    assert (made.done, made.pieces) == (6, 7)
    (run,) = runs(made.run)
    assert run.complete(["act1:0", "act1:2", "class:0"])
    assert make("sick", methods=["fourier", "clip-dissect"]).finished
    assert make.files("sick") == make.files("whole")


def test_a_full_disk_ends_it_with_what_was_kept(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    left, sync = [12], os.fsync

    def full(file: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(file)

    make("whole")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        says = r"cannot write '.*': No space left on device; \d of 9 pieces are kept in '.*'; free some space, and the"
        with pytest.raises(RunError, match=says):
            make("full")
    assert make("full").finished
    assert make.files("full") == make.files("whole")


KILLED = """
import os, signal, sys
import torch
import vital
from vital.world.scenes.dataset import images as scenes
from vital.atlases import stages
from vital.world.scenes.dataset import images

torch.set_num_threads(1)
site, stage, files = sys.argv[1], sys.argv[2], int(sys.argv[3])
work, sync, left = stages.work, os.fsync, [0]

def started(piece, context):
    if piece.stage == stage:
        left[0] = files
        if not files:
            os.kill(os.getpid(), signal.SIGKILL)
    return work(piece, context)

def counted(file):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(file)

os.fsync, vital.atlases.engine.work = counted, started
vital.atlas(
    vital.load_model("world", dtype="float64"), ["planted:0-1", "class:3", "class:5"], images(32), site,
    methods=["vital", "vital-scene", "clip-dissect"], steps=3, count=2, batch=2, n_random_models=1, progress=False,
)
"""


@pytest.mark.slow
def test_an_atlas_of_the_world_goes_on_after_kills_at_several_stages(tmp_path: Path) -> None:
    from tests.atlases.conftest import files

    def run(name: str, stage: str = "", write: int = -1) -> int:
        site = tmp_path / name / "site"
        script = [sys.executable, "-W", "ignore", "-c", KILLED, str(site), stage, str(write)]
        return subprocess.run(script, check=False, timeout=600).returncode

    assert run("whole") == 0
    for stage, write in (("bank", 0), ("exemplars", 3), ("prototypes", 4), ("prototypes", 2), ("words", 1)):
        assert run("killed", stage, write) == -9, (stage, write)
    assert run("killed") == 0
    assert files(tmp_path / "killed" / "site") == files(tmp_path / "whole" / "site")


@pytest.mark.slow
def test_shards_of_an_atlas_of_the_world_in_float64_are_one_run_byte_for_byte(tmp_path: Path) -> None:
    from tests.atlases.conftest import files
    from vital.world.scenes.dataset import images

    model, pictures = vital.load_model("world", dtype="float64"), images(32)

    def run(name: str, **more: Any) -> bool:
        return vital.atlas(
            model, ["planted:0-1", "class:3", "class:5", "layer3:32"], pictures, tmp_path / name / "site",
            steps=3, count=2, batch=2, n_random_models=1, progress=False, **more,
        ).finished  # fmt: skip

    assert run("whole")
    assert not run("parts", shard="2/2")
    assert run("parts", shard="1/2")
    assert files(tmp_path / "parts" / "site") == files(tmp_path / "whole" / "site")
