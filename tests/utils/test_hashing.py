"""A key tells apart what is different, and only that."""

import collections
import datetime as dt
import decimal
import functools
import operator
import string
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vital.utils import hashing


def test_pieces_are_told_apart_by_where_they_end() -> None:
    assert len({hashing.sha256(x) for x in ("ab", ["ab"], ["a", "b"], ["", "ab"], [])}) == 5
    assert hashing.sha256(part for part in ("a", b"b")) == hashing.sha256(["a", "b"])


def test_a_key_sees_every_part_and_refuses_what_json_cannot_say() -> None:
    keys = [(1,), ("1",), (1.5,), ([1, 2],), (1, 2), (None,), ({"a": 1},)]
    assert len({hashing.key_of(*key) for key in keys}) == len(keys)
    with pytest.raises(TypeError):
        hashing.key_of(object())
    with pytest.raises(TypeError):
        hashing.key_of(path=Path("a"))


def test_tensors_are_told_by_name_shape_type_and_bytes() -> None:
    x = torch.arange(6.0)
    others = [x, x.view(2, 3), x.view(torch.int32), x + 1, {"a": x}, {"a": x, "b": x}, torch.empty(0)]
    assert len({hashing.tensor_hash(other) for other in others}) == len(others)
    assert hashing.tensor_hash({"b": x, "a": -x}) == hashing.tensor_hash({"a": -x, "b": x})
    assert hashing.tensor_hash(x.view(2, 3).T) == hashing.tensor_hash(x.view(2, 3).T.contiguous())
    assert hashing.tensor_hash(nn.Parameter(x)) == hashing.tensor_hash(x)


def test_a_file_is_told_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert hashing.file_hash(tmp_path / "a") == hashing.sha256("abc")
    with pytest.raises(OSError, match="No such file"):
        hashing.file_hash(tmp_path / "b")


def test_a_number_has_63_bits() -> None:
    numbers = np.array([hashing.number_of(str(i)) for i in range(200)])
    assert 0 <= numbers.min() < 2**56 * 40
    assert 2**62 < numbers.max() < 2**63


def told(**options: object) -> str:
    """The identity of a backend with these options."""
    maker = type("Maker", (), {})()
    for name, value in {"name": "maker", **options}.items():
        setattr(maker, name, value)
    return hashing.identity(maker)


def adding(number: int) -> Callable[[int], int]:
    return lambda x: x + number


def scaled(number: int) -> Callable[[Callable[[int], int]], Callable[[int], int]]:
    def decorate(inner: Callable[[int], int]) -> Callable[[int], int]:
        @functools.wraps(inner)
        def outer(x: int) -> int:
            return number * inner(x)

        return outer

    return decorate


class Scaled(nn.Module):
    """A layer whose only option is no weight."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


LAYER = nn.Linear(2, 2)
VALUES: dict[str, Callable[[int], object]] = {
    "bytes": lambda i: bytes([i]),
    "complex": complex,
    "range": range,
    "slice": slice,
    "decimal": decimal.Decimal,
    "date": lambda i: dt.date(2000, 1, i),
    "deque": lambda i: collections.deque([i]),
    "namespace": lambda i: types.SimpleNamespace(a=i),
    "itemgetter": operator.itemgetter,
    "methodcaller": lambda i: operator.methodcaller("f", i),
    "template": lambda i: string.Template(str(i)),
    "dtype": lambda i: (torch.float16, torch.float32)[i - 1],
    "texts": lambda i: np.array([str(i)]),
    "objects": lambda i: np.array([str(i)], object),
    "scalar": np.float32,
    "closure": adding,
    "decorated": lambda i: scaled(i)(adding(1)),
    "decorated within": lambda i: scaled(1)(adding(i)),
    "cached": lambda i: functools.lru_cache(adding(i)),
    "partial": lambda i: functools.partial(adding(1), i),
    "activation": lambda i: nn.Sequential(LAYER, (nn.ReLU(), nn.Tanh())[i - 1]),
    "slope": lambda i: nn.LeakyReLU(0.1 * i),
    "own layer": Scaled,
}


@pytest.mark.parametrize("kind", VALUES)
def test_backends_are_told_apart_by_options_of_any_kind(kind: str) -> None:
    make = VALUES[kind]
    assert told(option=make(1)) == told(option=make(1))
    assert told(option=make(1)) != told(option=make(2))
    assert told(option=[make(1)]) != told(option=[make(2)])


def test_a_partial_method_is_told_by_what_it_fills_in() -> None:
    def ask(self: object, images: object, prompt: str) -> list[str]:
        return [prompt]

    def maker(prompt: str) -> str:
        own = {"name": "maker", "describe": functools.partialmethod(ask, prompt=prompt)}
        return hashing.identity(type("Maker", (), own)())

    assert maker("a") == maker("a") != maker("b")
