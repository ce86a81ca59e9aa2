"""Captioners of transformers: networks made for captions, and chat models that see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vital.backends._loading import Device, Dtype, complete, local_first, package, pictures, placed, seeded
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
        return [" ".join(line.split()) for line in lines]

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


def from_transformers(
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
    library = package("transformers", "transformers", "caption", "captioners named transformers:NAME")
    where, kind = placed(device, dtype)
    label = f"transformers:{name}"

    def load(local: bool) -> Transformers:
        files = {"local_files_only": local, "trust_remote_code": False}
        network = complete(
            label,
            library.AutoModelForImageTextToText.from_pretrained(
                name, dtype=kind, output_loading_info=True, **files
            ),
        )
        processor = decoder = library.AutoProcessor.from_pretrained(name, **files)
        if not hasattr(processor, "image_processor"):  # older networks come with two halves of a processor
            processor = library.AutoImageProcessor.from_pretrained(name, **files)
            decoder = library.AutoTokenizer.from_pretrained(name, **files)
        return Transformers(network.to(where), processor, decoder, label, prompt, length, batch)

    return local_first(label, name, load, library)
