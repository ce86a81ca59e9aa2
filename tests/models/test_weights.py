import json
import pickle
import time
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vital.errors import WeightsError
from vital.models import checkpoints
from vital.models.weights import load_weights, read_state


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner


@pytest.fixture
def state():
    torch.manual_seed(2)
    return {
        k: v + torch.rand(v.shape) if v.is_floating_point() else v for k, v in network().state_dict().items()
    }


def refusal(path, module: nn.Module | None = None) -> str:
    module = module or network()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_weights(module, path)
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    return str(caught.value)


def assert_loaded(module: nn.Module, state) -> None:
    for have, want in zip(module.state_dict().values(), state.values(), strict=True):
        torch.testing.assert_close(have, want)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth", ".PT", ".ckpt", ".bin", ".pth.tar"])
def test_a_state_dict_is_loaded_from_every_kind_of_file(tmp_path, state, suffix):
    path = tmp_path / f"w{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    module = network()
    load_weights(module, path)
    assert_loaded(module, state)


def test_half_precision_becomes_the_networks_own(tmp_path, state):
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_file(half, tmp_path / "w.safetensors")
    module = network()
    load_weights(module, tmp_path / "w.safetensors")
    assert module[0].weight.dtype == torch.float32
    torch.testing.assert_close(module[0].weight, half["0.weight"].float())


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.module."])
@pytest.mark.parametrize("key", ["", "state_dict", "model"])
def test_wrappers_and_common_prefixes_come_off(tmp_path, state, prefix, key):
    renamed = {prefix + k: v for k, v in state.items()}
    torch.save({key: renamed, "epoch": 3} if key else renamed, tmp_path / "w.pt")
    module = network()
    load_weights(module, tmp_path / "w.pt")
    assert_loaded(module, state)


def test_a_part_whose_own_name_is_model_keeps_it(tmp_path, state):
    module = nn.ModuleDict({"model": network()})
    torch.save({f"model.{k}": v for k, v in state.items()}, tmp_path / "w.pt")
    load_weights(module, tmp_path / "w.pt")
    assert_loaded(module, state)


def test_weights_of_the_only_part_fit_the_whole(tmp_path, state):
    torch.save(state, tmp_path / "w.pt")
    module = Wrapped(network())
    load_weights(module, tmp_path / "w.pt")
    assert_loaded(module, state)


def test_auxiliary_heads_may_be_absent_or_left_over(tmp_path, state):
    torch.save({**state, "aux1.fc.weight": torch.zeros(2)}, tmp_path / "w.pt")
    load_weights(network(), tmp_path / "w.pt")
    module = nn.Sequential(*network())
    module.add_module("aux1", nn.Linear(2, 2))
    torch.save(state, tmp_path / "v.pt")
    load_weights(module, tmp_path / "v.pt")
    torch.testing.assert_close(module[0].weight, state["0.weight"])


def test_missing_and_unexpected_names_are_counted_and_shown(tmp_path, state):
    odd = {("x" + k if k.startswith("1") else k): v for k, v in state.items()}
    torch.save(odd, tmp_path / "w.pt")
    assert refusal(tmp_path / "w.pt") == (
        f"{tmp_path / 'w.pt'} does not fit the network: 4 missing (1.weight, 1.bias, 1.running_mean, …); "
        "5 unexpected (x1.weight, x1.bias, x1.running_mean, …); build the network that the file was saved from"
    )


def test_wrong_shapes_are_shown(tmp_path, state):
    torch.save({**state, "0.bias": torch.zeros(5)}, tmp_path / "w.pt")
    assert refusal(tmp_path / "w.pt") == (
        f"{tmp_path / 'w.pt'} does not fit the network: 1 wrong shapes (0.bias is (5,) where the network has (4,)); "
        "build the network that the file was saved from"
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_named(tmp_path, state, bad):
    state["1.weight"][:2] = bad
    torch.save(state, tmp_path / "w.pt")
    sentence = f"{tmp_path / 'w.pt'}: 2 of the 4 values in '1.weight' are not finite"
    assert refusal(tmp_path / "w.pt") == sentence


class Payload:
    ran = False

    def __reduce__(self):
        return (setattr, (Payload, "ran", True))


def test_pickled_objects_are_refused_and_never_run(tmp_path):
    path = tmp_path / "w.pt"
    torch.save({"a": Payload()}, path)
    assert refusal(path) == (
        f"{path} holds pickled objects or is damaged, and only plain tensors are read; "
        "save the state dict with torch.save(model.state_dict(), FILE) or as safetensors"
    )
    path.write_bytes(pickle.dumps(Payload()))
    assert "holds pickled objects or is damaged" in refusal(path)
    assert not Payload.ran


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04 cut short", b"\x80\x02}"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_damaged_files_are_one_sentence(tmp_path, content, suffix):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    sentence = refusal(path)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence


