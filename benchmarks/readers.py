"""Every reader of text and of files, what each may read, and what is put into it to damage it."""

from __future__ import annotations

import io
import struct
import tarfile
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer
from PIL import Image
from safetensors.torch import save
from torch import nn

from vital import Model, load_bank, load_images, make_method
from vital.atlases.plan import read_shard
from vital.backends.answers import read_caption, read_descriptions, read_lines, read_phrase
from vital.backends.chat_response import RetryError, Sent, answer_of
from vital.backends.endpoint_address import read_spec
from vital.backends.protocols import NoAnswerError
from vital.backends.response_cache import ResponseCache
from vital.cli.app import app
from vital.cli.common import listed
from vital.cli.config import defaults
from vital.cli.options import read_bands, read_settings
from vital.comparing.panels import read_curves
from vital.comparing.table import Table, read_long
from vital.data.labels import read_labels as read_image_labels
from vital.data.shards import expanded
from vital.describing import DESCRIBERS, read_concepts, read_labels
from vital.describing.evaluation.importers import IMPORTERS, import_labels
from vital.describing.run_folder import read_details
from vital.directions.sae_files import open_sae
from vital.errors import VitalError
from vital.models.factory import parse_factory
from vital.models.weights import read_state
from vital.rendering import METHODS
from vital.rendering.run_folder import kept_exemplars, read_run, runs
from vital.reporting.collect import Runs, natural_order
from vital.reporting.facts import read_circuit, read_histogram, read_neighbors
from vital.units import Unit, parse
from vital.units.direction import read_direction
from vital.utils.class_names import read_classes, read_names
from vital.utils.io import csv_lines, read_json, read_npy, read_picture
from vital.utils.options import options_of
from vital.utils.tensor_cache import load

PIECES = (
    "0", "1", "9" * 5000, "9" * 400, "²", "٣", "-1", "1e999", "nan", "inf", "1.0", ":", "@", "#", "-", ",", ";", "!",
    "0-99999999999999999", ".safetensors", "class", "layer4", "#cls", "\x00", "\ud800", "\udcff", "../", "/", "\\", "~",
    "a" * 5000, "[" * 3000, '{"a":' * 3000, "[", "]", "{", "}", '"', "'", "null", "true", "=", "+", "\n", "\r\n", "\t",
    " ",
    "unit,label,method", "layer,unit,description", "file,index", "index,name", "{0..99999999}", "{a,b}", "http://",
    "https://",
    "openai:", "localhost", ":99999999", "<think>", "</think>", "```json", "n01440764 ", "\u202e", "None", "0x1", "1_0",
)  # fmt: skip
"""What readers stumble over."""


