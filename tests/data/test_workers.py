import gc
import os
import signal
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import vital
from vital.data import imageset, load_images, workers
from vital.data.sources import Indexable
from vital.data.views import Sizes, Views
from vital.errors import DataError, InvalidValueError
from vital.models import Model

MODEL = Model(nn.Identity(), size=(24, 20), resize=28)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked")


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for i in range(50):
        shape = (30 + i % 3, 40, 3) if i % 7 else (33, 41)
        picture = Image.fromarray(random.integers(0, 256, shape).astype(np.uint8))
        picture.save(tmp_path / f"{i:02d}.{'jpg' if i % 2 else 'png'}")
    return tmp_path


def both(pictures, **how):
    """All batches, read in this process and by two workers."""
    return [list(replace(pictures, workers=count).batches(MODEL, **how)) for count in (0, 2)]


@pytest.mark.parametrize("size", [1, 5, 16, 40])
def test_workers_read_the_same_bytes_in_the_same_order(folder, size):
    here, there = both(load_images(folder), size=size)
    assert [found for found, _ in here] == [found for found, _ in there]
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(here, there, strict=True))
    some = {"size": 3, "indices": [40, 3, 3, 9, 30, 12, 8]}
    here, there = both(load_images(folder), **some)
    assert [found for found, _ in there] == [[40, 3, 3], [9, 30, 12], [8]]
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(here, there, strict=True))


def test_a_bank_by_workers_is_that_of_one_process(folder, tmp_path):
    net = Model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)), size=(24, 20))
    files = []
    for count in (0, 2):
        files.append(tmp_path / f"{count}.safetensors")
        pictures = replace(load_images(folder), workers=count)
        vital.build_bank(net, ["0"], pictures, path=files[-1], disk=False)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_pictures_that_cannot_be_read_are_skipped_as_ever(folder):
    for broken in ("07.jpg", "20.png", "21.jpg", "49.jpg"):
        (folder / broken).write_bytes(b"rubbish")
    pictures = load_images(folder)
    told = []
    sets = [replace(pictures, workers=count) for count in (0, 2)]
    here, there = (list(one.batches(MODEL, 4, progress=lambda *at: told.append(at))) for one in sets)
    assert [found for found, _ in here] == [found for found, _ in there]
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(here, there, strict=True))
    assert sets[0].skipped == sets[1].skipped
    assert len(sets[1].skipped) == 4
    assert told[: len(told) // 2] == told[len(told) // 2 :]


def test_a_batch_of_which_nothing_can_be_read_is_left_out(folder):
    for i in range(8, 12):
        next(folder.glob(f"{i:02d}.*")).write_bytes(b"rubbish")
    here, there = both(load_images(folder), size=4)
    assert len(here) == len(there) == 12


def test_what_is_wrong_with_a_picture_is_said_as_ever(folder):
    pictures = [np.zeros((8, 8, 3), np.uint8)] * 30 + [np.zeros((8, 8, 5), np.uint8)]
    for count in (0, 2):
        images = replace(load_images(pictures), workers=count)
        with pytest.raises(DataError, match=r"the image 30 of list: the image has 5 channels"):
            list(images.batches(MODEL, 4))


def test_views_and_sizes_are_kept(folder):
    pictures = replace(load_images(folder), workers=2)
    views, sizes = Views(), Sizes(50)
    list(pictures.batches(MODEL, 4, kept=views))
    assert set(views) == set(range(50))
    assert torch.equal(views[33].pixels, pictures.view(33, MODEL).pixels)
    assert views[33].size == pictures.view(33, MODEL).size
    list(pictures.batches(MODEL, 4, kept=sizes))
    assert sizes.sizes == [pictures.view(i, MODEL).size for i in range(50)]


def test_readers_share_the_workers_and_may_stop_early(folder):
    pictures = replace(load_images(folder), workers=2)
    expected = list(replace(pictures, workers=0).batches(MODEL, 4))
    for (one, a), (other, b) in zip(pictures.batches(MODEL, 4), pictures.batches(MODEL, 4), strict=True):
        assert one == other
        assert torch.equal(a, b)
    team = imageset._TEAMS[pictures]
    for stop in range(1, 6):
        for number, _ in enumerate(pictures.batches(MODEL, 3), 1):
            if number == stop:
                break
    again = list(pictures.batches(MODEL, 4))
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(expected, again, strict=True))
    assert imageset._TEAMS[pictures] is team
    assert sorted(team._free) == list(range(workers.AHEAD * 2))
    list(pictures.batches(Model(nn.Identity(), size=(8, 8)), 4))
    assert imageset._TEAMS[pictures] is not team


