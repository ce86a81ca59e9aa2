import pytest
import torch

from vital.backends import Simplifier, Summarizer, load_summarizer
from vital.errors import InvalidValueError, WeightsError

pytest.importorskip("transformers")

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} : {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}assistant :{% endif %}"
)
CAPTIONS = ["a red cube", "a red sphere on grass"]


@pytest.fixture
def load(made):
    def load(template=None, mute=False, **options):
        folder = made("llama", template=template, mute=mute)
        return load_summarizer(f"transformers:{folder}", **{"length": 6, **options})

    return load


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_what_is_read_is_the_answer_and_not_the_question(load, template):
    summarizer = load(template, mute=True)
    assert isinstance(summarizer, Summarizer)
    assert summarizer.summarize(CAPTIONS, 3) == ["cube cube cube cube cube cube"]
    assert summarizer.summarize([], 3) == []


def test_the_question_goes_through_the_models_own_template(load):
    ids = load(TEMPLATE)._given([{"role": "user", "content": "describe the cube"}])["input_ids"][0]
    assert load(TEMPLATE).tokenizer.decode(ids) == "user : describe the cube assistant :"
    plain = load()._given([{"role": "user", "content": "describe the cube"}])["input_ids"][0]
    assert load().tokenizer.decode(plain).startswith("describe the cube")


def test_the_likeliest_words_are_those_of_a_search_by_hand(load):
    summarizer = load(TEMPLATE)
    messages = [{"role": "user", "content": "describe the red cube"}]
    ids, written = summarizer._given(messages)["input_ids"], []
    with torch.no_grad():
        for _ in range(6):
            best = int(summarizer.network(input_ids=ids).logits[0, -1].argmax())
            if best == summarizer.tokenizer.eos_token_id:
                break
            written.append(best)
            ids = torch.cat([ids, torch.tensor([[best]])], dim=1)
    assert written
    assert summarizer.answer(messages) == summarizer.tokenizer.decode(written, skip_special_tokens=True)
    assert summarizer.answer(messages) == summarizer.answer(messages)


def test_half_precision_is_what_was_asked_for(load):
    assert load(dtype="bfloat16").network.dtype == torch.bfloat16
    assert load().network.dtype == torch.float32


def test_what_cannot_be_is_one_sentence(load, hub, tmp_path):
    with pytest.raises(InvalidValueError, match="0 descriptions are asked for"):
        load().summarize(CAPTIONS, 0)
    with pytest.raises(WeightsError, match="cannot be loaded: "):
        load_summarizer(f"transformers:{tmp_path}")
    with pytest.raises(
        WeightsError, match="; where there is a network: hf download someone/small; or write a folder"
    ):
        load_summarizer("transformers:someone/small")


def test_captions_are_brought_to_phrases(load):
    summarizer = load(TEMPLATE, mute=True)
    assert isinstance(summarizer, Simplifier)
    assert summarizer.simplify(["a red cube", "snow"]) == ["cube cube cube cube cube cube"] * 2
    assert summarizer.simplify([]) == []
