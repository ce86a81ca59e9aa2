"""What the backends from libraries share: optional packages, devices, local files before downloads."""

from __future__ import annotations

import importlib
import logging
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor

from vital.errors import (
    InvalidValueError,
    MissingDependencyError,
    ModelError,
    VitalError,
    WeightsError,
    first_line,
    missing_extra,
)
from vital.types import Images
from vital.utils.importing import is_misfit, misfit
from vital.utils.io import did_you_mean

T = TypeVar("T")
Device = torch.device | str | None
Dtype = torch.dtype | str | None
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def package(name: str, distribution: str, extra: str, purpose: str) -> Any:
    """Import a package that an extra brings. Raises `MissingDependencyError` where it is missing or does not work."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = distribution if error.name in (name, None) else error.name
        raise missing_extra(missing, extra, purpose) from error
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        if is_misfit(error):
            raise MissingDependencyError(f"{purpose} need the package {distribution}: {misfit()}") from error
        raise MissingDependencyError(
            f"{purpose} need the package {distribution}, which is installed but does not work here: "
            f"{first_line(error)}; pip install --upgrade 'vital-fv[{extra}]', or '.[{extra}]' in a clone"
        ) from error


def placed(device: Device, dtype: Dtype) -> tuple[torch.device, torch.dtype]:
    """Check where and in which precision to compute; None is the CPU, and float32. Raises `InvalidValueError`.

    >>> placed(None, "float16")
    (device(type='cpu'), torch.float16)
    """
    kind = DTYPES.get(dtype) if isinstance(dtype, str) else dtype or torch.float32
    if kind is None or kind not in DTYPES.values():
        raise InvalidValueError(f"the dtype is {dtype}; allowed are {', '.join(DTYPES)}")
    try:
        torch.empty(0, device=(found := torch.device(device or "cpu")))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InvalidValueError(
            f"the device {str(device)!r} cannot be used here: {first_line(error)}"
        ) from error
    return found, kind


def pictures(images: Images) -> list[Image.Image]:
    """Turn images in [0, 1] into PIL images of 8 bit, which is what the libraries' own preprocessing takes.

    >>> pictures(torch.zeros(1, 3, 2, 4))[0].size
    (4, 2)
    """
    check_images(images)
    rows = (images.detach().float().clamp(0, 1) * 255 + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(row) for row in rows]


def check_images(images: Images) -> None:
    """Raise `InvalidValueError` for what is not (B, 3, H, W)."""
    if images.ndim != 4 or images.shape[1] != 3:
        raise InvalidValueError(f"the images are {tuple(images.shape)}; allowed is (B, 3, H, W) in [0, 1]")


def check_texts(texts: list[str] | str) -> None:
    """Raise `InvalidValueError` for no text at all, and for a string, which would be read letter by letter."""
    if isinstance(texts, str) or not texts:
        raise InvalidValueError(f"the texts are {texts!r}; allowed is a list of one text or more")


def warn_cut(name: str, context: int, texts: list[str]) -> None:
    """Warn of texts that an encoder does not read to their end, so that those with one beginning are one to it."""
    if texts:
        shown = ", ".join(repr(text if len(text) <= 60 else f"{text[:57]}…") for text in texts[:3])
        more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
        warnings.warn(
            f"{name} reads the first {context} tokens of a text alone; cut are {shown}{more}", stacklevel=3
        )


def unit_length(vectors: Tensor, name: str) -> Tensor:
    """Scale rows to length 1, in float32. Raises `ModelError` where they are not finite."""
    if not torch.isfinite(vectors).all():
        raise ModelError(f"{name} gives values that are not finite; its weights are damaged, or need float32")
    return torch.nn.functional.normalize(vectors.float(), dim=1)


def local_first(label: str, name: str, load: Callable[[bool], T], *libraries: Any) -> T:
    """Load from a folder or the library's cache, and only failing that let the library download.

    `load` takes whether local files alone may be used; `libraries` are those that load. Raises
    `WeightsError` of one sentence.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir() and (folder.is_absolute() or name.startswith((".", "~"))):
        raise WeightsError(f"{label}: there is no folder {name!r}{did_you_mean(name)}")
    try:
        with quietly(*libraries):
            return load(True)
    except OSError as error:
        if folder.is_dir():
            raise WeightsError(f"{label} cannot be loaded: {why(error)}") from error
    except VitalError:
        raise
    except Exception as error:  # the libraries raise of every kind for files that are damaged
        raise WeightsError(f"{label} cannot be loaded: {why(error)}") from error
    try:
        with quietly(*libraries):
            return load(False)
    except VitalError:
        raise
    except Exception as error:  # and pass on errors of several HTTP clients
        raise WeightsError(
            f"{label} is not on this machine and the download failed ({why(error)}); where there is a network: "
            f"hf download {name}; or write a folder in the place of {name}"
        ) from error


def why(error: BaseException) -> str:
    r"""Say in short what a library's error says at length.

    >>> why(RuntimeError("Error in loading:\n   size mismatch. See the manual."))
    'Error in loading: size mismatch'
    """
    if isinstance(error, pickle.UnpicklingError):
        return "it holds pickled objects or is damaged, and only plain tensors are read"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return said.partition(". ")[0].rstrip(".")[:300]


def complete(label: str, loaded: tuple[Any, Any]) -> Any:
    """Take a transformers model and what was said of its loading; raise `WeightsError` where weights are missing.

    Poolers, which no sentence comes from, may be: published captioners lack them.
    """
    model, report = loaded
    own = dict(model.named_parameters())
    missing = sorted(key for key in map(str, report["missing_keys"]) if key in own and "pooler" not in key)
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise WeightsError(f"{label} does not fit its network: {len(missing)} weights are missing ({shown})")
    return model.eval()


@contextmanager
def quietly(*libraries: Any) -> Iterator[None]:
    """Silence what the libraries log and warn while they load: the outcome says the same.

    The progress bars of transformers and diffusers stay where there is a terminal.
    """
    bars = [] if sys.stderr.isatty() else [library.utils.logging for library in libraries]
    shown = [bar for bar in bars if bar.is_progress_bar_enabled()]
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        for bar in shown:
            bar.disable_progress_bar()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        for bar in shown:
            bar.enable_progress_bar()


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from a seed within the block, and leave torch's own random state as it was."""
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        yield
