"""One image explained by its winners: no loser is listed, contributions add up, and it can be read and seen."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import vital
from vital.errors import InvalidValueError, ModelError, UnknownNameError
from vital.lwta import LWTA, LWTAConv2d, convert
from vital.lwta.explain import explain
from vital.lwta.layers import competing
from vital.models import Model
from vital.tracing import Tracer


def small(seed: int, shift: float = 0.0) -> Model:
    """Two competitions; a negative `shift` makes most responses negative, winners included."""
    torch.manual_seed(seed)
    first = LWTAConv2d(3, 8, 3, 4)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 12), LWTA(3, -1), nn.Linear(12, 2))
    net = nn.Sequential(first, *head)
    for layer in (first.conv, net[3]):
        nn.init.constant_(layer.bias, shift)  # type: ignore[arg-type]
    return Model(net.eval(), size=(6, 6), classes=("cat", "dog"))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([-4.0, -1.0, 0.0, 1.0]),
    st.sampled_from(["gradient", "relevance"]),
)
def test_no_loser_is_ever_listed_also_where_winners_are_negative(seed: int, shift: float, by: str) -> None:
    model = small(seed, shift)
    picture = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    found = explain(model, picture, by=by)
    with torch.no_grad(), Tracer(model, ["<0.lwta", "<4"]) as tracer:
        trace = tracer(picture)
    for name, layer in competing(model.module).items():
        blocks = (
            trace[f"<{name}"][0]
            .reshape(-1, trace[f"<{name}"][0, 0].numel())
            .unflatten(0, (-1, layer.competitors))
        )
        best = blocks.argmax(1)
        own = found.of(name)
        assert sorted(w.block for w in own) == list(range(len(best)))
        for w in own:
            assert w.unit.index // layer.competitors == w.block
            won = best[w.block] == w.unit.index % layer.competitors
            assert w.share == pytest.approx(float(won.float().mean()))
            assert w.share > 0
            assert w.strength == pytest.approx(
                float(blocks[w.block, w.unit.index % layer.competitors][won].mean()), abs=1e-5
            )
    if shift == -4.0:
        assert all(w.strength < 0 for w in found.of("0.lwta"))


def test_contributions_after_the_last_competition_add_up_to_the_score_less_the_bias() -> None:
    model = small(3)
    found = explain(model, torch.rand(1, 3, 6, 6))
    bias = float(model.module[5].bias.detach()[found.decision.index])  # type: ignore[index,union-attr]
    assert sum(w.contribution for w in found.of("4")) == pytest.approx(found.score - bias, abs=1e-5)
    assert found.probability > 0.5


def test_relevance_after_the_last_competition_adds_up_too() -> None:
    model = small(3)
    found = explain(model, torch.rand(1, 3, 6, 6), by="relevance", rule="epsilon", decision="class:dog")
    assert found.decision.index == 1
    shift = float(
        list(model.module.parameters())[-1].detach()[1]
    )  # the bias of the class takes its own share
    assert sum(w.contribution for w in found.of("4")) == pytest.approx(found.score - shift, rel=1e-2)


def test_labels_come_with_their_units_in_text_table_record_and_picture() -> None:
    found = explain(small(1), torch.rand(1, 3, 6, 6), labels={f"4:{i}": f"word {i}" for i in range(12)})
    best = found.of("4")[0]
    assert best.label == f"word {best.unit.index}"
    assert best.label in found.text()
    assert found.text().startswith(found.decision.label)
    assert (str(best.unit), best.label) in [row[:2] for row in found.table()]
    assert [w["unit"] for w in json.loads(json.dumps(found.to_dict()))["winners"]] == [
        str(w.unit) for w in found.winners
    ]
    assert "word" in found._repr_html_()
    picture = found.picture(2, 32)
    assert picture.width > 3 * 32
    assert len(np.unique(np.asarray(picture))) > 10


def test_tokens_are_read_at_the_class_token_unless_asked_otherwise() -> None:
    models = pytest.importorskip("torchvision.models")
    network = convert(models.vit_b_32(weights=None, image_size=64), 4)
    model, picture = Model(network, size=(64, 64)), torch.rand(1, 3, 64, 64)
    layer = "encoder.layers.encoder_layer_11.mlp.1"
    found = explain(model, picture, layers=[layer], decision="class:5")
    assert {w.unit.tokens for w in found.winners} == {"cls"}
    assert {w.share for w in found.winners} == {1.0}
    assert len(found.winners) == 3072 // 4
    assert {w.unit.tokens for w in explain(model, picture, layers=[layer], tokens="patches").winners} == {
        "patches"
    }


@pytest.mark.parametrize("asked", [["4", "0.lwta"], ["0.lwta", "4", "0.lwta", "4"], []])
def test_layers_stand_once_each_in_the_networks_order(asked: list[str]) -> None:
    found = explain(small(2), torch.rand(1, 3, 6, 6), layers=asked)
    assert found.layers == ("0.lwta", "4")
    assert len({str(w.unit) for w in found.winners}) == len(found.winners) == 2 + 4


class Backwards(nn.Module):
    """Names its layers against the order in which it calls them."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.last, self.first = LWTA(2, -1), LWTAConv2d(3, 4, 3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(self.first(x).mean((2, 3)))
        return found


