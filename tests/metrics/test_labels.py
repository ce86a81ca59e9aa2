import pytest
import torch
from scipy import stats
from sklearn import metrics as sk
from torch import Tensor
from torchmetrics.functional import pearson_corrcoef

from vital.errors import InvalidValueError
from vital.metrics import METRICS, trusted, untrusted
from vital.metrics import labels as words


def drawn(seed: int, count: int = 300, *, ties: bool = False) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    concept = (torch.rand(count, generator=draw) < 0.15).double()
    values = concept + torch.randn(count, generator=draw, dtype=torch.float64)
    return (values.round() if ties else values), concept


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_they_agree_with_the_libraries(seed: int, ties: bool) -> None:
    values, concept = drawn(seed, ties=ties)
    on = words.active(values[:, None])[:, 0]
    expected = {
        "correlation": pearson_corrcoef(values, concept),
        "cosine": torch.nn.functional.cosine_similarity(values, concept, dim=0),
        "auprc": sk.average_precision_score(concept, values),
        "f1": sk.f1_score(concept, on),
        "iou": sk.jaccard_score(concept, on),
        "auc": sk.roc_auc_score(concept, values),
    }
    for name, value in expected.items():
        assert float(METRICS[name](values, concept)) == pytest.approx(float(value), abs=1e-9), name


def slow_auc(values: list[float], shares: list[float]) -> float:
    won = total = 0.0
    for a, c in zip(values, shares, strict=True):
        for b, d in zip(values, shares, strict=True):
            won += c * (1 - d) * ((a > b) + 0.5 * (a == b))
            total += c * (1 - d)
    return won / total


def slow_auprc(values: list[float], shares: list[float]) -> float:
    area = before = 0.0
    for bar in sorted(set(values), reverse=True):
        taken = [c for a, c in zip(values, shares, strict=True) if a >= bar]
        area += (sum(taken) - before) / sum(shares) * (sum(taken) / len(taken))
        before = sum(taken)
    return area


