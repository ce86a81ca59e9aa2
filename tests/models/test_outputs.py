"""Networks that return several tensors, and which of them is `class`."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital.errors import InvalidValueError, ModelError, UnknownNameError
from vital.models.identity import network
from vital.models.outputs import answered


class Pair(NamedTuple):
    embedding: Tensor
    logits: Tensor


@dataclass
class Answer:
    embedding: Tensor
    logits: Tensor


class Several(nn.Module):
    """An embedding of 6 and logits of 4, packed by a function."""

    def __init__(self, pack: Any) -> None:
        nn.Module.__init__(self)
        self.conv, self.fc, self.pack = nn.Conv2d(3, 6, 3), nn.Linear(6, 4), pack
        toy.seeded(self)

    def forward(self, x: Tensor) -> Any:
        maps = self.conv(x)
        embedding = maps.mean((2, 3))
        return self.pack(embedding, self.fc(embedding), maps)


PACKS = {
    "tuple": (lambda e, z, m: (e, z), ("0", "1")),
    "dict": (lambda e, z, m: {"embedding": e, "logits": z}, ("embedding", "logits")),
    "namedtuple": (lambda e, z, m: Pair(e, z), ("embedding", "logits")),
    "dataclass": (lambda e, z, m: Answer(e, z), ("embedding", "logits")),
    "nested": (lambda e, z, m: {"aux": [e], "main": (z,)}, ("aux.0", "main.0")),
}


@pytest.mark.parametrize("kind", PACKS)
def test_several_outputs_are_said_and_one_is_chosen(kind: str) -> None:
    pack, (first, second) = PACKS[kind]
    net = Several(pack)
    said = rf"^Several returns 2 tensors \({first} \(6,\), {second} \(4,\)\); class is the first, {first}\."
    with pytest.warns(UserWarning, match=said):
        assert vital.list_layers(vital.load_model(net, size=8))["class"].shape == (6,)
    image = toy.images(1, size=8).float()
    for head in (second, 1, -1, "1"):
        model = vital.load_model(net, size=8, head=head)
        assert vital.list_layers(model)["class"].shape == (4,)
        logits = net.fc(net.conv(image).mean((2, 3)))
        torch.testing.assert_close(toy.trace(model, ["class"], image)["class"], logits)
        torch.testing.assert_close(answered(model, image), logits)
    assert vital.list_layers(vital.load_model(net, size=8, head=0))["class"].shape == (6,)
    with pytest.raises(UnknownNameError, match=rf"known are: {first}, {second}$"):
        vital.load_model(net, size=8, head="nothing")


def test_a_pyramid_says_its_levels() -> None:
    net = Several(lambda e, z, m: [m, nn.functional.avg_pool2d(m, 2), nn.functional.avg_pool2d(m, 3)])
    with pytest.warns(UserWarning, match=r"3 tensors \(0 \(6, 6, 6\), 1 \(6, 3, 3\), 2 \(6, 2, 2\)\)"):
        vital.list_layers(vital.Model(net, size=(8, 8)))
    assert vital.list_layers(vital.load_model(net, size=8, head=2))["class"].shape == (6, 2, 2)


def test_what_holds_no_scores_is_passed_over_in_silence() -> None:
    net = Several(lambda e, z, m: {"loss": z.sum(), "best": z.argmax(1), "logits": z, "none": None})
    assert vital.list_layers(vital.Model(net, size=(8, 8)))["class"].shape == (4,)


def test_class_names_choose_the_one_output_that_they_fit() -> None:
    given = vital.Model(Several(PACKS["tuple"][0]), size=(8, 8), classes=("a", "b", "c", "d"))
    with pytest.warns(
        UserWarning, match=r"class is '1', the one with 4 outputs for 4 class names; say head='1'"
    ):
        model = vital.load_model(given)
    assert (model.head, model.classes) == ("1", ("a", "b", "c", "d"))
    assert [str(unit) for unit in model.units(["class:d"])] == ["class:3"]
    none = vital.Model(Several(PACKS["tuple"][0]), size=(8, 8), classes=("a", "b"))
    with pytest.warns(UserWarning, match=r"2 class names for 6 outputs, so the names are dropped"):
        assert vital.load_model(none).classes == ()


def test_another_head_is_another_network() -> None:
    net = Several(PACKS["tuple"][0])
    one, other = (vital.load_model(net, size=8, head=head) for head in (0, 1))
    assert network(one) != network(other)
    images = vital.load_images(toy.images(4, size=8).float())
    bank = vital.build_bank(one, ["class"], images, disk=False)
    assert bank.fits(one)
    assert not bank.fits(other)


def test_a_list_of_boxes_for_each_image_is_no_class() -> None:
    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> list[dict[str, Tensor]]:
            return [{"boxes": m.flatten(1)[:, :4].T, "scores": m.mean((1, 2))} for m in self.conv(x)]

    model = vital.load_model(toy.seeded(Detector()), size=8)
    assert vital.list_layers(model)["class"].problem == (
        "it returns no tensor with a row for each image; name a layer before it, or wrap the network in a module whose "
        "forward returns one, such as the scores of its head"
    )
    assert vital.render(model, "conv:1", method="fourier", steps=1, progress=False)[0].status == "done"


def test_a_head_of_one_tensor_is_left_out() -> None:
    net = toy.network()
    assert vital.list_layers(vital.load_model(net, size=32, head=0))["class"].shape == (10,)
    for head in (1, "logits"):
        with pytest.raises(
            InvalidValueError, match=rf"returns one tensor, and head is '{head}'; leave head out"
        ):
            vital.load_model(net, size=32, head=head)


@pytest.mark.parametrize(
    ("own", "side", "step"),
    [
        (32, 2, r"give pictures of 32 x 32, its own size, or more, or say fit \(--fit\)$"),
        (3, None, r"give it larger images, by size \(--input-size\)$"),
    ],
)
def test_images_that_are_too_small_say_so(own: int, side: int | None, step: str) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ModelError, match=step):
        vital.render(
            vital.load_model(net, size=own), "class:0", method="fourier", steps=1, size=side, progress=False
        )


def test_a_size_beyond_all_pictures_is_refused() -> None:
    model = vital.load_model(toy.network(), size=32)
    with pytest.raises(
        InvalidValueError, match="size is 3000000000; allowed are whole numbers from 1 to 8192"
    ):
        vital.render(model, "class:0", method="fourier", steps=1, size=3_000_000_000, progress=False)
