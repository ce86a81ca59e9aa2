from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vital.errors import UnknownNameError, WeightsError
from vital.models import load_model
from vital.models.weights import load_weights

State = dict[str, Tensor]


def network(seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4), "fc": nn.Linear(4, 2)})


def state(seed: int = 2) -> State:
    return network(seed).state_dict()


def under(prefix: str, table: State | None = None) -> State:
    return {prefix + key: value for key, value in (state() if table is None else table).items()}


OTHER = state(3)
OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
HEAD = {"weight": torch.zeros(5, 4), "bias": torch.zeros(5)}
PLAIN: dict[str, Callable[[], Any]] = {
    "as it is": state,
    "net": lambda: under("net."),
    "backbone": lambda: under("backbone."),
    "module": lambda: under("module."),
    "encoder in a model": lambda: under("model.encoder."),
    "compiled": lambda: under("_orig_mod."),
    "compiled within": lambda: {"model": under("backbone._orig_mod.")},
    "state_dict": lambda: {
        "state_dict": state(),
        "epoch": 3,
        "best": np.float64(0.5),
        "optimizer": OPTIMIZER,
    },
    "model_state_dict": lambda: {"model_state_dict": state(), "optimizer_state_dict": OPTIMIZER},
    "params": lambda: {"params": state()},
    "weights": lambda: {"weights": under("module.")},
    "nested twice": lambda: {"checkpoint": {"model": state()}},
    "script's arguments": lambda: {"model": state(), "args": argparse.Namespace(lr=0.1, out=Path("runs"))},
    "Lightning": lambda: {"state_dict": under("model."), "hyper_parameters": {"lr": 0.1}, "loops": {}},
    "parts in tables": lambda: {
        "model": {name: part.state_dict() for name, part in network(2).named_children()}
    },
    "averaged": lambda: {"n_averaged": torch.tensor(3), **under("module.")},
    "a list of one": lambda: {"models": [state()]},
    "counters are missing": lambda: {k: v for k, v in state().items() if "tracked" not in k},
}
BESIDE: dict[str, tuple[Callable[[], Any], str, str]] = {
    "criterion": (
        lambda: {**state(), "criterion.weight": torch.ones(2)},
        "",
        "took the 9 tensors without a prefix, and left criterion (1)",
    ),
    "criterion under a prefix": (
        lambda: {"state_dict": {**under("net."), "criterion.weight": torch.ones(2)}},
        "!state_dict.net",
        "took the 9 tensors under 'state_dict.net', and left state_dict.criterion (1)",
    ),
    "teacher and head": (
        lambda: under("teacher.backbone.") | under("teacher.head.", HEAD),
        "!teacher.backbone",
        "took the 9 tensors under 'teacher.backbone', and left teacher.head (2)",
    ),
    "student and teacher": (
        lambda: {"student": under("module.backbone.", OTHER), "teacher": under("backbone."), "epoch": 1},
        "!teacher.backbone",
        ("took the 9 tensors under 'teacher.backbone', and left student.module.backbone (9); "
        "'student.module.backbone' would fit too: write {path}!student.module.backbone"),
    ),
    "model and ema": (
        lambda: {"ema": OTHER, "model": state(), "optimizer": OPTIMIZER},
        "!model",
        "took the 9 tensors under 'model', and left ema (9); 'ema' would fit too: write {path}!ema",
    ),
    "state_dict and state_dict_ema": (
        lambda: {"state_dict_ema": OTHER, "state_dict": state()},
        "!state_dict",
        ("took the 9 tensors under 'state_dict', and left state_dict_ema (9); "
        "'state_dict_ema' would fit too: write {path}!state_dict_ema"),
    ),
    "query and key": (
        lambda: {"state_dict": under("encoder_k.", OTHER) | under("encoder_q.") | {"queue": torch.ones(4, 2)}},
        "!state_dict.encoder_q",
        ("took the 9 tensors under 'state_dict.encoder_q', and left state_dict.encoder_k (9), state_dict.queue (1); "
        "'state_dict.encoder_k' would fit too: write {path}!state_dict.encoder_k"),
    ),
}  # fmt: skip


def assert_loaded(module: nn.Module, wanted: State) -> None:
    for key, value in module.state_dict().items():
        torch.testing.assert_close(value, wanted[key])


@pytest.mark.parametrize("layout", PLAIN)
def test_a_layout_with_one_set_of_weights_is_loaded_without_a_word(tmp_path: Path, layout: str) -> None:
    torch.save(PLAIN[layout](), tmp_path / "w.ckpt")
    module = network()
    load_weights(module, tmp_path / "w.ckpt")
    assert_loaded(module, state())


