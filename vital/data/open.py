"""Turning a folder, a file, an array or a data set into an `ImageSet`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from vital.data.check import check_pictures
from vital.data.datasets import from_data_set, indexable
from vital.data.imageset import ImageSet
from vital.data.labels import Labels, numbered, read_labels
from vital.data.shards import open_shards, shards_at
from vital.data.sources import SUFFIXES, Array, Files, Source, as_batch
from vital.errors import DataError, first_line, missing_extra, unknown
from vital.utils.array_files import Arrays, read_arrays
from vital.utils.arrays import plain_array
from vital.utils.file_kinds import no_file
from vital.utils.foreign import foreign
from vital.utils.io import did_you_mean, path_of, readable
from vital.utils.logs import busy
from vital.utils.parts import told
from vital.utils.public import public
from vital.utils.registry import Registry

SETS: Registry[Callable[[], ImageSet]] = Registry("set of images")
"""Sets that have a name, each with what makes it."""

# The world lies above the images, so its set is imported when it is asked for.
SETS.register_lazy("world", "vital.world.scenes.dataset:images", example="world")

PICTURES = (
    ".heic",
    ".heif",
    ".jxl",
    ".svg",
    ".dng",
    ".cr2",
    ".nef",
    ".arw",
    ".psd",
    ".exr",
    ".hdr",
    ".tga",
    ".dcm",
)
"""Files of pictures that are not read."""
_UNPACK = "unpack it, and give the folder"
_READ = "read it in Python, and give its images: vital.load_images(array, labels=labels)"
UNREAD = dict.fromkeys((".zip", ".gz", ".tgz", ".7z", ".rar"), _UNPACK)
UNREAD |= dict.fromkeys(
    (".h5", ".hdf5", ".mat", ".pt", ".pth", ".pkl", ".parquet", ".arrow", ".csv", ".json", ".tfrecord"), _READ
)
"""Files that hold images in other forms, and what to do."""
SAVED = (("state.json", "dataset_info.json"), ("dataset_dict.json",))
"""The files by which a folder that HuggingFace's `datasets` saved is known, that of one set or of several."""
SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "dev"})


@public
def load_images(
    source: Any,
    *,
    labels: str | Path | Sequence[Any] | None = None,
    split: str | None = None,
    workers: int | None = None,
) -> ImageSet:
    """Make an `ImageSet` of a folder, an `.npz`, `.npy` or image file, an array, a data set or a list of paths.

    The source is one of

    - A folder: the images below it in the order of their paths; its direct subfolders, where there are any, are
      the classes. `split` names a subfolder to take instead of the folder.
    - An `.npz` file: the array `images` and, where there is one, `labels`; with `split`, `SPLIT_images` and
      `SPLIT_labels`. An `.npy` file: the images. Nothing pickled is read.
    - An array or tensor: (N, H, W, C), (N, C, H, W) or (N, H, W); uint8, uint16, or floats in [0, 1].
    - A data set of torch, torchvision or HuggingFace, or anything with a length and items that are pictures,
      (picture, label) pairs or dicts with `image` and `label`; a `DataLoader` stands for its data set. Class names are
      found whatever is wrapped around a data set, and items must be the same at each look.
    - Shards of WebDataset: a `.tar` file, a folder of them, or a pattern such as `shards-{000..009}.tar`. A sample is
      a picture with its label in `.cls`, `.json` or `.txt`; the files must not be compressed.
    - A folder that HuggingFace's `datasets` saved (`save_to_disk`), with `split` where it holds several.
    - A list of paths.
    - `world`: 1,000 pictures of the known-answer world, rendered when they are looked at and labeled with its
      classes (`vital.world.scenes.dataset.images` makes others).

    Parameters
    ----------
    source
        Where the images are.
    labels
        A CSV file (columns file or wnid, and index, label or name), or one label per image: the network's class index
        or a name; by default those of the source.
    split
        The part of the source to take.
    workers
        How many processes decode the images of a pass over many; 0 for none. By default as many as there are
        processors, up to 8, where that is worth while. What is read is the same.

    Returns
    -------
    ImageSet
        The images, which are read when they are looked at.

    Raises
    ------
    DataError
        For what is not there, is empty or cannot be told apart.

    Examples
    --------
    >>> pictures = load_images(np.zeros((2, 8, 8, 3), np.uint8), labels=[3, 5])
    >>> len(pictures), pictures.labels
    (2, (3, 5))

    """
    with busy(
        f"looking at the images {source}" if isinstance(source, str | Path) else "looking at the images"
    ):
        found = _found(source, split, labels is None)
        if found is not source:
            check_pictures(found)
    if workers is not None:
        found = replace(found, workers=workers)
    if labels is None:
        return found
    own, names = _given_labels(labels, found)
    return replace(found, labels=own, class_names=names)


