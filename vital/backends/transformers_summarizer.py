"""Summarizers that are language models of transformers, on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vital.backends._loading import Device, Dtype, with_transformers
from vital.backends.prompts import Chat


@dataclass(frozen=True, eq=False)
class LanguageModel(Chat):
    """A causal language model, asked in its own chat template where it has one.

    `length` is the most tokens of an answer, which is the likeliest, word by word.
    """

    network: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    name: str
    length: int = 120

    @torch.no_grad()
    def answer(self, messages: list[dict[str, str]]) -> str:
        """Give the model's answer to a chat."""
        given = self._given(messages)
        ids = given["input_ids"]
        filler = self.tokenizer.pad_token_id
        found = self.network.generate(
            **given,
            max_new_tokens=self.length,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=self.tokenizer.eos_token_id if filler is None else filler,
        )
        return str(self.tokenizer.decode(found[0, ids.shape[1] :], skip_special_tokens=True))

    def _given(self, messages: list[dict[str, str]]) -> dict[str, Tensor]:
        if self.tokenizer.chat_template:
            given = self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
        else:
            asked = "\n\n".join(message["content"] for message in messages)
            given = self.tokenizer(f"{asked}\n\nAnswer:\n", return_tensors="pt")
        return {key: given[key].to(self.network.device) for key in ("input_ids", "attention_mask")}


def from_transformers(
    name: str, *, device: Device = None, dtype: Dtype = None, length: int = 120
) -> LanguageModel:
    """Load a language model from a folder, from the cache of the hub, or from the hub.

    Code of a repository is never run. Raises `WeightsError`, `MissingDependencyError` and `InvalidValueError`.
    """

    def make(network: Any, part: Callable[[str], Any], label: str) -> LanguageModel:
        return LanguageModel(network, part("AutoTokenizer"), label, length)

    return with_transformers(name, "AutoModelForCausalLM", make, "summarizers", "llm", device, dtype)
