from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest
import torch

from tests.backends.tiny import blip
from vital.backends import BuiltIn, Captioner, ImageGenerator, Summarizer, load_captioner, load_generator
from vital.backends.response_cache import CachedCaptioner, CachedGenerator, CachedSummarizer, ResponseCache
from vital.describing import Context
from vital.describing.base import cached_backends
from vital.errors import InvalidValueError, ModelError, RunError
from vital.models import Model
from vital.utils.hashing import identity, picture_hash


@dataclass
class Counted:
    """A backend of all kinds that counts what it is asked."""

    name: str = "counted"
    prompt: str = "say"
    api_key: str = "sk-very-secret"
    asked: list = field(default_factory=list, init=False)

    def describe(self, images):
        self.asked.append(("describe", len(images)))
        return [f"{self.prompt} {image.mean():.3f}" for image in images]

    def summarize(self, captions, count, images=None):
        self.asked.append(("summarize", tuple(captions), count))
        return [*captions[:count]]

    def simplify(self, captions):
        self.asked.append(("simplify", tuple(captions)))
        return [caption.split()[-1] for caption in captions]

    def generate(self, text, count, seed):
        self.asked.append(("generate", text, count, seed))
        return torch.rand(count, 3, 5, 7, generator=torch.Generator().manual_seed(seed))


def pictures(*levels: float) -> torch.Tensor:
    return torch.stack([torch.full((3, 4, 4), level) for level in levels])


def folder_text(folder) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file())


def test_what_is_kept_is_a_backend_itself(tmp_path):
    answers, backend = ResponseCache(tmp_path), Counted()
    for kept, protocol in (
        (answers.captioner(backend), Captioner),
        (answers.summarizer(backend), Summarizer),
        (answers.generator(backend), ImageGenerator),
    ):
        assert isinstance(kept, protocol)
        assert kept.name == "counted"


def test_a_caption_is_asked_for_once_whatever_its_company(tmp_path):
    backend = Counted()
    captioner = ResponseCache(tmp_path).captioner(backend)
    first = captioner.describe(pictures(0.2, 0.4, 0.2))
    assert first == ["say 0.200", "say 0.400", "say 0.200"]
    assert backend.asked == [("describe", 2)]
    again = ResponseCache(tmp_path).captioner(backend).describe(pictures(0.4, 0.6))
    assert again == ["say 0.400", "say 0.600"]
    assert backend.asked == [("describe", 2), ("describe", 1)]


def test_a_summary_is_kept_under_the_order_the_count_and_the_images(tmp_path):
    backend = Counted()
    summarizer = ResponseCache(tmp_path).summarizer(backend)
    for captions, count, images in (
        (["a", "b"], 1, None),
        (["b", "a"], 1, None),
        (["a", "b"], 2, None),
        (["a", "b"], 2, pictures(0.1)),
        (["a", "b"], 2, pictures(0.9)),
    ):
        first = summarizer.summarize(captions, count, images)
        assert first == captions[:count] == summarizer.summarize(captions, count, images)
    assert len(backend.asked) == 5
    assert (
        summarizer.simplify(["a red cube", "snow"])
        == ["cube", "snow"]
        == summarizer.simplify(["a red cube", "snow"])
    )
    assert backend.asked[5:] == [("simplify", ("a red cube",)), ("simplify", ("snow",))]


def test_images_come_back_as_they_were_the_first_time(tmp_path):
    backend = Counted()
    generator = ResponseCache(tmp_path).generator(backend)
    first = generator.generate("a cube", 3, 5)
    assert first.shape == (3, 3, 5, 7)
    assert float((first - backend.generate("", 3, 5)).abs().max()) <= 0.5 / 255 + 1e-6
    torch.testing.assert_close(
        ResponseCache(tmp_path).generator(backend).generate("a cube", 3, 5), first, rtol=0, atol=0
    )
    generator.generate("a cube", 3, 6)
    generator.generate("a cube", 2, 5)
    generator.generate("A cube", 3, 5)
    assert [asked[1:] for asked in backend.asked if asked[1]] == [
        ("a cube", 3, 5), ("a cube", 3, 6), ("a cube", 2, 5), ("A cube", 3, 5)
    ]  # fmt: skip


