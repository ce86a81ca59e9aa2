"""Which units feed a unit, against sums over every image, channel and place."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests import toy
from vital.attribution import AttributionGraph, Feeder, attribution_graph, feeders, relevance
from vital.errors import InvalidValueError, UnknownNameError
from vital.models import Model
from vital.units import Unit


def slow(model: Model, unit: str, layer: str, count: int) -> list[Feeder]:
    """One image, channel and place at a time."""
    channels, total = {}, 0.0
    for image in toy.images(5):
        made = relevance(model, image[None], unit, [layer, unit.partition(":")[0]])
        for c, plane in enumerate(made[layer][0]):
            for r in plane.flatten().tolist():
                channels[c] = channels.get(c, 0.0) + r
        total += made[unit.partition(":")[0]].sum().item()
    best = sorted(channels, key=lambda c: -channels[c])[:count]
    return [Feeder(Unit(layer, c), channels[c] / total) for c in best]


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_feeders_are_ranked_by_their_share_of_the_relevance(batch: int) -> None:
    model = toy.model(double=True)
    found, wanted = (
        feeders(model, "act3:8", "act2", toy.images(5), 4, batch=batch),
        slow(model, "act3:8", "act2", 4),
    )
    assert [f.unit for f in found] == [f.unit for f in wanted]
    assert [f.share for f in found] == pytest.approx([f.share for f in wanted])
    assert found[0].share > found[-1].share


def test_all_channels_together_have_the_whole() -> None:
    everything = feeders(toy.model(double=True), "act3:8", "act1", toy.images(5), 100)
    assert len(everything) == 8
    assert sum(f.share for f in everything) == pytest.approx(1)


def planted() -> Model:
    """Unit 1 of `top` sums channels 0 and 2 of `low`, the second three times."""
    low, top = nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 2, 1, bias=False)
    low.weight.data = torch.eye(3)[:, :, None, None]
    top.weight.data = torch.tensor([[0.0, 1.0, 0.0], [1.0, -5.0, 3.0]])[:, :, None, None]
    return Model(nn.Sequential(OrderedDict(low=low, top=top)), size=(4, 4))


def test_a_planted_circuit_is_found_with_its_shares(tmp_path: Path) -> None:
    grey = torch.full((2, 3, 4, 4), 0.5)
    grey[:, 1] = 0
    found = feeders(planted(), "top:1", "low", grey, 3)
    assert [(str(f.unit), round(f.share, 6)) for f in found] == [
        ("low:2", 0.75),
        ("low:0", 0.25),
        ("low:1", 0),
    ]
    save_file({"rows": torch.tensor([[0.0, 1.0]])}, tmp_path / "d.safetensors")
    assert feeders(planted(), f"{tmp_path}/d.safetensors:0@top", "low", grey, 3) == found


@pytest.mark.parametrize("scale", [2.0**-30, 2.0**30])
def test_shares_do_not_depend_on_the_scale_of_the_unit(scale: float) -> None:
    found, pictures = [], torch.tensor([0.5, 0.0, 0.25])[None, :, None, None].expand(2, 3, 4, 4)
    for factor in (1.0, scale):
        model = planted()
        model.module.top.weight.data *= factor
        found.append(feeders(model, "top:1", "low", pictures, 3))
    assert found[0] == found[1]


def test_an_image_counts_as_much_as_it_excites_the_unit() -> None:
    pictures = torch.zeros(2, 3, 4, 4)
    pictures[0, 0], pictures[1, 2] = 1.0, 1.0
    shares = {f.unit.index: f.share for f in feeders(planted(), "top:1", "low", pictures, 3)}
    assert shares == pytest.approx({2: 0.75, 0: 0.25, 1: 0})


def test_units_of_a_token_layer_stand_for_all_tokens() -> None:
    model, pictures = toy.token_model(), toy.images(2)
    values = toy.trace(model, ["block2"], pictures)["block2"][:, :, 0].sum(0)
    unit = f"block2:{int(values.argmax())}#cls"
    assert [f.unit.tokens for f in feeders(model, unit, "block1", pictures, 2)] == ["all", "all"]
    assert [f.unit.tokens for f in feeders(model, unit, "patches", pictures, 2)] == ["", ""]


def test_what_has_no_shares_is_one_sentence() -> None:
    with pytest.raises(
        InvalidValueError, match=r"the relevance of top:1 over these 2 images is 0, .*; give images that it"
    ):
        feeders(planted(), "top:1", "low", torch.zeros(2, 3, 4, 4))
    with pytest.raises(InvalidValueError, match="count is 0; allowed are whole numbers from 1"):
        feeders(planted(), "top:1", "low", torch.ones(2, 3, 4, 4), 0)
    with pytest.raises(UnknownNameError, match="the network has no layer '<top'; did you mean 'top'"):
        feeders(planted(), "top:1", "<top", torch.ones(2, 3, 4, 4))
    with pytest.raises(InvalidValueError, match="there are no images"):
        feeders(planted(), "top:1", "low", torch.ones(0, 3, 4, 4))
    with pytest.raises(InvalidValueError, match="the layer 'top' is not before low"):
        feeders(planted(), "low:1", "top", torch.ones(2, 3, 4, 4))


@pytest.mark.parametrize("rule", ["zplus", "epsilon-plus"])
@pytest.mark.parametrize("batch", [2, 8])
def test_edges_are_shares_of_what_passes_through_a_unit(batch: int, rule: str) -> None:
    model, pictures = toy.model(double=True), toy.images(5)
    layers = ["act3", "act2", "act1"]
    best = int(toy.trace(model, ["class"], pictures)["class"].sum(0).argmax())
    graph = attribution_graph(model, f"class:{best}", layers, pictures, 3, rule=rule, batch=batch)
    assert [f.unit.layer for level in graph.levels for f in level[:1]] == layers
    for level, layer in zip(graph.levels, layers, strict=True):
        wanted = dict[int, torch.Tensor]()
        start = torch.zeros(())
        for image in pictures:
            made = relevance(model, image[None], graph.unit, [layer, "class"], rule)
            for c, plane in enumerate(made[layer][0]):
                wanted[c] = wanted.get(c, torch.zeros(())) + plane.sum()
            start = start + made["class"].sum()
        assert [f.share for f in level] == pytest.approx(
            [(wanted[f.unit.channel] / start).item() for f in level]
        )
        assert [f.share for f in level] == sorted((f.share for f in level), reverse=True)
    for above, layer in (("act3", "act2"), ("act2", "act1")):
        for unit in {edge.unit for edge in graph.edges if edge.unit.layer == above}:
            made = relevance(model, pictures, graph.unit, [above, layer], rule, conditions=[unit])
            shares = made[layer].sum((0, 2, 3)) / made[above].sum()
            own = [edge for edge in graph.edges if edge.unit == unit]
            assert [e.feeder.channel for e in own] == shares.sort(descending=True).indices[:3].tolist()
            assert [e.share for e in own] == pytest.approx([shares[e.feeder.channel].item() for e in own])
    assert {e.feeder for e in graph.edges} == {f.unit for level in graph.levels for f in level}
    assert graph.units[0] == graph.unit


def test_an_edge_does_not_depend_on_what_else_is_kept() -> None:
    model, pictures = toy.model(double=True), toy.images(3)
    wide, narrow = (attribution_graph(model, "act3:8", ["act2", "act1"], pictures, n) for n in (6, 2))
    shares = {(e.unit, e.feeder): e.share for e in wide.edges}
    assert {(e.unit, e.feeder): e.share for e in narrow.edges}.items() <= shares.items()
    assert list(narrow.levels[0]) == feeders(model, "act3:8", "act2", pictures, 2)


def three() -> Model:
    """Unit 0 of `top` reads 0 and 1 of `mid`; each reads one of `low`, 0 or 2; the third is read by none."""
    low, mid, top = (
        nn.Conv2d(3, 3, 1, bias=False),
        nn.Conv2d(3, 3, 1, bias=False),
        nn.Conv2d(3, 1, 1, bias=False),
    )
    low.weight.data = torch.eye(3)[:, :, None, None]
    mid.weight.data = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])[:, :, None, None]
    top.weight.data = torch.tensor([[3.0, 1.0, 0.0]])[:, :, None, None]
    return Model(nn.Sequential(OrderedDict(low=low, mid=mid, top=top)), size=(4, 4))


def test_a_planted_graph_is_found_and_a_unit_without_relevance_has_no_feeders() -> None:
    graph = attribution_graph(three(), "top:0", ["mid", "low"], torch.full((2, 3, 4, 4), 0.5), 3)
    assert [[(str(f.unit), f.share, f.status) for f in level] for level in graph.levels] == [
        [("mid:0", 0.75, "done"), ("mid:1", 0.25, "done"), ("mid:2", 0, "no relevance")],
        [("low:0", 0.75, "done"), ("low:2", 0.25, "done"), ("low:1", 0, "no relevance")],
    ]
    strong = {(str(e.unit), str(e.feeder)): e.share for e in graph.edges if e.share}
    assert strong == {
        ("top:0", "mid:0"): 0.75, ("top:0", "mid:1"): 0.25, ("mid:0", "low:0"): 1, ("mid:1", "low:2"): 1
    }  # fmt: skip
    assert not [e for e in graph.edges if str(e.unit) == "mid:2"]


def test_a_graph_may_keep_one_unit_of_each_layer() -> None:
    graph = attribution_graph(three(), "top:0", ["mid", "low"], torch.full((2, 3, 4, 4), 0.5), 1)
    assert [(str(e.unit), str(e.feeder), e.share) for e in graph.edges] == [
        ("top:0", "mid:0", 0.75),
        ("mid:0", "low:0", 1),
    ]
    assert [[(str(f.unit), f.share) for f in level] for level in graph.levels] == [
        [("mid:0", 0.75)],
        [("low:0", 0.75)],
    ]


def test_a_graph_goes_on_through_tokens() -> None:
    model, pictures = toy.token_model(double=True), toy.images(2)
    best = int(toy.trace(model, ["class"], pictures)["class"].sum(0).argmax())
    graph = attribution_graph(model, f"class:{best}", ["block2", "block1"], pictures, 2)
    assert isinstance(graph, AttributionGraph)
    assert {f.unit.tokens for level in graph.levels for f in level} == {"all"}
    assert len(graph.levels[1]) >= 2


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([], r"the layers are \[\]; name each once, from later to earlier"),
        (["low", "low"], "name each once, from later to earlier"),
        (["mid", "top"], "the layer 'top' is that of top:0; name layers before it"),
        (["low", "mid"], "the layer 'mid' is not before low, where relevance starts"),
    ],
)
def test_layers_that_make_no_graph_are_one_sentence(layers: list[str], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        attribution_graph(three(), "top:0", layers, torch.full((2, 3, 4, 4), 0.5))
