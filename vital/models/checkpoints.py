"""Which tensors of a checkpoint are a network's: under which prefix they stand, and what is left beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vital.errors import WeightsError
from vital.utils.arrays import plain_array

# Auxiliary classifiers (GoogLeNet, Inception v3, segmentation) only run in training.
_IDLE = re.compile(r"(aux\d|AuxLogits|aux_classifier)\.")
DEEPEST, MOST_ENTRIES = 50, 1_000_000
"""How deep tables in a file may be nested, and how many tables and tensors there may be."""
_WRAPPERS = re.compile(r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_TRAINING = re.compile(r"(optim|.*sched|lr_|.*scaler|amp|rng|loops|callbacks)")
_LATER = (
    "teacher",
    "student",
    "k",
    "momentum",
    "target",
    "ema",
    "swa",
    "avg",
    "average",
    "averaged",
    "shadow",
)


@dataclass(frozen=True)
class StateSet:
    """The tensors of a checkpoint that stand under one prefix, by the network's names; `beside` are those left."""

    prefix: str
    tensors: Mapping[str, Tensor]
    beside: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether nothing is missing, no part of the network has other names, and all shapes are right."""
        return not (self.missing or self.surplus or self.wrong)


def flattened(content: Any) -> dict[str, Tensor]:
    """Name every tensor in nested tables and lists by its path; the names that wrappers put in between are left out.

    Raises `ValueError` for what is nested too deeply, as what holds itself is, and for more than a network has.

    >>> import torch
    >>> list(flattened({"ema": {"_orig_mod.conv.bias": torch.zeros(1)}, "epoch": 3}))
    ['ema.conv.bias']
    """
    found, left, seen = dict[str, Tensor](), [("", 0, content)], 0
    while left:
        above, depth, part = left.pop()
        if isinstance(part, np.ndarray) and part.dtype.kind in "fiub":
            part = torch.from_numpy(np.ascontiguousarray(plain_array(part)).reshape(part.shape))
        if isinstance(part, Tensor) and above:
            found[_WRAPPERS.sub("", above)] = part
        elif isinstance(part, Mapping | list | tuple):
            if depth == DEEPEST:
                raise ValueError("it is nested too deeply")
            entries = part.items() if isinstance(part, Mapping) else enumerate(part)
            below = [
                (f"{above}.{key}" if above else str(key), depth + 1, value)
                for key, value in entries
                if isinstance(value, Tensor | np.ndarray | Mapping | list | tuple)
            ]
            if (seen := seen + len(below)) > MOST_ENTRIES:
                raise ValueError(f"it holds more than {MOST_ENTRIES:,} tables and tensors")
            left += reversed(below)
    return found


def choose(state: Mapping[str, Tensor], own: Mapping[str, Tensor], source: str) -> tuple[StateSet, str]:
    """The set of tensors that is the network's, and in words what else could have been taken and what is left.

    `own` is the network's state dict. Of several sets that fit, the plain one comes before teacher, student and
    averages. Raises `WeightsError` where none fits.
    """
    found = [one for q in _own_prefixes(own) for one in _sets(state, own, q)]
    fitting = sorted((one for one in found if one.fits), key=lambda one: _rank(one.prefix))
    if not fitting:
        raise _misfit(found, state, own, source)
    taken = fitting[0]
    others = [one.prefix for one in fitting[1:] if one.prefix and one.prefix != taken.prefix]
    left = _left(state, taken, others)
    if not left:
        return taken, ""
    where = f"under {taken.prefix[:-1]!r}" if taken.prefix else "without a prefix"
    note = f"{source}: took the {len(taken.tensors)} tensors {where}, and left {', '.join(left)}"
    if others:
        note += (
            f"; {' and '.join(repr(p[:-1]) for p in others)} would fit too: write {source}!{others[0][:-1]}"
        )
    return taken, note


def _own_prefixes(own: Mapping[str, Tensor]) -> list[str]:
    """What all names of the network begin with, from nothing on: "", "inner.", and so on.

    >>> _own_prefixes({"net.a.weight": None, "net.b.bias": None})
    ['', 'net.']
    """
    names = [name.split(".")[:-1] for name in own]
    found = [""]
    for parts in zip(*names, strict=False):
        if len(set(parts)) > 1:
            break
        found.append(f"{found[-1]}{parts[0]}.")
    return found


def _sets(state: Mapping[str, Tensor], own: Mapping[str, Tensor], cut: str) -> Iterator[StateSet]:
    """All sets of tensors that share names with the network, whose own names lose `cut`; the best first."""
    wanted = {name.removeprefix(cut): name for name in own}
    counts: Counter[str] = Counter()
    for key in state:
        parts = key.split(".")
        for i in range(len(parts)):
            if ".".join(parts[i:]) in wanted:
                counts["".join(f"{part}." for part in parts[:i])] += 1
    for prefix, _ in counts.most_common():
        if not (cut and _siblings(prefix, cut)):
            yield _set(state, own, wanted, prefix)


def _siblings(prefix: str, cut: str) -> bool:
    """Whether two prefixes end alike, or both in a number: as parts of one chain do."""
    one, other = prefix[:-1].rpartition(".")[2], cut[:-1].rpartition(".")[2]
    return one == other or (one.isdigit() and other.isdigit())


def _set(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], wanted: Mapping[str, str], prefix: str
) -> StateSet:
    under = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    tensors = {name: under[short] for short, name in wanted.items() if short in under}
    missing = tuple(name for name in own if name not in tensors and not _may_lack(name))
    tops = {short.partition(".")[0] for short in wanted}
    rest = [short for short in under if short not in wanted and not _IDLE.match(short)]
    surplus = tuple(s for s in rest if missing or (top := s.partition(".")[0]) in tops or top.isdigit())
    beside = tuple(prefix + short for short in rest if short not in surplus)
    wrong = tuple(
        f"{name} is {tuple(value.shape)} where the network has {tuple(own[name].shape)}"
        for name, value in tensors.items()
        if value.shape != own[name].shape
    )
    return StateSet(prefix, tensors, beside, missing, surplus, wrong)


def _may_lack(name: str) -> bool:
    return name.endswith("num_batches_tracked") or bool(_IDLE.match(name))


def _rank(prefix: str) -> int:
    """How late a set comes among several: plain ones first, then a teacher, then a student, then averages."""
    words = re.split(r"[._]", prefix.lower())
    return max((_LATER.index(word) + 1 for word in words if word in _LATER), default=0)


def _left(state: Mapping[str, Tensor], taken: StateSet, others: list[str]) -> list[str]:
    """The groups of tensors that are not taken, with their numbers; what training alone needs is not worth a word."""
    used = taken.prefix.split(".")[:-1]
    groups: Counter[str] = Counter()
    weighty: set[str] = set()  # a counter or a temperature is no set of weights
    for key, value in state.items():
        own = key.startswith(taken.prefix) and key not in taken.beside
        if own or _TRAINING.match(key):
            continue
        parts = key.split(".")
        same = next((i for i, (a, b) in enumerate(zip(used, parts, strict=False)) if a != b), len(used))
        group = next((p[:-1] for p in others if key.startswith(p)), ".".join(parts[: same + 1]))
        groups[group] += 1
        weighty |= {group} if value.ndim else set()
    return [f"{group} ({count})" for group, count in groups.items() if group in weighty]


def _misfit(
    found: list[StateSet], state: Mapping[str, Tensor], own: Mapping[str, Tensor], source: str
) -> WeightsError:
    """What keeps the set that comes nearest from fitting; where nothing does, the names on both sides."""
    if not found:
        both = f"the network has {_shown(list(own))}; the file has {_shown(list(state))}"
        step = "build the network that the file was saved from, or rename its tensors"
        return WeightsError(f"{source} does not fit the network: no name is the same; {both}; {step}")
    best = min(found, key=lambda one: (len(one.missing) + len(one.wrong), len(one.surplus)))
    parts = [
        _some(what, keys) for what, keys in (("missing", best.missing), ("unexpected", best.surplus)) if keys
    ]
    parts = parts or [_some("wrong shapes", best.wrong, "; ")]
    where = f" under {best.prefix[:-1]!r}" if best.prefix else ""
    step = _step(best, own, source)
    return WeightsError(f"{source} does not fit the network{where}: {'; '.join(parts)}; {step}")


def _step(best: StateSet, own: Mapping[str, Tensor], source: str) -> str:
    """What to do about weights that nearly fit."""
    if shard := re.search(r"(.*)-\d{5}-of-(\d{5})(\.\w+)$", source):
        return f"it is one of {int(shard[2])} files: give their index, {shard[1]}{shard[3]}.index.json"
    names = [told.partition(" is ")[0] for told in best.wrong]
    layers = {name.rpartition(".")[0] for name in names}
    heads = all(best.tensors[name].shape[1:] == own[name].shape[1:] for name in names)
    heads = heads and any(own[name].ndim > 1 for name in names)
    if heads and len(layers) == 1 and not best.missing and not best.surplus:
        count, mine = (len(tensors[names[0]]) for tensors in (best.tensors, own))
        return f"build the network with {count} outputs of {layers.pop()!r}, not {mine} (num_classes={count})"
    if best.missing and not best.surplus and not best.wrong:
        return "give a file that holds all, or build the network without what is missing"
    return "build the network that the file was saved from"


def _some(what: str, keys: tuple[str, ...], gap: str = ", ", count: int = 3) -> str:
    shown = gap.join(keys[:count]) + (f"{gap}…" if len(keys) > count else "")
    return f"{len(keys)} {what} ({shown})"


def _shown(keys: list[str], count: int = 8) -> str:
    return ", ".join(keys[:count]) + (f", … ({len(keys)} in all)" if len(keys) > count else "")