def test_graded_presence_counts_by_its_share() -> None:
    values, _ = drawn(0, 60, ties=True)
    shares = torch.rand(60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    own = (values.tolist(), shares.tolist())
    assert float(METRICS["auc"](values, shares)) == pytest.approx(slow_auc(*own))
    assert float(METRICS["auprc"](values, shares)) == pytest.approx(slow_auprc(*own))
    assert float(METRICS["correlation"](values, shares)) == pytest.approx(stats.pearsonr(*own).statistic)


def test_mad_wpmi_and_top_recall_are_their_formulas() -> None:
    values, concept = drawn(5)
    has, lacks = values[concept > 0], values[concept == 0]
    assert float(METRICS["mad"](values, concept)) == pytest.approx(
        float((has.mean() - lacks.mean()) / lacks.std())
    )
    top = concept[values.argsort(descending=True)[: words.TOP]]
    assert float(METRICS["top-recall"](values, concept)) == pytest.approx(float(top.mean()))
    expected = top.clamp(min=1e-3).log().mean() - 0.6 * concept.mean().log()
    assert float(METRICS["wpmi"](values, concept)) == pytest.approx(float(expected))


@pytest.mark.parametrize("name", list(METRICS))
def test_many_pairs_are_the_pairs_one_by_one(name: str) -> None:
    columns = [drawn(seed) for seed in range(3)]
    values, shown = torch.stack([c[0] for c in columns], 1), torch.stack([c[1] for c in columns], 1)[:, :2]
    whole = METRICS[name](values, shown)
    assert whole.shape == (3, 2)
    for unit in range(3):
        assert METRICS[name](values[:, unit], shown).allclose(whole[unit])
        assert METRICS[name](values, shown[:, 0]).shape == (3,)
        assert METRICS[name](values[:, unit], shown).shape == (2,)
        assert METRICS[name](values[:, unit], shown[:, 0]).shape == ()
        for concept in range(2):
            assert METRICS[name](values[:, unit], shown[:, concept]).allclose(whole[unit, concept])


@pytest.mark.parametrize("name", list(METRICS))
def test_constants_and_absent_concepts_give_numbers(name: str) -> None:
    constant, varied = torch.full((50,), 2.0), torch.arange(50.0)
    for values in (constant, varied):
        for shown in (torch.zeros(50), torch.ones(50)):
            assert torch.isfinite(METRICS[name](values, shown))
    if name in ("correlation", "f1", "iou"):
        assert METRICS[name](constant, (varied > 40).float()) == 0


@pytest.mark.parametrize("level", [0.1, 2.0, 1e6 / 3])
@pytest.mark.parametrize("count", [2, 7, 50])
def test_where_one_side_says_nothing_a_metric_is_what_it_says(level: float, count: int) -> None:
    constant, varied = torch.full((count,), level, dtype=torch.float64), torch.arange(count).double()
    none, all_of_them, some = torch.zeros(count), torch.ones(count), (varied > count // 2 - 1).float()
    for values, shown in (
        (constant, some),
        (varied, none),
        (varied, all_of_them),
        (varied, 0.1 * all_of_them),
    ):
        assert METRICS["correlation"](values, shown) == 0
    for name, value in (("cosine", 0), ("auprc", 0), ("auc", 0.5), ("mad", 0), ("top-recall", 0)):
        assert METRICS[name](varied, none) == value
    for name, value in (("auprc", 1), ("auc", 0.5), ("mad", 0), ("wpmi", 0), ("top-recall", 1)):
        assert METRICS[name](varied, all_of_them) == value
    for name, value in (("auprc", some.double().mean()), ("auc", 0.5), ("mad", 0), ("f1", 0), ("iou", 0)):
        assert METRICS[name](constant, some) == pytest.approx(float(value), abs=1e-12)


@pytest.mark.parametrize("name", [name for name in METRICS if name != "cosine"])
@pytest.mark.parametrize(
    ("gain", "shift", "noise"), [(1e6, 0.0, 1.0), (1e-6, 0.0, 1.0), (3.0, -7.0, 1.0), (1e6, 0.0, 1e-9)]
)
def test_the_scale_of_a_unit_does_not_matter(name: str, gain: float, shift: float, noise: float) -> None:
    draw = torch.Generator().manual_seed(0)
    concept = (torch.arange(500) < 30).double()
    values = noise * torch.randn(500, 8, generator=draw, dtype=torch.float64) + concept[:, None]
    found, usual = METRICS[name](gain * values + shift, concept), METRICS[name](values, concept)
    assert found.tolist() == pytest.approx(usual.tolist(), rel=1e-6)


@pytest.mark.parametrize(("count", "on"), [(1, 0), (2, 1), (10, 1), (29, 1), (31, 2), (50, 2), (70, 4)])
def test_a_twentieth_of_the_images_and_at_least_one_is_where_a_unit_is_active(count: int, on: int) -> None:
    assert (
        words.active(torch.arange(float(count))[:, None]).flatten().tolist() == [0] * (count - on) + [1] * on
    )


def true_unit(share: float, noise: float, count: int = 20_000) -> tuple[Tensor, Tensor]:
    """A unit that is what a concept is, with some noise, and the concept."""
    draw = torch.Generator().manual_seed(3)
    concept = torch.zeros(count, dtype=torch.float64)
    concept[: round(share * count)] = 1
    return concept + noise * torch.randn(count, generator=draw, dtype=torch.float64), concept


def missing(concept: Tensor, draw: torch.Generator) -> Tensor:
    return concept * (torch.rand(len(concept), generator=draw) < 0.5)


def extra(concept: Tensor, draw: torch.Generator) -> Tensor:
    lacking = (concept == 0).nonzero().view(-1)
    order = torch.randperm(len(lacking), generator=draw)[: int(concept.sum())]
    return concept.index_fill(0, lacking[order], 1.0)


def falls(name: str, share: float, noise: float, seed: int = 4) -> tuple[bool, bool]:
    """Whether a metric falls when half of the labels go, and when as many false ones come (NeuronEval's two tests)."""
    values, concept = true_unit(share, noise)
    draw = torch.Generator().manual_seed(seed)
    before = METRICS[name](values, concept)
    worse = [METRICS[name](values, change(concept, draw)) < before - 1e-3 for change in (missing, extra)]
    return bool(worse[0]), bool(worse[1])


@pytest.mark.parametrize("level", [0.1, 1e6, -3.3])
def test_mad_of_a_constant_control_is_nothing(level: float) -> None:
    values, concept = torch.full((500,), level, dtype=torch.float64), torch.zeros(500, 2, dtype=torch.float64)
    concept[:30, 0], concept[:, 1] = 1, 0.3
    values[:30] += torch.rand(30, dtype=torch.float64)
    found = METRICS["mad"](values, concept)
    assert found[0] == 0
    assert abs(found[1]) < 1e-9


def test_mad_of_a_single_control_is_nothing() -> None:
    values, concept = torch.arange(5.0, dtype=torch.float64), torch.ones(5, dtype=torch.float64)
    concept[0] = 0
    assert METRICS["mad"](values, concept) == 0
    concept[1] = 0
    assert METRICS["mad"](values, concept) == pytest.approx((3 - 0.5) / 0.5**0.5)


def test_mad_of_a_control_that_hardly_varies_is_exact() -> None:
    draw = torch.Generator().manual_seed(0)
    concept = (torch.arange(500) < 30).double()
    values = 1e-9 * torch.randn(500, generator=draw, dtype=torch.float64) + concept
    lacks = values[30:]
    expected = float((values[:30].mean() - lacks.mean()) / lacks.std())
    assert float(METRICS["mad"](values, concept)) == pytest.approx(expected, rel=1e-6)


def test_mad_weighs_graded_presence() -> None:
    values, _ = drawn(2, 60)
    shares = torch.rand(60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    without = 1 - shares
    low = (without * values).sum() / without.sum()
    of_all = without.sum() - (without**2).sum() / without.sum()
    spread = ((without * (values - low) ** 2).sum() / of_all).sqrt()
    expected = ((shares * values).sum() / shares.sum() - low) / spread
    assert float(METRICS["mad"](values, shares)) == pytest.approx(float(expected))


@pytest.mark.parametrize("noise", [0.1, 0.3])
@pytest.mark.parametrize("share", [0.4, 0.1, 0.05, 0.01])
@pytest.mark.parametrize("name", trusted())
def test_a_trusted_metric_falls_with_missing_and_with_extra_labels(
    name: str, share: float, noise: float
) -> None:
    assert falls(name, share, noise) == (True, True)


@pytest.mark.parametrize(("name", "blind"), [("auc", 0), ("mad", 0), ("wpmi", 1), ("top-recall", 1)])
def test_the_others_are_blind_to_one_of_them(name: str, blind: int) -> None:
    assert name in untrusted()
    units = [(share, noise, seed) for share in (0.4, 0.001) for noise in (0.1, 1.0) for seed in range(4)]
    assert not all(falls(name, *unit)[blind] for unit in units)


@pytest.mark.parametrize(
    ("values", "presence", "said"),
    [
        (torch.rand(4), torch.rand(5), "the same images"),
        (torch.rand(0), torch.rand(0), "the same images"),
        (torch.tensor([1.0, float("nan")]), torch.zeros(2), "not all finite"),
        (torch.rand(3), torch.tensor([0.0, 2.0, 1.0]), "allowed is"),
    ],
)
def test_what_cannot_be_measured_is_said(values: Tensor, presence: Tensor, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        METRICS["auc"](values, presence)
