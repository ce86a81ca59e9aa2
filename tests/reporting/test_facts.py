import pytest
import torch

import vital
from tests import toy
from vital.errors import InvalidValueError, RunError
from vital.rendering.run_folder import folder_name
from vital.reporting.facts import (
    Histogram,
    Link,
    histogram,
    nearest_units,
    read_circuit,
    read_histogram,
    read_neighbors,
    save_histogram,
    save_neighbors,
)


@pytest.fixture(scope="module")
def bank():
    return vital.build_bank(toy.model(), ["act1"], vital.load_images(toy.images(40).float()), disk=False)


def test_a_histogram_counts_every_image_and_agrees_with_the_percentile(bank):
    found = histogram(bank, "act1:1", bins=10)
    assert (len(found.edges), len(found.counts), found.images) == (11, 10, 40)
    assert sum(found.counts) == pytest.approx(40)
    for i in (3, 7):
        below = 100 * sum(found.counts[:i]) / 40
        assert bank.percentile("act1:1", found.edges[i]) == pytest.approx(below, abs=5)


def test_what_the_bank_has_not_ranked_has_no_histogram(bank):
    with pytest.raises(InvalidValueError, match="has ranked no images for act2:0"):
        histogram(bank, "act2:0")


def test_the_nearest_units_go_up_and_down_together(bank):
    units = [f"act1:{i}" for i in range(4)]
    found = dict(nearest_units(bank, units, 2))
    rows = torch.stack([bank.tables.sample["act1"][i].float() for i in range(4)])
    expected = torch.corrcoef(rows).fill_diagonal_(-2)
    for unit, links in found.items():
        best = expected[unit.channel].nan_to_num(0).topk(2)
        assert [link.weight for link in links] == pytest.approx(best.values.tolist(), abs=1e-4)
        assert str(unit) not in [link.unit for link in links]
    assert list(nearest_units(bank, units[:1])) == []


def test_units_of_one_value_are_like_no_other():
    conv = torch.nn.Conv2d(3, 5, 3)
    with torch.no_grad():
        conv.weight[:3] = 0
        conv.bias[:3] = torch.tensor([0.1, 0.7, 1.3])
    images = vital.load_images(toy.images(37).float())
    bank = vital.build_bank(vital.Model(torch.nn.Sequential(conv), size=32), ["0"], images, disk=False)
    found = {str(unit): links for unit, links in nearest_units(bank, [f"0:{i}" for i in range(5)])}
    assert all(link.weight == 0 for i in range(3) for link in found[f"0:{i}"])
    assert any(link.weight != 0 for link in found["0:3"])


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_numbers_that_are_not_finite_are_damage(tmp_path, number):
    folder = tmp_path / "units" / folder_name("conv:1")
    folder.mkdir(parents=True)
    (folder / "activations.json").write_text(f'{{"edges": [0, {number}], "counts": [1], "images": 1}}')
    (folder / "neighbors.json").write_text(
        f'{{"by": "", "neighbors": [{{"unit": "a:1", "similarity": {number}}}]}}'
    )
    (folder / "circuit.json").write_text(
        f'{{"edges": [{{"unit": "b:1", "feeder": "a:1", "share": {number}}}]}}'
    )
    for read in (read_histogram, read_neighbors):
        with pytest.raises(RunError, match="no finite number"):
            read(tmp_path, "conv:1")
    with pytest.raises(RunError, match="no finite number"):
        read_circuit(folder / "circuit.json")


def test_files_are_read_as_they_were_written(tmp_path):
    made = Histogram((0.0, 0.5, 1.0), (3.0, 1.0), 4)
    save_histogram(tmp_path, "conv:1", made)
    save_neighbors(tmp_path, "conv:1", [Link("conv:2", 0.5)], "activations")
    assert read_histogram(tmp_path, "conv:1") == made
    assert read_neighbors(tmp_path, "conv:1") == ("activations", [Link("conv:2", 0.5)])
    assert (read_histogram(tmp_path, "conv:2"), read_neighbors(tmp_path, "conv:2")) == (None, ("", []))


@pytest.mark.parametrize(
    "text", ['{"edges": [0, 1], "counts": [1, 2], "images": 3}', '{"edges": 1}', "[]", "{"]
)
def test_a_damaged_histogram_is_told(tmp_path, text):
    file = tmp_path / "units" / folder_name("conv:1") / "activations.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(RunError, match=r"activations\.json' is damaged"):
        read_histogram(tmp_path, "conv:1")


def test_a_circuit_says_of_each_unit_what_feeds_it_most_first(tmp_path):
    file = tmp_path / "circuit.json"
    file.write_text(
        '{"edges": [{"unit": "b:1", "feeder": "a:1", "share": 0.1}, {"unit": "b:1", "feeder": "a:2", "share": 0.4}]}'
    )
    assert read_circuit(file) == {"b:1": [Link("a:2", 0.4), Link("a:1", 0.1)]}
    file.write_text('{"unit": "b:1"}')
    with pytest.raises(RunError, match="is damaged: it lacks 'edges'"):
        read_circuit(file)
