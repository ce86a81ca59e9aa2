"""Every public function and method, each argument, and what stands there instead: one sentence, and no other error."""

from __future__ import annotations

import inspect
import math
import signal
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vital
from tests import toy
from vital.comparing import Comparison
from vital.describing import Descriptions, agreement, read_labels, write_labels
from vital.errors import DefectError, ForeignCodeError, VitalError
from vital.objectives import Channel
from vital.params import Pixels
from vital.records import Description
from vital.rendering import Exemplars, circuit, exemplars

SECONDS = 20
"""How long a call may compute."""
SAMPLED = 3
"""How many of the values each argument gets in a fast run; a slow one gives it all."""


def used_up(*parts: object) -> Iterator[object]:
    given = iter(parts)
    list(given)
    return given


VALUES: dict[str, Callable[[], Any]] = {
    "none": lambda: None, "true": lambda: True, "no text": str, "NUL": lambda: "\0", "half": lambda: "\ud800",
    "a byte of a name": lambda: "a\udcff.png", "long": lambda: "a" * 5000, "a word": lambda: "no such",
    "bytes": lambda: b"x", "a bytearray": lambda: bytearray(b"x"), "NaN": lambda: math.nan, "inf": lambda: math.inf,
    "-inf": lambda: -math.inf, "huge": lambda: 10**400, "-huge": lambda: -(10**400), "2**63": lambda: 2**63,
    "10**18": lambda: 10**18, "-1": lambda: -1, "0": lambda: 0, "-0.0": lambda: -0.0, "1.5": lambda: 1.5,
    "7": lambda: 7, "1e308": lambda: 1e308, "1e-320": lambda: 1e-320, "complex": lambda: 1j, "a list": list,
    "a tuple": tuple, "a dictionary": dict, "a set": set, "used up": used_up,
    "used up units": lambda: used_up("class:0"),
    "a generator": lambda: (part for part in ()), "a generator of bytes": lambda: (b for b in ("\udcff",)),
    "a generator of none": lambda: (part for part in (None,)), "a map": lambda: map(str, ()), "a zip": zip,
    "an enumeration": lambda: enumerate(()), "[none]": lambda: [None], "[NaN]": lambda: [math.nan],
    "['']": lambda: [""], "[bytes]": lambda: [b"x"], "[[]]": lambda: [[]], "[huge]": lambda: [10**400],
    "[-1]": lambda: [-1], "a unit and NaN": lambda: ["class:0", math.nan], "{'x': NaN}": lambda: {"x": math.nan},
    "{0: 0}": lambda: {0: 0}, "{1}": lambda: {1}, "an object": object, "a function": lambda: lambda *_, **__: 1 / 0,
    "a NaN of numpy": lambda: np.array(math.nan), "an empty array": lambda: np.zeros(0), "a type": lambda: int,
    "an empty tensor": lambda: torch.zeros(0), "a NaN of torch": lambda: torch.tensor(math.nan),
    "no path": Path, "a path with NUL": lambda: Path("\0"), "a path of bytes": lambda: Path("\udcff"),
    "an empty range": lambda: range(0), "a long range": lambda: range(10**12),
    "a truth of numpy": lambda: np.bool_(True),
    "a number of numpy": lambda: np.int64(2), "dots": lambda: ..., "a slice": lambda: slice(0),
    "../x": lambda: "../x",
    "a turn of writing": lambda: "\u202e", "a unit": lambda: "class:0", "not implemented": lambda: NotImplemented,
}  # fmt: skip
Door = tuple[Callable[..., Any], dict[str, Any]]


MADE: dict[str, Callable[[], Any]] = {
    "model": toy.model,
    "images": lambda: vital.load_images(toy.images(6).numpy(), labels=[0, 1, 2, 0, 1, 2]),
    "bank": lambda: vital.build_bank(made("model"), ["act1", "act2"], made("images"), disk=False),
    "prototypes": lambda: vital.render(made("model"), ["class:0", "class:1"], **SMALL),
    "prototype": lambda: made("prototypes")[0],
    "comparison": lambda: vital.compare(made("model"), ["class:0"], **COMPARED, images=made("images")),
    "table": lambda: made("comparison").table,
    "circuit": lambda: circuit(made("model"), "act2:0", "act1", bank=made("bank"), count=1, **SMALL),
    "descriptions": lambda: Descriptions([Description(made("model").unit("class:0"), "dnd", "red", 0.5)]),
    "exemplars": lambda: exemplars(made("bank"), "class:0", 2),
    "exemplar": lambda: made("exemplars")[0],
    "optimizer": vital.Optimizer,
}
"""How things with methods are made."""


