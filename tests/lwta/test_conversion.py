"""Every kind of network is converted, keeps its weights, and says what it cannot do."""

import pytest
import torch
from torch import Tensor, nn

import vital
from vital.errors import InvalidValueError, ModelError, UnknownNameError, UsageError
from vital.lwta import LWTA, convert
from vital.lwta.layers import competing
from vital.lwta.predict import active
from vital.models import Model


def built(name: str) -> nn.Module:
    kind, _, which = name.partition(":")
    torch.manual_seed(0)
    if kind == "torchvision":
        models = pytest.importorskip("torchvision.models")
        options = {"image_size": 64} if which.startswith("vit") else {}
        found: nn.Module = models.get_model(which, weights=None, **options)
        return found
    timm = pytest.importorskip("timm")
    made: nn.Module = timm.create_model(
        which, **({"img_size": 64} if "deit" in which or "vit" in which else {})
    )
    return made


NETWORKS = {
    "torchvision:resnet18": 17,
    "torchvision:resnet50": 49,
    "torchvision:vit_b_32": 12,
    "torchvision:convnext_tiny": 18,
    "timm:resnet18": 17,
    "timm:vit_tiny_patch16_224": 12,
    "timm:deit_tiny_patch16_224": 12,
    "timm:convnext_atto": 12,
}


@pytest.mark.parametrize(("name", "layers"), NETWORKS.items())
def test_every_activation_of_a_network_competes_and_the_weights_fit(name: str, layers: int) -> None:
    network = built(name)
    made = convert(network, 4)
    assert len(competing(made)) == layers
    assert set(made.state_dict()) == set(network.state_dict())
    assert not competing(network)
    shares = active(Model(made, size=(64, 64)), torch.rand(1, 3, 64, 64))
    assert len(shares) == layers
    for share in shares.values():
        assert 0.2 < share.item() <= 0.25  # fresh residual blocks of timm pass on zeros, and a zero may win


def test_a_perceptron_competes_and_sparsity_is_measured_in_each_layer_and_image() -> None:
    layers = (nn.Flatten(), nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 16), nn.GELU(), nn.Linear(16, 2))
    made = convert(nn.Sequential(*layers), 8, example=torch.zeros(2, 3, 4, 4))
    assert list(competing(made)) == ["2", "4"]
    shares = active(Model(made, size=(4, 4)), torch.rand(3, 3, 4, 4))
    assert {name: share.tolist() for name, share in shares.items()} == {"2": [0.125] * 3, "4": [0.125] * 3}


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:deit_tiny_patch16_224"])
def test_one_competitor_changes_nothing(name: str) -> None:
    network, pictures = built(name).eval(), torch.rand(1, 3, 64, 64)
    assert torch.equal(convert(network, 1)(pictures), network(pictures))


def test_a_module_called_twice_becomes_two_competitions() -> None:
    made = convert(built("torchvision:resnet18"), 2)
    assert {"layer1.0.relu", "layer1.0.relu_1"} <= set(competing(made))
    assert {"layer1.0", "layer1.0.relu_1"} <= set(vital.list_layers(Model(made, size=(64, 64))))


def test_channels_are_found_in_maps_tokens_and_vectors() -> None:
    def axes(network: nn.Module) -> set[int]:
        return {layer.axis for layer in competing(network).values()}

    assert axes(convert(built("torchvision:convnext_tiny"), 2)) == {-1}
    assert axes(convert(built("torchvision:resnet18"), 2)) == {1}
    plain = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.GELU(), nn.Linear(6, 2))
    assert axes(convert(plain, 2)) == {-1}


def test_a_width_that_is_not_divided_is_named_with_its_layer() -> None:
    plain = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU())
    with pytest.raises(InvalidValueError, match=r"'3' has 6 units, .* blocks of 4; allowed are 1, 2, 3, 6"):
        convert(plain, 4)
    assert list(competing(convert(plain, 4, skip=["3"]))) == ["1"]


def test_what_cannot_be_converted_is_said() -> None:
    with pytest.raises(ModelError, match="no activation modules"):
        convert(nn.Sequential(nn.Linear(3, 4)), 2)
    with pytest.raises(UnknownNameError, match="activation module"):
        convert(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), 2, skip=["2"])
    with pytest.raises(
        InvalidValueError, match=r"skip leaves out every activation module \(1\); at least one"
    ):
        convert(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), 2, skip=["*"])
    with pytest.raises(UnknownNameError, match=r"unknown activation module '\*\.relu_7'"):
        convert(built("torchvision:resnet18"), 2, skip=["*.relu_7"])
    once = convert(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), 2)
    for left in ([], ["1"]):
        with pytest.raises(ModelError, match="the units of Sequential compete already, in 1 layers"):
            convert(once, 2, skip=left)
    with pytest.raises(ModelError, match="give an example"):
        convert(nn.Sequential(nn.Flatten(), nn.Conv2d(3, 4, 3), nn.ReLU()), 2)


