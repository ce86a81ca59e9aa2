import fcntl
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vital.errors import InvalidValueError, RunError
from vital.records import Prototype
from vital.rendering import run_folder as runs
from vital.rendering.natural_exemplars import Exemplar
from vital.rendering.run_folder import Render, Run, entered, folder_name, gif, read_run, versions, write_sheet
from vital.units import Unit
from vital.utils.io import as_json, read_json, write

MODEL = {"spec": "net.py:make", "name": "net:make", "weights_hash": "ab12", "size": [8, 8]}
ASKED = Render("fourier", {"steps": 4, "layers": ("a", "b")}, 0, 2, ("class:0", "class:1", "class:2"))


def prototype(unit: str, *, shade: float = 0.5, frames: int = 0, size: int = 8) -> Prototype:
    picture = torch.full((3, size, size), shade)
    way = tuple((step, picture * step / max(frames - 1, 1)) for step in range(frames))
    return Prototype(Unit.parse(unit), picture, torch.ones(size, size), "fourier", 0, frames=way)


def filled(path: Path, render: Render = ASKED, units: tuple[str, ...] | None = None) -> None:
    with entered(path, MODEL, render) as run:
        for unit in units or render.units:
            run.save(prototype(unit, frames=render.frames))


@contextmanager
def files_of_at_most(count: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    write(file, b"old")
    with files_of_at_most(1000), pytest.raises(RunError) as caught:
        write(file, b"x" * 5000)
    assert str(caught.value) == f"cannot write '{file}': File too large"
    assert [f.name for f in tmp_path.iterdir()] == ["a.bin"]
    assert file.read_bytes() == b"old"


def test_a_write_puts_a_new_file_in_the_place_of_the_old_one(tmp_path: Path) -> None:
    write(tmp_path / "a.bin", b"old")
    os.link(tmp_path / "a.bin", tmp_path / "seen by a reader")
    write(tmp_path / "a.bin", b"new")
    assert (tmp_path / "seen by a reader").read_bytes() == b"old"
    assert (tmp_path / "a.bin").read_bytes() == b"new"


def test_a_file_in_the_way_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with (
        pytest.raises(RunError, match=r"^cannot write '.*/run': File exists$"),
        entered(tmp_path / "run", MODEL, ASKED),
    ):
        pass
    with (
        pytest.raises(RunError, match=r"^cannot write '.*/run/deep': Not a directory$"),
        entered(tmp_path / "run" / "deep", MODEL, ASKED),
    ):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="Permission denied"), entered(tmp_path, MODEL, ASKED):
        pass


def test_run_json_says_what_made_the_folder(tmp_path: Path) -> None:
    filled(tmp_path)
    found = json.loads((tmp_path / "run.json").read_text())
    assert found == {"schema": 1, "versions": versions(), "model": MODEL, "renders": [ASKED.plain()]}
    assert found["renders"][0]["units"] == ["class:0", "class:1", "class:2"]
    assert set(versions()) == {"vital", "torch", "numpy", "pillow", "python"}


def test_a_unit_has_a_picture_a_mask_and_a_record(tmp_path: Path) -> None:
    filled(tmp_path, units=("class:1",))
    folder = tmp_path / "units" / "class_1"
    assert sorted(f.name for f in folder.iterdir()) == [
        "fourier-0-mask.png",
        "fourier-0.json",
        "fourier-0.png",
    ]
    with Image.open(folder / "fourier-0.png") as picture, Image.open(folder / "fourier-0-mask.png") as mask:
        assert (picture.mode, mask.mode, picture.size) == ("RGB", "RGBA", (8, 8))
        assert json.loads(picture.text["vital"]) == read_json(folder / "fourier-0.json")  # type: ignore[attr-defined]


@pytest.mark.parametrize("lost", [".png", "-mask.png", ".json", ".gif", "-frames.png"])
def test_a_unit_is_complete_with_all_its_files_only(tmp_path: Path, lost: str) -> None:
    asked = replace(ASKED, frames=3)
    filled(tmp_path, asked)
    run = Run(tmp_path, asked)
    assert run.complete(asked.units)
    run.file("class:1", lost).unlink()
    assert run.complete(["class:0", "class:2"])
    assert not run.complete(["class:0", "class:1"])


def test_the_record_is_written_last(tmp_path: Path) -> None:
    with entered(tmp_path, MODEL, ASKED) as run:
        run.file("class:0", "-mask.png").mkdir(parents=True)
        with pytest.raises(RunError):
            run.save(prototype("class:0"))
        assert run.file("class:0").is_file()
        assert not run.file("class:0", ".json").exists()


def test_the_same_render_goes_on_and_changes_no_byte_of_run_json(tmp_path: Path) -> None:
    filled(tmp_path, units=("class:0",))
    before = (tmp_path / "run.json").read_bytes()
    filled(tmp_path)
    assert (tmp_path / "run.json").read_bytes() == before


