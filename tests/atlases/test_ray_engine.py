import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import vital
from benchmarks import ray_kills
from tests import toy
from tests.atlases.conftest import Maker
from vital.atlases import Context, engine_of, prepare
from vital.atlases.ray_worker import Worker, packed, surroundings
from vital.errors import InvalidValueError, MissingDependencyError, RunError, UsageError

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings(
    "ignore:none of the .* shows what excites", "ignore::FutureWarning:ray", "ignore::ResourceWarning"
)
ROOT = Path(__file__).parents[2]
SMALL = 80 << 20
"""Bytes of a node's store of objects."""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a worker sets for its process, which here is that of the tests."""
    handler, path = signal.getsignal(signal.SIGTERM), list(sys.path)
    yield
    signal.signal(signal.SIGTERM, handler)
    sys.path[:] = path


@pytest.fixture
def context(tmp_path: Path) -> Context:
    images = vital.load_images(toy.images(6).float().numpy())
    return prepare(
        toy.model(), "act1:0-2", images, tmp_path / "site", methods="fourier", steps=2, batch=1, count=2
    )


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """An address where something answers that is not Ray, or nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.recv(1000)
                line.sendall(answer or b"")

        if answer is not None:
            threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_an_address_where_no_ray_answers_is_told_within_seconds(answer: bytes | None) -> None:
    begin = time.monotonic()
    with (
        listening(answer) as address,
        pytest.raises(RunError, match=f"no Ray answers at {address}; start one there"),
    ):
        engine_of("ray", address=address)
    assert time.monotonic() - begin < 10