@pytest.mark.parametrize(
    ("name", "stem", "sums", "blocks", "each"),
    [
        ("torchvision:resnet18", "relu", "*.relu_1", 8, 1),
        ("torchvision:resnet50", "relu", "*.relu_2", 16, 2),
        ("timm:resnet18", "act1", "*.act2", 8, 1),
        ("timm:resnet50", "act1", "*.act3", 16, 2),
    ],
)
def test_patterns_keep_the_way_around_residual_blocks_whole(
    name: str, stem: str, sums: str, blocks: int, each: int
) -> None:
    made = convert(built(name), 4, skip=[stem, sums])
    assert len(competing(made)) == blocks * each
    origins = {}
    for left, part in made.named_modules():
        if isinstance(part, nn.ReLU):
            part.inplace = False
            part.register_forward_pre_hook(
                lambda module, given, left=left: origins.update({left: given[0].grad_fn.name()})
            )
    made.eval()(torch.rand(1, 3, 64, 64))
    assert stem in origins
    assert {place for left, place in origins.items() if left != stem} == {"AddBackward0"}
    assert len(origins) == 1 + blocks


def test_the_second_call_alone_is_left_out_by_its_own_name() -> None:
    made = convert(built("torchvision:resnet18"), 4, skip=["layer1.0.relu_1", "layer[23].?.relu"])
    assert len(competing(made)) == 8
    assert {"layer1.0.relu", "layer1.1.relu_1"} <= set(competing(made))
    assert not {"layer1.0.relu_1", "layer2.0.relu", "layer3.1.relu_1"} & set(competing(made))


def test_a_second_call_may_be_named_beside_the_module_that_keeps_it() -> None:
    left = ["*.relu", "layer1.0.relu_1", "*.relu_1"]
    assert list(competing(convert(built("torchvision:resnet18"), 4, skip=left))) == ["relu"]
    with pytest.raises(UnknownNameError, match=r"'\*\.relu_2'"):
        convert(built("torchvision:resnet18"), 4, skip=["*.relu", "*.relu_2"])


def test_a_single_name_and_one_with_brackets_are_taken_as_they_are() -> None:
    network = nn.ModuleDict({"a[0]": nn.ReLU(), "b": nn.ReLU()})
    plain = nn.Sequential(nn.Linear(4, 4), Chain(network))
    assert list(competing(convert(plain, 2, skip="1.parts.a[0]"))) == ["1.parts.b"]
    assert list(competing(convert(plain, 2, skip=["1.parts.b"]))) == ["1.parts.a[0]"]


class Chain(nn.Module):
    """Calls parts one after the other."""

    def __init__(self, parts: nn.ModuleDict) -> None:
        nn.Module.__init__(self)
        self.parts = parts

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts.values():
            x = part(x)
        return x


class Twice(nn.Module):
    """Calls its activation twice."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.linear, self.act = nn.Linear(4, 4), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.act(self.linear(self.act(self.linear(x))))
        return found


def test_a_block_that_stands_in_two_places_is_rewritten_in_both() -> None:
    block = Twice()
    found = convert(nn.Sequential(block, nn.Linear(4, 4), block), 2)
    kinds = {name: type(part).__name__ for name, part in found.named_modules(remove_duplicate=False)}
    assert {name for name, kind in kinds.items() if kind == "LWTA"} == {
        "0.act",
        "0.act_1",
        "2.act",
        "2.act_1",
    }
    assert "ReLU" not in kinds.values()
    with pytest.raises(UnknownNameError, match=r"'0\.act_2'"):
        convert(nn.Sequential(block, nn.Linear(4, 4), block), 2, skip=["0.act_2"])


def test_a_block_in_two_places_that_calls_its_activation_once_is_left_as_it_is() -> None:
    block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    found = convert(nn.Sequential(block, nn.Linear(4, 4), block), 2)
    assert list(competing(found)) == ["0.1"]
    assert found[0] is found[2]  # type: ignore[index]
    with pytest.raises(UnknownNameError, match=r"'0\.1_1'"):
        convert(nn.Sequential(block, block), 2, skip=["0.1_1"])


def test_a_block_and_a_part_of_it_may_both_call_their_activation_twice() -> None:
    class Outer(Twice):
        def __init__(self) -> None:
            Twice.__init__(self)
            self.inner = Twice()

        def forward(self, x: Tensor) -> Tensor:
            return Twice.forward(self, self.inner(x))

    made = convert(Outer(), 2, example=torch.zeros(2, 4))
    assert set(competing(made)) == {"act", "act_1", "inner.act", "inner.act_1"}


class Odd(nn.Module):
    """Calls its activation as often as the numbers say."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.linear, self.act = nn.Linear(4, 4), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.linear(x))
        return self.act(x) if x.sum() >= 0 else x