def _found(source: Any, split: str | None, labeled: bool) -> ImageSet:
    if isinstance(source, str | Path):
        if not str(source) or "://" in str(source):
            raise DataError(f"{str(source)!r} is no path; give that of a folder or a file, downloaded first")
        return _named(str(source), split) if str(source) in SETS else _at(path_of(source), split)
    if split is not None and isinstance(source, Mapping):
        if split not in source:
            raise unknown("split", split, source)
        source, split = source[split], None
    if split is not None:
        raise DataError(f"split {split!r} needs a folder or an .npz file, not a {type(source).__name__}")
    if isinstance(source, ImageSet):
        return source
    if isinstance(source, np.ndarray | Tensor):
        return _plain(Array(as_batch(source, "the array")), "array")
    source = indexable(source)
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        kind = type(source).__name__
        one = "; give a list of one: [picture]" if isinstance(source, Image.Image) else ""
        raise DataError(
            f"a {kind} is no set of images; allowed are paths, arrays and anything with a length and items{one}"
        )
    if isinstance(source, list | tuple) and source and all(isinstance(item, str | Path) for item in source):
        return _listed(source)
    return from_data_set(source, labeled=labeled)


def _named(name: str, split: str | None) -> ImageSet:
    """A set of the table; a file or folder of its name in the working folder would leave it in doubt."""
    if (here := Path(name)).exists():
        raise DataError(
            f"{name!r} is the built-in set of images, and lies in the working folder too; "
            f"write {str(here.absolute())!r} for what lies there, or rename it"
        )
    if split is not None:
        raise DataError(f"split {split!r} needs a folder or an .npz file, not the built-in set {name!r}")
    return SETS[name]()


def _given_labels(labels: str | Path | Sequence[Any], found: ImageSet) -> Labels:
    if isinstance(labels, str | Path):
        return read_labels(Path(labels), found.names)
    given: Any = labels
    if isinstance(given, Tensor):
        given = plain_array(given)
    if not isinstance(given, Iterable) or isinstance(given, Mapping):
        raise DataError(f"labels is {told(labels)}; give one label, or None, for each image, in their order")
    values = list(given)
    if len(values) != len(found):
        raise DataError(
            f"{len(values)} labels for {len(found)} images; wanted is one label, or None, for each"
        )
    return numbered(values)


def _plain(source: Source, name: str, labels: Labels | None = None) -> ImageSet:
    own, names = labels or ((None,) * len(source), ())
    return ImageSet(source, tuple(map(str, range(len(source)))), own, names, name)


def _at(path: Path, split: str | None) -> ImageSet:
    root = path / split if split is not None and (path / split).is_dir() else path
    if any(all((path / name).is_file() for name in names) for names in SAVED):
        return _saved(path, split)
    if (shards := shards_at(root)) and not (root.is_dir() and next(_walk(root), None)):
        if split is not None and root == path:
            raise DataError(f"split {split!r} needs a folder of that name, not {path}")
        return open_shards(shards, root.name)
    if not path.exists():
        raise _missing(path)
    if path.is_dir():
        return _folder(path, split)
    kind = path.suffix.lower()
    if kind in UNREAD:
        raise DataError(f"{path} is no folder, picture or array of numpy; {UNREAD[kind]}")
    if split is not None and kind != ".npz":
        raise DataError(f"split {split!r} needs a folder or an .npz file, not {path}")
    return _numpy(path, split) if kind in (".npz", ".npy") else _listed([path])


def _saved(path: Path, split: str | None) -> ImageSet:
    """What HuggingFace's `datasets` saved."""
    try:
        from datasets import load_from_disk
    except ImportError as error:
        raise missing_extra("datasets", "datasets", "folders that HuggingFace's datasets saved") from error
    with foreign(f"{path} cannot be read as a saved data set", DataError, "save it again"):
        found = load_from_disk(str(path))
    if isinstance(found, Mapping) and split is None:
        raise DataError(
            f"{path} holds the splits {', '.join(found)}; choose one with split=, or name its folder"
        )
    return replace(_found(found, split, labeled=True), name=path.name)


def _missing(path: Path) -> DataError:
    if why := no_file(path):
        return DataError(f"{path} cannot be read: {why}")
    if os.path.lexists(path):
        return DataError(f"{path} is no folder and no file that can be read, but a link")
    return DataError(f"there is no file or folder {path}{did_you_mean(path)}")


