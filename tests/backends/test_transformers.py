import logging
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from vital.backends import Captioner, Simplifier, Summarizer, load_captioner, load_summarizer
from vital.backends.transformers import PROMPT
from vital.errors import InvalidValueError, UnknownNameError, WeightsError

pytest.importorskip("transformers")

KINDS = ["blip", "blip2", "florence2", "llava", "pair"]


@pytest.fixture
def load(made):
    def load(kind, mute=False, **options):
        return load_captioner(f"transformers:{made(kind, mute=mute)}", **{"length": 5, **options})

    return load


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_the_answer_and_not_the_question(kind, load):
    """With a head of zeros every next word is as likely, and the likeliest is the first of all."""
    captioner = load(kind, mute=True)
    assert isinstance(captioner, Captioner)
    assert captioner.describe(torch.rand(2, 3, 40, 50)) == ["cube cube cube cube cube"] * 2
    assert captioner.name.startswith("transformers:")


@pytest.mark.parametrize("kind", KINDS)
def test_captions_depend_on_the_image_and_not_on_its_company(kind, load):
    images = torch.rand(6, 3, 40, 50)
    captioner = load(kind, batch=4)
    lines = captioner.describe(images)
    assert len(lines) == 6
    assert len(set(lines)) > 1
    assert lines == [captioner.describe(image[None])[0] for image in images]
    assert not captioner.network.training


@pytest.mark.parametrize("kind", ["blip", "llava"])
def test_samples_follow_the_seed_and_disturb_nothing(kind, load):
    images, captioner = torch.rand(2, 3, 32, 32), load(kind, mute=True)
    state = torch.get_rng_state()
    first, again, other = (captioner.describe(images, samples=4, seed=s) for s in (0, 0, 1))
    assert len(first) == 8
    assert first == again != other
    assert first[4:] == captioner.describe(images[1:], samples=4, seed=0)
    assert len(set(first[:4])) > 1
    assert torch.equal(torch.get_rng_state(), state)


def test_the_likeliest_words_are_those_of_a_search_by_hand(load):
    """The network's own scores, one word at a time, without `generate`."""
    captioner = load("llava")
    image = torch.rand(1, 3, 32, 32)
    given = captioner._given(image)
    ids, written = given["input_ids"], []
    with torch.no_grad():
        for _ in range(5):
            scores = captioner.network(input_ids=ids, pixel_values=given["pixel_values"]).logits[0, -1]
            if (best := int(scores.argmax())) == captioner.processor.tokenizer.eos_token_id:
                break
            written.append(best)
            ids = torch.cat([ids, torch.tensor([[best]])], dim=1)
    assert captioner.describe(image) == [captioner.processor.decode(written, skip_special_tokens=True)]


def test_a_chat_model_is_asked_the_prompt_about_the_picture(load):
    captioner = load("llava", prompt="does the image describe the cube")
    ids = captioner._given(torch.rand(1, 3, 32, 32))["input_ids"][0]
    said = captioner.processor.decode(ids)
    assert said.endswith("does the image describe the cube assistant :")
    assert said.count("<image>") == 16
    assert load("llava").prompt == PROMPT


def test_half_precision_and_device_are_those_asked_for(load):
    captioner = load("blip", dtype="bfloat16", device="cpu")
    assert captioner.network.dtype == torch.bfloat16
    assert len(captioner.describe(torch.rand(1, 3, 32, 32))) == 1


