"""The shipped weights: they are what the code's architecture expects, they are small, and they know the world."""

from functools import cache

import pytest
import torch

import vital
from vital.utils.random import generator
from vital.world import concepts, sample
from vital.world.networks.architectures import PLANTED
from vital.world.networks.weights import FOLDER, network
from vital.world.renderer.render import render
from vital.world.scenes.ground_truth import truth
from vital.world.scenes.ground_truth_cache import SHIPPED, shipped_truths
from vital.world.training.corpus import Corpus, corpus
from vital.world.training.tasks import TASKS
from vital.world.training.train import GOALS, READ, measured


@cache
def fresh(count: int) -> Corpus:
    """Scenes of a seed that no training uses."""
    scenes = sample(generator("world", "shipped", 1), count)
    return corpus(scenes, (render(scenes, 64) * 255 + 0.5).byte())


def test_together_they_are_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 12e6
    assert {file.stem for file in FOLDER.glob("*.safetensors")} == {*TASKS, SHIPPED.stem}


@pytest.mark.parametrize("name", TASKS)
def test_each_fits_its_architecture_and_knows_most_of_a_few_scenes(name: str) -> None:
    metrics = measured(TASKS[name], network(name), fresh(100))
    for goal in GOALS:
        of, _, what = goal.partition("/")
        if of == name and "AUPRC" not in what:
            assert metrics[what] >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_each_reaches_its_goals_on_fresh_scenes(name: str) -> None:
    metrics = measured(TASKS[name], network(name), fresh(2000))
    for goal, value in GOALS.items():
        of, _, what = goal.partition("/")
        if of == name:
            assert metrics[what] >= value


def test_the_truths_of_the_classifier_are_shipped_and_those_of_taught_units_are_what_they_were_taught() -> (
    None
):
    model = vital.load_model("world")
    assert shipped_truths(model).keys() == {f"{layer}:0" for layer in READ}
    for number, concept in enumerate(PLANTED):
        found = truth(model, f"planted:{number}")
        assert found.concept == concept
        assert found.auprc >= 0.95
    names = [truth(model, f"class:{number}").concept.name for number in range(64)]
    assert names == list(model.classes)
    assert shipped_truths(vital.load_model("world", weights="random")) == {}
    assert len(concepts()) > torch.stack([t["concept"].amax() for t in shipped_truths(model).values()]).amax()