def refused(path: Path, model: dict[str, Any] = MODEL, render: Render = ASKED) -> str:
    before = (path / "run.json").read_bytes()
    with pytest.raises(RunError) as caught, entered(path, model, render):
        pass
    assert (path / "run.json").read_bytes() == before
    return str(caught.value)


def test_another_network_is_refused_and_what_differs_is_named(tmp_path: Path) -> None:
    filled(tmp_path)
    said = refused(tmp_path, {**MODEL, "weights_hash": "cd34"})
    assert said == (
        f"the folder '{tmp_path}' belongs to another run: model.weights_hash was 'ab12' and is now 'cd34'; "
        "choose another folder"
    )


def test_the_same_network_under_another_path_goes_on(tmp_path: Path) -> None:
    filled(tmp_path)
    with entered(tmp_path, {**MODEL, "spec": "elsewhere/net.py:make"}, ASKED):
        pass
    assert read_run(tmp_path)["model"]["spec"] == "net.py:make"


def test_another_version_is_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    found = read_run(tmp_path)
    found["versions"]["torch"] = "1.0"
    write(tmp_path / "run.json", as_json(found))
    assert f"versions.torch was '1.0' and is now '{torch.__version__}'" in refused(tmp_path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"options": {"steps": 5, "layers": ("a", "b")}}, "options.steps was 4 and is now 5"),
        ({"batch": 3}, "batch was 2 and is now 3"),
        ({"frames": 4}, "frames was 0 and is now 4"),
        ({"images": {"hash": "ff"}}, "images was None and is now {'hash': 'ff'}"),
    ],
)
@pytest.mark.parametrize("units", [ASKED.units, ("class:7",)])
def test_other_settings_under_the_same_names_are_refused(
    tmp_path: Path, changed: dict[str, Any], words: str, units: tuple[str, ...]
) -> None:
    filled(tmp_path)
    assert refused(tmp_path, render=replace(ASKED, units=units, **changed)) == (
        f"the folder '{tmp_path}' holds fourier with seed 0 already, with other settings: {words}; "
        "choose another folder or seed, or the same settings"
    )


def test_a_direction_whose_file_changed_is_refused_and_others_are_added(tmp_path: Path) -> None:
    unit, other = "d.safetensors:0@a", "d.safetensors:1@a"
    asked = replace(ASKED, units=(unit,), directions={unit: "ab"})
    filled(tmp_path, asked)
    for units in ((unit,), (unit, other)):
        said = refused(tmp_path, render=replace(asked, units=units, directions={unit: "cd"}))
        assert (
            f"with other settings: directions.{unit} was 'ab' and is now 'cd'; choose another folder" in said
        )
    for again in (asked, replace(asked, units=(other,), directions={other: "cd"})):
        with entered(tmp_path, MODEL, again):
            pass


def test_units_of_an_earlier_render_are_refused_in_other_company(tmp_path: Path) -> None:
    filled(tmp_path)
    said = refused(tmp_path, render=replace(ASKED, units=("class:1", "class:7")))
    assert (
        "with class:1 among the units class:0, class:1, class:2; ask for just those units in that order"
        in said
    )


@pytest.mark.parametrize("changed", [{"units": ("class:7",)}, {"seed": 1}, {"method": "pixels"}])
def test_other_units_seeds_and_methods_share_a_folder(tmp_path: Path, changed: dict[str, Any]) -> None:
    filled(tmp_path)
    with entered(tmp_path, MODEL, replace(ASKED, **changed)):
        pass
    assert read_run(tmp_path)["renders"] == [ASKED.plain(), replace(ASKED, **changed).plain()]


def test_a_render_without_a_finished_unit_leaves_no_claim(tmp_path: Path) -> None:
    with entered(tmp_path, {**MODEL, "weights_hash": "wrong"}, replace(ASKED, options={"lr": 99})):
        pass
    filled(tmp_path)
    assert read_run(tmp_path)["renders"] == [ASKED.plain()]
    assert read_run(tmp_path)["model"] == MODEL


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with entered(tmp_path, MODEL, ASKED):
        assert (
            refused(tmp_path) == f"'{tmp_path}' is in use by another process; wait, or choose another folder"
        )
    filled(tmp_path)


def test_a_file_system_without_locks_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    filled(tmp_path)
    assert Run(tmp_path, ASKED).complete(ASKED.units)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is damaged: Expecting property name"),
        ("[]", "is damaged: it holds no JSON object"),
        ('{"schema": 9}', "has the schema 9; this version reads 1"),
        ('{"schema": 1}', "has the schema 1 but lists no renders"),
    ],
)
def test_a_run_json_that_cannot_be_read_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert words in refused(tmp_path)