def test_the_networks_order_is_that_of_its_calls() -> None:
    found = explain(Model(Backwards().eval(), size=(6, 6)), torch.rand(1, 3, 6, 6))
    assert found.layers == ("first.lwta", "last")


class Spare(Backwards):
    """Has a layer that it never calls."""

    def __init__(self) -> None:
        Backwards.__init__(self)
        self.unused = LWTA(2, -1)


def test_a_layer_that_is_never_called_is_none_of_the_layers() -> None:
    model, picture = Model(Spare().eval(), size=(6, 6)), torch.rand(1, 3, 6, 6)
    assert explain(model, picture).layers == ("first.lwta", "last")
    with pytest.raises(UnknownNameError, match=r"competing layer 'unused'.*first\.lwta"):
        explain(model, picture, layers=["unused"])


def test_what_cannot_be_explained_is_said() -> None:
    picture = torch.rand(1, 3, 6, 6)
    with pytest.raises(UnknownNameError, match="competing layer"):
        explain(small(0), picture, layers=["0.conv"])
    with pytest.raises(InvalidValueError, match="by 'luck'"):
        explain(small(0), picture, by="luck")
    with pytest.raises(InvalidValueError, match="2 images"):
        explain(small(0), picture.expand(2, -1, -1, -1))
    with pytest.raises(InvalidValueError, match="tokens is 'head'"):
        explain(small(0), picture, tokens="head")
    for decision in ("0.lwta:1", "class:0-1"):
        with pytest.raises(InvalidValueError, match="allowed is one class"):
            explain(small(0), picture, decision=decision)
    with pytest.raises(ModelError, match="no competing layers"):
        explain(vital.load_model("world"), torch.rand(1, 3, 64, 64))


def test_patches_have_places_in_the_image_and_the_class_token_has_none() -> None:
    models = pytest.importorskip("torchvision.models")
    network = convert(models.vit_b_32(weights=None, image_size=64), 4)
    model, picture = Model(network, size=(64, 64)), torch.rand(1, 3, 64, 64)
    layer = "encoder.layers.encoder_layer_11.mlp.1"
    found = explain(model, picture, layers=[layer], decision="class:5", tokens="patches")
    for winner in found.winners:
        assert winner.where is not None
        assert winner.where.shape == (2, 2)
        assert winner.share == pytest.approx(float((~winner.where.isnan()).float().mean()))
    assert found.winners[0].to_dict()["places"] == [
        "".join(".#"[bool(x)] for x in row) for row in ~found.winners[0].where.isnan()
    ]
    pytest.importorskip("matplotlib")
    said = [text.get_text() for text in found.figure(1).texts]
    assert "a square is a patch token" in said
    alone = explain(model, picture, layers=[layer], decision="class:5")
    assert alone.winners[0].where is None
    assert any("class token" in text.get_text() for text in alone.figure(count=2).texts)
    with pytest.raises(
        InvalidValueError, match=r"^count is 9; allowed are whole numbers from 1 to 6, the winners"
    ):
        alone.figure(count=9)
    with pytest.raises(
        InvalidValueError, match=r"^count is 5; allowed are whole numbers from 1 to 4, the winners"
    ):
        alone.figure(1, count=5)