def test_a_replay_needs_no_backend(tmp_path):
    answers, backend = ResponseCache(tmp_path), Counted()
    said = answers.captioner(backend).describe(pictures(0.2))
    summed = answers.summarizer(backend).summarize(["x"], 1)
    short = answers.summarizer(backend).simplify(["a red cube"])
    made = answers.generator(backend).generate("cube", 2, 0)
    replay = ResponseCache(tmp_path, replay=True)
    assert replay.captioner("counted").describe(pictures(0.2)) == said
    assert replay.summarizer("counted").summarize(["x"], 1) == summed
    assert replay.summarizer("counted").simplify(["a red cube"]) == short
    assert torch.equal(replay.generator("counted").generate("cube", 2, 0), made)
    assert replay.spent == 0
    for miss in (
        lambda: replay.captioner("counted").describe(pictures(0.3)),
        lambda: replay.summarizer(backend).summarize(["y"], 1),
        lambda: replay.generator("counted").generate("cone", 2, 0),
    ):
        with pytest.raises(
            ModelError, match=r"counted: an answer is not kept in .*; run it once without replay"
        ):
            miss()
    with pytest.raises(ModelError, match="no answer of the captioner other is kept"):
        replay.captioner("other")
    with pytest.raises(ModelError, match="known by its name alone"):
        ResponseCache(tmp_path).captioner("counted").describe(pictures(0.9))


def test_a_spent_budget_is_one_sentence_and_nothing_is_lost(tmp_path):
    backend = Counted()
    answers = ResponseCache(tmp_path, calls=2)
    with pytest.raises(ModelError, match="the budget of 2 calls is spent; answers so far are kept"):
        answers.captioner(backend).describe(pictures(0.1, 0.2, 0.3))
    assert backend.asked == [("describe", 2)]
    more = ResponseCache(tmp_path, calls=1)
    assert more.captioner(backend).describe(pictures(0.1, 0.2, 0.3)) == [
        "say 0.100",
        "say 0.200",
        "say 0.300",
    ]
    assert backend.asked == [("describe", 2), ("describe", 1)]
    for ask in (
        lambda: more.summarizer(backend).summarize(["x"], 1),
        lambda: more.generator(backend).generate("x", 1, 0),
    ):
        with pytest.raises(ModelError, match="budget of 1"):
            ask()
    with pytest.raises(InvalidValueError, match="calls is -1"):
        ResponseCache(tmp_path, calls=-1)


def test_no_key_is_kept_and_another_key_finds_the_same_answers(tmp_path):
    backend = Counted()
    ResponseCache(tmp_path).summarizer(backend).summarize(["x"], 1)
    ResponseCache(tmp_path).captioner(backend).describe(pictures(0.5))
    assert "secret" not in folder_text(tmp_path)
    other = replace(backend, api_key="sk-other")
    assert identity(other) == identity(backend)
    assert ResponseCache(tmp_path).summarizer(other).summarize(["x"], 1) == ["x"]
    assert other.asked == []


def test_other_options_and_other_weights_are_another_backend(tmp_path):
    backend = Counted()
    ResponseCache(tmp_path).captioner(backend).describe(pictures(0.5))
    told = replace(backend, prompt="tell")
    assert ResponseCache(tmp_path).captioner(told).describe(pictures(0.5)) == ["tell 0.500"]
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    captioner = load_captioner(f"transformers:{blip(tmp_path / 'blip')}")
    known = identity(captioner)
    assert identity(captioner) == known != identity(replace(captioner, length=7))
    assert identity(replace(captioner, batch=1)) == known
    with torch.no_grad():
        next(captioner.network.parameters()).add_(1)
    assert identity(captioner) != known


def test_pictures_are_told_by_8_bits_and_shape():
    picture = torch.rand(3, 4, 6)
    assert picture_hash(picture) == picture_hash(picture + 1e-9)
    assert picture_hash(picture) != picture_hash(picture.clone().index_fill_(1, torch.tensor([0]), 0.0))
    assert picture_hash(picture) != picture_hash(picture.reshape(3, 6, 4))


