"""Peers that are no packages: what their repositories hold, loaded from clones.

git clone https://github.com/Trustworthy-ML-Lab/CLIP-dissect CLONES/CLIP-dissect
git clone https://github.com/konpanousis/DISCOVER CLONES/DISCOVER
python -m benchmarks.peers --clones CLONES
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from vital.describing.matching.search import find_best_concepts
from vital.describing.matching.similarity import SIMILARITIES
from vital.lwta import LWTA

IMAGES, UNITS, CONCEPTS, WIDTH = 2000, 32, 3000, 64
MIRRORED = {
    "cos": "cos_similarity",
    "cos-cubed": "cos_similarity_cubed",
    "rank-reorder": "rank_reorder",
    "wpmi": "wpmi",
    "soft-wpmi": "soft_wpmi",
}
Answer = Callable[[], Tensor]
Question = tuple[str, str, Answer, Answer]


def of_clip_dissect(clones: Path) -> Iterator[Question]:
    """The scores of the best concept of each unit; those of `rank-reorder` differ by the peer's five random orders."""
    peer = _loaded(clones / "CLIP-dissect" / "similarity.py")
    values = torch.randn(IMAGES, UNITS)
    seen, read = (torch.nn.functional.normalize(torch.randn(n, WIDTH) + 1, dim=1) for n in (IMAGES, CONCEPTS))
    for name, function in MIRRORED.items():

        def ours(name: str = name) -> Tensor:
            return find_best_concepts(SIMILARITIES[name], values, seen, read, top=1).scores

        def theirs(function: str = function) -> Tensor:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                scores: Tensor = getattr(peer, function)(seen @ read.T, values, device="cpu")
            return scores.topk(1).values

        yield name, "CLIP-Dissect", ours, theirs


def of_discover(clones: Path) -> Iterator[Question]:
    """Units that compete, in evaluation: tokens along the last axis, maps along their channels."""
    peer = _loaded(clones / "DISCOVER" / "models" / "ResNet" / "activations.py")
    for what, shape, axis in (("tokens", (8, 197, 768), -1), ("maps", (8, 256, 14, 14), 1)):
        x = torch.randn(shape)
        for competitors in (2, 8):
            own = LWTA(competitors, axis).eval()
            their = peer.LWTA(U=competitors, deterministic=True, kl=False).eval()
            yield (
                f"LWTA {competitors}, {what}",
                "DISCOVER",
                lambda x=x, own=own: own(x),
                lambda x=x, their=their: their(x),
            )  # type: ignore[misc]


PEERS: dict[str, Callable[[Path], Iterator[Question]]] = {
    "CLIP-dissect": of_clip_dissect,
    "DISCOVER": of_discover,
}


def _loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"peer_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
