import pytest
import torch

from vital.backends import BuiltIn, ImageTextEncoder, Summarizer, load_summarizer
from vital.backends.phrases_summarizer import agreement
from vital.errors import InvalidValueError
from vital.world import caption, render, sample

CAPTIONS = ["a dog on sand", "a dog on grass", "a cat on sand", "a cat on grass", "a dog on snow"]


class Words:
    """Texts lie on an axis each, and the images lie where `near` says."""

    name = "words"

    def __init__(self, *axes: str, near: str) -> None:
        self.axes, self.near = axes, near
        self.asked: list[str] = []

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        self.asked += texts
        return torch.stack([torch.tensor([float(axis in text) for axis in self.axes]) for text in texts])

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[float(axis == self.near) for axis in self.axes]] * len(images))


def test_it_is_a_summarizer_and_its_stand_in_an_encoder() -> None:
    assert isinstance(BuiltIn(), Summarizer)
    assert isinstance(Words(near=""), ImageTextEncoder)
    assert BuiltIn().name == "built-in"
    assert BuiltIn(Words(near="")).name == "built-in (words)"


def test_captions_alone_rank_by_how_many_share() -> None:
    assert BuiltIn().summarize(CAPTIONS, 3) == ["dog", "cat", "grass"]
    assert BuiltIn().summarize(CAPTIONS, 1) == ["dog"]
    assert BuiltIn().summarize([], 3) == []


def test_images_move_what_the_encoder_agrees_with_to_the_front() -> None:
    images = torch.zeros(2, 3, 8, 8)
    for near in ("cat", "sand"):
        encoder = Words("dog", "cat", "sand", near=near)
        assert BuiltIn(encoder).summarize(CAPTIONS[:4], 2, images)[0] == near
    assert sorted(encoder.asked) == ["cat", "dog", "grass", "sand"]


def test_without_images_the_encoder_is_not_asked() -> None:
    encoder = Words("cat", near="cat")
    assert BuiltIn(encoder).summarize(CAPTIONS, 1) == ["dog"]
    assert BuiltIn(encoder).summarize(CAPTIONS, 1, torch.zeros(0, 3, 8, 8)) == ["dog"]
    assert encoder.asked == []


def test_agreement_is_the_mean_cosine() -> None:
    class Fixed(Words):
        def encode_image(self, images):
            return torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])

    found = agreement(Fixed("a", "b", near=""), ["a", "b", "ab", "c"], torch.zeros(3, 3, 4, 4))
    assert found.tolist() == pytest.approx([2 / 3, 1 / 3, 1, 0])


def test_ranks_add_standard_scores_of_weight_and_agreement() -> None:
    """dog 3, cat/grass/sand 2 of 5 each: z(dog) = 1.5, the others −0.5; agreement 0, 0, 0, 1 gives ∓ the same."""
    encoder = Words("sand", near="sand")
    assert BuiltIn(encoder).summarize(CAPTIONS, 4, torch.zeros(1, 3, 4, 4)) == ["dog", "sand", "cat", "grass"]


def test_a_count_below_one_and_a_name_are_refused() -> None:
    with pytest.raises(
        InvalidValueError, match=r"^0 descriptions are asked for; allowed are whole numbers from 1$"
    ):
        BuiltIn().summarize(CAPTIONS, 0)
    with pytest.raises(InvalidValueError, match="takes no name, and got 'x'"):
        load_summarizer("built-in:x")


def test_two_calls_give_the_same() -> None:
    scenes = sample(torch.Generator().manual_seed(2), 6, solid="cube")
    captions = [caption(scene) for scene in scenes]
    images = render(scenes, 32)
    encoder = Words("cube", "snow", "red", near="red")
    assert BuiltIn(encoder).summarize(captions, 9, images) == BuiltIn(encoder).summarize(captions, 9, images)