def test_a_truncated_file_is_one_sentence(tmp_path, state):
    torch.save(state, tmp_path / "w.pt")
    whole = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(whole[: len(whole) // 2])
    assert refusal(tmp_path / "w.pt").startswith(f"{tmp_path / 'w.pt'} ")


@pytest.mark.parametrize("content", [[1, 2], {}, {"a": 1}, torch.zeros(3)])
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    sentence = f"{tmp_path / 'w.pt'} holds no state dict, that is, no table from names to tensors; "
    sentence += "save one with torch.save(model.state_dict(), FILE)"
    assert refusal(tmp_path / "w.pt") == sentence


def test_missing_and_foreign_files_are_refused(tmp_path):
    (tmp_path / "resnet.pt").touch()
    there = tmp_path / "resnt.pt"
    assert refusal(there) == f"there is no weights file {there}; did you mean '{tmp_path}/resnet.pt'?"
    other = tmp_path / "w.dat"
    assert refusal(other) == (
        f"{other} is not a weights file; allowed are .safetensors, .pt, .pth, .ckpt, .bin, .tar, "
        ".npz, .index.json, and 'random' for random ones"
    )


def test_an_index_stands_for_the_files_that_it_names(tmp_path):
    net, other = network(), network()
    state = dict(net.state_dict())
    halves = dict(list(state.items())[:3]), dict(list(state.items())[3:])
    index = tmp_path / "model.safetensors.index.json"
    for i, half in enumerate(halves):
        save_file(half, tmp_path / f"part-{i}.safetensors")
    named = {key: f"part-{i}.safetensors" for i, half in enumerate(halves) for key in half}
    index.write_text(json.dumps({"weight_map": named}))
    for value in other.parameters():
        value.data += 1
    load_weights(other, index)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    (tmp_path / "part-1.safetensors").unlink()
    with pytest.raises(
        WeightsError, match=r"names 'part-1\.safetensors', which is not beside it; put it there$"
    ):
        load_weights(other, index)
    for text in ("[1]", "{}", "no json", '{"weight_map": [1]}'):
        index.write_text(text)
        with pytest.raises(WeightsError, match=r"is no index of weights files, with a table 'weight_map'$"):
            load_weights(other, index)


@pytest.mark.parametrize("nested", [False, True])
def test_arrays_of_numpy_are_tensors(tmp_path, state, nested):
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    torch.save({"state_dict": arrays} if nested else arrays, tmp_path / "w.pt")
    np.savez(tmp_path / "w.npz", **arrays)
    for name in ("w.pt", "w.npz"):
        module = network()
        load_weights(module, tmp_path / name)
        assert_loaded(module, state)


def test_a_file_is_read_by_its_content_whatever_its_name(tmp_path, state):
    save_file(state, tmp_path / "tensors.pt")
    torch.save(state, tmp_path / "torch.safetensors")
    for name in ("tensors.pt", "torch.safetensors"):
        module = network()
        load_weights(module, tmp_path / name)
        assert_loaded(module, state)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("w.onnx", b"1", "is a file of ONNX; export the weights of the network in PyTorch"),
        ("w.h5", b"1", "is a file of TensorFlow; build the network in PyTorch"),
        ("w.msgpack", b"1", "is a file of Flax; transformers reads it"),
        ("w.pkl", b"1", "is a pickle, which may run code; where you trust it, write it as tensors"),
        ("w.pt", b"", "is empty; copy or download it again"),
        (
            "w.safetensors",
            b"version https://git-lfs.github.com/spec/v1\n",
            "is a pointer of Git LFS, not the file",
        ),
        ("w.pt", b"<!DOCTYPE html>", "is a web page, not the file"),
        ("w.npz", b"PK", "cannot be read as plain arrays"),
    ],
)
def test_what_holds_no_weights_says_what_to_do(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    assert refusal(path).startswith(f"{path} {says}")


def test_folders_and_addresses_are_told(tmp_path, state):
    torch.save(state, tmp_path / "w.pt")
    assert refusal(tmp_path) == f"{tmp_path} is a folder; give the file in it, such as {tmp_path / 'w.pt'}"
    assert refusal("https://x.org/w.pt") == (
        "https://x.org/w.pt is an address; download the file, and give its path"
    )


@pytest.mark.filterwarnings("ignore:.*quantize")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: (t * 100).to(torch.int8), "is int8 where the network has floats; save it as floats"),
        (
            lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
            "is qint8 where the network has floats",
        ),
        (lambda t: t.to(torch.complex64), "is complex64 where the network has floats"),
        (lambda t: t.to("meta"), "is on the device meta, and holds no values"),
    ],
)
def test_values_that_are_no_weights_are_refused(tmp_path, state, change, says):
    torch.save({**state, "0.weight": change(state["0.weight"])}, tmp_path / "w.pt")
    assert f"'0.weight' {says}" in refusal(tmp_path / "w.pt")