def test_a_line_that_was_cut_off_is_passed_over(tmp_path):
    backend = Counted()
    ResponseCache(tmp_path).captioner(backend).describe(pictures(0.1, 0.2))
    path = tmp_path / "captioner.jsonl"
    path.write_text(path.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    assert ResponseCache(tmp_path).captioner(backend).describe(pictures(0.1, 0.2)) == [
        "say 0.100",
        "say 0.200",
    ]
    assert backend.asked == [("describe", 2), ("describe", 1)]
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    assert json.loads(lines[-1])[1] == "say 0.200"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        ResponseCache(tmp_path / "file").captioner(Counted())


def test_the_backends_of_a_context_are_wrapped_once(tmp_path):
    model = Model(torch.nn.Flatten(), size=(4, 4))
    context = Context(model, captioner=Counted(), summarizer=BuiltIn(), generator=load_generator("world"))
    answers = ResponseCache(tmp_path)
    once = cached_backends(context, answers)
    assert isinstance(once.captioner, CachedCaptioner)
    assert isinstance(once.generator, CachedGenerator)
    assert isinstance(once.summarizer, BuiltIn)
    twice = cached_backends(once)
    assert (twice.captioner, twice.generator) == (once.captioner, once.generator)
    assert isinstance(
        cached_backends(replace(context, summarizer=Counted()), answers).summarizer, CachedSummarizer
    )
    made = once.generator.generate("red cube", 2, 0)
    torch.testing.assert_close(made, load_generator("world").generate("red cube", 2, 0), rtol=0, atol=1e-6)


def test_what_is_no_answer_is_asked_again_and_a_replay_goes_on(tmp_path):
    @dataclass
    class Refusing(Counted):
        """Refuses the first time."""

        def describe(self, images):
            self.asked.append(len(images))
            return ["I'm sorry, I can't see the image." if len(self.asked) == 1 else "a dog" for _ in images]

        def summarize(self, captions, count, images=None):
            self.asked.append("summarize")
            return ["None"] if len(self.asked) == 1 else ["dog", "I cannot say more"]

    captioner, shown = Refusing(), pictures(0.2)
    assert ResponseCache(tmp_path).captioner(captioner).describe(shown) == [""]
    assert ResponseCache(tmp_path, replay=True).captioner("counted").describe(shown) == [""]
    assert ResponseCache(tmp_path).captioner(captioner).describe(shown) == ["a dog"]
    assert ResponseCache(tmp_path, replay=True).captioner("counted").describe(shown) == ["a dog"]
    summarizer = Refusing()
    assert ResponseCache(tmp_path).summarizer(summarizer).summarize(["x"], 2) == []
    assert ResponseCache(tmp_path, replay=True).summarizer(summarizer).summarize(["x"], 2) == []
    assert ResponseCache(tmp_path).summarizer(summarizer).summarize(["x"], 2) == ["dog"]
    assert "sorry" not in folder_text(tmp_path)


def test_fresh_passes_over_what_was_kept_and_keeps_what_is_new(tmp_path):
    backend = Counted()
    for answers in (ResponseCache(tmp_path), ResponseCache(tmp_path, fresh=True), ResponseCache(tmp_path)):
        for _ in range(2):
            answers.captioner(backend).describe(pictures(0.2))
            answers.summarizer(backend).summarize(["x"], 1)
            answers.generator(backend).generate("x", 1, 0)
    assert [asked[0] for asked in backend.asked] == ["describe", "summarize", "generate"] * 2
    with pytest.raises(InvalidValueError, match="give one of the two"):
        ResponseCache(tmp_path, fresh=True, replay=True)


def test_weights_that_differ_in_a_single_value_are_another_backend():
    class Maker:
        name = "maker"

        def __init__(self):
            self.network = torch.nn.Linear(50, 50)
            torch.nn.init.zeros_(self.network.weight)

        def describe(self, images):
            return [str(self.network(images.mean()))]

    maker = Maker()
    before = identity(maker)
    assert identity(maker) == before
    maker.network.weight.data[31, 17] += 1e-3
    assert identity(maker) != before


class Odd:
    """A backend that gives one answer to everything."""

    name = "odd"

    def __init__(self, answer):
        self.answer = answer

    def describe(self, images):
        return self.answer

    def summarize(self, captions, count, images=None):
        return self.answer

    def generate(self, text, count, seed):
        return self.answer


@pytest.mark.parametrize(
    "answer", [None, 7, "ab", ["a"], ["a", 7], [b"a", b"b"], {"a": 1, "b": 2}, iter("ab")]
)
def test_a_captioner_gives_a_text_for_each_image(answer, tmp_path):
    with pytest.raises(ModelError, match=r"^odd gives .*; needed is a list of 2 texts"):
        ResponseCache(tmp_path).captioner(Odd(answer)).describe(torch.rand(2, 3, 4, 4))


@pytest.mark.parametrize("answer", [None, 7, "ab", [7], [b"a"], [None]])
def test_a_summarizer_gives_texts(answer, tmp_path):
    with pytest.raises(ModelError, match=r"^odd gives .*; needed is a list of texts"):
        ResponseCache(tmp_path).summarizer(Odd(answer)).summarize(["a"], 1)


@pytest.mark.parametrize(
    "answer", [None, [], torch.rand(1, 3, 4, 4), torch.rand(2, 4, 4, 3), torch.rand(2, 3, 0, 4)]
)
def test_a_generator_gives_pictures(answer, tmp_path):
    with pytest.raises(ModelError, match=r"^odd gives .*; needed is one of shape"):
        ResponseCache(tmp_path).generator(Odd(answer)).generate("a", 2, 0)


@pytest.mark.parametrize("kept", [7, None, "x", {"a": 1}, [[1]]])
def test_kept_answers_of_another_kind_are_asked_for_again(kept, tmp_path):
    first = ResponseCache(tmp_path)
    first.summarizer(Odd(["a cat"])).summarize(["a"], 1)
    file = tmp_path / "summarizer.jsonl"
    key = json.loads(file.read_text())[0]
    file.write_text(json.dumps([key, kept]) + "\n")
    found = ResponseCache(tmp_path).summarizer(Odd(["a cat"])).summarize(["a"], 1)
    assert all(isinstance(text, str) for text in found)
