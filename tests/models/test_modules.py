from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital.errors import InvalidValueError, ModelError
from vital.lwta import convert
from vital.models.modules import copied
from vital.models.random import random_weights


def rendered(model: vital.Model, unit: str = "act2:1") -> Tensor:
    """A short rendering."""
    return vital.render(model, unit, method="fourier", steps=2, progress=False)[0].image


def test_a_compiled_network_is_its_original() -> None:
    net = toy.network()
    assert vital.Model(torch.compile(net)).module is net
    assert vital.load_model(torch.compile(net), size=32).name == "Sequential"
    assert "LWTA" in repr(convert(torch.compile(net), 2))


def test_a_compiled_part_is_its_original_and_shares_its_weights() -> None:
    net = toy.network()
    plain = net.layer2
    net.layer2 = torch.compile(plain)
    model = toy.wrap(net)
    assert model.module.layer2 is plain
    assert model.module.layer1.weight is net.layer1.weight
    assert net.layer2 is not plain
    assert "layer2" in vital.list_layers(model)
    torch.testing.assert_close(rendered(model), rendered(toy.model()))


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_pictures_are_made_where_gradients_are_switched_off(mode: Any) -> None:
    expected = rendered(toy.model())
    model = toy.model()
    with mode():
        assert torch.equal(rendered(model), expected)
        made_inside = toy.model()
        assert torch.equal(rendered(made_inside), expected)
        images = vital.load_images(toy.images(4).float())
        bank = vital.build_bank(made_inside, ["act2"], images, disk=False)
        assert bank.template("act2:1").layers["act2"].isfinite().all()
        vital.render(made_inside, "act2:1", bank=bank, steps=2, progress=False)
    assert torch.equal(rendered(made_inside), expected)


class Keeping(nn.Module):
    """Keeps what its layers gave."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.inner, self.kept = toy.network(), {}  # type: ignore[var-annotated]

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        self.last = self.inner.layer1(x)
        self.kept["all"] = [self.last, (self.last * 2,)]
        y: Tensor = self.inner(x)
        return y


def test_a_network_that_keeps_tensors_of_an_earlier_run_is_copied(tmp_path: Any) -> None:
    net = Keeping()
    net(torch.rand(1, 3, 32, 32))
    again = copied(net)
    assert torch.equal(again.last, net.last)
    assert again.last.grad_fn is None
    assert again.kept["all"][0] is again.last
    assert random_weights(toy.wrap(net)).weights == "random"
    torch.save(net.state_dict(), tmp_path / "w.pt")
    assert vital.load_model(net, weights=tmp_path / "w.pt", size=32).weights == "w.pt"
    assert "LWTA" in repr(convert(net, 2, example=torch.rand(1, 3, 32, 32)))


def test_what_cannot_be_copied_is_one_sentence() -> None:
    net = toy.network()
    net.lines = (i for i in range(3))
    with pytest.raises(
        ModelError, match=r"^Sequential cannot be copied: TypeError: cannot pickle 'generator' object$"
    ):
        copied(net)


@pytest.mark.parametrize("given", [3, None, toy.network().state_dict(), lambda x: x])
def test_what_is_no_module_is_told(given: Any) -> None:
    for door in (vital.load_model, vital.Model):
        with pytest.raises(
            InvalidValueError, match=r"give a torch\.nn\.Module, or what vital\.load_model returns"
        ):
            door(given)


class TwoInputs(nn.Module):
    def forward(self, image: Tensor, text: Tensor, scale: float = 1.0) -> Tensor:
        return image.mean((2, 3)) * text * scale


class Volumes(nn.Module):
    """A network on volumes, and how it is wrapped."""

    def __init__(self, wrapped: bool) -> None:
        nn.Module.__init__(self)
        self.net, self.wrapped = nn.Sequential(nn.Conv3d(3, 4, (1, 3, 3)), nn.ReLU()), wrapped

    def forward(self, image: Tensor) -> Tensor:
        """Volumes (B, 3, 1, H, W), or images, to logits."""
        y: Tensor = self.net(image[:, :, None] if self.wrapped else image)
        return y.mean((2, 3, 4))


WRAP = "wrap it in a module whose forward takes the image alone and "


@pytest.mark.parametrize(
    ("module", "end"),
    [
        (TwoInputs(), f"TwoInputs takes 2 inputs (image, text); {WRAP}gives it the others"),
        (
            Volumes(wrapped=False),
            f"; it reads volumes; {WRAP}makes a volume of it, such as self.net(image[:, :, None])",
        ),
        (
            nn.Sequential(nn.Conv1d(3, 4, 3)),
            f"; it reads sequences; {WRAP}makes a sequence of it, such as self.net(image.flatten(2))",
        ),
        (nn.Sequential(nn.Embedding(3, 4)), f"; it reads numbers of tokens; {WRAP}makes its inputs of it"),
    ],
)
def test_networks_that_read_something_else_say_how_to_wrap_them(module: nn.Module, end: str) -> None:
    with pytest.raises(ModelError) as caught:
        vital.render(vital.load_model(module, size=16), "class:0", method="fourier", steps=1)
    assert str(caught.value).endswith(end)


def test_a_wrapped_network_on_volumes_is_rendered() -> None:
    model = vital.load_model(Volumes(wrapped=True), size=16)
    assert vital.list_layers(model)["net.0"].problem.startswith("its output (2, 4, 1, 14, 14) has 5 axes; ")
    assert rendered(model, "class:1").isfinite().all()


def test_a_network_that_returns_a_table_is_rendered() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = toy.network()

        def forward(self, x: Tensor) -> dict[str, Any]:
            return {"loss": None, "logits": self.net(x)}

    assert torch.equal(rendered(toy.wrap(Table()), "class:3"), rendered(toy.model(), "class:3"))


@pytest.mark.filterwarnings("ignore")
def test_quantized_networks_and_layouts_that_are_no_blocks_of_numbers_are_refused() -> None:
    quantized = torch.ao.quantization.quantize_dynamic(toy.network(), {nn.Linear}, dtype=torch.qint8)
    with pytest.raises(ModelError, match="the module 'head' is quantized, and no gradient passes"):
        vital.Model(quantized)
    for odd, how in (
        (torch.eye(3).to_sparse_csr(), "sparse csr"),
        (torch.nested.nested_tensor([torch.zeros(2)]), "nested"),
    ):
        net = toy.network()
        net.register_buffer("odd", odd)
        with pytest.raises(ModelError, match=f"the weights 'odd' are {how}"):
            vital.Model(net)