def test_sparse_weights_are_dense_in_the_network(tmp_path, state):
    torch.save({**state, "0.weight": state["0.weight"].to_sparse()}, tmp_path / "w.pt")
    module = network()
    load_weights(module, tmp_path / "w.pt")
    assert_loaded(module, state)


def test_one_file_of_several_says_where_the_others_are_named(tmp_path, state):
    path = tmp_path / "m-00001-of-00002.safetensors"
    save_file({"0.weight": state["0.weight"]}, path)
    assert refusal(path).endswith(
        f"it is one of 2 files: give their index, {tmp_path}/m.safetensors.index.json"
    )


def test_torchscript_says_how_to_save_its_weights(tmp_path, monkeypatch):
    said = (
        "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``. In PyTorch 2.6"
    )
    monkeypatch.setattr(torch, "load", Mock(side_effect=RuntimeError(said)))
    (tmp_path / "w.pt").write_bytes(b"PK")
    assert "is TorchScript; save its state dict: torch.save(torch.jit.load('w.pt')" in refusal(
        tmp_path / "w.pt"
    )


def deep(depth: int) -> Any:
    found: Any = {"x": torch.zeros(1)}
    for _ in range(depth):
        found = {"a": [found]}
    return found


def itself() -> Any:
    found: dict[str, Any] = {"x": torch.zeros(1)}
    return found | {"again": found.setdefault("again", found)}


def many() -> Any:
    found: Any = {}
    for _ in range(20):
        found = [found] * 10
    return {"x": torch.zeros(1), "y": found}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: deep(100), "it is nested too deeply"),
        (itself, "it is nested too deeply"),
        (many, "it holds more than 1,000 tables and tensors"),
    ],
)
def test_a_table_without_end_is_one_sentence(tmp_path, monkeypatch, make, said):
    monkeypatch.setattr(checkpoints, "MOST_ENTRIES", 1000)
    torch.save(make(), tmp_path / "w.pt")
    start = time.process_time()
    with pytest.raises(WeightsError, match=rf"w\.pt holds no state dict: {said}"):
        read_state(tmp_path / "w.pt")
    assert time.process_time() - start < 20


def test_long_lists_of_numbers_beside_the_weights_do_no_harm(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "MOST_ENTRIES", 100)
    torch.save({**deep(3), "losses": [0.5] * 1000}, tmp_path / "w.pt")
    assert list(read_state(tmp_path / "w.pt")) == ["a.0.a.0.a.0.x"]


@pytest.mark.parametrize(("entries", "allowed"), [(100, True), (101, False)])
def test_as_many_tables_and_tensors_are_allowed_as_it_says(monkeypatch, entries, allowed):
    monkeypatch.setattr(checkpoints, "MOST_ENTRIES", 100)
    state = {"log": [{"loss": 0.5}] * (entries - 2), "x": torch.zeros(1)}
    if allowed:
        assert list(checkpoints.flattened(state)) == ["x"]
    else:
        with pytest.raises(ValueError, match="it holds more than 100 tables and tensors"):
            checkpoints.flattened(state)


def test_arrays_of_another_byte_order_are_weights_too(tmp_path):
    np.savez(tmp_path / "w.npz", x=np.arange(3).astype(">f8"))
    assert read_state(tmp_path / "w.npz")["x"].tolist() == [0, 1, 2]
