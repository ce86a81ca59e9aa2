import math
import re
import tempfile
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.functional import gaussian_blur

import vital
from tests import toy
from vital.comparing import ClassJudge, Shown, build_context, compare
from vital.comparing.base import MEASURES, better, ranked
from vital.comparing.build import held_out_layers
from vital.comparing.measures import _of_sets
from vital.comparing.measures import measured as kept_measured
from vital.comparing.records import squinted
from vital.comparing.renderer import Renderer
from vital.comparing.score_cache import ScoreCache
from vital.comparing.variants import real_images
from vital.errors import InvalidValueError, UsageError
from vital.metrics import kernel_distance, natural_statistics, path_similarity
from vital.rendering import stages

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
    *(
        "distance (optimized)",
        "distance (held out)",
        "path similarity",
        "diversity",
        "judge other, squinting",
    ),
    *("HOG", "contrast, of natural", "saturation, of natural", "spectral slope, off natural"),
    "clipped, off natural",
)


class Encoder:
    """Texts and pictures in one space: the mean colors, and class i at fixed points of it."""

    name = "colors"

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(images.float().mean((2, 3)) - 0.5, dim=1)

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        seeds = [sum(map(ord, text)) for text in texts]
        rows = [torch.randn(3, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.nn.functional.normalize(torch.stack(rows), dim=1)


@pytest.fixture
def context(bank, units, model):
    judge = ClassJudge(toy.wrap(toy.seeded(toy.network(), 1), name="other"), model)
    return build_context(bank, units, judges=[judge], encoder=Encoder())


def values(scores, metric: str) -> list[float]:
    """Of a metric, or of all that begin so where none has that name."""
    names = {s.metric for s in scores}
    found = [
        s.value for s in scores if (s.metric == metric if metric in names else s.metric.startswith(metric))
    ]
    assert found, f"{metric} was not measured"
    return found


def mean(found: list[float]) -> float:
    return sum(found) / len(found)


@pytest.fixture
def real(context, units, tmp_path) -> Shown:
    return real_images(Renderer(tmp_path, context.model, units, context.bank), 3)


def measured(context, shown: Shown):
    with tempfile.TemporaryDirectory() as folder:
        return kept_measured(context, shown, ScoreCache(Path(folder)))


def test_every_measure_gives_finite_numbers_with_a_known_way(context, real) -> None:
    found = measured(context, real)
    for prefix in MEASURED:
        assert all(math.isfinite(v) for v in values(found, prefix))
    assert all(better(score.metric) for score in found)


def test_a_picture_scores_the_same_in_any_company(context, real) -> None:
    whole = {(s.metric, s.unit, s.seed): s.value for s in measured(context, real) if s.unit}
    first = [i for i, seed in enumerate(real.seeds) if seed == 0]
    alone = Shown("real", tuple(real.units[i] for i in first), (0,) * len(first), real.images[first])
    found = [s for s in measured(context, alone) if s.unit]
    assert {s.metric for s in found} == {m for m, _, _ in whole} - {"diversity"}
    for score in found:
        there = whole[score.metric, score.unit, score.seed]
        assert score.value == pytest.approx(there, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("batch", [1, 5])
def test_no_number_depends_on_how_many_pictures_are_looked_at_together(
    context, real, monkeypatch, batch
) -> None:
    whole = {(s.metric, s.unit, s.seed): s.value for s in measured(context, real)}
    for name in ("context", "build", "measures"):
        monkeypatch.setattr(import_module(f"vital.comparing.{name}"), "BATCH", batch)
    other = replace(context)  # features of natural images are worked out anew
    for score in measured(other, real):
        there = whole[score.metric, score.unit, score.seed]
        assert score.value == pytest.approx(there, rel=1e-3, abs=1e-4)


def test_blurring_natural_images_costs_what_is_measured_at_layers(context, real) -> None:
    blurred = Shown("blurred", real.units, real.seeds, gaussian_blur(real.images, 9, 3.0))
    sharp, soft = measured(context, real), measured(context, blurred)
    for metric in ("Fréchet", "kernel", "distance (optimized)", "distance (held out)"):
        assert mean(values(soft, metric)) > mean(values(sharp, metric))
    assert mean(values(soft, "path")) < mean(values(sharp, "path"))


def test_exchanged_units_cost_what_is_measured_of_units(context, bank, units) -> None:
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
    right, false = measured(context, own), measured(context, wrong)
    assert mean(values(false, "percentile")) < mean(values(right, "percentile"))
    assert mean(values(false, "own rank")) > mean(values(right, "own rank"))


def outputs(model, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.module.eval()(model.normalize(images))


def test_own_accuracy_rank_and_judge_equal_an_argsort(context, real, model) -> None:
    rows = [i for i, unit in enumerate(real.units) if unit.layer == "class"]
    found = measured(context, real)
    order = outputs(model, real.images[rows]).argsort(1, descending=True).tolist()
    ranks = [1 + order[k].index(real.units[i].index) for k, i in enumerate(rows)]
    assert values(found, "own rank") == ranks
    assert values(found, "own accuracy") == [float(rank == 1) for rank in ranks]
    seen = outputs(context.judges[0].model, real.images[rows]).argmax(1).tolist()
    assert values(found, "judge other") == [
        float(number == real.units[i].index) for number, i in zip(seen, rows, strict=True)
    ]


def test_percentile_equals_a_count_of_natural_images(context, bank, real, model) -> None:
    natural = outputs(model, bank.tensor(range(len(bank.images))))
    own = outputs(model, real.images)
    for i, score in enumerate(s for s in measured(context, real) if s.metric == "percentile"):
        unit = real.units[i]
        if unit.layer == "class":
            below = (natural[:, unit.index] < own[i, unit.index] - 1e-5).double().mean()
            assert score.value == pytest.approx(100 * float(below), abs=100 / len(natural) + 1e-6)


def test_zero_shot_equals_a_slow_ranking(context, real) -> None:
    encoder, found = context.encoder, measured(context, real)
    ranks = []
    for unit, picture in zip(real.units, real.images, strict=True):
        if unit in context.questions:
            asked = context.questions[unit]
            near = [
                float(encoder.encode_text([f"{c}"])[0] @ encoder.encode_image(picture[None])[0])
                for c in asked.choices
            ]
            own = near[asked.choices.index(asked.answer)]
            ranks.append(sum(value >= own for value in near))
    assert values(found, "zero shot@1") == [float(rank <= 1) for rank in ranks]
    assert values(found, "zero shot@5") == [float(rank <= 5) for rank in ranks]


@pytest.mark.parametrize(("choices", "tops"), [(5, {1}), (6, {1, 5})])
def test_a_rank_that_nothing_can_miss_is_no_score(context, real, choices: int, tops: set[int]) -> None:
    few = {
        unit: replace(asked, choices=tuple(dict.fromkeys((asked.answer, *asked.choices)))[:choices])
        for unit, asked in context.questions.items()
    }
    found = MEASURES["zero-shot"].scores(replace(context, questions=few), real)
    assert {score.metric.split()[1] for score in found} == {f"shot@{top}" for top in tops}


@pytest.mark.parametrize("prompt", ["a photo", "", "{} and {}"])
def test_a_prompt_without_one_place_for_the_words_is_refused(bank, units, prompt) -> None:
    for call in (
        build_context,
        lambda bank, units, prompt: compare(bank.model, units, bank=bank, prompt=prompt),
    ):
        with pytest.raises(
            InvalidValueError, match=re.escape(f"the prompt is {prompt!r}; allowed is one {{}} in it")
        ):
            call(bank, units, prompt=prompt)


def test_other_braces_of_a_prompt_stay(bank, units) -> None:
    found = build_context(bank, units, encoder=Encoder(), prompt="{a} {}").embedded(["cat"])
    assert torch.equal(found, Encoder().encode_text(["{a} cat"]))


def test_the_prompt_stands_in_the_name_and_is_what_the_encoder_is_asked(bank, units, real) -> None:
    found = measured(build_context(bank, units, encoder=Encoder(), prompt="a photo of a {}"), real)
    assert any(score.metric == "zero shot@1 colors, “a photo of a {}”" for score in found)


def test_distance_equals_slow_sorting(context, real) -> None:
    unit = real.units[0]
    scores = [s for s in measured(context, real) if s.unit == str(unit) and s.seed == 0]
    for kind, layers in (("optimized", context.optimized), ("held out", context.held_out)):
        slow = [
            slow_distance(context, unit, real.images[:1], layer)
            for layer in context.upstream_layers(unit, layers)
        ]
        (mean_of_them,) = [s.value for s in scores if s.metric == f"distance ({kind})"]
        assert mean_of_them == pytest.approx(mean(slow), rel=1e-4)
        parts = [s.value for s in scores if s.metric.startswith(f"distance ({kind}) · ")]
        assert parts == pytest.approx(slow, rel=1e-4)


def slow_distance(context, unit, picture: torch.Tensor, layer: str) -> float:
    """Of every channel, and over every rank: squared difference of sorted activations, over their variance."""
    wanted = context.bank.template(unit, [layer], count=context.natural).layers[layer].double()
    act = []
    hook = context.model.module.get_submodule(layer).register_forward_hook(
        lambda _m, _i, out: act.append(out)
    )
    outputs(context.model, picture)
    hook.remove()
    own = act[0][0].flatten(1).double()
    total = sum(
        float(((channel.sort().values - want) ** 2).mean()) for channel, want in zip(own, wanted, strict=True)
    )
    return total / len(own) / float(wanted.var(correction=0))


def test_classes_that_are_exchanged_are_seen_by_all_who_name_them() -> None:
    """Pictures that network, judge and encoder name right are named wrong once their labels have moved on."""
    first, second, last = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Linear(3, 3)
    layers = [first, nn.ReLU(), second, nn.ReLU(), nn.AvgPool2d(8), nn.Flatten(), last]
    for layer in (first, second, last):
        nn.init.zeros_(layer.bias)
        layer.weight.data.copy_(torch.eye(3).view_as(layer.weight))
    model = vital.Model(nn.Sequential(*layers), name="rgb", size=(8, 8), classes=("red", "green", "blue"))
    pure = torch.eye(3).view(3, 3, 1, 1)
    pixels = (0.5 * torch.rand(30, 3, 8, 8) + 0.5 * pure[torch.arange(30) % 3]).permute(0, 2, 3, 1)
    pictures = vital.load_images((pixels * 255).byte().numpy(), labels=np.arange(30) % 3)
    bank = vital.build_bank(model, [], pictures, disk=False)
    units = tuple(model.units("class:0-2"))
    right = Shown("right", units, (0, 0, 0), pure.expand(3, 3, 8, 8).clone())
    wrong = Shown("wrong", (*units[1:], units[0]), (0, 0, 0), right.images)
    context = build_context(bank, units, judges=[ClassJudge(model, model)], encoder=Oracle(model))
    true, false = measured(context, right), measured(context, wrong)
    for metric in ("own accuracy", "judge rgb", "zero shot@1"):
        assert values(true, metric) == [1.0] * 3
        assert values(false, metric) == [0.0] * 3
    for metric in ("percentile", "path similarity"):
        assert mean(values(true, metric)) > mean(values(false, metric))
    for metric in ("own rank", "distance (optimized)", "distance (held out)"):
        assert mean(values(true, metric)) < mean(values(false, metric))


class Oracle:
    """An encoder that knows what the network says of a picture."""

    name = "oracle"

    def __init__(self, model) -> None:
        self.model = model

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        number = outputs(self.model, images).argmax(1)
        return torch.nn.functional.one_hot(number, len(self.model.classes)).float()

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        first = [name.split(",")[0] for name in self.model.classes]
        return torch.nn.functional.one_hot(torch.tensor([first.index(t) for t in texts]), len(first)).float()


def test_pictures_that_are_all_the_same_have_no_diversity(context, real) -> None:
    same = Shown("same", real.units, real.seeds, real.images[:1].expand_as(real.images).clone())
    assert mean(values(measured(context, same), "diversity")) == pytest.approx(0, abs=1e-6)
    assert mean(values(measured(context, real), "diversity")) > 0


def test_distances_of_sets_name_their_numbers_and_are_told_by_seed_and_by_layer(context, real) -> None:
    found = [s for s in measured(context, real) if s.metric.startswith("Fréchet")]
    n, natural = len(real.images), len(context.real_features())
    by_seed = [s for s in found if f"n {n // 3} to {natural})" in s.metric and "·" not in s.metric]
    assert [s.seed for s in by_seed] == [0, 1, 2]
    assert [s.seed for s in found if s.metric.endswith(f"n {n} to {natural})")] == [None]
    assert {s.metric.split(" · ")[1] for s in found if "·" in s.metric} == {"class", "layer3"}
    one = measured(context, real.alone(real.units[0]).named("few"))
    assert len([s for s in one if s.metric.startswith("Fréchet")]) == 1
    rows = [i for i, seed in enumerate(real.seeds) if seed == 0]
    once = Shown("once", [real.units[i] for i in rows], [0] * len(rows), real.images[rows])
    whole = [s for s in MEASURES["frechet"].scores(context, once) if "·" not in s.metric]
    assert [s.seed for s in whole] == [0]


@pytest.mark.parametrize(
    ("layers", "seeds", "told"),
    [
        ("a", "0", ""),
        ("aa", "00", "0:01"),
        ("aa", "01", "None:01"),
        ("aaa", "001", "None:012"),
        ("aab", "000", "0:012 None · a:01"),
        ("abab", "4422", "4:01 2:23 None:0123 None · a:02 None · b:13"),
    ],
)
def test_a_distance_is_of_each_seed_where_all_have_as_many_of_all_and_of_each_layer(
    layers, seeds, told
) -> None:
    units = tuple(map(vital.units.Unit, layers, range(9)))
    extractor = SimpleNamespace(name="ex", features=torch.flatten)
    context = SimpleNamespace(extractor=extractor, real_features=list)
    read = Shown("m", units, tuple(map(int, seeds)), torch.arange(len(units))[:, None, None, None])
    rows: list[str] = []
    found = _of_sets("d", "", lambda x, _: rows.append("".join(map(str, x.tolist()))), context, read)
    assert " ".join(f"{s.seed}{s.metric.partition(')')[2]}:{rows[-1]}" for s in found) == told


def test_the_kernel_distance_is_to_as_many_natural_images_and_says_so(context, real) -> None:
    found = [s for s in measured(context, real) if s.metric.startswith("kernel") and "·" not in s.metric]
    n, features = len(real.images), context.extractor.features(real.images)
    assert {s.metric for s in found} == {
        f"kernel ({context.extractor.name}; n {k} each)" for k in (n // 3, n)
    }
    natural = context.real_features()
    evenly = natural[torch.arange(n) * len(natural) // n]
    (whole,) = [s.value for s in found if s.seed is None]
    assert whole == pytest.approx(kernel_distance(features, evenly), rel=1e-5)


def test_path_equals_what_hooks_see_on_the_way(context, real) -> None:
    unit = real.units[0]
    layers = context.upstream_layers(unit, (*context.optimized, *context.held_out))
    others = torch.cat([context.natural_images(u) for u in dict.fromkeys(real.units) if u != unit])
    sets = [
        hooked(context.model, images, layers)
        for images in (real.images[:1], context.natural_images(unit), others)
    ]
    (score,) = [
        s.value
        for s in measured(context, real)
        if (s.metric, s.unit, s.seed) == ("path similarity", str(unit), 0)
    ]
    assert score == pytest.approx(path_similarity(*sets), rel=1e-4)


def hooked(model, images: torch.Tensor, layers) -> dict[str, torch.Tensor]:
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        model.module.get_submodule(name).register_forward_hook(
            lambda _m, _i, out, name=name: seen.update({name: out.flatten(2).mean(2)})
        )
        for name in layers
    ]
    outputs(model, images)
    for hook in hooks:
        hook.remove()
    return seen


def test_a_single_picture_is_no_set_and_all_else_is_measured(context, real) -> None:
    one = Shown("one", real.units[:1], (0,), real.images[:1])
    found = measured(context, one)
    assert not [s for s in found if s.metric.startswith(("Fréchet", "kernel", "diversity"))]
    assert values(found, "own rank")


def test_a_judge_without_a_common_class_is_refused(model) -> None:
    with pytest.raises(UsageError, match="no class in common"):
        ClassJudge(toy.wrap(toy.network(), classes=("a",) * 10), model)


def test_held_out_layers_lie_between_the_aligned_ones(model) -> None:
    found = held_out_layers(model, stages(model))
    assert found
    assert not set(found) & set(stages(model))


def test_natural_images_are_natural_and_flatter_ones_are_not(context, real, bank) -> None:
    natural = bank.tensor(range(len(bank.images)))
    found = measured(context, real)
    slow = natural_statistics(real.images, natural)
    for name, ending in (
        ("contrast", "of"),
        ("saturation", "of"),
        ("spectral slope", "off"),
        ("clipped", "off"),
    ):
        assert values(found, f"{name}, {ending} natural") == pytest.approx(slow[name].tolist(), abs=1e-6)
    flat = replace(real, images=0.5 + 0.25 * (real.images - 0.5))
    assert mean(values(measured(context, flat), "contrast, of natural")) == pytest.approx(
        mean(values(found, "contrast, of natural")) / 4, rel=1e-4
    )


def test_colors_of_grey_images_have_no_column(bank, units, model) -> None:
    grey = (toy.images(20).mean(1, keepdim=True).expand(-1, 3, -1, -1) * 255).byte().permute(0, 2, 3, 1)
    own = vital.build_bank(
        model, ["layer3"], vital.load_images(grey.numpy(), labels=np.arange(20) % 10), disk=False
    )
    shown = Shown("a", units, (0,) * len(units), toy.images(len(units)))
    found = {s.metric for s in measured(build_context(own, units), shown)}
    assert "saturation, of natural" not in found
    assert "contrast, of natural" in found


def test_a_squinting_judge_is_asked_about_what_is_left_at_a_quarter(context, real) -> None:
    soft = replace(real, images=squinted(real.images))
    assert values(measured(context, real), "judge other, squinting") == values(
        measured(context, soft), "judge other"
    )


def test_squinting_takes_fine_stripes_away_and_leaves_broad_ones() -> None:
    fine = torch.tensor([0.0, 1.0]).repeat(32).expand(1, 3, 64, 64)
    broad = torch.cat([torch.zeros(32), torch.ones(32)]).expand(1, 3, 64, 64)
    assert float((squinted(fine) - 0.5).abs().max()) < 0.1
    assert float((squinted(broad) - broad).abs().mean()) < 0.05


def test_squinting_is_at_the_networks_size_however_large_the_picture(context, real) -> None:
    large = torch.nn.functional.interpolate(real.images, scale_factor=8, mode="nearest")
    seen = []

    class Independent:
        name = "independent"

        def agrees(self, images, units) -> list[float]:
            seen.append(images.shape)
            return [1.0] * len(units)

    measured(replace(context, judges=(Independent(),)), replace(real, images=large))
    assert [shape[2:] for shape in seen] == [large.shape[2:], context.model.size]


def test_the_recognizer_says_what_it_says_and_its_accuracy_stands_in_the_name(context, real) -> None:
    found = [s for s in measured(context, real) if s.metric.startswith("HOG")]
    assert {s.metric for s in found} == {context.recognizer.name}
    said = context.recognizer.agrees(real.images, real.units)
    assert [s.value for s in found] == [value for value in said if not math.isnan(value)]
    assert {s.unit for s in found} == {"class:0", "class:1"}


def test_without_labels_there_is_no_such_column_and_a_note(model, units) -> None:
    pixels = (toy.images(40) * 255).byte().permute(0, 2, 3, 1).numpy()
    own = vital.build_bank(model, ["layer3"], vital.load_images(pixels), disk=False)
    context = build_context(own, units)
    shown = Shown("a", units, (0,) * len(units), toy.images(len(units)))
    assert not [s for s in measured(context, shown) if s.metric.startswith("HOG")]
    assert context.notes == ("HOG is not asked: array has no labels",)


def test_what_is_not_known_to_agree_with_readers_ranks_nothing() -> None:
    assert {name for name in MEASURES if not MEASURES[name].ranked} == {"own", "squint", "hog", "natural"}
    lesser = (
        "own accuracy",
        "own rank",
        "judge a, squinting",
        "HOG, 62 % of 9 held-out images",
        "clipped, off natural",
    )
    assert not any(map(ranked, lesser))
    assert all(map(ranked, ("judge a", "percentile", "steps", "twins, used", "distance (held out)")))


def test_one_word_makes_a_measure_rank(monkeypatch) -> None:
    monkeypatch.setitem(
        MEASURES.entries,
        "squint",
        replace(MEASURES.entries["squint"], item=replace(MEASURES["squint"], ranked=True)),
    )
    assert ranked("judge a, squinting")