def test_units_without_a_run_json_are_nobodys(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "run.json").unlink()
    with (
        pytest.raises(RunError, match=r"holds units but no run\.json that says whose"),
        entered(tmp_path, MODEL, ASKED),
    ):
        pass


def test_long_names_are_cut_and_stay_apart() -> None:
    units = [f"{'block.' * 60}{end}:1" for end in "ab"]
    assert all(len(folder_name(unit)) < 120 for unit in units)
    assert folder_name(units[0]) != folder_name(units[1])


def test_units_that_would_share_a_folder_are_refused(tmp_path: Path) -> None:
    asked = replace(ASKED, units=("Mix:1", "mix:1"))
    with (
        pytest.raises(RunError, match="Mix:1 and mix:1 would share a folder"),
        entered(tmp_path, MODEL, asked),
    ):
        pass


def pixels(file: Path | None) -> np.ndarray:
    assert file is not None
    with Image.open(file) as sheet:
        return np.asarray(sheet.convert("L"))


def test_the_sheet_holds_every_complete_picture_in_order_with_titles(tmp_path: Path) -> None:
    with entered(tmp_path, MODEL, ASKED) as run:
        for unit, shade in (("class:2", 0.8), ("class:0", 0.2)):
            run.save(prototype(unit, shade=shade))
        first = pixels(write_sheet(tmp_path))
        data = (tmp_path / "sheet.png").read_bytes()
        assert [int(first[64, x]) for x in (64, 64 + 136)] == [51, 204]
        assert first.shape == (8 + 128 + 14 + 8, 2 * (128 + 8) + 8)
        words = first[8 + 128 : -8]
        assert words[:, :136].min() < 60 > words[:, 136:].min()
        assert not np.array_equal(words[:, 8:136], words[:, 144:272])
        again = pixels(write_sheet(tmp_path))
        assert (tmp_path / "sheet.png").read_bytes() == data
        other = pixels(write_sheet(tmp_path, {"class:2": ["class:2", "a cat"]}))
    assert np.array_equal(first, again)
    assert other.shape[0] == first.shape[0] + 14
    assert np.array_equal(other[: first.shape[0] - 8, :136], first[:-8, :136])


def test_a_sheet_of_several_renders_says_which(tmp_path: Path) -> None:
    for seed in (0, 1):
        with entered(tmp_path, MODEL, replace(ASKED, seed=seed)) as run:
            run.save(replace(prototype("class:0"), seed=seed))
    sheet = pixels(write_sheet(tmp_path))
    assert sheet.shape == (8 + 128 + 2 * 14 + 8, 2 * 136 + 8)
    assert not np.array_equal(sheet[-30:, 8:136], sheet[-30:, 144:272])


def test_a_large_sheet_is_scaled_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path)
    monkeypatch.setattr(runs, "SHEET_PIXELS", 3 * 4 * 4)
    file = write_sheet(tmp_path)
    assert file is not None
    with Image.open(file) as sheet:
        assert sheet.size == (3 * 8 + 4, 8 + 4)


def test_an_empty_run_has_no_sheet(tmp_path: Path) -> None:
    with entered(tmp_path, MODEL, ASKED):
        assert write_sheet(tmp_path) is None


def test_the_gif_shows_the_frames_and_rests_on_the_last() -> None:
    shades = (0, 90, 180, 255)
    data = gif([Image.new("RGB", (6, 6), (shade, shade, 0)) for shade in shades])
    import io

    with Image.open(io.BytesIO(data)) as found:
        seen = []
        for frame in range(found.n_frames):
            found.seek(frame)
            seen.append((found.convert("RGB").getpixel((2, 2)), found.info["duration"]))
    assert seen == [((s, s, 0), 200) for s in shades[:-1]] + [((255, 255, 0), 1600)]


def test_the_log_takes_a_line_for_each_event(tmp_path: Path) -> None:
    with entered(tmp_path, MODEL, ASKED) as run:
        run.log("group", seconds=1.5)
        run.log("group", seconds=2.5)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["seconds"] for line in lines] == [1.5, 2.5]
    assert all("time" in line for line in lines)


def test_a_prototype_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    made = replace(prototype("class:0", shade=0.25), alpha=torch.linspace(0, 1, 64).view(8, 8))
    with entered(tmp_path, MODEL, ASKED) as run:
        run.save(made)
        found = run.prototype("class:0")
    assert (found.unit, found.method, found.seed, found.status) == (made.unit, "fourier", 0, "done")
    assert torch.allclose(found.image, made.image, atol=0.5 / 255 + 1e-6)
    assert torch.allclose(found.alpha, made.alpha, atol=0.5 / 255 + 1e-6)
    assert found.to_pil(masked=True).tobytes() == run.picture("class:0", masked=True).tobytes()
    run.file("class:0").write_bytes(run.file("class:0").read_bytes()[:60])
    with pytest.raises(RunError, match=r"fourier-0\.png'"):
        run.picture("class:0")


