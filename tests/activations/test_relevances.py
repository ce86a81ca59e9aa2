"""Images ranked by relevance, against one image at a time; and the classes that a channel serves."""

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import vital
from tests import toy
from vital.activations.relevances import served_classes
from vital.activations.targets import Target
from vital.attribution import relevance
from vital.errors import DefectError, InvalidValueError, UnknownNameError
from vital.models import Model

MODEL, TOKENS = toy.model(double=True), toy.token_model(double=True)
COUNT = 21
PICTURES = toy.images(COUNT).float()
LABELS = [i % 4 for i in range(COUNT)]


def make(
    model: Model = MODEL, layers: tuple[str, ...] = ("act2",), *, disk: bool = False
) -> vital.ReferenceBank:
    images = vital.load_images([*PICTURES], labels=LABELS)
    return vital.build_bank(model, layers, images, top=10, disk=disk)


@pytest.fixture(scope="module")
def bank() -> vital.ReferenceBank:
    return make(layers=("act2", "act3"))


def target_of(model: Model, image: Tensor, i: int, target: str) -> str:
    if target == "label":
        return f"class:{LABELS[i]}"
    if target == "predicted":
        return f"class:{int(toy.trace(model, ['class'], image)['class'].argmax())}"
    return target


@pytest.mark.parametrize("rule", ["zplus", "epsilon-plus"])
@pytest.mark.parametrize("target", ["label", "predicted", "class:3", "act3:8"])
def test_all_images_are_ranked_by_relevance(bank: vital.ReferenceBank, target: str, rule: str) -> None:
    sums, peaks = {}, {}
    for i in range(COUNT):
        image = bank.tensor([i])
        made = relevance(MODEL, image, target_of(MODEL, image, i, target), ["act2"], rule)["act2"][0, 5]
        sums[i], peaks[i] = made.sum().item(), (made.max().item(), divmod(int(made.argmax()), made.shape[1]))
    found = bank.most_relevant("act2:5", target, 6, rule)
    assert [f.image for f in found] == sorted(sums, key=lambda i: -sums[i])[:6]
    assert [f.value for f in found] == pytest.approx(sorted(sums.values(), reverse=True)[:6], rel=1e-5)
    places = bank.most_relevant("act2:5", target, 6, rule, places=True)
    best = sorted(peaks, key=lambda i: -peaks[i][0])[:6]
    assert [(f.image, f.position) for f in places] == [(i, peaks[i][1]) for i in best]


def test_the_ranking_equals_that_of_zennit_crp() -> None:
    crp = pytest.importorskip("crp.attribution")
    concepts = pytest.importorskip("crp.concepts")
    torchvision = pytest.importorskip("torchvision")
    from zennit.composites import EpsilonPlus
    from zennit.torchvision import ResNetCanonizer

    net = toy.seeded(torchvision.models.resnet18(weights=None, num_classes=10)).eval()
    model = Model(net.double(), size=(32, 32))
    images = vital.load_images(PICTURES[:8])
    bank = vital.build_bank(model, ["layer3"], images, disk=False)
    theirs = crp.CondAttribution(net)(
        model.normalize(bank.tensor(range(8)).double()).requires_grad_(),
        [{"y": [3]}],
        EpsilonPlus(canonizers=[ResNetCanonizer()]),
        record_layer=["layer3"],
    ).relevances["layer3"]
    order, values, places = concepts.ChannelConcept().reference_sampling(
        theirs, "layer3", "sum", abs_norm=False
    )
    for channel in range(256):
        found = bank.most_relevant(f"layer3:{channel}", "class:3", 8, "epsilon-plus")
        assert [f.image for f in found] == order[:, channel].tolist()
        assert [f.value for f in found] == pytest.approx(values[:, channel].tolist(), rel=1e-3, abs=1e-5)
        top = bank.most_relevant(f"layer3:{channel}", "class:3", 8, "epsilon-plus", places=True)
        where = dict(zip(order[:, channel].tolist(), places[:, channel].tolist(), strict=True))
        assert {f.image: f.position for f in top} == {i: divmod(place, 2) for i, place in where.items()}


def test_one_pass_ranks_the_units_of_all_layers_as_passes_of_their_own(bank: vital.ReferenceBank) -> None:
    together = make(layers=("act2", "act3"))
    together.rank_relevance(["act2:0", "act3:1"], "class:3")
    assert len(together._relevances) == 2
    for unit in ("act2:5", "act3:8"):
        assert together.most_relevant(unit, "class:3", 5) == bank.most_relevant(unit, "class:3", 5)


def test_layers_that_the_bank_was_not_made_for_are_ranked_too(bank: vital.ReferenceBank) -> None:
    assert len(bank.most_relevant("act1:2", "class:3", 3)) == 3


def test_the_class_token_and_the_patches_have_their_own_rankings() -> None:
    images = vital.load_images([*PICTURES], labels=LABELS)
    bank = vital.build_bank(TOKENS, ["block1"], images, top=COUNT, disk=False)
    made = relevance(TOKENS, bank.tensor([4]), "class:3", ["block1"])["block1"][0, 5]
    for tokens, own in (("cls", made[0]), ("patches", made[1:].sum()), ("all", made.sum())):
        found = bank.most_relevant(f"block1:5#{tokens}", "class:3", COUNT)
        assert {f.image: f.value for f in found}[4] == pytest.approx(own.item(), rel=1e-4, abs=1e-6)


