"""Training learns, goes on where it was, and says what does not fit."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import vital
from vital.callbacks import Step
from vital.data import ImageSet
from vital.errors import DataError, InvalidValueError, ModelError, RunError
from vital.lwta import LWTA
from vital.lwta.predict import accuracy, activity
from vital.lwta.schedule import SamplingSchedule
from vital.lwta.train import TrainConfig, classes_of, fit, varied
from vital.models import Model
from vital.utils.class_names import class_matches

HOW = TrainConfig(epochs=3, batch_size=8, lr=0.02, shift=0.0, competition=SamplingSchedule(sampling=0.5))


def red_or_blue(count: int = 32) -> ImageSet:
    """Noisy pictures that are red or blue."""
    rng = np.random.default_rng(0)
    pictures, labels = rng.integers(0, 120, (count, 8, 8, 3), np.uint8), [i % 2 for i in range(count)]
    for picture, label in zip(pictures, labels, strict=True):
        picture[..., 2 * label] += 100
    return vital.load_images(pictures, labels=labels)


def small(seed: int = 0) -> Model:
    torch.manual_seed(seed)
    parts = (nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), LWTA(4), nn.Dropout(0.1))
    return Model(
        nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)), "small", (8, 8)
    )


def deep() -> Model:
    """Batch norm over vectors, which cannot learn from one image."""
    torch.manual_seed(0)
    parts = (nn.Flatten(), nn.Linear(192, 8), nn.BatchNorm1d(8), LWTA(4, -1), nn.Linear(8, 2))
    return Model(nn.Sequential(*parts), "deep", (8, 8))


def written(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


class KilledError(BaseException):
    """Stands for the end of the process."""


def test_it_learns_and_a_quarter_is_active(tmp_path: Path) -> None:
    model, pictures = small(), red_or_blue()
    fit(model, pictures, tmp_path, replace(HOW, epochs=12))
    assert accuracy(model, pictures) == 1.0
    assert accuracy(model, pictures, samples=6) > 0.8
    assert activity(model, pictures) == {"2": (0.25, 0.25, 0.25)}


def test_a_run_that_was_killed_ends_with_the_same_bytes(tmp_path: Path) -> None:
    pictures = red_or_blue()
    fit(small(), pictures, tmp_path / "whole", HOW)

    def kill(step: Step) -> None:
        if step.number == 6:
            raise KilledError

    with pytest.raises(KilledError):
        fit(small(), pictures, tmp_path / "parted", HOW, kill)
    assert not (tmp_path / "parted" / "weights.safetensors").exists()
    torch.rand(7)  # what happened elsewhere between the two does not count
    steps: list[int] = []
    fit(small(), pictures, tmp_path / "parted", HOW, lambda step: steps.append(step.number))
    assert steps == [*range(5, 13)]
    assert written(tmp_path / "parted") == written(tmp_path / "whole")


def test_another_training_keeps_out_of_the_folder(tmp_path: Path) -> None:
    fit(small(), red_or_blue(), tmp_path, HOW)
    with pytest.raises(RunError, match="another training"):
        fit(small(), red_or_blue(), tmp_path, replace(HOW, seed=1))
    with pytest.raises(RunError, match="another training"):
        fit(small(1), red_or_blue(), tmp_path, HOW)
    for shown in ({"size": (16, 16)}, {"interpolation": "bicubic"}, {"std": (0.5,)}):
        with pytest.raises(RunError, match="another training"):
            fit(replace(small(), **shown), red_or_blue(), tmp_path, HOW)  # type: ignore[arg-type]


def test_the_same_network_by_another_name_goes_on(tmp_path: Path) -> None:
    fit(small(), red_or_blue(), tmp_path, HOW)
    before = written(tmp_path)
    fit(replace(small(), name="./small"), red_or_blue(), tmp_path, HOW)
    assert written(tmp_path) == before


def test_the_weights_that_are_written_are_those_of_the_network(tmp_path: Path) -> None:
    model = small()
    fit(model, red_or_blue(), tmp_path, HOW)
    again = vital.load_model(small(5), weights=tmp_path / "weights.safetensors")
    assert again.weights_hash() == model.weights_hash()


@pytest.mark.parametrize("batch", [8, 16])
def test_a_single_image_that_is_left_over_joins_the_batch_before_it(tmp_path: Path, batch: int) -> None:
    steps: list[int] = []
    how = replace(HOW, epochs=1, batch_size=batch)
    fit(deep(), red_or_blue(17), tmp_path, how, lambda step: steps.append(step.of))
    assert steps == [17 // batch] * (17 // batch)


def test_winners_are_sampled_ever_colder_and_settle_at_the_share_that_was_asked_for(tmp_path: Path) -> None:
    model, seen = small(), []

    def hook(module: nn.Module, given: object, found: object) -> None:
        if module.training:
            seen.append((module.sampler.temperature, module.sampler.deterministic))  # type: ignore[union-attr]

    with model.module[2].register_forward_hook(hook):  # type: ignore[index,union-attr]
        fit(model, red_or_blue(), tmp_path, replace(HOW, epochs=2))
    temperatures, deterministic = zip(*seen, strict=True)
    assert deterministic == (False,) * 4 + (True,) * 4
    assert temperatures[0] == 1.67
    assert sorted(temperatures, reverse=True) == list(temperatures)
    assert len(set(temperatures[:4])) == 4
    assert set(temperatures[4:]) == {0.5}


def test_a_batch_that_the_network_cannot_learn_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match="deep cannot learn from a batch of 1: ValueError: Expected more than 1 value"
    ):
        fit(deep(), red_or_blue(), tmp_path, replace(HOW, batch_size=1))


class Answers(nn.Module):
    """Answers to two images with other than two rows of scores."""

    def __init__(self, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.inner, self.change = small().module, change

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.change(self.inner(x))


@pytest.mark.parametrize(
    ("change", "said"),
    [(lambda y: y[:1], r"\(1, 2\) for 8"), (lambda y: y[..., None, None], r"\(8, 2, 1, 1\) for 8")],
)
def test_scores_that_are_not_one_row_for_each_image_are_said(
    tmp_path: Path, change: Callable[[torch.Tensor], torch.Tensor], said: str
) -> None:
    odd = Model(Answers(change), "odd", (8, 8))
    with pytest.raises(ModelError, match=f"^odd gives {said} images; needed is one row of scores for each"):
        fit(odd, red_or_blue(), tmp_path, HOW)


def test_bfloat16_trains_too(tmp_path: Path) -> None:
    model = small()
    fit(model, red_or_blue(), tmp_path, replace(HOW, bf16=True, epochs=8))
    assert accuracy(model, red_or_blue()) > 0.9


def test_labels_are_matched_with_the_networks_classes() -> None:
    model = replace(small(), classes=("blue", "red"))
    pictures = red_or_blue(4)
    named = replace(pictures, class_names=("red", "blue"))
    assert classes_of(named, model) == {0: 1, 1: 0, 2: 1, 3: 0}
    some = replace(named, labels=(0, None, 1, None))
    assert classes_of(some, model) == {0: 1, 2: 0}


def test_labels_that_fit_no_class_are_named_and_not_dropped() -> None:
    model, pictures = replace(small(), classes=("blue", "red")), red_or_blue(4)
    strange = replace(pictures, labels=(0, 8, 9, None))
    with pytest.raises(
        DataError, match=r"2 of the 3 labels are no class of small, which has 0 to 1 \(8, 9\)"
    ):
        classes_of(strange, model)
    named = replace(pictures, labels=(0, 1, 2, 0), class_names=("red", "blue", "mauve"))
    with pytest.raises(DataError, match=r"1 of the 3 labels match no class of the network \('mauve'\)"):
        classes_of(named, model)
    shared = replace(pictures, labels=(0, 1, 0, 1), class_names=("crane", "red"))
    with pytest.raises(DataError, match=r"1 of the 2 labels are names of several classes \('crane'\)"):
        classes_of(shared, replace(model, classes=("crane", "crane", "red")))
    with pytest.raises(DataError, match="has no labels; sort"):
        classes_of(replace(pictures, labels=(None,) * 4), model)


def test_class_names_that_no_image_has_need_no_class() -> None:
    model, pictures = replace(small(), classes=("blue", "red")), red_or_blue(4)
    spare = replace(pictures, labels=(0, 2, None, 0), class_names=("red", "mauve", "blue"))
    assert classes_of(spare, model) == {0: 1, 1: 0, 3: 1}
    with pytest.raises(DataError, match=r"1 of the 2 labels match no class of the network \('mauve'\)"):
        classes_of(replace(spare, labels=(0, 1, 1, 0)), model)
    ordered = replace(pictures, labels=(1, 1, None, 1), class_names=("first", "second"))
    with pytest.warns(
        UserWarning, match=r"so their order decides: 'first' is taken for 'blue'; rename the folders"
    ):
        assert classes_of(ordered, model) == {0: 1, 1: 1, 3: 1}


def test_the_names_of_many_classes_are_looked_up_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    names, asked = tuple(f"class {i}" for i in range(1000)), []

    def counted(name: str, classes: tuple[str, ...]) -> list[int]:
        asked.append(name)
        return class_matches(name, classes)

    monkeypatch.setattr(import_module("vital.data.labels"), "class_matches", counted)
    model = Model(nn.Sequential(nn.Flatten(), nn.Linear(192, 1000)), "large", (8, 8), classes=names)
    pictures = replace(red_or_blue(4), labels=(0, 5, 999, 5), class_names=names[::-1])
    assert classes_of(pictures, model) == {0: 999, 1: 994, 2: 0, 3: 994}
    assert len(asked) == 1000


def test_a_folder_that_does_not_say_whose_it_is_is_left_alone(tmp_path: Path) -> None:
    fit(small(), red_or_blue(), tmp_path, HOW)
    (tmp_path / "training.json").unlink()
    before = written(tmp_path)
    with pytest.raises(RunError, match=r"checkpoint.pt and weights.safetensors but no training.json"):
        fit(small(), red_or_blue(), tmp_path, HOW)
    assert written(tmp_path) == before


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lr": 0.0}, {"shift": 1.0}, {"batch_size": -1}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=f"{next(iter(wrong))} is"):
        TrainConfig(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="sampling is 2"):
        SamplingSchedule(sampling=2.0)


def test_pictures_are_moved_and_mirrored_each_on_its_own() -> None:
    ramp = torch.arange(64.0).view(1, 1, 8, 8).expand(40, 3, 8, 8) / 64
    found = varied(ramp, torch.Generator().manual_seed(0))
    assert len({tuple(one.flatten().tolist()) for one in found}) > 10
    assert torch.equal(varied(ramp, torch.Generator(), flip=False, shift=0.0), ramp)


def state_with(**changed: object) -> Callable[[dict[str, Any]], None]:
    """Change the state that an optimizer has of the first parameter."""
    return lambda told: told["optimizer"]["state"][0].update(changed)


def group_with(**changed: object) -> Callable[[dict[str, Any]], None]:
    return lambda told: told["optimizer"]["param_groups"][0].update(changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda told: told.update(epoch=9),
        lambda told: told.update(epoch=10**400),
        lambda told: told.update(epoch=float("nan")),
        lambda told: told.update(network=[1]),
        lambda told: told.pop("optimizer"),
        lambda told: told["network"]["0.weight"].fill_(float("nan")),
        lambda told: told["network"].update({"0.bias": "x"}),
        lambda told: told["optimizer"].update(state={10**6: {}}),
        lambda told: told["optimizer"].update(param_groups=[]),
        state_with(exp_avg=torch.zeros(3)),
        state_with(exp_avg_sq=torch.tensor(float("inf"))),
        state_with(step="x"),
        state_with(more=torch.zeros(1)),
        group_with(betas=(5, -3)),
        group_with(weight_decay=float("nan")),
        group_with(params=[0]),
        group_with(capturable=True),
    ],
)
def test_a_checkpoint_with_other_content_is_named_with_what_to_remove(
    damage: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    fit(small(), red_or_blue(8), tmp_path, replace(HOW, epochs=1))
    file = tmp_path / "checkpoint.pt"
    told = torch.load(file, weights_only=True)
    damage(told)
    torch.save(told, file)
    with pytest.raises(
        RunError, match=r"checkpoint.pt' is damaged .*; remove it to train from the beginning$"
    ):
        fit(small(), red_or_blue(8), tmp_path, replace(HOW, epochs=1))
