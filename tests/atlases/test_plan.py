import pickle

import pytest
import torch
from torch import nn

from tests import toy
from vital.atlases.plan import Piece, Request, chosen, pieces_of, read_shard, spelled, units_of
from vital.describing.base import describer
from vital.errors import InvalidValueError, UnitError, UnknownNameError
from vital.models import Model
from vital.rendering import make_method
from vital.tracing import list_layers
from vital.units import Unit

MODEL = toy.model()


def request(*names: str, batch: int = 2, words: bool = True) -> Request:
    methods = {name: make_method(name) for name in ("vital", "vital-scene")}
    describers = {"clip-dissect": describer("clip-dissect")} if words else {}
    return Request(units_of(MODEL, names), methods, describers, batch=batch)


def test_pieces_are_strings_and_numbers_with_names_of_their_own() -> None:
    pieces = pieces_of(request("act1:0-2", "class:0-1"))
    assert [piece.name for piece in pieces] == [
        "bank",
        *(f"exemplars-0000{i}" for i in range(3)),
        *(f"prototypes-{method}-0000{i}" for i in range(3) for method in ("vital", "vital-scene")),
        "words-clip-dissect-00000",
        "words-clip-dissect-00001",
    ]
    assert pickle.loads(pickle.dumps(pieces)) == pieces  # noqa: S301
    assert pieces[1] == Piece("exemplars", 0, ("act1:0", "act1:1"))
    assert pieces[2].units == ("act1:2", "class:0")
    assert [piece.units for piece in pieces[-2:]] == [("act1:0", "act1:1", "act1:2"), ("class:0", "class:1")]


def test_shards_share_out_all_pieces_but_the_bank_and_no_piece_twice() -> None:
    pieces = pieces_of(request("act1"))
    parts = [chosen(pieces, MODEL, shard=(i, 3)) for i in (1, 2, 3)]
    assert all(part[0] == Piece("bank") for part in parts)
    shared = [piece for part in parts for piece in part[1:]]
    assert len(shared) == len(set(shared)) == len(pieces) - 1


def test_some_stages_and_units() -> None:
    pieces = pieces_of(request("act1:0-5", "class:0-1"))
    assert {p.stage for p in chosen(pieces, MODEL, ["exemplars", "words"])} == {"exemplars", "words"}
    some = chosen(pieces, MODEL, ["act1:3", "prototypes"])
    assert [p.units for p in some] == [("act1:2", "act1:3")] * 2
    by_name = chosen(pieces, MODEL, ["class:tabby", "exemplars"])
    assert [p.units for p in by_name] == [("class:0", "class:1")]
    assert chosen(pieces, MODEL, ["site"]) == []


@pytest.mark.parametrize(
    ("only", "error", "says"),
    [
        ("exmplars", UnknownNameError, "unknown stage or unit 'exmplars'; did you mean 'exemplars'"),
        ("act1:7", UnitError, "act1:7 is not among the 2 units of the atlas"),
    ],
)
def test_what_is_no_stage_or_unit_of_the_atlas(only: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        chosen(pieces_of(request("act1:0-1")), MODEL, [only])


def test_a_unit_of_tokens_goes_without_its_tokens() -> None:
    model = toy.token_model()
    layer = next(name for name, one in list_layers(model).items() if one.kind == "tokens")
    units = units_of(model, [layer], per_layer=2)
    assert [unit.tokens for unit in units] == ["patches"] * 2
    pieces = pieces_of(Request(units, {}, batch=1))
    assert [p.units for p in chosen(pieces, model, [f"{layer}:1", "exemplars"])] == [(f"{layer}:1#patches",)]


def test_a_unit_of_tokens_with_its_tokens_is_no_other_reading_of_it() -> None:
    model = toy.token_model()
    layer = next(name for name, one in list_layers(model).items() if one.kind == "tokens")
    names = [f"{layer}:1#cls", f"{layer}:1#patches"]
    pieces = pieces_of(Request(units_of(model, names), {}, batch=1))
    for name in names:
        assert [p.units for p in chosen(pieces, model, [name, "exemplars"])] == [(name,)]
    assert [p.units for p in chosen(pieces, model, [f"{layer}:1", "exemplars"])] == [(n,) for n in names]
    with pytest.raises(UnitError, match="is not among the 2 units of the atlas"):
        chosen(pieces, model, [f"{layer}:1#all"])


def test_units_are_spelled_with_the_whole_name_of_their_file() -> None:
    units = [Unit.parse(f"d:33/b.safetensors:{i}@act1") for i in (3, 4)]
    assert spelled(units) == {"d:33/b.safetensors@act1": "3-4"}


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2"])
def test_a_shard_is_a_number_of_several(text: str) -> None:
    with pytest.raises(InvalidValueError, match=r"shard is .*; write I/N, such as 1/4"):
        read_shard(text)


def test_layers_are_whole_or_cut_and_units_come_once() -> None:
    assert len(units_of(MODEL, ["act1", "class"])) == 18
    assert [str(u) for u in units_of(MODEL, ["act1:3-4", "act1:4", "class"], per_layer=1)] == [
        "act1:3",
        "act1:4",
        "class:0",
    ]


class Empty(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :0]


def test_a_layer_of_no_units_is_told() -> None:
    model = Model(Branch(), size=16)
    with pytest.raises(UnitError, match="layer 'empty' has no units; choose another"):
        units_of(model, ["empty"])
    with pytest.raises(InvalidValueError, match="no layer is given"):
        units_of(model, [])


class Branch(nn.Module):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.conv, self.empty = nn.Conv2d(3, 4, 3), Empty()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return y.mean((2, 3)) + self.empty(y).sum()


def test_few_words_for_many_units() -> None:
    assert spelled(units_of(MODEL, ["act1", "class:3", "class:1"])) == {"act1": "0-7", "class": "3,1"}