def test_rankings_are_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path))
    first = make(disk=True).most_relevant("act2:5", "label", 4)
    monkeypatch.setattr("vital.activations.relevances.scan", None)
    assert make(disk=True).most_relevant("act2:5", "label", 4) == first
    with pytest.raises(DefectError, match="not callable"):  # another target is scanned for
        make(disk=True).most_relevant("act2:5", "predicted", 4)


def test_a_direction_as_the_target_is_known_by_its_vector(bank: vital.ReferenceBank, tmp_path: Path) -> None:
    target = f"{tmp_path}/d.safetensors:0@act3"
    for channel in (8, 3):
        save_file({"rows": torch.eye(24)[channel][None]}, tmp_path / "d.safetensors")
        found = bank.most_relevant("act2:5", target, 5)
        assert found == bank.most_relevant("act2:5", f"act3:{channel}", 5)


def test_what_has_no_ranking_is_one_sentence(bank: vital.ReferenceBank) -> None:
    with pytest.raises(
        InvalidValueError, match="act2:5@1,1 is a place; images are ranked by the relevance of"
    ):
        bank.most_relevant("act2:5@1,1", "class:3")
    with pytest.raises(
        InvalidValueError, match="is a direction; images are ranked by the relevance of channels"
    ):
        bank.most_relevant("d.safetensors:0@act2", "class:3")
    with pytest.raises(InvalidValueError, match="the layer 'act2' is not before layer1"):
        bank.most_relevant("act2:5", "layer1:0")
    with pytest.raises(InvalidValueError, match="the bank keeps the 10 strongest images"):
        bank.most_relevant("act2:5", "class:3", 11)
    with pytest.raises(UnknownNameError, match="zplus"):
        bank.most_relevant("act2:5", "class:3", rule="zpluss")


def test_memory_does_not_grow_with_the_number_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all maps of relevance, those of one batch alone are alive when the next are made; the rest are rankings."""
    maps: list[weakref.ref[Tensor]] = []
    alive: list[int] = []
    own = Target.relevance

    def noted(*args: Any, **options: Any) -> dict[str, Tensor]:
        alive.append(sum(each() is not None for each in maps))
        found = own(*args, **options)
        maps.extend(weakref.ref(each) for each in found.values())
        return found

    monkeypatch.setattr(Target, "relevance", noted)
    bank = vital.build_bank(MODEL, ["act1"], vital.load_images(toy.images(80).float()), top=4, disk=False)
    bank.most_relevant("act1:2", "predicted", 4)
    assert len(alive) == 10
    assert max(alive) <= 1
    assert {r.values.shape for t in bank._relevances.values() for r in t.means.values()} == {(8, 5)}


@pytest.mark.parametrize("batch", [1, 4, 16])
@pytest.mark.parametrize("target", ["label", "predicted"])
def test_the_classes_of_a_channel_by_its_mean_share(target: str, batch: int) -> None:
    images = vital.load_images([*PICTURES], labels=LABELS)
    shares: dict[str, list[float]] = {}
    for i in range(COUNT):
        image = PICTURES[i : i + 1]
        name = target_of(MODEL, image, i, target)
        made = relevance(MODEL, image, name, ["act2", "class"], "zplus", start="one")
        shares.setdefault(name, []).append((made["act2"][0, 5].sum() / made["class"].sum()).item())
    means = {name: sum(own) / len(own) for name, own in shares.items()}
    found = served_classes(MODEL, "act2:5", images, target=target, batch=batch)
    assert [str(f.unit) for f in found] == sorted(means, key=lambda name: -means[name])
    assert [f.share for f in found] == pytest.approx([means[str(f.unit)] for f in found], rel=1e-5)
    assert [f.images for f in found] == [len(shares[str(f.unit)]) for f in found]
    assert served_classes(MODEL, "act2:5", images, 2, target=target, batch=batch) == found[:2]
    assert {f.unit.label for f in found} <= set(toy.CLASSES)


def test_a_planted_channel_serves_the_class_that_reads_it() -> None:
    class Planted(nn.Module):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.low, self.head = nn.Conv2d(3, 3, 1, bias=False), nn.Linear(3, 2, bias=False)
            self.low.weight.data = torch.eye(3)[:, :, None, None]
            self.head.weight.data = torch.tensor([[3.0, 1.0, 0.0], [0.0, 1.0, 1.0]])

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.low(x).relu().mean((2, 3)))

    grey = vital.load_images([torch.full((3, 8, 8), 0.5)] * 3, labels=[0, 1, 1])
    model = Model(Planted(), size=(8, 8))
    rows = {
        c: [(str(f.unit), f.share, f.images) for f in served_classes(model, f"low:{c}", grey)] for c in (0, 2)
    }
    assert rows[0] == [("class:0", pytest.approx(0.75), 1), ("class:1", 0, 2)]
    assert rows[2] == [("class:1", pytest.approx(0.5), 2), ("class:0", 0, 1)]


def test_what_serves_no_class_is_one_sentence(tmp_path: Path) -> None:
    images = vital.load_images([*PICTURES], labels=LABELS)
    save_file({"rows": torch.ones(1, 16)}, tmp_path / "d.safetensors")
    for unit in ("class:3", f"{tmp_path}/d.safetensors:0@act2"):
        with pytest.raises(InvalidValueError, match="is no inner channel; give one, such as layer4:3"):
            served_classes(MODEL, unit, images)
    with pytest.raises(InvalidValueError, match="target is 'class:3'; allowed are 'label' and 'predicted'"):
        served_classes(MODEL, "act2:5", images, target="class:3")
    with pytest.raises(InvalidValueError, match="count is 0 and batch is 8"):
        served_classes(MODEL, "act2:5", images, 0)
