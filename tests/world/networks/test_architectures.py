import pytest
import torch
from torch import fx, nn

from vital.errors import InvalidValueError
from vital.models import Model
from vital.tracing import list_layers
from vital.world.networks.architectures import (
    EMBEDDING,
    PLANTED,
    Captioner,
    Classifier,
    Encoder,
    Judge,
    likeliest,
    normalized,
)
from vital.world.networks.weights import wrapped
from vital.world.renderer.render import render
from vital.world.scenes.concepts import concepts
from vital.world.scenes.dataset import CLASSES
from vital.world.scenes.grammar import parse, sample
from vital.world.scenes.vocabulary import FACTORS
from vital.world.training.tasks import TASKS


def pictures(count: int = 4) -> torch.Tensor:
    return normalized(render(sample(torch.Generator().manual_seed(0), count), 64))


def test_all_networks_together_take_less_than_12_megabytes() -> None:
    numbers = {
        name: sum(v.numel() for v in task.build().state_dict().values()) for name, task in TASKS.items()
    }
    print(f"\n{ {name: f'{2e-6 * n:.2f} MB' for name, n in numbers.items()} }")
    assert 2 * sum(numbers.values()) < 12e6


def test_channel_i_of_the_planted_layer_makes_the_logit_of_concept_i() -> None:
    network = Classifier().eval()
    model = wrapped(network)
    assert list_layers(model)["planted"].channels == len(PLANTED)
    seen: list[torch.Tensor] = []
    assert isinstance(network.planted, nn.Module)
    network.planted.register_forward_hook(lambda module, given, out: seen.append(out))
    _, taught = network.both(pictures())
    assert torch.allclose(seen[0].mean((2, 3)) * network.gain + network.bias, taught)


def test_planted_concepts_are_single_and_can_be_drawn() -> None:
    drawn = sample(torch.Generator().manual_seed(0), 600)
    assert set(PLANTED) < set(concepts(pairs=False))
    assert all(any(c.holds(s) for s in drawn) for c in PLANTED)


@pytest.mark.parametrize("network", [Classifier(), Classifier(6, planted=0, width=16)])
def test_a_classifier_can_be_traced(network: Classifier) -> None:
    x = torch.randn(2, 3, 64, 64)
    traced = fx.symbolic_trace(network.eval())
    assert torch.equal(traced(x), network(x))


@pytest.mark.parametrize("size", [32, 64, 96])
def test_networks_take_other_sizes(size: int) -> None:
    x = torch.randn(2, 3, size, size)
    assert Classifier().eval()(x).shape == (2, len(CLASSES))
    assert Judge().eval()(x)["solid"].shape == (2, 8)
    assert Encoder().eval().encode_image(x).shape == (2, EMBEDDING)
    assert Captioner().eval()(x)["colour"].shape == (2, 10)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_an_image_s_scores_do_not_depend_on_its_company(task: object) -> None:
    network = TASKS["encoder"].build().image if task is TASKS["encoder"] else task.build()  # type: ignore[attr-defined]
    network = network.eval().double()
    x = pictures().double()
    together, alone = network(x), network(x[:1])
    together = torch.cat(list(together.values()), 1) if isinstance(together, dict) else together
    alone = torch.cat(list(alone.values()), 1) if isinstance(alone, dict) else alone
    assert torch.allclose(together[:1], alone, atol=1e-12)


def test_the_judge_is_of_another_architecture() -> None:
    kinds = {type(m) for m in Judge().modules()}
    assert not kinds & {nn.BatchNorm2d, nn.ReLU}


def test_a_text_is_embedded_the_same_in_company_of_longer_ones() -> None:
    encoder = Encoder().eval()
    short, long = "a red cube", "a large red and white striped cube in the middle on grass"
    alone, both = encoder.encode_text([short]), encoder.encode_text([short, long])
    assert torch.allclose(alone[0], both[0], atol=1e-5)
    assert torch.allclose(both.norm(dim=1), torch.ones(2))
    assert encoder.encode_text([""]).isfinite().all()


def test_word_order_counts_for_the_encoder() -> None:
    encoder = Encoder().eval()
    first, second = encoder.encode_text(["red and white", "white and red"])
    assert not torch.allclose(first, second, atol=1e-4)


def test_captions_of_an_untrained_captioner_are_captions() -> None:
    images = render(sample(torch.Generator().manual_seed(0), 12), 64)
    for text in Captioner().eval().describe(images):
        parse(text)


def test_the_likeliest_scene_never_has_its_color_as_accent() -> None:
    scores = {f: torch.zeros(len(v) + (f == "accent")) for f, v in FACTORS.items()}
    scores["material"][FACTORS["material"].index("striped")] = 1
    scores["colour"][0] = scores["accent"][0] = 1
    scores["accent"][3] = 0.5
    thing = likeliest(scores).thing
    assert (thing.colour, thing.accent) == (FACTORS["colour"][0], FACTORS["accent"][3])
    scores["material"][FACTORS["material"].index("glass")] = 2
    assert likeliest(scores).thing.accent == ""


def test_the_model_shows_the_world_as_it_is() -> None:
    model = wrapped(Classifier())
    assert isinstance(model, Model)
    images = render(sample(torch.Generator().manual_seed(0), 1), 64)
    assert torch.allclose(model.preprocess(images[0]), images[0], atol=1e-6)
    assert torch.allclose(model.normalize(images), normalized(images))
    assert model.classes == CLASSES


def test_a_twin_has_no_planted_units_to_score() -> None:
    with pytest.raises(InvalidValueError, match="no planted units"):
        Classifier(6, planted=0).both(torch.zeros(1, 3, 64, 64))