def test_an_address_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(RunError, match=r"no Ray answers at .*, or leave out --address"):
        engine_of("ray", address=f"ray://127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["nowhere", "host:", ":1", "host:x", "host:99999999"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(InvalidValueError, match="write HOST:PORT, such as"):
        engine_of("ray", address=address)


def test_options_that_an_engine_lacks_and_numbers_that_are_not_allowed() -> None:
    with pytest.raises(
        UsageError, match="the engine local has no address; choose another engine, such as ray"
    ):
        engine_of("local", address="host:1")
    with pytest.raises(InvalidValueError, match="actors is 0"):
        engine_of("ray", actors=0)


def test_a_missing_package_names_its_extra_before_any_work(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"the package ray: pip install 'vital-fv\[ray\]'"):
        make(engine="ray")
    assert not make.site().exists()


def test_a_process_loads_the_context_and_does_pieces(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    worker = Worker(surroundings(), 1)
    assert "does not see" in worker.load(packed(context), gpu=False)
    context.claim()
    assert not worker.load(packed(context), gpu=False)
    for piece in context.pieces[:2]:
        outcome, error, _ = worker.work(piece, wait=False)
        assert error is None
        assert outcome is not None
        assert (outcome.piece, outcome.busy, dict(outcome.failed)) == (piece, False, {})


def test_a_process_says_why_it_cannot_work(context: Context) -> None:
    around = surroundings()
    other = replace(around, versions={**around.versions, "torch": "1.0"})
    assert "for 1.0; install the same versions on all nodes" in Worker(other, 1).load(
        packed(context), gpu=False
    )
    assert "UnpicklingError" in Worker(around, 1).load(b"no context", gpu=False)


def test_what_ends_a_run_arrives_with_its_cause(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RunError("cannot write") from OSError(28, "No space left on device")

    context.claim()
    worker = Worker(surroundings(), 1)
    worker.load(packed(context), gpu=False)
    monkeypatch.setattr("vital.atlases.stages.render_group", full)
    sent = pickle.loads(pickle.dumps(worker.work(context.pieces[-1], wait=False)))  # noqa: S301
    assert (str(sent[1]), sent[2].errno) == ("cannot write", 28)


def test_a_network_from_a_file_goes_to_other_processes(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WIDTH = 4\n")
    (tmp_path / "net.py").write_text(
        "from beside import WIDTH\nfrom torch import nn\nclass Own(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.conv = nn.Conv2d(3, WIDTH, 3)\n"
        "    def forward(self, x):\n        return self.conv(x).mean((2, 3))\n"
        "def make():\n    return Own()\n"
    )
    model = vital.load_model(f"{tmp_path / 'net.py'}:make", size=16)
    images = vital.load_images(toy.images(4).float().numpy())
    context = prepare(model, "conv:0-1", images, tmp_path / "site", methods="fourier", steps=2)
    context.claim()
    (tmp_path / "sent").write_bytes(pickle.dumps((packed(context), surroundings(), context.pieces[:2])))
    code = (
        "import pickle, sys; from vital.atlases.ray_worker import Worker\n"
        "data, around, pieces = pickle.load(open(sys.argv[1], 'rb')); worker = Worker(around, 1)\n"
        "print([worker.load(data, gpu=False)] + [worker.work(piece, wait=False)[1] for piece in pieces])"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "sent"], capture_output=True, text=True, check=False
    )
    assert not made.returncode, made.stderr
    assert made.stdout.strip() == "['', None, None]"


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster with a node of one CPU, to which the test is not connected."""
    from ray.cluster_utils import Cluster

    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": SMALL},
    )
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def local() -> Iterator[None]:
    with ray_kills.cluster():
        yield


@pytest.mark.slow
def test_the_cluster_makes_what_one_process_makes(make: Maker, local: None) -> None:
    make("whole")
    made = make("parts", engine="ray", actors=2)
    assert made.finished
    assert make.files("parts") == make.files("whole")
    assert make("parts", engine="ray").finished


@pytest.mark.slow
def test_kills_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    found = ray_kills.measure(tmp_path, 5)
    assert (found["kills"], found["lost"], found["double"], found["differing"]) == (5, 0, 0, 0), found


def command(folder: Path, address: str, actors: int) -> list[str]:
    """A command that makes the small atlas of the benchmark."""
    code = (
        "import sys, torch; from pathlib import Path; from benchmarks.ray_kills import make\n"
        "torch.set_num_threads(1)\n"
        "make(Path(sys.argv[1]), engine='ray', address=sys.argv[2], actors=int(sys.argv[3]))"
    )
    return [sys.executable, "-c", code, str(folder), address, str(actors)]


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(tmp_path: Path, cluster: Any) -> None:
    ray_kills.make(tmp_path / "whole")
    words = command(tmp_path / "killed", cluster.address, 2)
    for enough in (4, 40):
        with subprocess.Popen(words, cwd=ROOT) as run:
            while len(ray_kills.done(tmp_path / "killed")) < enough:
                assert run.poll() is None
                time.sleep(0.05)
            run.send_signal(signal.SIGKILL)
    subprocess.run(words, check=True, cwd=ROOT)
    counts = Counter(ray_kills.done(tmp_path / "killed"))
    assert len(counts) == 109
    assert set(counts.values()) == {1}
    assert ray_kills.files(tmp_path / "killed") == ray_kills.files(tmp_path / "whole")


@pytest.mark.slow
def test_a_node_that_joins_late_gets_work(tmp_path: Path, cluster: Any) -> None:
    early: set[int] = set()
    late: set[int] = set()
    with subprocess.Popen(command(tmp_path, cluster.address, 1), cwd=ROOT) as run:
        while run.poll() is None and len(ray_kills.done(tmp_path)) < 4:
            early.update(ray_kills.busy())
            time.sleep(0.05)
        cluster.add_node(num_cpus=1, object_store_memory=SMALL)
        while run.poll() is None:
            late.update(ray_kills.busy())
            time.sleep(0.05)
    assert run.returncode == 0
    assert (len(early), len(late - early)) == (1, 1)
    counts = Counter(ray_kills.done(tmp_path))
    assert (len(counts), max(counts.values())) == (109, 1)


class Deadly(nn.Module):
    """Ends its process when a picture is searched for, as where memory does not suffice."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = toy.network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) == 1 and x.requires_grad and "default_worker" in sys.argv[0]:  # heat takes two images
            os.kill(os.getpid(), signal.SIGKILL)
        return self.inner(x)


@pytest.mark.slow
def test_a_piece_that_kills_its_processes_has_a_status_and_the_others_go_on(
    tmp_path: Path, local: None
) -> None:
    model = vital.Model(Deadly().eval(), size=(32, 32))
    images = vital.load_images(toy.images(6).float().numpy())
    made = vital.atlas(
        model, "inner.act1:0-1", images, tmp_path, methods="fourier", steps=2, batch=1, engine="ray", actors=1,
        progress=False,
    )  # fmt: skip
    assert made.done == made.pieces - 2
    assert set(made.failed) == {"inner.act1:0 (prototypes)", "inner.act1:1 (prototypes)"}
    assert all("each of the 4 processes that worked on it died" in why for why in made.failed.values())
