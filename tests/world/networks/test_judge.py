import pytest
import torch

from vital.errors import UnknownNameError
from vital.world import Concept, Scene, Thing
from vital.world.networks.architectures import Judge
from vital.world.networks.judge import agrees, fitted, in_words, judged
from vital.world.scenes.vocabulary import FACTORS


class Always(Judge):
    """Says the same of every picture: the second value of each factor, and no accent."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        assert x.shape[1:] == (3, 64, 64)
        rows = {f: torch.zeros(len(x), len(v) + (f == "accent")) for f, v in FACTORS.items()}
        for factor, scores in rows.items():
            scores[:, -1 if factor == "accent" else 1] = 1
        return rows


def test_the_likeliest_value_of_each_factor_is_named_and_no_accent_is_empty() -> None:
    words = judged(torch.rand(3, 3, 64, 64), Always(), batch=2)
    assert len(words) == 3
    assert words[0] == {f: "" if f == "accent" else FACTORS[f][1] for f in FACTORS}


def test_a_concept_is_seen_when_all_of_its_words_are() -> None:
    words = judged(torch.rand(1, 3, 64, 64), Always())[0]
    solid, material = FACTORS["solid"], FACTORS["material"]
    assert agrees(Concept((("solid", solid[1]), ("material", material[1]))), words)
    assert not agrees(Concept((("solid", solid[1]), ("material", material[0]))), words)
    assert not agrees(Concept((("accent", "white"),)), words)


def test_what_is_seen_is_said_in_the_words_of_the_concept() -> None:
    words = {"solid": "cone", "material": "striped", "accent": ""}
    assert in_words(Concept((("material", "dotted"), ("solid", "cube"))), words) == "striped cone"
    assert in_words(Concept((("accent", "white"),)), words) == "no accent"


@pytest.mark.parametrize("side", [32, 64, 100])
def test_pictures_of_any_size_are_scaled_to_what_the_networks_know(side: int) -> None:
    pictures = torch.rand(2, 3, side, side, dtype=torch.float64)
    found = fitted(pictures)
    assert found.shape == (2, 3, 64, 64)
    assert found.dtype == torch.float32
    assert torch.equal(found, pictures.float()) == (side == 64)


def test_a_concept_that_the_world_does_not_know_is_refused() -> None:
    assert Scene(Thing()).things
    with pytest.raises(UnknownNameError, match="cube"):
        Concept((("solid", "cubes"),))
