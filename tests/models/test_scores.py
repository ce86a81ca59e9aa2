"""What outputs mean: softmax, sigmoid, regression, embedding, or unknown."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital import objectives as obj
from vital.errors import InvalidValueError, ModelError
from vital.models.identity import identity
from vital.models.scores import known, meaning, probabilities, unsaid
from vital.rendering.outcome import measured

NAMES = ("cat", "dog", "owl")


def network(outputs: int = 3, *after: nn.Module) -> nn.Sequential:
    parts = (nn.Conv2d(3, outputs, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *after)
    return toy.seeded(nn.Sequential(*parts))


def model(outputs: int = 3, *after: nn.Module, **settings: Any) -> vital.Model:
    return vital.Model(network(outputs, *after), size=(8, 8), **settings)


def loss(net: vital.Model, unit: str = "class:0") -> tuple[Tensor, Tensor]:
    """The loss of a log-probability, and the outputs."""
    trace = toy.trace(net, ["class"], toy.images(4, size=8))
    return obj.Logit(unit, softmax=True)(trace).detach(), trace["class"].detach()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("softmax", lambda z: -z.log_softmax(1)[:, 1]),
        ("sigmoid", lambda z: -z.sigmoid().log()[:, 1]),
        ("regression", lambda z: -z[:, 1]),
        ("embedding", lambda z: -z[:, 1]),
        (None, lambda z: -z.log_softmax(1)[:, 1]),
    ],
)
def test_a_log_probability_goes_by_what_the_outputs_are(output: Any, expected: Any) -> None:
    found, z = loss(model(output=output, classes=NAMES), "class:1")
    torch.testing.assert_close(found, expected(z))


@pytest.mark.parametrize("output", ["sigmoid", "regression", "embedding", None])
def test_one_output_never_has_a_loss_that_is_always_the_same(output: Any) -> None:
    found, z = loss(model(1, output=output))
    assert len(found.unique()) == 4
    torch.testing.assert_close(found, -z.sigmoid().log()[:, 0] if output == "sigmoid" else -z[:, 0])


def test_one_output_is_no_softmax() -> None:
    with pytest.raises(InvalidValueError, match=r"has one output, whose softmax is always 1; say"):
        vital.load_model(network(1), size=8, output="softmax")
    with pytest.raises(InvalidValueError, match=r"has one output"):
        loss(model(1, output="softmax"))
    assert meaning(model(1)) is None
    assert meaning(model(1, classes=("cat", "dog"))) is None
    with pytest.raises(
        InvalidValueError, match=r"allowed are softmax, sigmoid, regression, embedding and None$"
    ):
        model(output="logits")


@pytest.mark.parametrize("name", ["vital", "vital-scene", "deep-inversion", "fourier", "pixels", "maco"])
@pytest.mark.parametrize("output", [None, "sigmoid", "regression"])
def test_a_network_of_one_output_renders_by_every_method(name: str, output: Any) -> None:
    net = toy.seeded(
        nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)
        )
    )  # fmt: skip
    one = vital.Model(net, size=(32, 32), output=output)
    images = vital.load_images(toy.images(6).float()) if vital.METHODS[name].needs_images else None
    (p,) = vital.render(one, "class:0", method=name, images=images, steps=6, progress=False)
    assert not p.status.startswith(("unmoved", "never", "no gradient")), p.status
    assert any(abs(v) > 0 for v in p.losses["total"])
    assert ("probability" in p.provenance) == (output == "sigmoid")
    assert ("output" in p.provenance) == (output is None)


@pytest.mark.parametrize("name", ["deep-inversion", "vital", "vital-scene"])
@pytest.mark.parametrize(("output", "likely"), [("softmax", True), ("sigmoid", True), ("regression", False)])
def test_only_what_is_likely_is_driven_by_its_probability(name: str, output: Any, likely: bool) -> None:
    net = toy.wrap(toy.network(), output=output)
    bank = vital.build_bank(net, ["class"], vital.load_images(toy.images(8).float()), disk=False)
    (term,) = vital.make_method(name, steps=2).plan(net, net.units("class:3"), bank, 0).terms
    assert ("Logit('class:3', softmax=True)" in repr(term)) == likely
    assert "Logit('class:3'" in repr(term)


def test_an_independent_label_is_driven_without_pushing_the_others_down() -> None:
    trace = toy.trace(toy.wrap(toy.network(), output="sigmoid"), ["class"], toy.images(2))
    z = trace["class"].detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(
        obj.Logit("class:3", softmax=True)(replace(trace, acts={"class": z})).sum(), z
    )
    assert bool((slope[:, 3] < 0).all())
    assert int((slope != 0).sum()) == 2


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("softmax", lambda z: z.softmax(1)),
        ("sigmoid", lambda z: z.sigmoid()),
        ("regression", None),
        ("embedding", None),
        (None, lambda z: z.softmax(1)),
    ],
)
def test_a_probability_is_that_of_the_output(output: Any, expected: Any) -> None:
    net, image = model(output=output, classes=NAMES), toy.images(1, size=8).float()
    z = toy.trace(net, ["class"], image)["class"].detach()
    facts = measured(net, net.units("class:2"), image, None)[0]
    assert facts["value"] == pytest.approx(float(z[0, 2]), rel=1e-5)
    if expected is None:
        assert "probability" not in facts
    else:
        assert facts["probability"] == pytest.approx(float(expected(z)[0, 2]), rel=1e-5)


@pytest.mark.parametrize(
    ("end", "kind"),
    [(nn.Sigmoid(), "sigmoid"), (nn.Softmax(1), "softmax"), (nn.LogSoftmax(1), "softmax"), (nn.ReLU(), None)],
)
def test_a_network_that_ends_with_its_own_probabilities_is_known_by_that(end: nn.Module, kind: Any) -> None:
    net = model(3, end, nn.Unflatten(1, (3, 1)), nn.Flatten())
    assert known(net) == kind
    if kind is None:
        return
    found, p = loss(net, "class:1")
    p = p.exp() if isinstance(end, nn.LogSoftmax) else p
    torch.testing.assert_close(found, -p[:, 1].log())
    scores = toy.trace(net, ["class"], toy.images(4, size=8))["class"].detach()
    torch.testing.assert_close(probabilities(net, scores), p)


def test_nothing_is_known_of_outputs_that_nobody_named() -> None:
    assert (meaning(model()), meaning(model(classes=NAMES))) == (None, "softmax")
    assert "taken as plain values; say output" in unsaid(model())
    assert "taken for the logits of one softmax" in unsaid(model(classes=NAMES))
    assert unsaid(model(output="embedding")) == ""
    assert probabilities(model(), torch.zeros(1, 3)) is None


def test_published_networks_say_what_they_return() -> None:
    assert vital.load_model("world", weights="random").output == "softmax"
    assert vital.load_model("world:encoder", weights="random").output == "embedding"
    assert vital.load_model("lwta:2/world", weights="random").output == "softmax"
    pytest.importorskip("torchvision")
    found = vital.load_model("torchvision:resnet18", weights="random")
    assert (found.output, found.head) == ("softmax", None)
    segments = vital.load_model("torchvision:lraspp_mobilenet_v3_large", weights="random", size=64)
    assert (segments.output, segments.head) == ("softmax", "out")


def test_timm_and_open_clip_say_what_they_return() -> None:
    pytest.importorskip("timm")
    assert vital.load_model("timm:resnet18", weights="random").output == "softmax"
    pytest.importorskip("open_clip")
    assert vital.load_model("open_clip:RN50/openai", weights="random").output == "embedding"


def test_a_factory_file_says_what_its_outputs_are(tmp_path: Path) -> None:
    text = "from torch import nn\nSIZE = 8\nOUTPUT = {}\n\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 2, 1))\n"
    for written, found in (("'sigmoid'", "sigmoid"), ("{'a': 1}", None), ("None", None)):
        (tmp_path / "some.py").write_text(text.replace("{}", written))
        assert vital.load_model(f"{tmp_path}/some.py:net").output == found
    assert vital.load_model(f"{tmp_path}/some.py:net", output="regression").output == "regression"
    (tmp_path / "some.py").write_text(text.replace("{}", "'sigmiod'"))
    with pytest.raises(
        ModelError, match=r"OUTPUT is 'sigmiod', which cannot be read: allowed are softmax, sigmoid"
    ):
        vital.load_model(f"{tmp_path}/some.py:net")


def test_an_independent_label_rises_above_all_images() -> None:
    """Labels that go up together: a softmax over them can only fall, or rise by what the others lose."""
    net = nn.Sequential(
        nn.Conv2d(3, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 3)
    )
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[3].weight.copy_(torch.tensor([[1.0], [2.0], [3.0]]))
        net[3].bias.zero_()
    images = vital.load_images(toy.images(16, size=16).float())
    for output, percentile in (("sigmoid", 100.0), ("softmax", 0.0)):
        said = vital.Model(net, size=(16, 16), output=output)
        bank = vital.build_bank(said, ["class"], images, disk=False)
        (p,) = vital.render(
            said, "class:0", method="vital", bank=bank, steps=24, natural=0.0, tv=0.0, progress=False
        )
        assert p.provenance["percentile"] == percentile, output


def test_what_the_outputs_are_is_part_of_a_networks_identity() -> None:
    said = vital.load_model(network(), size=8, output="sigmoid", head=0)
    assert {name: identity(said)[name] for name in ("output", "head")} == {"output": "sigmoid", "head": 0}
    assert identity(model())["output"] is None
