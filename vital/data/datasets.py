"""Data sets of torch, torchvision, HuggingFace and one's own, taken out of what is wrapped around them."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
)

from vital.data.imageset import ImageSet, evenly
from vital.data.items import LABELS, is_vector, item_label, missing, plain_label
from vital.data.join import joined
from vital.data.labels import Labels, numbered
from vital.data.sources import Files, Indexable, selected
from vital.errors import DataError
from vital.utils.foreign import RAISED
from vital.utils.parts import told

LOOKED_AT = 8
"""How many labels of a list are held against those of the items."""
COMPARED = 64
"""How many labels of a wrapper are held against those of what it wraps."""
ANEW = "give labels=, with the network's index or a name for each image"


def from_data_set(items: Any, *, labeled: bool = True) -> ImageSet:
    """Make an `ImageSet` of a data set, with its names whatever is wrapped around it.

    Parts and concatenations of torch are taken apart. A plain list of labeled files becomes files, anything else
    items. Without `labeled` no label is read. Raises `DataError`.
    """
    if _is_plain(items, ConcatDataset):
        return joined([from_data_set(part, labeled=labeled) for part in items.datasets])
    if _is_plain(items, Subset):
        whole_set, indices = from_data_set(items.dataset, labeled=labeled), [int(i) for i in items.indices]
        if beyond := [i for i in indices if not -len(whole_set) <= i < len(whole_set)]:
            raise DataError(f"the Subset names item {beyond[0]} of {len(whole_set)}; take that index out")
        if not indices:
            raise DataError("the Subset holds no images")
        return ImageSet(
            selected(whole_set.source, indices),
            tuple(whole_set.names[i] for i in indices),
            tuple(whole_set.labels[i] for i in indices),
            whole_set.class_names,
            whole_set.name,
        )
    name = type(items).__name__
    if not len(items):
        raise DataError(f"the {name} holds no images")
    if _lists_files(items):
        return _files(items, labeled)
    own, classes = _labels(items) if labeled else ((None,) * len(items), ())
    return ImageSet(Indexable(items), tuple(map(str, range(len(items)))), own, classes, name)


def _is_plain(items: Any, kind: type) -> bool:
    """Whether this is a wrapper of torch that shows items as they are."""
    return isinstance(items, kind) and getattr(type(items), "__getitem__", None) is getattr(
        kind, "__getitem__", 0
    )


def indexable(source: Any) -> Any:
    """A data set that can be indexed: that of a `DataLoader`. Raises `DataError` for what is read in order alone."""
    if isinstance(source, DataLoader):
        return _loaded(source)
    kind = type(source).__name__
    if isinstance(source, Mapping):
        raise DataError(
            f"a {kind} with {', '.join(map(str, source)) or 'nothing'} is no set of images; give its images, and "
            "its labels as labels=, or one of its splits as split="
        )
    if _streams(source):
        raise DataError(
            f"a {kind} can only be read in order; give a list of its items: "
            "vital.load_images(list(itertools.islice(data, 1000)))"
        )
    return source


def _streams(source: Any) -> bool:
    if isinstance(source, IterableDataset):
        return True
    if not hasattr(source, "__iter__"):
        return False
    try:
        len(source)
    except (TypeError, NotImplementedError):
        return True
    return not hasattr(source, "__getitem__")


def _loaded(loader: DataLoader[Any]) -> Any:
    """The data set of a loader, in its own order, or the part of it that the loader shows."""
    sampler: Any = loader.sampler
    data: Any = loader.dataset
    shuffled = isinstance(sampler, RandomSampler) and not sampler.replacement
    if _streams(data) or isinstance(sampler, SequentialSampler) or (shuffled and len(sampler) == len(data)):
        return indexable(data)
    if isinstance(sampler, SubsetRandomSampler):
        return Subset(data, sorted(int(i) for i in sampler.indices))
    raise DataError(
        f"a DataLoader with a {type(sampler).__name__} does not say which images it shows; "
        "give its images as a data set: vital.load_images(torch.utils.data.Subset(data, indices))"
    )


def _lists_files(items: Any) -> bool:
    """Whether this is torchvision's ImageFolder, showing its files as they are."""
    bare = all(getattr(items, part, None) is None for part in ("transform", "target_transform", "transforms"))
    loader = getattr(getattr(items, "loader", None), "__name__", "")
    own = getattr(getattr(type(items), "__getitem__", None), "__module__", "")
    shown = bare and loader == "default_loader" and own == "torchvision.datasets.folder"
    return shown and hasattr(items, "samples") and hasattr(items, "root")


