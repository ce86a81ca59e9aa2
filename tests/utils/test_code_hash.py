"""Makers of the user's own are told apart by all that makes their answers, and by nothing else."""

import functools
import re
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from vital.utils.hashing import identity

BODY = """
import re
from dataclasses import dataclass
PROMPT = {prompt!r}
WORDS = {{"a", "b", "c"}}
def helper(text):
    return text {change}
class Own:
    name = "own"
    style = {style!r}
    def __init__(self, length=5):
        self.length = length
        self.asked = []
        self.count = 0
    def describe(self, images):
        self.asked.append(len(images))
        self.count += 1
        return [helper(PROMPT + self.style) for _ in images if "x" in {{"x", "y"}}]
"""


def own(prompt="say", change="+ '.'", style="plain", **options):
    module = types.ModuleType("own_module")
    exec(BODY.format(prompt=prompt, change=change, style=style), vars(module))  # noqa: S102
    return module.Own(**options)


def test_the_same_code_and_options_are_the_same_maker():
    assert identity(own()) == identity(own())


@pytest.mark.parametrize(
    "other", [{"prompt": "tell"}, {"change": "+ '!'"}, {"style": "short"}, {"length": 9}], ids=str
)
def test_another_prompt_helper_or_option_is_another_maker(other):
    assert identity(own()) != identity(own(**other))


def test_an_attribute_set_later_is_an_option():
    first, second = own(), own()
    second.length = 7
    assert identity(first) != identity(second)
    second.length, second.extra = 5, "prompt"
    assert identity(first) != identity(second)


def test_what_is_counted_while_answering_is_no_option():
    maker = own()
    before = identity(maker)
    maker.describe(["image"])
    assert maker.asked == [1]
    assert identity(maker) == before


def made(prompt: str, seen: list):
    class Own:
        name = "own"

        def describe(self, images):
            seen.append(1)
            return [prompt for _ in images]

    return Own()


def test_closures_are_looked_into():
    assert identity(made("a", [])) == identity(made("a", [1, 2])) != identity(made("b", []))


def by(call):
    return types.SimpleNamespace(name="own", describe=call)


def test_functions_kept_as_attributes_are_looked_into():
    def say(word, images):
        return [word for _ in images]

    calls = [
        lambda images: ["a" for _ in images],
        lambda images: ["b" for _ in images],
        functools.partial(say, "a"),
        functools.partial(say, "b"),
        made("a", []).describe,
        made("b", []).describe,
    ]
    found = [identity(by(call)) for call in calls]
    assert len(set(found)) == len(found)
    assert identity(by(functools.partial(say, "a"))) == found[2]


def test_weights_tensors_patterns_and_paths_are_options():
    def holding(value):
        return types.SimpleNamespace(name="own", part=value)

    torch.manual_seed(0)
    values = [
        torch.zeros(2),
        torch.ones(2),
        re.compile("a"),
        re.compile("b"),
        Path("a"),
        Path("b"),
        {"b"},
        {"a"},
    ]
    values += [torch.nn.Linear(2, 2), torch.nn.Linear(2, 2), [torch.zeros(3)], {"a": torch.zeros(4)}]
    found = [identity(holding(value)) for value in values]
    assert len(set(found)) == len(found)


@dataclass
class Keyed:
    """A maker with a key, and with numbers of tokens, which are no keys."""

    name: str = "keyed"
    api_key: str = "sk-1"
    max_tokens: int = 5


def test_a_key_is_no_option_and_a_number_of_tokens_is_one():
    assert identity(Keyed()) == identity(Keyed(api_key="sk-2")) != identity(Keyed(max_tokens=6))


def test_a_maker_may_say_what_it_is():
    def saying(fingerprint, prompt="a"):
        return types.SimpleNamespace(name="own", prompt=prompt, fingerprint=fingerprint)

    assert identity(saying("1")) == identity(saying(lambda: "1", prompt="b")) != identity(saying("2"))
    assert identity(saying("")) != identity(saying("", prompt="b"))


def test_what_refers_to_itself_is_told_in_time():
    maker = own()
    maker.me = [maker, {"again": maker}]
    assert identity(maker) == identity(maker)


def test_two_processes_agree(tmp_path):
    file = tmp_path / "own_file.py"
    file.write_text(BODY.format(prompt="a", change="", style="b"), encoding="utf-8")
    ask = "from own_file import Own; from vital.utils.hashing import identity; print(identity(Own()))"
    root = str(Path(__file__).parents[2])
    said = {
        subprocess.run(
            [sys.executable, "-c", ask],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": f"{tmp_path}:{root}", "PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