@cache
def made(name: str) -> Any:
    """A thing with methods to call."""
    return MADE[name]()


COMPARED: dict[str, Any] = {
    "methods": ["pixels"], "seeds": 1, "options": {"pixels": {"steps": 1}}, "controls": (), "progress": False,
}  # fmt: skip
SMALL = {"method": "fourier", "steps": 1, "size": 16, "progress": False}
METHODS: dict[str, dict[str, Any]] = {
    "model.as_input": {"normalized": toy.images(1)}, "model.normalize": {"image": toy.images(1).float()},
    "model.preprocess": {"image": toy.images(1)[0].float()}, "model.to": {"device": "cpu"},
    "model.unit": {"unit": "class:0"}, "model.units": {"units": ["class:0"]},
    "images.load": {"indices": [0], "model": "model"}, "images.note_skipped": {"found": []},
    "images.of_class": {"index": 0}, "images.part": {}, "images.spread": {"count": 2},
    "images.tensor": {"indices": [0], "model": "model"}, "images.together": {"size": 3},
    "images.view": {"index": 0, "model": "model"}, "images.batches": {"model": "model"},
    "bank.fits": {"model": "model"}, "bank.has_places": {"unit": "class:0"},
    "bank.most_relevant": {"unit": "act1:0", "target": "class:0"}, "bank.natural_value": {"unit": "class:0"},
    "bank.patches": {"unit": "act1:0", "count": 2}, "bank.percentile": {"unit": "class:0", "value": 0.0},
    "bank.rank": {"units": ["class:0"]}, "bank.rank_relevance": {"units": ["act1:0"], "target": "class:0"},
    "bank.ranks": {"unit": "class:0"}, "bank.references": {"unit": "class:0"}, "bank.save": {"path": "b.safetensors"},
    "bank.strongest": {"unit": "class:0"}, "bank.strongest_places": {"unit": "class:0"},
    "bank.template": {"unit": "class:0", "layers": ["act1"]}, "bank.tensor": {"indices": [0]},
    "bank.usual": {"layers": ["act1"], "count": 2}, "bank.usual_value": {"unit": "class:0"}, "bank.view": {"index": 0},
    "prototype.to_pil": {}, "prototype.to_png": {}, "prototypes.figure": {}, "prototypes.of": {"unit": "class:0"},
    "prototypes.to_grid": {}, "exemplars.of": {"unit": "class:0"}, "exemplars.to_grid": {}, "exemplars.figure": {},
    "exemplar.to_pil": {}, "descriptions.to_csv": {"path": "l.csv"}, "descriptions.figure": {},
    "descriptions.of": {"unit": "class:0"}, "comparison.figure": {}, "table.of_layer": {"layer": ""},
    "table.only": {"methods": ["pixels"]}, "table.cell": {"method": "pixels", "metric": "value"},
    "table.differs": {"metric": "value", "control": "real images"}, "table.best": {"metric": "value"},
    "table.leaders": {"metric": "value"}, "table.few": {"metric": "value"}, "circuit.to_grid": {}, "circuit.figure": {},
    "optimizer.factor": {"step": 0, "steps": 3},
}  # fmt: skip
"""Methods with what they may be given; texts stand for things that are `made`."""
FUNCTIONS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "make_method": (vital.make_method, {"name": "fourier"}), "list_layers": (vital.list_layers, {"model": "model"}),
    "load_model": (vital.load_model, {"spec": "model"}),
    "load_images": (vital.load_images, {"source": toy.images(2).numpy()}),
    "Unit": (vital.Unit, {"layer": "class", "index": 0}), "Unit.parse": (vital.Unit.parse, {"text": "class:0"}),
    "Optimizer": (vital.Optimizer, {}), "Model": (vital.Model, {"module": toy.network(), "size": (32, 32)}),
    "ImageSet": (vital.ImageSet, {"source": vital.load_images(toy.images(1).numpy()).source, "names": ("0",),
                                  "labels": (None,)}),
    "Template": (vital.Template, {"layers": {"act1": torch.zeros(2, 3)}}),
    "build_bank": (vital.build_bank, {"model": "model", "layers": ["act1"], "images": "images", "disk": False}),
    "load_bank": (vital.load_bank, {"path": "b.safetensors", "model": "model", "images": "images"}),
    "render": (vital.render, {"model": "model", "units": "class:0", **SMALL}),
    "optimize": (vital.optimize, {"model": "model", "term": Channel(toy.model().unit("act1:0")), "steps": 1,
                                  "parameterization": Pixels(32)}),
    "describe": (vital.describe, {"model": "model", "units": "class:0", "bank": "bank", "encoder": "world",
                                  "concepts": ["red", "blue", "dog"], "progress": False, "n_random_models": 0}),
    "compare": (vital.compare, {"model": "model", "units": ["class:0"], "images": "images", **COMPARED}),
    "atlas": (vital.atlas, {"model": "model", "layers": "act1", "images": "images", "out": "at", "methods": "pixels",
                            "steps": 1, "per_layer": 1, "progress": False}),
    "report": (vital.report, {"out": "r.html"}), "write_site": (vital.write_site, {"folder": "site"}),
    "exemplars": (exemplars, {"bank": "bank", "unit": "class:0", "count": 2}),
    "circuit": (circuit, {"model": "model", "unit": "act2:0", "layers": "act1", "bank": "bank", "count": 1,
                          **SMALL}),
    "agreement": (agreement, {"ours": ["a cat"], "theirs": ["cat"]}), "read_labels": (read_labels, {"path": "l.csv"}),
    "write_labels": (write_labels, {"path": "l.csv", "descriptions": "descriptions"}),
}  # fmt: skip
NAMES = [*FUNCTIONS, *METHODS]
LONG = ("describe", "compare", "atlas")
"""Functions whose calls take long."""


