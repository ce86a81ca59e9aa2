"""Files that a user hands to a command, as strangers may have made them: one of each kind, and what reads it."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

NETWORK = "net.py:make --weights random"
QUICK = "--method fourier --steps 1 --size 16 --out run2"
WEIGHTS = {
    "0.weight": (8, 3, 5, 5), "0.bias": (8,), "2.weight": (8, 8, 3, 3), "2.bias": (8,),
    "6.weight": (5, 8), "6.bias": (5,),
}  # fmt: skip
"""The tensors of the network of the corpus."""
READERS = {
    "weights.pt": f"render net.py:make class:1 --weights {{}} {QUICK}",
    "weights.safetensors": f"render net.py:make class:1 --weights {{}} {QUICK}",
    "weights.npz": f"render net.py:make class:1 --weights {{}} {QUICK}",
    "model.safetensors.index.json": f"render net.py:make class:1 --weights {{}} {QUICK}",
    "model-1.safetensors": f"render net.py:make class:1 --weights given/model.safetensors.index.json {QUICK}",
    "directions.safetensors": f"render {NETWORK} {{}}:0@3 {QUICK}",
    "sae.pt": f"concepts {NETWORK} --layer 3 --sae {{}} --out run2/found.safetensors",
    "sae.safetensors": f"concepts {NETWORK} --layer 3 --sae {{}} --out run2/found.safetensors",
    "classes.txt": f"render {NETWORK} class:bee --classes {{}} {QUICK}",
    "classes.csv": f"render {NETWORK} class:bee --classes {{}} {QUICK}",
    "classes.json": f"render {NETWORK} class:bee --classes {{}} {QUICK}",
    "config.toml": "render --config {}",
    "config.yaml": "render --config {}",
    "config.json": "render --config {}",
    "concepts.txt": f"describe {NETWORK} class:bee --images pictures --encoder world --concepts {{}} "
    "--set n_random_models=0 --methods clip-dissect --out run2",
    "names.txt": "score given/theirs.csv --names {}",
    "class-names.txt": "classes red --encoder world --names {}",
    "theirs.csv": "agree given/labels.csv {}",
    "labels.csv": "agree {} given/theirs.csv",
    "netdissect.csv": "score {} --format netdissect --layer class --names given/names.txt",
    "words.csv": "explain world:competing given/picture.png --unit-labels {}",
    "picture.png": "explain world:competing {}",
    "picture.gif": "explain world:competing {}",
    "picture.tif": "explain world:competing {}",
    "images.npz": f"exemplars {NETWORK} class:bee --images {{}} --count 2 --out run2",
    "images.npy": f"exemplars {NETWORK} class:bee --images {{}} --count 2 --out run2",
    "images.tar": f"exemplars {NETWORK} class:bee --images {{}} --count 2 --out run2",
    "image-labels.csv": f"exemplars {NETWORK} 3:3 --images pictures --image-labels {{}} --by relevance --for label "
    "--count 2 --out run2",
    "part.safetensors": f"merge {NETWORK} banked/bank.safetensors {{}} --out run2/both.safetensors",
    "made/class_1.png": f"compare {NETWORK} class:1 --methods fourier --pictures mine=given/made --images pictures "
    "--seeds 1 --set fourier.steps=1 --no-controls --out run2",
}  # fmt: skip
"""The command that reads each kind of file; the file stands in it for {}."""
COMMANDS = {f"given/{name}": words.format(f"given/{name}") for name, words in READERS.items()}
OPTIONS = {
    "model": "net.py:make", "weights": "random", "units": ["class:1"], "method": "fourier", "steps": 1, "size": 16,
    "out": "run2", "set": {"lr": 0.05}, "fit": True, "seed": 3,
}  # fmt: skip


def made(folder: Path) -> None:
    """Write one file of each kind, save that of the part of a bank, which a command makes."""
    folder.mkdir()
    draw = np.random.default_rng(1)
    _tensors(folder)
    pictures = draw.integers(0, 255, (10, 16, 16, 3), dtype=np.uint8)
    np.savez(folder / "images.npz", images=pictures, labels=np.arange(10) % 5)
    np.save(folder / "images.npy", pictures)
    with tarfile.open(folder / "images.tar", "w") as tar:
        for i, pixels in enumerate(pictures):
            for kind, data in (("png", _png(pixels)), ("cls", b"%d" % (i % 5)), ("json", b'{"label": 1}')):
                entry = tarfile.TarInfo(f"{i}.{kind}")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    (folder / "made").mkdir()
    for name in ("picture.png", "picture.gif", "picture.tif", "made/class_1.png"):
        Image.fromarray(pictures[0]).save(folder / name)
    names = ["ant", "bee", "cat", "dog", "elk"]
    for name in ("classes.txt", "names.txt", "class-names.txt"):
        (folder / name).write_text("\n".join(names) + "\n")
    (folder / "concepts.txt").write_text("red\ngreen\nsnow\nstriped sphere\n")
    (folder / "classes.json").write_text(json.dumps(dict(enumerate(names))))
    _rows(folder / "classes.csv", ["index", "name"], list(enumerate(names)))
    _rows(
        folder / "image-labels.csv", ["file", "name"], [(f"{n}/{i}.png", n) for n in names for i in range(8)]
    )
    for name, method in (("theirs.csv", "a"), ("labels.csv", "b"), ("words.csv", "c")):
        _rows(
            folder / name,
            ["unit", "method", "label"],
            [(f"class:{i}", method, n) for i, n in enumerate(names)],
        )
    _rows(folder / "netdissect.csv", ["unit", "category", "label", "score"],
          [(i + 1, "object", n, 0.5) for i, n in enumerate(names)])  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"render": OPTIONS}))
    lines = [f"  {key}: {json.dumps(value)}" for key, value in OPTIONS.items()]
    (folder / "config.yaml").write_text("\n".join(["render:", *lines, ""]))
    lines = [f"{key} = {json.dumps(value).replace(': ', ' = ')}" for key, value in OPTIONS.items()]
    (folder / "config.toml").write_text("\n".join(["[render]", *lines, ""]))


def _tensors(folder: Path) -> None:
    torch.manual_seed(0)
    weights = {name: torch.randn(shape) / 10 for name, shape in WEIGHTS.items()}
    torch.save({"state_dict": weights, "epoch": 3}, folder / "weights.pt")
    save_file(weights, folder / "weights.safetensors")
    np.savez(folder / "weights.npz", **{name: tensor.numpy() for name, tensor in weights.items()})
    save_file(weights, folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(
        json.dumps(
            {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(weights, "model-1.safetensors")}
        )
    )
    save_file(
        {"directions": torch.randn(4, 8)}, folder / "directions.safetensors", {"vital": '{"layer": "3"}'}
    )
    sae = {
        "W_dec": torch.randn(12, 8),
        "W_enc": torch.randn(8, 12),
        "b_dec": torch.randn(8),
        "b_enc": torch.randn(12),
    }
    torch.save(sae, folder / "sae.pt")
    save_file(sae, folder / "sae.safetensors")


def _png(pixels: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def _rows(path: Path, header: list[str], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
