"""What the command line says of backends reaches them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from vital.cli.backends import AnswerOptions, PlacementOptions, load_named
from vital.errors import UsageError

MODEL = SimpleNamespace(device=torch.device("cpu"))
URL = "openai:m@http://127.0.0.1:9/v1"


def test_options_reach_the_endpoint(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path))
    asked = AnswerOptions(
        temperature=0.7, max_tokens=30, timeout=5.0, calls=3, key_from="MY_KEY", revision="2", fresh=True
    )
    cache = asked.cache()
    found = load_named({"summarizer": URL, "encoder": None}, MODEL, PlacementOptions(), asked, cache)
    endpoint = found["summarizer"].backend
    assert endpoint.cache is cache
    assert (cache.calls, cache.fresh, cache.replay) == (3, True, False)
    assert (endpoint.timeout, endpoint.key_from, endpoint.revision) == (5.0, "MY_KEY", "2")
    assert endpoint.parameters == {"temperature": 0.7, "seed": 0, "max_tokens": 30}


def test_backends_follow_the_networks_device_unless_told() -> None:
    network = SimpleNamespace(device=torch.device("meta"))
    found = load_named({"generator": "world"}, network, PlacementOptions())
    assert str(found["generator"].device) == "meta"
    found = load_named({"generator": "world"}, network, PlacementOptions(backend_device="cpu"))
    assert str(found["generator"].device) == "cpu"


def test_an_option_that_no_backend_has_is_refused() -> None:
    for answers, flag in (
        (AnswerOptions(temperature=0.1), "--temperature"),
        (AnswerOptions(key_from="KEY"), "--key-from"),
    ):
        with pytest.raises(UsageError, match=f"^{flag} is an option of no backend that is named"):
            load_named({"summarizer": "built-in"}, MODEL, PlacementOptions(), answers)
    with pytest.raises(UsageError, match=r"^--backend-batch is an option of no backend"):
        load_named({"encoder": "world"}, MODEL, PlacementOptions(backend_batch=2))
    with pytest.raises(UsageError, match="give one of the two"):
        AnswerOptions(replay=True, fresh=True).cache()


def test_a_replay_loads_no_backend_whose_answers_are_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path))
    first = AnswerOptions(calls=1)
    said = load_named({"captioner": "world"}, MODEL, PlacementOptions(), first, first.cache())
    caption = said["captioner"].describe(torch.zeros(1, 3, 64, 64))
    again = AnswerOptions(replay=True)
    found = load_named({"captioner": "world"}, MODEL, PlacementOptions(), again, again.cache())["captioner"]
    assert found.backend is None
    assert found.describe(torch.zeros(1, 3, 64, 64)) == caption
