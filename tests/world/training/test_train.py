import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from vital.errors import RunError, UnknownNameError, WeightsError
from vital.lwta.train import schedule
from vital.world.networks.architectures import PLANTED
from vital.world.networks.weights import model, network, ship
from vital.world.renderer.render import render
from vital.world.scenes.grammar import caption
from vital.world.training import train as training
from vital.world.training.batches import Batch, following
from vital.world.training.corpus import corpus, draw, rendered
from vital.world.training.tasks import COMPETING, TASKS, Classify, Match, Twin
from vital.world.training.train import GOALS, Plan, fitted, main, measured, table, train


def plan(folder: Path) -> Plan:
    return Plan(folder, folder / "weights", scenes=24, fresh=12, epochs=2, batch=8, quiet=True)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tiny(count: int = 24, seed: int = 0) -> training.Corpus:
    scenes = draw("train", count, seed)
    return corpus(scenes, (render(scenes, 64) * 255 + 0.5).byte())


@pytest.fixture(scope="module")
def known() -> training.Corpus:
    torch.set_num_threads(1)
    return tiny()


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    tmp_path: Path, known: training.Corpus
) -> None:
    digests = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        ship(
            fitted(replace(plan(tmp_path / name), seed=seed), "twin-solid", TASKS["twin-solid"], known),
            tmp_path / name / "w.safetensors",
        )
        digests.append(digest(tmp_path / name / "w.safetensors"))
    assert digests[0] == digests[1] != digests[2]