def refused(read: Callable[[], Any]) -> None:
    """Read, and let nothing but a `VitalError` pass."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read()
            said = ""
        except VitalError as error:
            said = str(error)
    assert "a defect of vital" not in said, said[:500]
    assert "allow_pickle" not in said


NETWORK = Model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)), size=8,
                classes=("ant", "bee, honey bee", "cat"))  # fmt: skip


def answer_from(text: str) -> None:
    """Find the answer in what a server sent; one without is asked again, or passed over."""
    with suppress(RetryError, NoAnswerError):
        answer_of(Sent(200, text), "a model", "http://localhost")


@cache
def commands() -> Any:
    """The commands of `vital`."""
    return typer.main.get_command(app)


def configured(file: Path) -> None:
    """Read the options of `vital render` from a file."""
    group = commands()
    above = typer.Context(group, info_name="vital")
    defaults(typer.Context(group.commands["render"], parent=above, info_name="render"), file)


def made_from(text: str) -> None:
    """Make methods with a text for each of their options."""
    name = text.partition("=")[0]
    make_method(name if name in METHODS else "fourier", steps=text, size=text)


def seen(source: object) -> None:
    """Open a set of images, and look at all that can be read."""
    found = load_images(source)  # type: ignore[arg-type]
    for _ in found.batches(NETWORK, 2):
        pass


def images_named(text: str) -> None:
    """Open the set of images of a name, but for folders that are there: the whole disk is no short input."""
    with suppress(ValueError, OSError):
        if Path(text).is_dir():
            return
    load_images(text)


def options_from(text: str) -> None:
    for registry in (METHODS, DESCRIBERS):
        for name in registry:
            for option in options_of(registry[name]).values():
                refused(lambda option=option: option.read(text))  # type: ignore[misc]


OF_TEXT: dict[str, Callable[[str], Any]] = {
    "a unit": parse,
    "one unit": Unit.parse,
    "options": options_from,
    "a setting": lambda text: read_settings([text]),
    "bands": read_bands,
    "a caption": read_caption,
    "an answer": lambda text: read_lines([text]),
    "an address": read_spec,
    "a pattern of shards": expanded,
    "scores": lambda text: read_long("method,metric,unit,seed,value\n" + text),
    "an order": natural_order,
    "a set of images": images_named,
    "weights": read_state,
    "a direction": read_direction,
    "units of a network": lambda text: NETWORK.units([text]),
    "a list": lambda text: listed(text, "--layers"),
    "a shard": read_shard,
    "a file of a network": parse_factory,
    "methods": made_from,
    "descriptions": lambda text: read_descriptions(text, 3),
    "a phrase": lambda text: read_phrase(text, "a photo of a cat"),
    "a response": answer_from,
    "curves": lambda text: read_curves("point,method,metric,unit,seed,value\n" + text, Table((), ())),
    "a chosen part of weights": lambda text: read_state(f"w.pt!{text}"),
}


def in_file(name: str, read: Callable[[Path], Any]) -> Callable[[bytes], Any]:
    """A reader of a file, given what the file holds."""

    def of_bytes(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            read(file)

    return of_bytes


UNIT_FOLDER = "run/units/fc_3/"


def run_of(file: Path) -> Path:
    return next(folder for folder in file.parents if folder.name == "run")


OF_FILES: dict[str, Callable[[bytes], Any]] = {
    "labels of units": in_file("labels.csv", import_labels),
    **{
        f"labels by {kind}": in_file("x_fc.csv", lambda f, kind=kind: import_labels(f, kind))
        for kind in IMPORTERS
    },  # type: ignore[misc]
    "labels of a run": in_file("labels.csv", read_labels),
    "labels of images": in_file("labels.csv", lambda file: read_image_labels(file, ["a.png", "b/c.png"])),
    "concepts": in_file("words.txt", read_concepts),
    "concepts in a table": in_file("words.csv", read_concepts),
    "names": in_file("names.txt", read_names),
    "classes": in_file("classes.csv", read_classes),
    "run.json": in_file("run/run.json", lambda file: (read_run(file.parent), runs(file.parent))),
    "exemplars": in_file(f"{UNIT_FOLDER}exemplars.json", lambda file: kept_exemplars(run_of(file), "fc:3")),
    "a histogram": in_file(
        f"{UNIT_FOLDER}activations.json", lambda file: read_histogram(run_of(file), "fc:3")
    ),
    "neighbors": in_file(f"{UNIT_FOLDER}neighbors.json", lambda file: read_neighbors(run_of(file), "fc:3")),
    "a circuit": in_file("run/circuit.json", read_circuit),
    "JSON": in_file("a.json", read_json),
    "kept answers": in_file("captioner.jsonl", lambda file: ResponseCache(file.parent).kept("captioner")),
    "a run": in_file("run/run.json", lambda file: Runs([file.parent])),
    "words of a run": in_file("run/labels.json", lambda file: read_details(file.parent)),
    "options in TOML": in_file("config.toml", configured),
    "options in YAML": in_file("config.yaml", configured),
    "options in JSON": in_file("config.json", configured),
    "a table": in_file("a.csv", lambda file: csv_lines(file.read_text("utf-8", "replace"), "a table")),
}
OF_BYTES: dict[str, tuple[bytes, Callable[[bytes], Any]]] = {}


def saved(write: Callable[[Any], Any]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


STATE = {"weight": torch.zeros(2, 3), "bias": torch.zeros(2)}
PICTURES = np.zeros((2, 4, 4, 3), np.uint8)


def picture(kind: str, **how: Any) -> bytes:
    """A small image file."""
    return saved(lambda file: Image.new("RGB", (5, 4), "red").save(file, kind, **how))


def shard() -> bytes:
    """A shard of one image with its class."""

    def write(file: Any) -> None:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for name, data in (("0.png", picture("PNG")), ("0.cls", b"1"), ("0.json", b'{"label": 1}')):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))

    return saved(write)


def lying(header: str) -> bytes:
    """An array whose header says something else than it holds."""
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(96)


SET = load_images(PICTURES)
KINDS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
for name, data, read in (
    ("x.npy", saved(lambda file: np.save(file, PICTURES)), seen),
    ("y.npy", saved(lambda file: np.save(file, PICTURES)), read_npy),
    ("z.npy", lying("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 4, 3), }"), seen),
    ("x.npz", saved(lambda file: np.savez(file, images=PICTURES, labels=np.arange(2))), seen),
    ("y.npz", saved(lambda file: np.savez_compressed(file, images=PICTURES)), seen),
    ("w.npz", saved(lambda file: np.savez(file, **{k: t.numpy() for k, t in STATE.items()})), read_state),
    ("w.safetensors", save(STATE), read_state),
    ("w.pt", saved(lambda file: torch.save(STATE, file)), read_state),
    ("w.ckpt", saved(lambda file: torch.save({"model": STATE, "epoch": 3}, file)), read_state),
    ("w.pth", saved(lambda file: torch.save(STATE, file, _use_new_zipfile_serialization=False)), read_state),
    ("w.index.json", b'{"weight_map": {"a": "w.pt"}}', read_state),
    ("sae.safetensors", save({"W_dec": torch.zeros(4, 3), "W_enc": torch.zeros(3, 4)}), open_sae),
    ("sae.pt", saved(lambda file: torch.save({"W_dec": torch.zeros(4, 3)}, file)), open_sae),
    ("d.safetensors", save({"d": torch.zeros(4, 3)}), lambda file: read_direction(f"{file}:1@fc")),
    ("cache.safetensors", save(STATE, {"vital": "{}"}), load),
    (
        "bank.safetensors",
        save(STATE, {"vital": "0 {}"}),
        lambda file: load_bank(file, NETWORK, SET, disk=False),
    ),
    ("p.png", picture("PNG"), read_picture),
    *(
        (f"images.{kind.lower()}", picture(kind), lambda file: seen([file]))
        for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
    ),
    ("x.tar", shard(), seen),
):
    OF_BYTES[name] = (data, in_file(name, read))  # type: ignore[arg-type]

UNIT_JSON = '{"schema": 1, "unit": "fc:3", "exemplars": [{"image": "a.png", "value": 1.5, "seen": "00.png"}]}'
RUN_JSON = (
    '{"schema": 1, "model": {"name": "x", "weights": "ab"}, "images": null, "renders": [{"method": "fourier", '
    '"units": ["fc:3"], "seed": 0, "steps": 2, "size": [16, 16]}], "command": "vital render"}'
)
STARTS: dict[str, tuple[str, ...]] = {
    "a unit": ("layer4:162", "layer4:0-7@3,3", "class:tabby", "blocks.9.mlp:55#cls", "d.safetensors!k:3@layer4#all"),
    "options": ("3", "0.5", "true", "none", "a,b", "16"),
    "a setting": ("steps=3", "fourier.steps=3"),
    "bands": ("3,2,1", "0"),
    "an answer": ("1. a cat\n2. a dog", '["a", "b"]', "```json\n[1]\n```"),
    "an address": ("openai:http://localhost:80/v1/model", "openai:gpt-4o", "openai:https://[::1]:99/x"),
    "a pattern of shards": ("train-{000..003}.tar", "{a,b}-{1..2}.tar"),
    "scores": ("a,percentile,fc:1,0,99\n",),
    "curves": ("0,a,percentile,fc:1,0,99\n",),
    "a set of images": ("hf:cifar10", "x.npz", "a/b"),
    "weights": ("w.pt!model", "w.safetensors"),
    "a direction": ("d.safetensors:3@layer4", "d.safetensors!k:3@layer4"),
    "a list": ("layer3, layer4", "0,1"),
    "a shard": ("0/4", "3/4"),
    "a file of a network": ("net.py:make", "a/b.py:f"),
    "methods": ("fourier=3", "vital"),
    "a response": (
        '{"choices": [{"message": {"content": "a cat"}, "finish_reason": "stop"}]}', '{"error": {"message": "x"}}',
    ),
    "labels of units": ("layer,unit,method,label,score\nfc,3,dnd,a cat,0.5\n", "unit,label\nfc:3,a cat\n"),
    "labels of a run": ('layer,unit,method,label,score,others\nfc,fc:3,dnd,a cat,0.5,"[[""x"", 1]]"\n',),
    "labels of images": ("file,index\na.png,0\nb/c.png,1\n", "file,label\na.png,x\n"),
    "concepts": ("red\ngreen # x\n", "\ufeffa cat, b\n"),
    "concepts in a table": ("concept,n\nred,1\n",),
    "names": ("ant\nbee\n", "n01440764 tench\n", "{0: 'tench', 1: 'x'}", '{"0": ["n01", "tench"]}'),
    "classes": ("index,name\n0,ant\n1,bee\n", "0 ant\n1 bee\n", "{0: 'tench'}"),
    "run.json": (RUN_JSON,), "a run": (RUN_JSON,),
    "words of a run": ('{"schema": 1, "model": {}, "methods": {}, "units": {}}',),
    "exemplars": (UNIT_JSON,),
    "a histogram": ('{"schema": 1, "unit": "fc:3", "edges": [0, 1], "counts": [3], "images": 3}',),
    "neighbors": ('{"schema": 1, "unit": "fc:3", "by": "correlation", "neighbors": [["fc:2", 0.5]]}',),
    "a circuit": ('{"schema": 1, "edges": [["fc:3", "fc:2", 0.5]], "units": ["fc:3"]}',),
    "kept answers": ('{"key": "a", "answer": "b"}\n',),
    "a table": ('a,b\n1,"x, y"\n',),
    "options in TOML": ('seed = 3\nmethod = "fourier"\n[render]\nsteps = 2\nset = {size = 16}\n',),
    "options in YAML": ("seed: 3\nmethod: fourier\nrender: {steps: 2}\n", "a: &x [1]\nb: *x\n"),
    "options in JSON": ('{"seed": 3, "method": "fourier", "render": {"steps": 2}}',),
}  # fmt: skip
"""Inputs that some readers of text take, or nearly."""