class Sly(Odd):
    """Does another thing when it is followed."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.act(self.linear(x)))
        return x if isinstance(x, Tensor) else self.act(x)


def test_a_block_that_cannot_be_rewritten_is_named() -> None:
    with pytest.raises(ModelError, match=r"^0\.act is called several times, .*; leave it out with skip$"):
        convert(nn.Sequential(Odd()), 2)
    with pytest.raises(ModelError, match="it makes 2 calls, and 3 when it is followed"):
        convert(nn.Sequential(Sly()), 2)
    with pytest.raises(UnknownNameError, match=r"'0\.atc'; did you mean '0\.act'"):
        convert(nn.Sequential(Odd()), 2, skip=["0.atc"])


def test_a_competing_network_is_loaded_by_name() -> None:
    model = vital.load_model("lwta:4-relu/world", weights="random")
    assert model.name == "lwta:4-relu/world"
    assert len(competing(model.module)) == 13
    assert isinstance(model.module.get_submodule("layer4.relu2"), LWTA)
    with pytest.raises(UsageError, match="lwta:U/MODEL"):
        vital.load_model("lwta:world")
    named = vital.load_model("lwta:4-relu, stem.2,layer[123].*relu2/world", weights="random")
    assert set(competing(named.module)) == set(competing(vital.load_model("world:competing").module))


def test_no_competitors_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="blocks of 0 units are asked for"):
        convert(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), 0)


def test_an_activation_that_stands_in_several_places_competes_in_all() -> None:
    act = nn.ReLU()
    found = convert(nn.Sequential(nn.Linear(4, 4), act, nn.Sequential(nn.Linear(4, 4), act)), 2)
    assert list(competing(found)) == ["1", "2.1"]


class Dropping(nn.Module):
    """Calls its activation twice, and drops some values by its own mode and by that of a part."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.a, self.b, self.act, self.drop = nn.Linear(64, 64), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(64)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.dropout(self.act(self.norm(self.a(x))), 0.5, self.training)
        return nn.functional.dropout(self.act(self.b(self.drop(x))), 0.5, self.drop.training)


class Deciding(Dropping):
    """Chooses its way by its mode."""

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.a(x)) if self.training else self.act(self.act(x))


@pytest.mark.parametrize("training", [True, False])
def test_a_rewritten_block_goes_by_its_mode_whatever_it_was_when_converted(training: bool) -> None:
    network, x = nn.Sequential(Dropping()).train(training), torch.randn(8, 64)
    found = convert(network, 4)
    assert all(part.training == training for part in [*network.modules(), *found.modules()])
    before = found.get_submodule("0.norm").running_mean.clone()  # type: ignore[union-attr,operator]
    assert (found.eval()(x) != 0).float().mean() == 0.25
    assert torch.equal(found(x), found(x))
    assert torch.equal(found.get_submodule("0.norm").running_mean, before)
    for owner in (found[0], found.get_submodule("0.drop")):  # type: ignore[index]
        found.eval()
        owner.training = True
        assert not torch.equal(found(x), found(x))
    found.train()(x)
    assert not torch.equal(found.get_submodule("0.norm").running_mean, before)


def test_stochastic_depth_goes_by_its_mode() -> None:
    pytest.importorskip("torchvision")
    network = convert(built("torchvision:convnext_tiny"), 4).eval()
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(network(x), network(x))
    network.train()
    assert not torch.equal(network(x), network(x))


def test_a_block_that_chooses_its_way_by_its_mode_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot be rewritten"):
        convert(nn.Sequential(Deciding()).eval(), 2, example=torch.zeros(2, 64))


class Crowded(nn.Module):
    """Calls `relu` twice, has a part of the name that its second call would get, and one that is not called."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.a, self.b, self.relu, self.relu_1 = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU(), nn.GELU()
        self.spare = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.b(self.relu(self.a(x))))
        found: Tensor = self.relu_1(x)
        return found


def test_names_that_are_taken_and_parts_that_are_not_called_stay() -> None:
    plain = nn.Sequential(Crowded())
    found = convert(plain, 2, skip=["0.relu_1"])
    assert isinstance(found.get_submodule("0.relu_1"), nn.GELU)
    assert len(competing(found)) == 2
    assert set(found.state_dict()) == set(plain.state_dict())