def _files(items: Any, labeled: bool) -> ImageSet:
    paths = [Path(path) for path, _ in items.samples]
    names = tuple(os.path.relpath(path, items.root).replace(os.sep, "/") for path in paths)
    own, classes = (
        _with_names([t for _, t in items.samples], _own_names(items), type(items).__name__)
        if labeled
        else ((None,) * len(names), ())
    )
    return ImageSet(Files(Path(items.root), names), names, own, classes, type(items).__name__)


def _labels(items: Any) -> Labels:
    """The labels of a data set and their names, its own or those of what it wraps."""
    found, name = raw_labels(items), type(items).__name__
    if any(isinstance(value, str) for value in found):
        return numbered(found)
    return _with_names(found, class_names_of(items, found), name)


def raw_labels(items: Any) -> list[int | str | None]:
    """The labels of a data set: its own list, where it keeps one that its items agree with, else item by item."""
    kept = [] if getattr(items, "target_transform", None) else list(_kept(items))
    if not kept or any(_disagree(kept[i], _label_at(items, i)) for i in evenly(len(kept), LOOKED_AT)):
        kept = [_label_at(items, index) for index in range(len(items))]
    if odd := [value for value in kept if not missing(value) and plain_label(value) is None]:
        what = (
            "vectors that are not one-hot"
            if is_vector(odd[0])
            else f"no numbers or names, such as {told(odd[0])}"
        )
        warnings.warn(
            f"{len(odd)} labels of {type(items).__name__} are {what}, and count as none; {ANEW}", stacklevel=2
        )
    found = [plain_label(value) for value in kept]
    return [
        None if isinstance(value, int) and value < 0 else value for value in found
    ]  # -1 is said of no label


def _disagree(kept: Any, shown: Any) -> bool:
    one, other = plain_label(kept), plain_label(shown)
    return None not in (one, other) and one != other


def _kept(items: Any) -> Sequence[Any]:
    """The list of labels that a data set keeps; empty where it keeps none."""
    columns = getattr(items, "column_names", None)
    if isinstance(columns, list) and (key := next((key for key in LABELS if key in columns), None)):
        try:
            return list(items[key])
        except RAISED:  # a set that is transformed on its way may not have single columns
            return ()
    for attribute in ("targets", "labels", "_labels"):
        if inspect.getattr_static(items, attribute, None) is None:
            continue  # what a wrapper passes on need not be what its items say
        kept: Any = getattr(items, attribute)
        if hasattr(kept, "__len__") and len(kept) == len(items):
            return list(kept)
    return ()


def _label_at(items: Any, index: int) -> Any:
    if _is_plain(items, Subset):
        return _label_at(items.dataset, int(items.indices[index]))
    try:
        return item_label(items[index])
    except RAISED:  # an item that cannot be read is skipped when it is used
        return None


def class_names_of(items: Any, labels: Sequence[int | str | None]) -> dict[int, str]:
    """The names of the classes by label: a data set's own, or those of what it wraps where `labels` are those there."""
    if _is_plain(items, Subset):
        return class_names_of(items.dataset, ())
    if _is_plain(items, ConcatDataset):
        return _common(items)
    if own := _own_names(items):
        renumbers = bool(getattr(items, "target_transform", None)) and len(labels) > 0
        kept = [plain_label(value) for value in _kept(items)] if renumbers else labels
        return own if list(kept) == list(labels) else {}
    inner = wrapped(items)
    names = {} if inner is None else class_names_of(inner, ())
    return names if names and _numbered_alike(labels, inner, type(items).__name__) else {}


