import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital.activations import scan as scanning
from vital.activations.rankings import SAMPLE, Tables
from vital.activations.scan import sampling_keys, scan
from vital.errors import DataError

LAYERS = ["layer1", "act2", "class"]


def noise(count: int, seed: int = 0) -> Tensor:
    return toy.images(count, seed).float()


def activations(model: vital.Model, pictures: Tensor, layer: str) -> Tensor:
    with torch.no_grad():
        return toy.trace(model, [layer], pictures)[layer]


def brute(act: Tensor, top: int) -> list[list[tuple[float, int, int]]]:
    """Per channel, each image's best place, sorted by falling value and then by image."""
    rows = []
    for channel in act.flatten(2).transpose(0, 1).tolist():
        best = [(max(places), i, places.index(max(places))) for i, places in enumerate(channel)]
        rows.append(sorted(best, key=lambda found: (-found[0], found[1]))[:top])
    return rows


@pytest.fixture
def many_merges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "CHUNK", 8)


@pytest.mark.usefixtures("many_merges")
def test_peaks_are_the_best_place_of_the_best_images_of_all_places_of_all_images() -> None:
    model, pictures = toy.model(), noise(37)
    found = scan(model, LAYERS, vital.load_images(pictures), 6, 5, progress=False)
    for layer in LAYERS[:2]:
        peaks, oracle = found.peaks[layer], brute(activations(model, pictures, layer), 6)
        assert peaks.places is not None
        assert peaks.indices.tolist() == [[image for _, image, _ in row] for row in oracle]
        assert peaks.places.tolist() == [[place for _, _, place in row] for row in oracle]
        torch.testing.assert_close(peaks.values, torch.tensor([[v for v, _, _ in row] for row in oracle]))
    assert "class" not in found.peaks


@pytest.mark.usefixtures("many_merges")
def test_means_are_ranked_over_all_images() -> None:
    model, pictures = toy.model(), noise(37)
    found = scan(model, LAYERS, vital.load_images(pictures), 6, 5, progress=False)
    for layer in LAYERS:
        act = activations(model, pictures, layer)
        ranked = (act.flatten(2).mean(2) if act.ndim > 2 else act).T.sort(descending=True, stable=True)
        assert torch.equal(found.means[layer].indices, ranked.indices[:, :6])
        torch.testing.assert_close(found.means[layer].values, ranked.values[:, :6])
    assert found.count == 37


@pytest.mark.usefixtures("many_merges")
def test_of_equal_images_the_earlier_one_is_kept() -> None:
    pictures = noise(1).repeat(30, 1, 1, 1)
    found = scan(toy.model(), LAYERS, vital.load_images(pictures), 4, 3, progress=False)
    for ranking in [*found.means.values(), *found.peaks.values()]:
        assert torch.equal(ranking.indices, torch.arange(4).expand(len(ranking.indices), -1))


def test_each_image_is_among_the_peaks_of_a_unit_once() -> None:
    found = scan(toy.model(), LAYERS, vital.load_images(noise(20)), 9, 4, progress=False)
    for row in found.peaks["layer1"].indices.tolist():
        assert len(set(row)) == 9


def test_token_peaks_are_numbers_of_tokens() -> None:
    model, pictures = toy.token_model(), noise(11)
    found = scan(model, ["block1"], vital.load_images(pictures), 5, 4, progress=False)
    act = activations(model, pictures, "block1")
    for name, first in (("all", 0), ("patches", 1)):
        peaks = found.peaks[f"block1#{name}"]
        oracle = brute(act[:, :, first:], 5)
        assert peaks.places is not None
        assert peaks.places.tolist() == [[place + first for _, _, place in row] for row in oracle]
        assert peaks.indices.tolist() == [[image for _, image, _ in row] for row in oracle]
    assert "block1#cls" in found.means
    assert "block1#cls" not in found.peaks


@pytest.mark.usefixtures("many_merges")
def test_memory_does_not_grow_with_the_number_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vital.activations.rankings.merge.__defaults__", (7,))

    def size(count: int) -> int:
        found = scan(toy.model(), LAYERS, vital.load_images(noise(count)), 5, 4, progress=False)
        return sum(t.numel() for t in found.pack().values())

    assert size(20) == size(60)


@pytest.mark.usefixtures("many_merges")
def test_the_sample_is_that_of_the_lowest_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vital.activations.rankings.merge.__defaults__", (9,))
    model, pictures = toy.model(), noise(40)
    found = scan(model, LAYERS, vital.load_images(pictures), 5, 4, progress=False)
    keys = torch.tensor(sampling_keys(pictures))
    assert found.sampled.tolist() == keys.argsort()[:9].tolist()
    values = activations(model, pictures, "layer1").flatten(2).mean(2)
    torch.testing.assert_close(found.sample["layer1"], values[found.sampled].T)


def test_few_images_are_all_sampled() -> None:
    found: Tables = scan(toy.model(), LAYERS, vital.load_images(noise(12)), 5, 4, progress=False)
    assert sorted(found.sampled.tolist()) == list(range(12))
    assert SAMPLE >= 1000


def test_keys_do_not_depend_on_the_batch_and_look_uniform() -> None:
    pictures = noise(200)
    keys = sampling_keys(pictures)
    assert keys == [sampling_keys(one[None])[0] for one in pictures]
    assert len(set(keys)) == 200
    shares = torch.tensor(keys, dtype=torch.float64).sort().values / 2**63
    assert (shares - (torch.arange(200) + 0.5) / 200).abs().max() < 0.12  # Kolmogorov-Smirnov, p < 0.01


def test_a_key_is_made_of_the_whole_picture() -> None:
    dark = torch.zeros(3, 16, 16)
    others = dark.repeat(3 * 256, 1, 1, 1)
    others.view(768, -1).fill_diagonal_(1.0)
    assert len({*sampling_keys(dark[None]), *sampling_keys(others)}) == 769


def test_directions_are_read_in_the_place_of_channels() -> None:
    model, pictures = toy.model(), noise(17)
    vectors = torch.randn(3, 16, generator=torch.Generator().manual_seed(1))
    found = scan(
        model, ["act2"], vital.load_images(pictures), 4, 5, progress=False, directions={"act2": vectors}
    )
    along = torch.einsum("bchw,dc->bdhw", activations(model, pictures, "act2"), vectors)
    assert found.peaks["act2"].indices.tolist() == [[i for _, i, _ in row] for row in brute(along, 4)]
    torch.testing.assert_close(
        found.means["act2"].values, along.mean((2, 3)).T.sort(descending=True).values[:, :4]
    )


def test_images_that_cannot_be_read_are_one_sentence() -> None:
    class Broken:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> None:
            raise OSError("broken")

    model = vital.Model(nn.Sequential(nn.Conv2d(3, 2, 3)), size=(8, 8))
    with pytest.raises(DataError, match="can be read"):
        scan(model, ["0"], vital.load_images(Broken()), 4, 2, progress=False)


def test_images_that_are_enlarged_much_are_told() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    given = vital.load_model(network)
    pictures = vital.load_images(torch.rand(3, 3, 32, 32))
    told = (
        r"^most images of array are 32 × 32 pixels, and Sequential is shown them at 224 × 224, which takes 49 times as "
        r"long; if its own size is theirs, give SIZE = 32 in its file, --input-size 32 or size=32$"
    )
    with pytest.warns(UserWarning, match=told):
        vital.build_bank(given, ["1"], pictures, disk=False)
    vital.build_bank(vital.load_model(network, size=32), ["1"], pictures, disk=False)