def test_workers_end_with_their_set(folder):
    pictures = replace(load_images(folder), workers=2)
    list(pictures.batches(MODEL, 4))
    members = imageset._TEAMS[pictures]._members
    assert len(members) == 2
    assert all(member.is_alive() for member in members)
    del pictures
    gc.collect()
    assert set(workers.ended_of(members, 60)) == members


class Fatal:
    """A data set of which one item kills whoever reads it, as a system short of memory does."""

    def __init__(self, deadly, how):
        self.deadly, self.how, self.parent = deadly, how, os.getpid()

    def __len__(self):
        return 60

    def __getitem__(self, index):
        if index == self.deadly and os.getpid() != self.parent:
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(3)
        return np.full((8, 8, 3), index, np.uint8)


@needs_fork
@pytest.mark.parametrize(("how", "said"), [("killed", r"was killed \(signal 9\)"), ("left", "ended")])
def test_a_worker_that_ends_names_its_image(how, said):
    data = Fatal(41, how)
    names = tuple(f"picture {i}" for i in range(60))
    pictures = imageset.ImageSet(Indexable(data), names, (None,) * 60, workers=2)
    stream, seen = pictures.batches(MODEL, 4), []
    with pytest.raises(DataError, match=rf"read the image picture 41 of images {said}.*--workers") as told:
        seen.extend(found for found, _ in stream)
    assert "\n" not in str(told.value)
    assert [i for found in seen for i in found] == list(range(4 * len(seen)))
    data.deadly = -1
    assert len(list(pictures.batches(MODEL, 4))) == 15


def test_a_set_that_cannot_be_pickled_is_read_here_and_that_is_said_once(folder):
    class Local:
        def __len__(self):
            return 60

        def __getitem__(self, index):
            return np.full((8, 8, 3), index, np.uint8)

    pictures = replace(load_images(Local()), workers=2)
    with pytest.warns(UserWarning, match="Local is read in this process alone, for it cannot be pickled"):
        assert len(list(pictures.batches(MODEL, 4))) == 15
    assert len(list(pictures.batches(MODEL, 4))) == 15


def test_where_no_worker_starts_this_process_reads(folder, monkeypatch):
    def full(*_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", full)
    pictures = replace(load_images(folder), workers=2)
    with pytest.warns(UserWarning, match="no worker can be started: .*Resource temporarily unavailable"):
        assert len(list(pictures.batches(MODEL, 10))) == 5


def test_small_sets_start_no_workers_unless_asked(folder, monkeypatch):
    pictures = load_images(folder)
    list(pictures.batches(MODEL, 4))
    assert pictures not in imageset._TEAMS
    monkeypatch.setattr(imageset, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: set(range(3)), raising=False)
    list(pictures.batches(MODEL, 4))
    if workers.sys.platform == "linux":
        assert imageset._TEAMS[pictures].count == 3
    world = replace(load_images("world"), workers=2)
    list(world.batches(MODEL, 4, indices=range(12)))
    assert world not in imageset._TEAMS


def test_the_number_of_workers():
    assert workers.workers_for(0) == 0
    assert workers.workers_for(3) == 3
    assert 0 <= workers.workers_for(None) <= workers.MOST
    with pytest.raises(InvalidValueError, match="workers is -1; allowed are whole numbers from 0"):
        load_images(np.zeros((2, 8, 8, 3), np.uint8), workers=-1)
    assert load_images(np.zeros((2, 8, 8, 3), np.uint8), workers=3).workers == 3


@needs_fork
def test_workers_leave_with_a_parent_that_was_killed(folder, tmp_path):
    told = tmp_path / "members"
    parent = os.fork()
    if not parent:
        pictures = replace(load_images(folder), workers=2)
        list(pictures.batches(MODEL, 4))
        told.write_text(" ".join(str(m.pid) for m in imageset._TEAMS[pictures]._members))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    left = [int(pid) for pid in told.read_text().split()]
    assert len(left) == 2
    for _ in range(100):
        left = [pid for pid in left if _runs(pid)]
        if not left:
            return
        time.sleep(0.1)
    pytest.fail(f"the workers {left} outlive their parent")


@needs_fork
def test_workers_end_by_a_signal_that_their_command_catches(folder):
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        pictures = replace(load_images(folder), workers=2)
        list(pictures.batches(MODEL, 4))
        member = next(iter(imageset._TEAMS[pictures]._members))
        os.kill(member.pid, signal.SIGTERM)
        member.join(20)
        assert member.exitcode == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_workers_are_started_beside_threads_without_a_warning(folder):
    done = threading.Event()
    threading.Thread(target=done.wait, daemon=True).start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(replace(load_images(folder), workers=2).batches(MODEL, 10))) == 5
    done.set()


@pytest.mark.slow
def test_workers_that_are_no_forks_read_the_same(folder, monkeypatch):
    monkeypatch.setattr(workers.sys, "platform", "darwin")
    here, there = both(load_images(folder), size=5)
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(here, there, strict=True))