def _folder(root: Path, split: str | None) -> ImageSet:
    if split is not None:
        root = root / split
        if not root.is_dir():
            raise _missing(root)
    left: list[tuple[str, str]] = []
    found = sorted(_walk(root, left))
    names = tuple(name for name in found if name.lower().endswith(SUFFIXES))
    odd = sorted(
        {PurePosixPath(name).suffix.lower() for name in found if not name.lower().endswith(SUFFIXES)}
    )
    if not names:
        held = f", and it holds {', '.join(odd)}: convert these" if odd else ""
        raise DataError(f"the folder {root} holds no images; allowed are {', '.join(SUFFIXES)}{held}")
    if odd:
        warnings.warn(
            f"{len(found) - len(names)} files of {root} are left out, which end with {', '.join(odd)}; convert them to "
            "have them too",
            stacklevel=4,
        )
    if left:
        told = "; ".join(f"{name}: {why}" for name, why in left[:3])
        warnings.warn(f"{len(left)} of the files and folders of {root} are left out: {told}", stacklevel=4)
    tops = [name.partition("/")[0] if "/" in name else None for name in names]
    _check_folders(root, names, {top for top in tops if top is not None})
    own, classes = numbered([top if top is None else readable(top) for top in tops])
    made = ImageSet(
        Files(root, names), tuple(map(readable, names)), own, classes, readable(root.name or str(root))
    )
    made.note_skipped(left)
    return made


def _check_folders(root: Path, names: Sequence[str], tops: set[str]) -> None:
    if tops and tops <= SPLITS and any(name.count("/") > 1 for name in names):
        raise DataError(
            f"the folder {root} holds the splits {', '.join(sorted(tops))}; choose one with split="
        )
    empty = sorted(
        p.name for p in root.iterdir() if tops and p.is_dir() and _shown(p.name) and p.name not in tops
    )
    if empty:
        raise DataError(f"the class folder {root / empty[0]} holds no images; fill it or take it away")


def _walk(root: Path, left: list[tuple[str, str]] | None = None) -> Iterator[str]:
    """Paths of all pictures below a folder, be they unreadable kinds; links are followed, each folder once.

    What cannot be read is added to those that are `left` out, with the reason: folders, pipes and devices.
    """
    left = [] if left is None else left
    seen, todo = set[str](), [""]
    while todo:
        folder = todo.pop()
        real = os.path.realpath(root / folder)
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(root / folder) as entries:
                held = [entry for entry in entries if _shown(entry.name)]
        except OSError as error:
            left.append((readable(folder or str(root)), error.strerror or str(error)))
            continue
        for entry in held:
            name = f"{folder}/{entry.name}" if folder else entry.name
            try:
                below = entry.is_dir()
            except OSError as error:  # links that lead to each other
                left.append((readable(name), error.strerror or str(error)))
                continue
            if below:
                todo.append(name)
            elif entry.name.lower().endswith((*SUFFIXES, *PICTURES)):
                # The folder itself knows plain files: one of millions need not be looked at.
                if why := "" if entry.is_file() else no_file(entry.path):
                    left.append((readable(name), why))
                else:  # a dead link is listed when it is used
                    yield name


def _shown(name: str) -> bool:
    return not name.startswith((".", "__"))


def _listed(paths: Sequence[str | Path]) -> ImageSet:
    for path in paths:
        if not path_of(path).is_file():
            raise _missing(Path(path))
    names = tuple(Path(path).as_posix() for path in paths)
    return ImageSet(Files(Path(), names), tuple(map(readable, names)), (None,) * len(names), (), "files")


def _numpy(path: Path, split: str | None) -> ImageSet:
    try:
        pictures, labels = _members(path, read_arrays(path), split)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as plain arrays: {first_line(error)}") from error
    source = Array(as_batch(pictures, str(path)))
    if labels is None:
        return _plain(source, path.name)
    if labels.ndim == 2 and labels.shape[1] > 1 and len(labels) == len(source):  # one-hot
        return _plain(source, path.name, numbered(list(labels)))
    if labels.size != len(source):
        raise DataError(f"{path} holds labels of shape {labels.shape} for {len(source)} images")
    return _plain(source, path.name, numbered(labels.reshape(-1).tolist()))


def _members(
    path: Path, content: np.ndarray | Arrays, split: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The images and labels of an `.npz` file, or of an array alone."""
    prefix = f"{split}_" if split else ""
    if isinstance(content, np.ndarray):
        return content, None
    if f"{prefix}images" not in content:
        held = ", ".join(content) or "nothing"
        splits = [name.removesuffix("_images") for name in content if name.endswith("_images")]
        hint = f"; choose one with split={splits[0]!r}" if splits else "; save the images under that name"
        raise DataError(f"{path} holds {held}; wanted is an array named '{prefix}images'{hint}")
    return content[f"{prefix}images"], content.get(f"{prefix}labels")