def door_of(name: str) -> Door:
    """A function or method, and what it may be given."""
    function, given = FUNCTIONS.get(name) or (None, METHODS[name])
    if function is None:
        thing, _, method = name.partition(".")
        function = getattr(made(thing), method)
    return function, {
        key: made(value) if isinstance(value, str) and value in ("model", key) else value
        for key, value in given.items()
    }


class HangsError(BaseException):
    """A call took longer than it may."""


def wrong(call: Callable[[], Any], value: str) -> str:
    """What is wrong with how a call ended; empty where it was well, or was refused in one sentence."""

    def stop(*_: object) -> None:
        raise HangsError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = call()
            if inspect.isgenerator(found):
                list(found)
    except VitalError as error:
        said = str(error)
        said.encode()
        own = type(error) in (DefectError, ForeignCodeError) and value not in ("a function", "a type")
        return f"{type(error).__name__}: {said[:200]}" if own or "\n" in said or len(said) > 20_000 else ""
    except HangsError:
        return "it hangs"
    except BaseException as error:  # noqa: BLE001  this is what is looked for
        return f"{error!r}"[:300]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return ""


def failures(name: str, count: int | None = None) -> list[str]:
    """The arguments with which a function fails: all values for each, or so many, other ones for the next."""
    function, given = door_of(name)
    found, values = [], list(VALUES)
    for place, (argument, one) in enumerate(inspect.signature(function).parameters.items()):
        if one.kind is one.VAR_KEYWORD:
            continue
        start = 7 * (place + NAMES.index(name)) % len(values)
        for value in islice((values + values)[start:], count or len(values)):
            others = {key: kept for key, kept in given.items() if key != argument}
            first: list[Any] = []
            if one.kind in (one.POSITIONAL_ONLY, one.VAR_POSITIONAL):
                before = list(inspect.signature(function).parameters)[:place]
                first = [*(others.pop(key) for key in before), VALUES[value]()]
            else:
                others[argument] = VALUES[value]()
            if said := wrong(lambda first=first, others=others: function(*first, **others), value):
                found.append(f"{name}({argument}={value}): {said}")
    return found


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LONG])
def test_an_argument_is_taken_or_refused_in_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not failures(name, SAMPLED)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_value_in_the_place_of_every_argument_is_taken_or_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not failures(name)


def test_every_public_function_and_every_method_with_arguments_is_walked() -> None:
    known = {name.partition(".")[2] or name for name in NAMES}
    left = {name for name in vital.__all__ if inspect.isfunction(getattr(vital, name))} - known
    for kind in (vital.Model, vital.ImageSet, vital.ReferenceBank, vital.Prototypes, vital.Prototype, vital.Optimizer,
                 Exemplars, Descriptions, Comparison):  # fmt: skip
        for name, member in vars(kind).items():
            takes = inspect.isfunction(member) and len(inspect.signature(member).parameters) > 1
            left |= (
                {f"{kind.__name__}.{name}"}
                if takes and not name.startswith("_") and name not in known
                else set()
            )
    assert left == {"Optimizer.build"}  # which takes tensors of a network
