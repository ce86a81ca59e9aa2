"""Every reader of text and of files: whatever it is given, nothing but a `VitalError` comes out."""

from __future__ import annotations

import io
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from vital.backends.answers import read_caption, read_lines
from vital.backends.endpoint_address import read_spec
from vital.backends.response_cache import ResponseCache
from vital.cli.options import read_bands, read_settings
from vital.comparing.table import read_long
from vital.data import load_images
from vital.data.labels import read_labels as read_image_labels
from vital.data.shards import expanded
from vital.describing import DESCRIBERS, read_concepts, read_labels
from vital.describing.evaluation.importers import IMPORTERS, import_labels
from vital.directions.sae_files import open_sae
from vital.errors import VitalError
from vital.models.weights import read_state
from vital.rendering import METHODS
from vital.rendering.run_folder import kept_exemplars, read_run, runs
from vital.reporting.collect import natural_order
from vital.reporting.facts import read_circuit, read_histogram, read_neighbors
from vital.units import Unit, parse
from vital.units.direction import read_direction
from vital.utils.class_names import read_classes, read_names
from vital.utils.io import as_csv, as_json, csv_lines, read_json, read_npy, read_picture
from vital.utils.options import options_of
from vital.utils.tensor_cache import load

EXAMPLES = int(os.environ.get("VITAL_EXAMPLES", "25"))
"""How many inputs each reader gets; the slow check takes 2,000."""
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 25,
    database=None,
    suppress_health_check=list(HealthCheck),
)

PIECES = st.sampled_from([
    "0", "1", "9" * 5000, "9" * 400, "²", "٣", "-1", "1e999", "nan", "inf", "1.0", ":", "@", "#", "-", ",", ";", "!",
    "0-99999999999999999", ".safetensors", "class", "layer4", "#cls", "\x00", "\ud800", "\udcff", "../", "/", "\\", "~",
    "a" * 5000, "[" * 3000, '{"a":' * 3000, "[", "]", "{", "}", '"', "'", "null", "true", "=", "+", "\n", "\r\n", "\t",
    " ",
    "unit,label,method", "layer,unit,description", "file,index", "index,name", "{0..99999999}", "{a,b}", "http://",
    "https://",
    "openai:", "localhost", ":99999999", "<think>", "</think>", "```json", "n01440764 ", "\u202e", "None", "0x1", "1_0",
])  # fmt: skip
TEXT = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=8).map("".join),
)
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), PIECES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


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
    "a set of images": load_images,
    "weights": read_state,
    "a direction": read_direction,
}


@pytest.mark.parametrize("what", OF_TEXT)
def test_a_text_is_read_or_refused(what: str) -> None:
    @fuzzed
    @given(TEXT)
    def check(text: str) -> None:
        refused(lambda: OF_TEXT[what](text))

    check()


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
    "a table": in_file("a.csv", lambda file: csv_lines(file.read_text("utf-8", "replace"), "a table")),
}
OF_BYTES: dict[str, tuple[bytes, Callable[[bytes], Any]]] = {}


def saved(write: Callable[[Any], Any]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


STATE = {"weight": torch.zeros(2, 3), "bias": torch.zeros(2)}
PICTURES = np.zeros((2, 4, 4, 3), np.uint8)
IMAGE = saved(lambda file: __import__("PIL.Image").Image.new("RGB", (5, 4), "red").save(file, "PNG"))
for name, data, read in (
    ("x.npy", saved(lambda file: np.save(file, PICTURES)), load_images),
    ("y.npy", saved(lambda file: np.save(file, PICTURES)), read_npy),
    ("x.npz", saved(lambda file: np.savez(file, images=PICTURES, labels=np.arange(2))), load_images),
    ("y.npz", saved(lambda file: np.savez_compressed(file, images=PICTURES)), load_images),
    ("w.npz", saved(lambda file: np.savez(file, **{k: t.numpy() for k, t in STATE.items()})), read_state),
    ("w.safetensors", save(STATE), read_state),
    ("w.pt", saved(lambda file: torch.save(STATE, file)), read_state),
    ("w.ckpt", saved(lambda file: torch.save({"model": STATE, "epoch": 3}, file)), read_state),
    ("w.index.json", b'{"weight_map": {"a": "w.pt"}}', read_state),
    ("sae.safetensors", save({"W_dec": torch.zeros(4, 3), "W_enc": torch.zeros(3, 4)}), open_sae),
    ("sae.pt", saved(lambda file: torch.save({"W_dec": torch.zeros(4, 3)}, file)), open_sae),
    ("d.safetensors", save({"d": torch.zeros(4, 3)}), lambda file: read_direction(f"{file}:1@fc")),
    ("cache.safetensors", save(STATE, {"vital": "{}"}), load),
    ("p.png", IMAGE, read_picture),
):
    OF_BYTES[name] = (data, in_file(name, read))  # type: ignore[arg-type]


@pytest.mark.parametrize("what", OF_FILES)
def test_a_file_of_text_is_read_or_refused(what: str) -> None:
    starts = [
        "",
        "unit,label,method\n",
        "layer,unit,description\n",
        "file,index\n",
        "index,name\n",
        '{"schema": 1, ',
    ]
    starts += [
        "unit,category,label,score\n",
        "Neuron ID,label\n",
        "neuron,concept,AUC\n",
        "unit,sim correlation,weight0,concept0\n",
    ]

    @fuzzed
    @given(st.sampled_from(starts), TEXT, VALUE, st.integers(0, 3))
    def check(start: str, text: str, value: Any, way: int) -> None:
        if way == 0:
            data = (start + text).encode("utf-8", "surrogatepass")
        elif way == 1:
            data = json.dumps(value).encode()
        elif way == 2:
            keys = (
                "schema",
                "renders",
                "model",
                "exemplars",
                "edges",
                "counts",
                "neighbors",
                "by",
                "images",
                "unit",
            )
            data = json.dumps(dict.fromkeys(keys, value) | {"schema": 1}).encode()
        else:
            data = as_csv(start.strip().split(",") or ["a"], [[text] * max(1, start.count(",") + 1)])
        refused(lambda: OF_FILES[what](data))

    check()


@pytest.mark.parametrize("what", OF_BYTES)
def test_a_damaged_file_is_read_or_refused(what: str) -> None:
    whole, read = OF_BYTES[what]

    @fuzzed
    @given(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4),
        st.one_of(st.just(len(whole)), st.integers(0, len(whole))),
    )
    def check(changes: list[tuple[int, int]], end: int) -> None:
        data = bytearray(whole)
        for place, byte in changes:
            data[place] = byte
        refused(lambda: read(bytes(data[:end])))

    check()


def test_what_is_written_is_read_again_whatever_it_holds() -> None:
    @fuzzed
    @given(VALUE, TEXT)
    def check(value: Any, text: str) -> None:
        as_json({"x": value, "y": text})
        (row,) = csv_lines(as_csv(["a"], [["x" + text]]).decode(), "a table")[1:] or [(0, [])]
        del row

    check()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "'=1", "''@", "'", "plain", "-"])
def test_a_cell_that_looks_like_a_formula_is_one_nowhere_and_comes_back(text: str) -> None:
    written = as_csv(["label", "n"], [[text, -1]]).decode()
    assert not any(line[:1] in "=+-@\t" for line in written.splitlines())
    assert csv_lines(written, "a table")[1][1] == [text, "-1"]