def _common(items: ConcatDataset[Any]) -> dict[int, str]:
    """The names that all parts of a set have."""
    found = [class_names_of(part, ()) for part in items.datasets]
    if any(names != found[0] for names in found):
        raise DataError(
            "a data set wraps a ConcatDataset whose parts number their classes differently, so that its labels may "
            f"mean either; {ANEW}, or give the ConcatDataset itself"
        )
    return found[0]


def _own_names(items: Any) -> dict[int, str]:
    """The names that a data set itself holds; synonyms are joined by commas.

    Where `class_to_idx` says otherwise than `classes`, it counts: the labels are made by it.
    """
    named = next((found for part in ("classes", "categories") if (found := getattr(items, part, None))), None)
    listed = dict(enumerate(map(_joined, named))) if isinstance(named, list | tuple) else {}
    table = getattr(items, "class_to_idx", None)
    told: dict[int, list[str]] = {}
    for name, index in table.items() if isinstance(table, Mapping) else ():
        told.setdefault(int(index), []).append(_joined(name))
    if all(name == listed.get(i) or name in listed.get(i, "").split(", ") for i in told for name in told[i]):
        return listed or _features(items)
    return {index: ", ".join(told[index]) for index in sorted(told)}


def _joined(name: Any) -> str:
    return ", ".join(map(str, name)) if isinstance(name, tuple | list) else str(name)


def _features(items: Any) -> dict[int, str]:
    """The class names in the features of HuggingFace's `datasets`."""
    features = getattr(items, "features", None)
    if not isinstance(features, Mapping):
        return {}
    key = next((key for key in LABELS if key in features), None)
    return dict(enumerate(map(str, getattr(features.get(key), "names", None) or ())))


def wrapped(items: Any) -> Any:
    """What a data set of the user's own wraps, item by item where it says which items it takes; None where nothing."""
    if isinstance(items, ConcatDataset):
        return ConcatDataset(items.datasets)
    inner = getattr(items, "dataset", None)
    if not hasattr(inner, "__getitem__"):
        held = [value for value in getattr(items, "__dict__", {}).values() if isinstance(value, Dataset)]
        inner = held[0] if len(held) == 1 else None
    indices: Any = getattr(items, "indices", None)
    if inner is not None and hasattr(indices, "__len__") and len(indices) == len(items):
        return Subset(inner, [int(i) for i in indices])
    return inner


def _numbered_alike(labels: Sequence[int | str | None], inner: Any, name: str) -> bool:
    """Whether a wrapper's labels are those of what it wraps, so that the names there are theirs; else warns."""
    own = type(inner).__name__
    if not labels:
        return True
    if len(inner) != len(labels):
        warnings.warn(
            f"the class names of {name} are those of the {own} that it wraps, of another length; {ANEW}, where it "
            "numbers classes anew",
            stacklevel=2,
        )
        return True
    if any(_disagree(_label_at(inner, i), labels[i]) for i in evenly(len(labels), COMPARED)):
        warnings.warn(
            f"{name} numbers classes otherwise than the {own} that it wraps, so the class names there are not taken "
            f"and labels are the network's own indices; {ANEW}, where they are not",
            stacklevel=2,
        )
        return False
    return True


def _with_names(labels: Sequence[Any], classes: Mapping[int, str], name: str) -> Labels:
    """Labels as places in a list of names; without names, and with a warning, where some have none."""
    if not classes:
        return numbered(labels)
    if strange := [label for label in labels if label is not None and label not in classes]:
        warnings.warn(
            f"the label {strange[0]} of {name} is beyond its {len(classes)} class names, so the names are not taken "
            f"and labels are the network's own indices; {ANEW}, where they are not",
            stacklevel=2,
        )
        return numbered(labels)
    place = {label: i for i, label in enumerate(classes)}
    return tuple(None if label is None else place[label] for label in labels), tuple(classes.values())
