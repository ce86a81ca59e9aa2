"""Relevance under conditions: against dense matrices, sums over channels, and zennit-crp."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from tests import toy
from tests.attribution.slow import matrix, shares
from vital.attribution import RULES, relevance
from vital.errors import InvalidValueError, UnitError, UnknownNameError
from vital.models import Model

MODEL, TOKENS = toy.model(double=True), toy.token_model(double=True)


@pytest.mark.parametrize("rule", ["zplus", "epsilon", "alphabeta", "epsilon-plus-flat"])
def test_the_channels_of_a_layer_add_up_to_the_whole(rule: str) -> None:
    pictures = toy.images(3)
    whole = relevance(MODEL, pictures, "class:3", ["<layer1", "layer1"], rule)
    parts = [
        relevance(MODEL, pictures, "class:3", ["<layer1", "layer1"], rule, conditions=[f"act2:{c}"])
        for c in range(16)
    ]
    for layer, expected in whole.items():
        torch.testing.assert_close(sum(part[layer] for part in parts), expected)
    together = relevance(MODEL, pictures, "class:3", ["<layer1"], rule, conditions=["act2:0-9", "act2:12"])
    chosen = sum(parts[c]["<layer1"] for c in (*range(10), 12))
    torch.testing.assert_close(together["<layer1"], chosen)


@pytest.mark.parametrize("rule", ["epsilon", "epsilon-plus", "epsilon-alpha2-beta1"])
def test_a_batch_norm_still_belongs_to_the_convolution_at_which_there_are_conditions(rule: str) -> None:
    for layer in ("layer2", "norm2"):
        parts = [
            relevance(MODEL, toy.images(2), "class:3", ["<layer1"], rule, conditions=[f"{layer}:{c}"])
            for c in range(16)
        ]
        whole = relevance(MODEL, toy.images(2), "class:3", ["<layer1"], rule)
        torch.testing.assert_close(sum(part["<layer1"] for part in parts), whole["<layer1"])


@pytest.mark.parametrize("rule", list(RULES))
def test_no_image_sees_another(rule: str) -> None:
    pictures, how = toy.images(3), {"conditions": ["act3:0-11", "act1:0-3"], "rule": rule}
    together = relevance(MODEL, pictures, "class:3", ["<layer1"], **how)["<layer1"]  # type: ignore[arg-type]
    for picture, own in zip(pictures, together, strict=True):
        alone = relevance(MODEL, picture[None], "class:3", ["<layer1"], **how)["<layer1"]  # type: ignore[arg-type]
        torch.testing.assert_close(alone[0], own)


@pytest.mark.parametrize("rule", ["zplus", "epsilon", "alphabeta"])
def test_two_layers_of_conditions_equal_dense_matrices(rule: str) -> None:
    net = toy.seeded(
        nn.Sequential(
            OrderedDict(
                low=nn.Conv2d(3, 4, 3, padding=1), relu1=nn.ReLU(), high=nn.Conv2d(4, 5, 3), relu2=nn.ReLU(),
                flat=nn.Flatten(), head=nn.Linear(80, 10),
            )
        )
    )  # fmt: skip
    model = toy.wrap(net, double=True, size=6)
    image = toy.images(1, size=6)
    conditions = ["relu2:1", "relu2:4@0,2", "relu1:3"]
    made = relevance(model, image, "class:3", ["<low"], rule, conditions=conditions)["<low"]

    def back(layer: nn.Module, x: Tensor, r: Tensor) -> Tensor:
        bias = layer(torch.zeros_like(x)).flatten()
        dense = matrix(lambda a: layer(a) - layer(torch.zeros_like(a[:1])), x)
        return shares(dense * x.flatten(), r.flatten(), rule, bias if rule == "epsilon" else None)

    with torch.no_grad():
        x0 = model.normalize(image)
        x1 = net.relu1(net.low(x0))
        x2 = net.relu2(net.high(x1))
        start = torch.zeros(10, dtype=torch.float64)
        start[3] = net.head(x2.flatten(1))[0, 3]
        r2 = back(net.head, x2.flatten(1), start).view(5, 4, 4)
        kept2 = torch.zeros_like(r2)
        kept2[1], kept2[4, 0, 2] = r2[1], r2[4, 0, 2]
        r1 = back(net.high, x1, kept2).view(4, 6, 6)
        kept1 = torch.zeros_like(r1)
        kept1[3] = r1[3]
        expected = back(net.low, x0, kept1).view(1, 3, 6, 6)
    assert expected.abs().max() > 0
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-9)


def test_a_condition_at_one_position_holds_for_every_image() -> None:
    pictures, conditions = toy.images(3), ["act3:0-23", "act2:5@2,3", "act2:0-15@4,4"]
    together = relevance(MODEL, pictures, "class:3", ["<layer1"], conditions=conditions)["<layer1"]
    for picture, own in zip(pictures, together, strict=True):
        alone = relevance(MODEL, picture[None], "class:3", ["<layer1"], conditions=conditions)["<layer1"]
        assert own.any()
        torch.testing.assert_close(alone[0], own)


def test_conditions_are_met_in_the_networks_order_not_in_that_of_the_list() -> None:
    given = ["act1:0-3", "act3:0-11", "act2:0-7"]
    first, *others = (
        relevance(MODEL, toy.images(2), "class:3", ["<layer1"], conditions=order)["<layer1"]
        for order in (given, given[::-1], sorted(given))
    )
    assert first.abs().max() > 0
    assert all(torch.equal(first, other) for other in others)


class Bypassed(nn.Module):
    """A branch beside a shortcut."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.stem, self.branch = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return (x + torch.relu(self.branch(x))).mean((2, 3))


