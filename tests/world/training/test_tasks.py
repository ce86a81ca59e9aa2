import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from vital.world.scenes.concepts import labels
from vital.world.scenes.grammar import Scene, Thing
from vital.world.training.batches import Batch, following
from vital.world.training.corpus import Corpus, corpus, draw
from vital.world.training.tasks import PLACE, TASKS, Classify, Match, _some_factors, phrase


def scenes(*colors: str) -> Corpus:
    drawn = [Scene(Thing("cube", colour=color)) for color in colors]
    return corpus(drawn, torch.zeros(len(drawn), 3, 8, 8, dtype=torch.uint8))


class Fixed(nn.Module):
    sharpness = torch.tensor(3.0)

    def __init__(self, seen: torch.Tensor, read: torch.Tensor) -> None:
        nn.Module.__init__(self)
        self.seen, self.read = seen, read

    def forward(self, images: torch.Tensor, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.seen[: len(images)], self.read[: len(numbers)]


def match_loss(known: Corpus, seen: torch.Tensor, read: torch.Tensor) -> float:
    rng = torch.Generator().manual_seed(0)
    batch = Batch(known.pictures.float(), known, torch.arange(len(known)), rng)
    return Match(words=0.0, eyes="").loss(Fixed(seen, read), batch).item()


def test_half_of_the_texts_say_all_and_the_others_one_to_three_factors_that_are_there() -> None:
    factors = torch.zeros(2000, len(PLACE), dtype=torch.int64)
    factors[:, PLACE["accent"]] = -1
    said = _some_factors(factors, torch.Generator().manual_seed(0))
    counts = said.sum(1)
    whole = counts == len(PLACE)
    assert 0.45 < whole.float().mean() < 0.55
    assert set(counts[~whole].tolist()) == {1, 2, 3}
    assert not said[~whole][:, PLACE["accent"]].any()


def test_a_phrase_says_what_is_asked_for_in_the_order_of_a_caption() -> None:
    numbers = torch.stack(list(labels([Scene(Thing("cube", "striped", "red", "white"))]).values()), 1)[0]
    said = torch.zeros(len(PLACE), dtype=torch.bool)
    said[[PLACE["solid"], PLACE["background"], PLACE["colour"]]] = True
    assert phrase(numbers, said) == "red cube on grass"
    numbers[PLACE["accent"]] = -1
    assert "with" not in phrase(numbers, torch.ones(len(PLACE), dtype=torch.bool))


def test_the_encoder_s_loss_rewards_true_pairs() -> None:
    known, eye = scenes("red", "blue", "green"), torch.eye(3)
    assert match_loss(known, eye, eye) < match_loss(known, eye, eye.roll(1, 0)) - 1


def test_the_encoder_s_loss_does_not_push_true_pairs_of_other_rows_apart() -> None:
    twice = scenes("red", "red")
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert match_loss(twice, same, same) == pytest.approx(
        match_loss(twice, torch.eye(2) * 0, torch.eye(2) * 0)
    )
    assert match_loss(twice, torch.eye(2), torch.eye(2)) > match_loss(twice, same, same) + 1


def test_a_twin_of_a_factor_is_right_when_it_names_that_factor() -> None:
    drawn = draw("train", 30, 0)
    known = corpus(drawn, torch.zeros(30, 3, 8, 8, dtype=torch.uint8))

    class Knowing(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot(known.factors[:, PLACE["material"]], 8)[:, :6].float()

    batch = [torch.zeros(30, 3, 8, 8)]
    assert TASKS["twin-material"].metrics(Knowing(), batch, known) == {"material": 1.0}
    assert TASKS["twin-solid"].metrics(Knowing(), batch, known)["solid"] < 0.6


def test_following_is_the_divergence_of_softened_answers() -> None:
    rng = torch.Generator().manual_seed(0)
    own, wanted = (3 * torch.randn(5, 7, generator=rng, dtype=torch.float64) for _ in range(2))
    total = 0.0
    for row, target in zip(own.tolist(), wanted.tolist(), strict=True):
        p, q = ([math.exp(v / 3) / sum(math.exp(w / 3) for w in vs) for v in vs] for vs in (target, row))
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert following(own, wanted, 3.0).item() == pytest.approx(9 * total / 5)
    assert following(own, own + 2.0, 3.0).item() == pytest.approx(0.0, abs=1e-12)


class Sure(nn.Module):
    """Answers the same to every image: scores of classes, and of planted concepts."""

    def __init__(self, scores: torch.Tensor, planted: int) -> None:
        nn.Module.__init__(self)
        self.scores, self.planted = scores, planted

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(images), -1)

    def both(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self(images), torch.zeros(len(images), self.planted)


def test_a_teacher_counts_beside_the_classes() -> None:
    known, rng = scenes("red", "blue"), torch.Generator().manual_seed(0)
    own, other = (Sure(3 * torch.randn(1, 64, generator=rng), known.planted.shape[1]) for _ in range(2))
    task = Classify(follow=0.5, temperature=3.0)
    alone = Batch(known.pictures.float(), known, torch.arange(2), rng)
    added = task.loss(own, replace(alone, teacher=other)) - task.loss(own, alone)
    assert added.item() == pytest.approx(0.5 * following(own.scores, other.scores, 3.0).item(), rel=1e-4)