@pytest.mark.parametrize("layout", BESIDE)
def test_what_was_taken_and_left_is_said(tmp_path: Path, layout: str) -> None:
    make, part, note = BESIDE[layout]
    path = tmp_path / "w.pth.tar"
    torch.save(make(), path)
    module = network()
    with pytest.warns(UserWarning, match="took the 9 tensors") as caught:
        assert load_weights(module, path) == part[1:]
    assert [str(w.message) for w in caught] == [f"{path}: {note.format(path=path)}"]
    assert_loaded(module, state())


def test_a_part_that_is_named_is_taken_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save({"model": state(), "ema": under("module.", OTHER)}, path)
    module = network()
    load_weights(module, f"{path}!ema")
    assert_loaded(module, OTHER)
    with pytest.raises(
        UnknownNameError,
        match=r"unknown part of .*w\.pt 'emma'; did you mean 'ema'\?",
    ):
        load_weights(module, f"{path}!emma")


def test_a_model_says_which_part_of_the_file_its_weights_are(tmp_path: Path) -> None:
    module = nn.Conv2d(3, 4, 1)
    one, two = (nn.Conv2d(3, 4, 1).state_dict() for _ in "ab")
    torch.save({"model": one, "ema": two}, tmp_path / "w.pt")
    with pytest.warns(UserWarning, match="took the 2 tensors under 'model'"):
        assert load_model(module, weights=tmp_path / "w.pt").weights == "w.pt!model"
    assert load_model(module, weights=f"{tmp_path}/w.pt!ema").weights == "w.pt!ema"


@pytest.mark.parametrize(("key", "told"), [("", ""), ("state_dict", ", under 'state_dict'")])
def test_it_is_told_once_how_many_tensors_came_from_where(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str, told: str
) -> None:
    file, weights = tmp_path / "w.pt", nn.Conv2d(3, 4, 1).state_dict()
    torch.save({key: weights, "epoch": 3} if key else weights, file)
    with caplog.at_level(logging.INFO, "vital"):
        assert load_model(nn.Conv2d(3, 4, 1), weights=file).weights == "w.pt"
    assert caplog.messages == [f"weights: 2 tensors of {file}{told}"]


def test_where_a_warning_tells_it_nothing_else_does(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = nn.Conv2d(3, 4, 1).state_dict()
    torch.save({"model": weights, "ema": weights}, tmp_path / "w.pt")
    with caplog.at_level(logging.INFO, "vital"), pytest.warns(UserWarning, match="took the 2 tensors"):
        load_model(nn.Conv2d(3, 4, 1), weights=tmp_path / "w.pt")
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            {"stem.kernel": torch.zeros(2), "stem.shift": torch.zeros(2)},
            (
                "does not fit the network: no name is the same; the network has conv.weight, conv.bias, norm.weight, "
                "norm.bias, norm.running_mean, norm.running_var, norm.num_batches_tracked, fc.weight, … (9 in all); "
                "the file has stem.kernel, stem.shift; build the network that the file was saved from, or rename its "
                "tensors"
            ),
        ),
        (
            {k: v for k, v in under("net.").items() if "fc" not in k},
            (
                "does not fit the network under 'net': 2 missing (fc.weight, fc.bias); give a file that holds all, or "
                "build the network without what is missing"
            ),
        ),
        (
            {**state(), "fc.2.weight": torch.zeros(2)},
            "does not fit the network: 1 unexpected (fc.2.weight); build the network that the file was saved from",
        ),
        (
            {"state_dict": {**under("net."), "net.fc.bias": torch.zeros(7)}},
            (
                "does not fit the network under 'state_dict.net': 1 wrong shapes "
                "(fc.bias is (7,) where the network has (2,)); build the network that the file was saved from"
            ),
        ),
        (
            {**state(), "fc.weight": torch.zeros(7, 4), "fc.bias": torch.zeros(7)},
            (
                "does not fit the network: 2 wrong shapes (fc.weight is (7, 4) where the network has (2, 4); fc.bias "
                "is (7,) where the network has (2,)); build the network with 7 outputs of 'fc', not 2 (num_classes=7)"
            ),
        ),
    ],
)
def test_what_does_not_fit_is_listed(tmp_path: Path, content: Any, sentence: str) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(WeightsError) as caught:
        load_weights(network(), tmp_path / "w.pt")
    assert str(caught.value) == f"{tmp_path / 'w.pt'} {sentence}"


def test_the_beginning_of_a_longer_chain_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).state_dict(), tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"2 unexpected \(1.weight, 1.bias\)"):
        load_weights(nn.Sequential(nn.Linear(2, 2)), tmp_path / "w.pt")


def test_arguments_of_a_script_run_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.save({"model": state(), "args": argparse.Namespace(hook=print)}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="holds pickled objects"):
        load_weights(network(), tmp_path / "w.pt")