def test_a_run_that_was_stopped_ends_with_the_same_weights(
    tmp_path: Path, known: training.Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parted = plan(tmp_path / "whole"), plan(tmp_path / "parted")
    expected = fitted(whole, "twin-material", TASKS["twin-material"], known).state_dict()
    save = training.save_checkpoint

    def stop(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        fitted(parted, "twin-material", TASKS["twin-material"], known)
    monkeypatch.setattr(training, "save_checkpoint", save)
    found = fitted(parted, "twin-material", TASKS["twin-material"], known).state_dict()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_other_settings_do_not_go_on_from_a_checkpoint(tmp_path: Path, known: training.Corpus) -> None:
    short = replace(plan(tmp_path), epochs=1)
    fitted(short, "twin-solid", TASKS["twin-solid"], known)
    longer = fitted(plan(tmp_path), "twin-solid", TASKS["twin-solid"], known).state_dict()
    fresh = fitted(plan(tmp_path / "fresh"), "twin-solid", TASKS["twin-solid"], known).state_dict()
    assert all(torch.equal(longer[key], value) for key, value in fresh.items())


def test_a_task_that_changed_does_not_go_on_from_a_checkpoint(tmp_path: Path, known: training.Corpus) -> None:
    fitted(plan(tmp_path), "twin", Twin("material"), known)
    other = fitted(plan(tmp_path), "twin", Twin("solid"), known).state_dict()
    fresh = fitted(plan(tmp_path / "fresh"), "twin", Twin("solid"), known).state_dict()
    assert all(torch.equal(other[key], value) for key, value in fresh.items())


def test_a_network_that_begins_with_others_weights_does_not_go_on_from_a_checkpoint(
    tmp_path: Path, known: training.Corpus
) -> None:
    task, found = Classify(competitors=4, parent="classifier"), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        ship(TASKS["classifier"].build(), tmp_path / "weights" / "classifier.safetensors")
        found.append(fitted(replace(plan(tmp_path), epochs=1), "competing", task, known).state_dict())
    assert not torch.equal(found[0]["fc.weight"], found[1]["fc.weight"])


def test_a_network_that_follows_a_teacher_comes_closer_to_its_answers(
    tmp_path: Path, known: training.Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    decided = TASKS["classifier"].build()
    decided.fc.weight.data *= 20  # type: ignore[union-attr, operator]
    ship(decided, tmp_path / "weights" / "classifier.safetensors")
    teacher = network("classifier", tmp_path / "weights")
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    monkeypatch.setattr(training, "_teacher", lambda plan, task: teacher if task.teacher else None)
    images, apart = training._images(known.pictures, "cpu"), {}
    for name in ("", COMPETING.teacher):
        task = replace(COMPETING, parent="", teacher=name, length=2.0)
        learned = fitted(plan(tmp_path), "competing", task, known)
        with torch.no_grad():
            apart[name] = following(learned(images), teacher(images), task.temperature).item()
    assert apart["classifier"] < 0.8 * apart[""]
    assert not teacher.training
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_a_teacher_is_loaded_ready_to_be_asked_and_learns_nothing(tmp_path: Path) -> None:
    ship(TASKS["classifier"].build(), tmp_path / "weights" / "classifier.safetensors")
    teacher = training._teacher(plan(tmp_path), COMPETING)
    assert teacher is not None
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    assert training._teacher(plan(tmp_path), TASKS["judge"]) is None


def test_a_network_that_follows_another_teacher_does_not_go_on_from_a_checkpoint(
    tmp_path: Path, known: training.Corpus
) -> None:
    task, found = Classify(teacher="classifier"), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        ship(TASKS["classifier"].build(), tmp_path / "weights" / "classifier.safetensors")
        found.append(fitted(replace(plan(tmp_path), epochs=1), "competing", task, known).state_dict())
    assert not torch.equal(found[0]["fc.weight"], found[1]["fc.weight"])


@pytest.mark.parametrize("name", TASKS)
def test_every_network_learns_a_few_scenes(name: str, known: training.Corpus) -> None:
    task = TASKS[name]
    torch.manual_seed(0)
    module = task.build()
    optimizer = torch.optim.AdamW(module.parameters(), 2e-3)
    rows, losses = task.rows(known)[:8], []
    images = training._images(known.pictures[rows], "cpu")
    for _ in range(12):
        loss = task.loss(module, Batch(images, known, rows, torch.Generator().manual_seed(0)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.75 * losses[0]


@pytest.mark.parametrize("name", TASKS)
def test_figures_are_shares_and_cover_the_goals(name: str, known: training.Corpus) -> None:
    found = measured(TASKS[name], TASKS[name].build(), known, batch=200)
    assert all(0 <= value <= 1 for value in found.values())
    assert {what.partition("/")[2] for what in GOALS if what.partition("/")[0] == name} <= set(found)


def test_training_writes_weights_that_the_code_reads(tmp_path: Path) -> None:
    found = train(plan(tmp_path), ["classifier"])
    assert set(found) == {"classifier"}
    loaded = model("classifier", tmp_path / "weights")
    assert not loaded.module.training
    again = train(plan(tmp_path), ["classifier"])
    assert again == found
    assert "planted AUPRC, worst" in table(found)
    with pytest.raises(WeightsError, match="not trained yet"):
        network("judge", tmp_path / "weights")


def test_a_shipped_network_is_rounded_as_its_file_is(tmp_path: Path) -> None:
    module = TASKS["twin-solid"].build().eval()
    ship(module, tmp_path / "twin-solid.safetensors")
    loaded = network("twin-solid", tmp_path)
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(loaded(x), module(x))
    assert all(p.dtype == torch.float32 for p in loaded.parameters())


def test_a_name_that_is_not_known_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'judge'"):
        train(plan(tmp_path), ["jugde"])
    with pytest.raises(UnknownNameError, match="'judge'"):
        network("jugde")
    with pytest.raises(UnknownNameError, match="twin-solid"):
        model("twin-sold")


def test_the_command_says_what_is_wrong_and_how_it_went(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--out", str(tmp_path), "--weights", str(tmp_path / "w"), "--scenes", "8", "--fresh", "8"]
    settings += ["--epochs", "1", "--batch", "8"]
    assert main([*settings, "--only", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err
    assert main([*settings, "--only", "twin-background"]) == 0
    assert "goal 97.0%" in capsys.readouterr().out


def test_pictures_on_disk_are_read_again_and_those_of_other_scenes_are_refused(tmp_path: Path) -> None:
    scenes = draw("train", 5, 0)
    first, again = (rendered(scenes, tmp_path / "p", 16, quiet=True) for _ in range(2))
    assert torch.equal(first.pictures, again.pictures)
    assert torch.equal(first.pictures.float() / 255, render(scenes, 16))
    with pytest.raises(RunError, match="other scenes"):
        rendered(draw("train", 5, 1), tmp_path / "p", 16, quiet=True)


def test_pictures_of_an_older_renderer_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = draw("train", 2, 0)
    rendered(scenes, tmp_path / "p", 16, quiet=True)
    monkeypatch.setattr("vital.world.training.corpus.fingerprint", lambda: "newer")
    with pytest.raises(RunError, match="older renderer"):
        rendered(scenes, tmp_path / "p", 16, quiet=True)


def test_a_corpus_knows_its_scenes(known: training.Corpus) -> None:
    assert torch.equal(known.planted, torch.tensor([[c.holds(s) for c in PLANTED] for s in known.scenes]))
    assert known.factors.shape == (24, 9)


def test_scenes_of_training_and_test_differ() -> None:
    assert not {caption(s) for s in draw("train", 50, 0)} & {caption(s) for s in draw("test", 50, 0)}


def test_a_twin_learns_from_the_first_six_values_alone(known: training.Corpus) -> None:
    rows = TASKS["twin-solid"].rows(known)
    expected = [i for i, s in enumerate(known.scenes) if s.thing.solid not in ("capsule", "star")]
    assert rows.tolist() == expected


def test_the_encoder_is_right_when_true_pairs_are_the_most_similar(known: training.Corpus) -> None:
    class Knowing(nn.Module):
        sharpness = torch.tensor(3.0)

        def forward(self, images: torch.Tensor, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.eye(24), torch.eye(24)[: len(numbers)]

    found = Match().metrics(Knowing(), [torch.zeros(24, 3, 8, 8)], known)
    assert found["caption among 200"] == 1.0


def test_the_step_size_rises_and_falls() -> None:
    steps = [schedule(i / 100) for i in range(101)]
    assert steps.index(max(steps)) == 5
    assert steps[5:] == sorted(steps[5:], reverse=True)
    assert 0 < steps[0] < 0.1