def test_what_goes_past_the_layer_is_left_out() -> None:
    net = toy.seeded(Bypassed()).double()
    for weights in net.parameters():
        weights.data.abs_()
    model, pictures = Model(net, size=(4, 4)), toy.images(2, size=4)
    through = relevance(model, pictures, "class:1", ["branch", "<stem"], "zplus")
    parts = [
        relevance(model, pictures, "class:1", ["<stem"], conditions=[f"branch:{c}"])["<stem"]
        for c in range(4)
    ]
    passed = sum(part.sum() for part in parts)
    torch.testing.assert_close(passed, through["branch"].sum())
    assert passed < through["<stem"].sum()


def test_conditions_on_tokens_keep_their_tokens_alone() -> None:
    pictures = toy.images(2)
    parts = [
        relevance(TOKENS, pictures, "class:3", ["block1"], conditions=[f"block1:5#{tokens}"])["block1"]
        for tokens in ("cls", "patches", "all")
    ]
    assert parts[0][:, 5, 1:].abs().sum() == 0
    torch.testing.assert_close(parts[0] + parts[1], parts[2])
    assert parts[2].abs().sum((0, 2)).nonzero().flatten().tolist() == [5]


@pytest.mark.parametrize(
    ("condition", "error", "words"),
    [
        ("act22:3", UnknownNameError, "the network has no layer 'act22'; did you mean 'act2'"),
        ("act2:99", UnitError, "99"),
        ("class:1", InvalidValueError, "the condition class:1 is of the layer where relevance starts"),
        ("d.safetensors:0@act2", InvalidValueError, "is a direction; allowed are channels"),
        ("layer1:1", InvalidValueError, "the layer 'act1' is not before layer1, where relevance starts"),
    ],
)
def test_wrong_conditions_are_one_sentence(condition: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        relevance(MODEL, toy.images(1), "class:3", ["act1"], conditions=[condition])


@pytest.mark.parametrize(
    "conditions", [{"layer3": [5]}, {"layer4.0.conv1": [7, 11], "layer2": [0, 3]}], ids=["one", "several"]
)
def test_conditional_heat_equals_that_of_zennit_crp(conditions: dict[str, list[int]]) -> None:
    crp = pytest.importorskip("crp.attribution")
    torchvision = pytest.importorskip("torchvision")
    from zennit.composites import EpsilonPlusFlat
    from zennit.torchvision import ResNetCanonizer

    net = toy.seeded(torchvision.models.resnet18(weights=None, num_classes=10)).eval()
    model, pictures = Model(net.double(), size=(64, 64)), toy.images(1, size=64)
    units = [f"{layer}:{channel}" for layer, channels in conditions.items() for channel in channels]
    made = relevance(model, pictures, "class:3", ["<conv1"], "epsilon-plus-flat", conditions=units)["<conv1"]
    theirs = crp.CondAttribution(net)(
        model.normalize(pictures).requires_grad_(),
        [{"y": [3], **conditions}],
        EpsilonPlusFlat(canonizers=[ResNetCanonizer()]),
    ).heatmap
    assert theirs.abs().max() > 0
    torch.testing.assert_close(made.sum(1), theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())
