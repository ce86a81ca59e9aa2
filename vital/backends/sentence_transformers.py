"""Text encoders of sentence-transformers, and of anybody's object that embeds texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vital.backends._loading import (
    Device,
    Dtype,
    check_texts,
    local_first,
    package,
    placed,
    unit_length,
    warn_cut,
)


@dataclass(frozen=True, eq=False)
class Sentences:
    """Anything with `encode(list of texts)`, as sentence-transformers has it, `batch` texts at a time."""

    network: Any = field(repr=False)
    name: str
    batch: int = 64

    @torch.no_grad()
    def encode_text(self, texts: list[str]) -> Tensor:
        """Embed texts: (K, D), length 1, float32, on the CPU."""
        check_texts(texts)
        if cut := getattr(self.network, "cut", None):
            cut(self.name, texts)
        parts = [texts[start : start + self.batch] for start in range(0, len(texts), self.batch)]
        found = [torch.as_tensor(self.network.encode(part)).float().cpu() for part in parts]
        return unit_length(torch.cat(found), self.name)


def from_sentence_transformers(
    name: str, *, device: Device = None, dtype: Dtype = None, batch: int = 64
) -> Sentences:
    """Load a published name or a folder of sentence-transformers.

    Files on this machine come first; what is not here is downloaded by the library. Code that comes with weights is
    not run. Raises `WeightsError` and `MissingDependencyError`.
    """
    label = f"sentence-transformers:{name}"
    library = package(
        "sentence_transformers", "sentence-transformers", "sentences", "text encoders named " + label
    )
    transformers = package("transformers", "transformers", "sentences", "text encoders named " + label)
    where, kind = placed(device, dtype)

    def load(local: bool) -> Any:
        return library.SentenceTransformer(name, device=str(where), local_files_only=local)

    network = local_first(label, name, load, transformers)
    return Sentences(_Quiet(network.to(kind).eval()), label, batch)


@dataclass(frozen=True, eq=False)
class _Quiet:
    """A SentenceTransformer that shows no bar."""

    network: Any

    def cut(self, name: str, texts: list[str]) -> None:
        """Warn of texts past the context."""
        limit = int(self.network.max_seq_length or 0)
        if limit:
            read = self.network.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
            warn_cut(name, limit, [text for text, ids in zip(texts, read, strict=True) if len(ids) > limit])

    def encode(self, texts: list[str]) -> Tensor:
        """Embed texts."""
        found: Tensor = self.network.encode(texts, convert_to_tensor=True, show_progress_bar=False)
        return found