def test_the_prototypes_of_some_units_are_found_in_all_renders(tmp_path: Path) -> None:
    units = [Unit.parse(name) for name in ("class:2", "class:0", "class:7")]
    assert runs.prototypes_in(tmp_path, "ab12", units) == []
    filled(tmp_path)
    with entered(tmp_path, MODEL, replace(ASKED, seed=1)) as run:
        run.save(replace(prototype("class:2"), seed=1))
        found = [(str(p.unit), p.seed) for p in runs.prototypes_in(tmp_path, "ab12", units)]
    assert found == [("class:2", 0), ("class:2", 1), ("class:0", 0)]
    with pytest.raises(RunError, match="belongs to another network"):
        runs.prototypes_in(tmp_path, "other", units)


def test_events_are_read_and_half_a_line_is_passed_over(tmp_path: Path) -> None:
    with entered(tmp_path, MODEL, ASKED) as run:
        assert list(run.events()) == []
        run.log("group", seconds=1.5)
        with (tmp_path / runs.LOG).open("a") as log:
            log.write('{"event": "gro')
        run.log("group", seconds=2.5)
    assert [event["seconds"] for event in run.events()] == [1.5, 2.5]


def exemplar(unit: str, i: int) -> Exemplar:
    image = torch.rand(3, 8, 8)
    return Exemplar(Unit.parse(unit), image, image[0], i, f"{i}.png", 1 / (i + 1), "activation", "lrp zplus")


def test_exemplars_come_back_in_their_order(tmp_path: Path) -> None:
    given = [exemplar("layer4:3", i) for i in range(3)]
    runs.save_exemplars(tmp_path, given)
    kept = runs.kept_exemplars(tmp_path, "layer4:3")
    assert [(k.name, k.value, k.of, k.by) for k in kept] == [
        ("0.png", 1.0, "activation", "lrp zplus"), ("1.png", 0.5, "activation", "lrp zplus"),
        ("2.png", 0.333333, "activation", "lrp zplus"),
    ]  # fmt: skip
    for one, own in zip(kept, given, strict=True):
        for heat in (False, True):
            assert one.to_pil(heat=heat).tobytes() == own.to_pil(heat=heat).tobytes()
    assert runs.kept_exemplars(tmp_path, "layer4:4") == []


def test_exemplars_of_two_units_are_refused(tmp_path: Path) -> None:
    for some in ([], [exemplar("layer4:3", 0), exemplar("layer4:4", 0)]):
        with pytest.raises(InvalidValueError, match=f"of {len(some)} units"):
            runs.save_exemplars(tmp_path, some)


MANY = replace(ASKED, channels=12, bands=(3, 2, 1), units=("class:0",))


def test_all_channels_are_kept_and_some_are_shown(tmp_path: Path) -> None:
    image = torch.linspace(0, 1, 12 * 64).view(12, 8, 8)
    made = Prototype(Unit.parse("class:0"), image, torch.ones(8, 8), "fourier", 0, bands=(3, 2, 1))
    with entered(tmp_path, MODEL, MANY) as run:
        run.save(made)
    (kept,) = runs.runs(tmp_path)
    assert kept.render == replace(MANY, options={"steps": 4, "layers": ["a", "b"]})
    read = kept.prototype("class:0")
    assert torch.equal(read.image, image)
    assert read.to_pil().tobytes() == made.to_pil().tobytes() == kept.picture("class:0").tobytes()
    shown = (np.asarray(image)[[3, 2, 1]] * 255).round().astype(np.uint8).transpose(1, 2, 0)
    np.testing.assert_array_equal(np.asarray(made.to_pil()), shown)
    record = kept.to_dict("class:0")
    assert (record["bands"], record["channels"]) == ([3, 2, 1], 12)
    kept.file("class:0", ".npy").write_bytes(b"rubbish")
    with pytest.raises(RunError, match=r"npy' is damaged: .*; remove it, and make it again$"):
        kept.prototype("class:0")
    kept.file("class:0", ".npy").unlink()
    assert not kept.complete(["class:0"])


def test_other_bands_need_another_folder(tmp_path: Path) -> None:
    image = torch.rand(12, 8, 8)
    with entered(tmp_path, MODEL, MANY) as run:
        run.save(Prototype(Unit.parse("class:0"), image, torch.ones(8, 8), "fourier", 0, bands=(3, 2, 1)))
    with (
        pytest.raises(
            RunError, match=r"with other settings: bands was \[3, 2, 1\] and is now \[\]; choose another"
        ),
        entered(tmp_path, MODEL, replace(MANY, bands=())),
    ):
        pass