def test_loading_is_quiet_and_leaves_logging_as_it_was(made, capfd):
    import transformers

    before = logging.root.manager.disable, transformers.utils.logging.is_progress_bar_enabled()
    folder = made("blip")
    capfd.readouterr()
    load_captioner(f"transformers:{folder}")
    assert (logging.root.manager.disable, transformers.utils.logging.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")


def without(folder, part):
    """Take a part's weights out of the file of a network."""
    file = folder / "model.safetensors"
    state = load_file(file)
    kept = {key: value for key, value in state.items() if part not in key}
    assert len(kept) < len(state)
    save_file(kept, file, {"format": "pt"})


def test_weights_that_are_missing_are_named(made, tmp_path):
    folder = shutil.copytree(made("blip"), tmp_path / "blip")
    without(folder, "vision_model")
    with pytest.raises(
        WeightsError, match=r"does not fit its network: \d+ weights are missing \(vision_model"
    ):
        load_captioner(f"transformers:{folder}")
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(WeightsError, match="cannot be loaded: "):
        load_captioner(f"transformers:{folder}")


def test_a_pooler_that_published_captioners_lack_is_not_missed(made, tmp_path):
    folder = shutil.copytree(made("pair"), tmp_path / "pair")
    without(folder, "pooler")
    image = torch.rand(1, 3, 32, 32)
    whole, lacking = (load_captioner(f"transformers:{f}") for f in (made("pair"), folder))
    assert lacking.describe(image) == whole.describe(image)


def test_folders_and_names_that_are_not_there_are_one_sentence(hub, tmp_path, capfd):
    with pytest.raises(WeightsError, match=r"there is no folder '/nowhere/blip'$"):
        load_captioner("transformers:/nowhere/blip")
    with pytest.raises(WeightsError) as caught:
        load_captioner("transformers:someone/captions")
    sentence = str(caught.value)
    assert sentence.startswith(
        "transformers:someone/captions is not on this machine and the download failed ("
    )
    assert sentence.endswith(
        "); where there is a network: hf download someone/captions; "
        "or write a folder in the place of someone/captions"
    )
    assert "\n" not in sentence
    with pytest.raises(WeightsError, match="cannot be loaded: "):
        load_captioner(f"transformers:{tmp_path}")
    assert capfd.readouterr() == ("", "")


def test_code_that_comes_with_weights_is_not_run(tmp_path):
    (tmp_path / "config.json").write_text(
        '{"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForImageTextToText": "own.M"}}'
    )
    (tmp_path / "own.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_captioner(f"transformers:{tmp_path}")


def test_options_and_arguments_that_cannot_be_are_refused(made, load):
    with pytest.raises(
        UnknownNameError, match="unknown option of transformers 'lenght'; did you mean 'length'"
    ):
        load_captioner(f"transformers:{made('blip')}", lenght=3)
    with pytest.raises(InvalidValueError, match="0 captions are asked for"):
        load("blip").describe(torch.rand(1, 3, 32, 32), samples=0)
    with pytest.raises(InvalidValueError, match=r"the images are \(1, 1, 32, 32\)"):
        load("blip").describe(torch.rand(1, 1, 32, 32))


pytest.importorskip("transformers")

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} : {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}assistant :{% endif %}"
)
CAPTIONS = ["a red cube", "a red sphere on grass"]


@pytest.fixture
def language_model(made):
    def load(template=None, mute=False, **options):
        folder = made("llama", template=template, mute=mute)
        return load_summarizer(f"transformers:{folder}", **{"length": 6, **options})

    return load


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_what_is_read_is_the_answer_and_not_the_question(language_model, template):
    summarizer = language_model(template, mute=True)
    assert isinstance(summarizer, Summarizer)
    assert summarizer.summarize(CAPTIONS, 3) == ["cube cube cube cube cube cube"]
    assert summarizer.summarize([], 3) == []


def test_the_question_goes_through_the_models_own_template(language_model):
    ids = language_model(TEMPLATE)._given([{"role": "user", "content": "describe the cube"}])["input_ids"][0]
    assert language_model(TEMPLATE).tokenizer.decode(ids) == "user : describe the cube assistant :"
    plain = language_model()._given([{"role": "user", "content": "describe the cube"}])["input_ids"][0]
    assert language_model().tokenizer.decode(plain).startswith("describe the cube")


def test_the_likeliest_answer_is_that_of_a_search_by_hand(language_model):
    summarizer = language_model(TEMPLATE)
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


def test_half_precision_is_what_was_asked_for(language_model):
    assert language_model(dtype="bfloat16").network.dtype == torch.bfloat16
    assert language_model().network.dtype == torch.float32


def test_what_cannot_be_is_one_sentence(language_model, hub, tmp_path):
    with pytest.raises(InvalidValueError, match="0 descriptions are asked for"):
        language_model().summarize(CAPTIONS, 0)
    with pytest.raises(WeightsError, match="cannot be loaded: "):
        load_summarizer(f"transformers:{tmp_path}")
    with pytest.raises(
        WeightsError, match="; where there is a network: hf download someone/small; or write a folder"
    ):
        load_summarizer("transformers:someone/small")


def test_captions_are_brought_to_phrases(language_model):
    summarizer = language_model(TEMPLATE, mute=True)
    assert isinstance(summarizer, Simplifier)
    assert summarizer.simplify(["a red cube", "snow"]) == ["cube cube cube cube cube cube"] * 2
    assert summarizer.simplify([]) == []
