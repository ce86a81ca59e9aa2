"""Image-text encoders of transformers: CLIP, SigLIP, SigLIP 2 and others with one space for both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vital.backends._loading import (
    Device,
    Dtype,
    check_texts,
    complete,
    local_first,
    package,
    pictures,
    placed,
    unit_length,
    warn_cut,
)
from vital.errors import WeightsError
from vital.types import Images


@dataclass(frozen=True, eq=False)
class TransformersEncoder:
    """A network of transformers with its own processor, `batch` images or texts at a time.

    `context` is the most tokens of a text, the marks of its beginning and end among them.
    """

    network: Any = field(repr=False)
    processor: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    name: str
    context: int
    batch: int = 64

    @torch.no_grad()
    def encode_image(self, images: Images) -> Tensor:
        """Embed images in [0, 1]: (B, D), length 1, float32, on the network's device."""
        found = []
        for part in torch.split(images, self.batch):
            given = self._placed(self.processor(images=pictures(part), return_tensors="pt"))
            found.append(_pooled(self.network.get_image_features(**given)))
        return unit_length(torch.cat(found), self.name)

    @torch.no_grad()
    def encode_text(self, texts: list[str]) -> Tensor:
        """Embed texts: (K, D), length 1, float32, on the network's device. Warns of texts past the context."""
        check_texts(texts)
        warn_cut(self.name, self.context, [text for text in texts if self._length(text) > self.context])
        whole = {
            "padding": "max_length",
            "max_length": self.context,
            "truncation": True,
            "return_tensors": "pt",
        }
        found = []
        for start in range(0, len(texts), self.batch):
            given = self.tokenizer(texts[start : start + self.batch], **whole)
            found.append(_pooled(self.network.get_text_features(**self._placed(given))))
        return unit_length(torch.cat(found), self.name)

    def _length(self, text: str) -> int:
        return len(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def _placed(self, given: Any) -> dict[str, Tensor]:
        at, kind = self.network.device, self.network.dtype
        known = {key: value for key, value in given.items() if key != "token_type_ids"}
        return {key: v.to(at, kind) if v.is_floating_point() else v.to(at) for key, v in known.items()}


def _pooled(found: Any) -> Tensor:
    """The embedding, which older versions give by itself."""
    pooled: Tensor = found if isinstance(found, Tensor) else found.pooler_output
    return pooled


def encode_with_transformers(
    name: str, *, device: Device = None, dtype: Dtype = None, batch: int = 64
) -> TransformersEncoder:
    """Load an encoder from a folder, from the cache of the hub, or from the hub.

    Code of a repository is never run. Raises `WeightsError`, `MissingDependencyError` and `InvalidValueError`.
    """
    library = package("transformers", "transformers", "caption", "image-text encoders named hf:NAME")
    where, precision = placed(device, dtype)
    label = f"hf:{name}"

    def load(local: bool) -> TransformersEncoder:
        files = {"local_files_only": local, "trust_remote_code": False}
        loaded = library.AutoModel.from_pretrained(name, dtype=precision, output_loading_info=True, **files)
        network = complete(label, loaded)
        if not (hasattr(network, "get_text_features") and hasattr(network, "get_image_features")):
            kind = type(network).__name__
            raise WeightsError(
                f"{label} is a {kind}, which has no embeddings of images and of texts in one space"
            )
        processor = library.AutoImageProcessor.from_pretrained(name, **files)
        tokenizer = library.AutoTokenizer.from_pretrained(name, **files)
        limits = (_of_text(network.config), tokenizer.model_max_length)
        return TransformersEncoder(network.to(where), processor, tokenizer, label, min(limits), batch)

    return local_first(label, name, load, library)


def _of_text(config: Any) -> int:
    return int(getattr(getattr(config, "text_config", config), "max_position_embeddings", 77))
