from pathlib import Path

import pytest
import torch
from torch import nn

import vital
from tests import toy
from vital.activations import ReferenceBank, build_bank
from vital.errors import DataError, InvalidValueError


@pytest.fixture
def net() -> vital.Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))
    return vital.Model(layers, size=(8, 8), classes=("a", "b", "c", "d", "e"))


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(23, 3, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def labeled(pictures: torch.Tensor) -> vital.ImageSet:
    return vital.load_images(pictures, labels=[i % 4 for i in range(len(pictures))])


def test_strongest_equals_a_full_sort(net: vital.Model, pictures: torch.Tensor) -> None:
    bank = build_bank(net, ["1"], vital.load_images(pictures), batch=4, top=9)
    with torch.no_grad():
        logits, maps = net.module(pictures), net.module[:2](pictures).mean((2, 3))
    for unit in range(5):
        assert bank.strongest(f"class:{unit}", 9) == logits[:, unit].argsort(descending=True)[:9].tolist()
    assert bank.strongest("1:2", 3) == maps[:, 2].argsort(descending=True)[:3].tolist()


def test_class_references_are_of_the_class_and_follow_the_seed(
    net: vital.Model, pictures: torch.Tensor
) -> None:
    bank = build_bank(net, [], labeled(pictures))
    chosen = bank.references("class:b", 3, "class", seed=1)
    assert all(i % 4 == 1 for i in chosen.indices)
    assert chosen.weights == (1 / 3,) * 3
    assert chosen.note == "3 of the 6 images of the class, drawn with seed 1"
    assert bank.references("class:b", 3, "class", seed=1) == chosen
    assert any(bank.references("class:b", 3, "class", seed=s).indices != chosen.indices for s in range(2, 8))


def test_auto_takes_the_class_where_there_are_labels_and_else_the_activation(
    net: vital.Model, pictures: torch.Tensor
) -> None:
    assert "of the class" in build_bank(net, [], labeled(pictures)).references("class:1", 3).note
    assert "highest value" in build_bank(net, [], vital.load_images(pictures)).references("class:1", 3).note


def test_strong_images_weigh_what_they_have_over_the_next(net: vital.Model, pictures: torch.Tensor) -> None:
    bank = build_bank(net, [], vital.load_images(pictures))
    with torch.no_grad():
        ranked = net.module(pictures)[:, 3].sort(descending=True).values.double()
    over = ranked[:5] - ranked[5]
    expected = (over / over.sum()).tolist()
    assert bank.references("class:3", 5, "activation").weights == pytest.approx(expected, abs=1e-6)
    everything = bank.references("class:3", 23, "activation").weights
    assert everything[-1] == 0
    assert sum(everything) == pytest.approx(1)


def test_a_template_is_not_kept_under_the_key_of_weights_that_have_changed(
    net: vital.Model, pictures: torch.Tensor
) -> None:
    first = build_bank(net, ["1"], vital.load_images(pictures))
    before = {k: v.clone() for k, v in net.module.state_dict().items()}
    with torch.no_grad():
        net.module[0].weight.mul_(2)
    first.template("class:3", ["1"])
    net.module.load_state_dict(before)
    second = build_bank(net, ["1"], vital.load_images(pictures))
    kept = second.template("class:3", ["1"]).layers["1"]
    fresh = build_bank(net, ["1"], vital.load_images(pictures), disk=False).template("class:3", ["1"])
    torch.testing.assert_close(kept, fresh.layers["1"])


def test_another_network_of_the_same_weights_has_a_bank_of_its_own(
    net: vital.Model, pictures: torch.Tensor
) -> None:
    other = vital.Model(nn.Sequential(net.module[0], nn.GELU(), *net.module[2:]), size=(8, 8))
    assert other.weights_hash() == net.weights_hash()
    one, two = (build_bank(m, ["1"], vital.load_images(pictures)) for m in (net, other))
    assert one.key != two.key
    assert not torch.equal(one.values["1"], two.values["1"])


def test_a_file_that_is_no_bank_is_not_written_over(
    net: vital.Model, pictures: torch.Tensor, tmp_path: Path
) -> None:
    (tmp_path / "weights.pt").write_bytes(b"precious")
    with pytest.raises(DataError, match=r"is there already and is no bank; choose another name$"):
        build_bank(net, ["1"], vital.load_images(pictures), path=tmp_path / "weights.pt")
    assert (tmp_path / "weights.pt").read_bytes() == b"precious"


@pytest.mark.parametrize("count", [0, -2])
@pytest.mark.parametrize("selection", ["activation", "class"])
def test_no_references_are_refused(
    net: vital.Model, pictures: torch.Tensor, count: int, selection: str
) -> None:
    bank = build_bank(net, [], labeled(pictures), disk=False)
    with pytest.raises(
        InvalidValueError, match=f"^{count} reference images are asked for; allowed are whole numbers from 1$"
    ):
        bank.references("class:1", count, selection)  # type: ignore[arg-type]


def test_the_template_is_the_weighted_mean_of_the_references(
    net: vital.Model, pictures: torch.Tensor
) -> None:
    bank = build_bank(net, ["1"], vital.load_images(pictures), disk=False)
    chosen = bank.references("class:3", 5, "activation")
    with torch.no_grad():
        each = net.module[:2](pictures[list(chosen.indices)]).flatten(2).sort(dim=2).values
    expected = (each * torch.tensor(chosen.weights).view(-1, 1, 1)).sum(0)
    made = bank.template("class:3", count=5, selection="activation")
    assert list(made.layers) == ["1"]
    torch.testing.assert_close(made.layers["1"], expected)


def test_a_bank_of_the_output_alone_asks_for_layers(net: vital.Model, pictures: torch.Tensor) -> None:
    bank = build_bank(net, [], vital.load_images(pictures), disk=False)
    with pytest.raises(InvalidValueError, match=r"name the layers to align class:1 at"):
        bank.template("class:1")


def test_an_empty_class_is_one_sentence(net: vital.Model, pictures: torch.Tensor) -> None:
    bank = build_bank(net, [], labeled(pictures))
    with pytest.raises(
        DataError, match=r"holds no image of class 4 \(e\); add some, or choose another class$"
    ):
        bank.template("class:4", ["1"], selection="class")


def test_a_layer_that_the_bank_does_not_know_is_named(net: vital.Model, pictures: torch.Tensor) -> None:
    bank = build_bank(net, ["1"], vital.load_images(pictures))
    with pytest.raises(InvalidValueError, match="the bank was made for the layers 1, class, not for '0'"):
        bank.strongest("0:1")


def test_the_second_time_nothing_is_computed(net: vital.Model, pictures: torch.Tensor) -> None:
    images = vital.load_images(pictures)
    first = build_bank(net, ["1"], images)
    made = first.template("class:1", ["1"])
    calls: list[int] = []
    handle = net.module[0].register_forward_hook(lambda *_: calls.append(1))
    second = build_bank(net, ["1"], images)
    again = second.template("class:1", ["1"])
    handle.remove()
    assert not calls
    assert torch.equal(again.layers["1"], made.layers["1"])
    assert again.images == made.images


@pytest.mark.parametrize("change", ["weights", "image", "preprocessing"])
def test_the_cache_is_never_stale(net: vital.Model, pictures: torch.Tensor, change: str) -> None:
    from dataclasses import replace

    before = build_bank(net, ["1"], vital.load_images(pictures))
    if change == "weights":
        with torch.no_grad():
            net.module[0].weight[0, 0, 0, 0] += 1e-3
    if change == "image":
        pictures = pictures.clone()
        pictures[5, 0, 0, 0] = 1 - pictures[5, 0, 0, 0]
    other = replace(net, mean=(0.1,)) if change == "preprocessing" else net
    after = build_bank(other, ["1"], vital.load_images(pictures))
    assert before.key != after.key
    assert not torch.equal(before.values["class"], after.values["class"])


def test_tokens_are_ranked_by_each_way_of_reading_them(pictures: torch.Tensor) -> None:
    model = toy.token_model()
    layer = next(
        n
        for n, la in vital.list_layers(model).items()
        if la.kind == "tokens" and not la.problem and la.prefix
    )
    bank = build_bank(model, [layer], vital.load_images(torch.rand(6, 3, 32, 32)))
    assert isinstance(bank, ReferenceBank)
    assert {f"{layer}#cls", f"{layer}#patches", f"{layer}#all"} <= set(bank.indices)
    assert len(bank.strongest(f"{layer}:0#patches", 4)) == 4


@pytest.mark.parametrize("unit", ["1:2", "class:3"])
def test_the_percentile_of_few_images_is_exact(net: vital.Model, pictures: torch.Tensor, unit: str) -> None:
    bank = build_bank(net, ["1"], vital.load_images(pictures), batch=4, top=5)
    with torch.no_grad():
        act = net.module(pictures)[:, 3] if unit == "class:3" else net.module[:2](pictures)[:, 2].mean((1, 2))
    between = act.sort().values.double()
    for i in range(22):
        value = float(between[i] + between[i + 1]) / 2
        assert bank.percentile(unit, value) == pytest.approx(100 * (i + 1) / 23)
    assert bank.percentile(unit, float(between[0]) - 1) == 0
    assert bank.percentile(unit, float("inf")) == 100


def test_a_value_that_is_not_a_number_has_no_percentile(net: vital.Model, pictures: torch.Tensor) -> None:
    bank = build_bank(net, [], vital.load_images(pictures))
    with pytest.raises(InvalidValueError, match=r"^the value of class:3 is nan; allowed are numbers$"):
        bank.percentile("class:3", float("nan"))


def test_the_usual_value_is_that_of_the_median_image(net: vital.Model, pictures: torch.Tensor) -> None:
    bank = build_bank(net, ["1"], vital.load_images(pictures), batch=4)
    with torch.no_grad():
        expected = net.module[:2](pictures).mean((2, 3))[:, 2].median()
    assert bank.usual_value("1:2") == pytest.approx(float(expected))


def test_one_position_is_ranked_as_its_channel_is(net: vital.Model, pictures: torch.Tensor) -> None:
    bank = build_bank(net, ["1"], vital.load_images(pictures), batch=4)
    channel, place = "1:2", "1:2@5,1"
    assert bank.strongest(place) == bank.strongest(channel)
    assert bank.strongest_places(place) == bank.strongest_places(channel)
    assert bank.references(place, 3) == bank.references(channel, 3)
    assert bank.usual_value(place) == bank.usual_value(channel)
    template = bank.template(place, ["1"], rule="zplus", patches=True)
    assert template.unit == channel
    torch.testing.assert_close(
        template.layers["1"], bank.template(channel, ["1"], rule="zplus", patches=True).layers["1"]
    )
    with torch.no_grad():
        peaks = net.module[:2](pictures)[:, 2].flatten(1).amax(1).sort(descending=True).values
    assert bank.natural_value(place, 3) == pytest.approx(float(peaks[:3].mean()))
    assert not bank.ranks(place)
    with pytest.raises(InvalidValueError, match=r"and 1:2@5,1 is one place; write 1:2$"):
        bank.percentile(place, 1.0)
