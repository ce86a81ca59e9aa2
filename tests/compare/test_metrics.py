import math
import tempfile
from pathlib import Path

import pytest
import torch
from torchvision.transforms.functional import gaussian_blur

from tests import toy
from vital.compare import ClassJudge, Shown, bench_for
from vital.compare.bench import held_out_layers
from vital.compare.gallery import Studio
from vital.compare.kept import Kept
from vital.compare.metrics import better
from vital.compare.metrics import measured as kept_measured
from vital.compare.rows import real_images
from vital.errors import UsageError
from vital.recipes import stages

MEASURED = (
    *(
        "own accuracy",
        "own rank",
        "percentile",
        "judge other",
        "zero shot@1",
        "zero shot@5",
        "Fréchet",
        "kernel",
    ),
    *("distance (optimised)", "distance (held out)", "path similarity", "diversity"),
)


class Encoder:
    """Texts and pictures in one space: the mean colours, and class i at fixed points of it."""

    name = "colours"

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(images.float().mean((2, 3)) - 0.5, dim=1)

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        seeds = [sum(map(ord, text)) for text in texts]
        rows = [torch.randn(3, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.nn.functional.normalize(torch.stack(rows), dim=1)


@pytest.fixture
def bench(bank, units, model):
    judge = ClassJudge(toy.wrap(toy.seeded(toy.network(), 1), name="other"), model)
    return bench_for(bank, units, judges=[judge], encoder=Encoder())


def values(scores, metric: str) -> list[float]:
    found = [s.value for s in scores if s.metric.startswith(metric)]
    assert found, f"{metric} was not measured"
    return found


def mean(found: list[float]) -> float:
    return sum(found) / len(found)


@pytest.fixture
def real(bench, units, tmp_path) -> Shown:
    return real_images(Studio(tmp_path, bench.model, units, bench.bank), 3)


def measured(bench, shown: Shown):
    with tempfile.TemporaryDirectory() as folder:
        return kept_measured(bench, shown, Kept(Path(folder)))


def test_every_measure_gives_finite_numbers_with_a_known_way(bench, real) -> None:
    found = measured(bench, real)
    for prefix in MEASURED:
        assert all(math.isfinite(v) for v in values(found, prefix))
    assert all(better(score.metric) for score in found)


def test_a_picture_scores_the_same_in_any_company(bench, real) -> None:
    whole = {(s.metric, s.unit, s.seed): s.value for s in measured(bench, real) if s.seed is not None}
    for unit in dict.fromkeys(real.units):
        for score in measured(bench, real.alone(unit)):
            if score.seed is not None and not score.metric.startswith("path"):
                there = whole[score.metric, score.unit, score.seed]
                assert score.value == pytest.approx(there, rel=1e-4, abs=1e-5)


def test_blurring_natural_images_costs_what_is_measured_at_layers(bench, real) -> None:
    blurred = Shown("blurred", real.units, real.seeds, gaussian_blur(real.images, 9, 3.0))
    sharp, soft = measured(bench, real), measured(bench, blurred)
    for metric in ("Fréchet", "kernel", "distance (optimised)", "distance (held out)"):
        assert mean(values(soft, metric)) > mean(values(sharp, metric))
    assert mean(values(soft, "path")) < mean(values(sharp, "path"))


def test_exchanged_units_cost_what_is_measured_of_units(bench, bank, units) -> None:
    rows = [
        (unit, rank, bank.tensor([i])[0]) for unit in units for rank, i in enumerate(bank.strongest(unit, 4))
    ]
    own = Shown(
        "own",
        tuple(u for u, _, _ in rows),
        tuple(s for _, s, _ in rows),
        torch.stack([p for _, _, p in rows]),
    )
    other = {units[0]: units[1], units[1]: units[0], units[2]: units[3], units[3]: units[2]}
    wrong = Shown("wrong", tuple(other[u] for u in own.units), own.seeds, own.images)
    right, false = measured(bench, own), measured(bench, wrong)
    assert mean(values(false, "percentile")) < mean(values(right, "percentile"))
    assert mean(values(false, "own rank")) > mean(values(right, "own rank"))


def test_own_accuracy_and_judge_equal_an_argmax(bench, real, model) -> None:
    with torch.no_grad():
        own = model.module.eval()(model.normalise(real.images)).argmax(1)
    expected = [float(own[i] == u.index) for i, u in enumerate(real.units) if u.layer == "class"]
    assert values(measured(bench, real), "own accuracy") == expected


def test_a_judge_without_a_common_class_is_refused(model) -> None:
    with pytest.raises(UsageError, match="no class in common"):
        ClassJudge(toy.wrap(toy.network(), classes=("a",) * 10), model)


def test_held_out_layers_lie_between_the_aligned_ones(model) -> None:
    found = held_out_layers(model, stages(model))
    assert found
    assert not set(found) & set(stages(model))
