"""Captioners and summarizers of transformers: networks made for captions, chat models that see, language models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vital.backends._loading import Device, Dtype, T, complete, local_first, package, pictures, placed, seeded
from vital.backends.answers import read_caption
from vital.backends.prompts import Chat, Schema
from vital.errors import InvalidValueError
from vital.types import Images

PROMPT = "Describe what this picture shows in one short sentence."
TASKS = {"florence2": "<CAPTION>", "paligemma": "caption en", "instructblip": PROMPT}
"""What networks that are no chat models want to be told, by type; those that are not here want nothing."""


@dataclass(frozen=True, eq=False)
class Transformers:
    """A network of transformers that writes about images, `batch` of them at a time.

    `prompt` is what a chat model is asked; `length` the most tokens of a caption.
    """

    network: Any = field(repr=False)
    processor: Any = field(repr=False)
    decoder: Any = field(repr=False)
    name: str
    prompt: str = PROMPT
    length: int = 40
    batch: int = 8

    def describe(self, images: Images, samples: int = 1, seed: int = 0) -> list[str]:
        """Write `samples` captions for each image in [0, 1], those of one image together.

        One is the likeliest, word by word. Several are drawn (top-p 0.9), from the seed and the image alone.
        """
        if samples < 1:
            raise InvalidValueError(f"{samples} captions are asked for; allowed are whole numbers from 1")
        if samples == 1:
            return [line for part in torch.split(images, self.batch) for line in self._written(part)]
        return list(self._drawn(images, samples, seed))

    def _drawn(self, images: Images, samples: int, seed: int) -> Iterator[str]:
        for image in torch.split(images, 1):
            with seeded(seed, self.network.device):
                yield from self._written(
                    image, do_sample=True, num_return_sequences=samples, top_p=0.9, top_k=0, temperature=1.0
                )

    @torch.no_grad()
    def _written(self, images: Images, **options: Any) -> list[str]:
        given = self._given(images)
        plain = {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}
        ids = self.network.generate(**given, max_new_tokens=self.length, **{**plain, **options})
        asked = given.get("input_ids")
        if asked is not None and ids.shape[1] > asked.shape[1]:
            repeated = asked.repeat_interleave(len(ids) // len(asked), 0)
            if torch.equal(ids[:, : asked.shape[1]], repeated):
                ids = ids[:, asked.shape[1] :]
        lines = self.decoder.batch_decode(ids, skip_special_tokens=True)
        return [read_caption(line) for line in lines]

    def _given(self, images: Images) -> dict[str, Tensor]:
        """Prepare the network's inputs as its processor wants them."""
        shown, task = pictures(images), TASKS.get(self.network.config.model_type)
        if getattr(self.processor, "chat_template", None):
            given = self.processor.apply_chat_template(
                [self._question(picture) for picture in shown],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        elif task:
            given = self.processor(images=shown, text=[task] * len(shown), return_tensors="pt")
        else:
            given = self.processor(images=shown, return_tensors="pt")
        at, kind = self.network.device, self.network.dtype
        return {k: v.to(at, kind) if v.is_floating_point() else v.to(at) for k, v in given.items()}

    def _question(self, picture: Any) -> list[dict[str, Any]]:
        content = [{"type": "image", "image": picture}, {"type": "text", "text": self.prompt}]
        return [{"role": "user", "content": content}]


def caption_with_transformers(
    name: str,
    *,
    device: Device = None,
    dtype: Dtype = None,
    prompt: str = PROMPT,
    length: int = 40,
    batch: int = 8,
) -> Transformers:
    """Load a captioner from a folder, from the cache of the hub, or from the hub.

    Code of a repository is never run. Raises `WeightsError`, `MissingDependencyError` and `InvalidValueError`.
    """

    def make(network: Any, part: Callable[[str], Any], label: str) -> Transformers:
        processor = decoder = part("AutoProcessor")
        if not hasattr(processor, "image_processor"):  # older networks come with two halves of a processor
            processor, decoder = part("AutoImageProcessor"), part("AutoTokenizer")
        return Transformers(network, processor, decoder, label, prompt, length, batch)

    return _loaded(name, "AutoModelForImageTextToText", make, "captioners", "caption", device, dtype)


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
    def answer(self, messages: list[dict[str, str]], schema: Schema | None = None) -> str:
        """Give the model's answer to a chat; it cannot be held to a schema."""
        del schema
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


def summarize_with_transformers(
    name: str, *, device: Device = None, dtype: Dtype = None, length: int = 120
) -> LanguageModel:
    """Load a language model from a folder, from the cache of the hub, or from the hub.

    Code of a repository is never run. Raises `WeightsError`, `MissingDependencyError` and `InvalidValueError`.
    """

    def make(network: Any, part: Callable[[str], Any], label: str) -> LanguageModel:
        return LanguageModel(network, part("AutoTokenizer"), label, length)

    return _loaded(name, "AutoModelForCausalLM", make, "summarizers", "llm", device, dtype)


def _loaded(
    name: str,
    kind: str,
    make: Callable[[Any, Callable[[str], Any], str], T],
    purpose: str,
    extra: str,
    device: Device,
    dtype: Dtype,
) -> T:
    """Load a network of one of transformers' automatic classes, `kind`, and `make` something of it.

    `make` takes the network, what loads another class by its name (a processor, a tokenizer), and the label. Code of a
    repository is never run. Raises `WeightsError`, `MissingDependencyError` and `InvalidValueError`.
    """
    library = package("transformers", "transformers", extra, f"{purpose} named transformers:NAME")
    where, precision = placed(device, dtype)
    label = f"transformers:{name}"

    def load(local: bool) -> T:
        def part(of: str, **options: Any) -> Any:
            files = {"local_files_only": local, "trust_remote_code": False}
            return getattr(library, of).from_pretrained(name, **options, **files)

        network = complete(label, part(kind, dtype=precision, output_loading_info=True))
        return make(network.to(where), part, label)

    return local_first(label, name, load, library)
