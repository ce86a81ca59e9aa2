"""`vital doctor`: what is here. It reads this machine alone and never touches the network."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import typer

from vital._version import __version__
from vital.cli.common import megabytes, table
from vital.errors import first_line, install
from vital.utils.importing import unimportable
from vital.utils.io import cache_folder

NEEDED = (
    "torch", "torchvision", "filelock", "jinja2", "kornia", "matplotlib", "numpy", "pandas", "pillow", "platformdirs",
    "pydantic", "pyyaml", "rich", "safetensors", "scikit-image", "scikit-learn", "scipy", "torchmetrics",
    "tqdm", "typer",
)  # fmt: skip
"""What every installation has: the dependencies in pyproject.toml."""
OPTIONAL = {
    "timm": "timm", "open_clip_torch": "clip", "transformers": "caption", "datasets": "datasets",
    "accelerate": "generate", "diffusers": "generate", "httpx": "llm", "tenacity": "llm", "ray": "ray",
    "sentence-transformers": "sentences", "tensorboard": "tensorboard", "wandb": "wandb", "torch-lucent": "",
}  # fmt: skip
"""What an extra brings, and which."""


def doctor() -> None:
    """Show what is installed, and which devices there are.

    Shows too which weights are cached.
    """
    typer.echo(
        f"vital {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}\n"
    )
    packages = [*map(_needed, NEEDED), *(_optional(name, extra) for name, extra in OPTIONAL.items())]
    typer.echo(table(["package", "version", ""], packages))
    typer.echo("\n" + table(["device", "what"], list(_devices())))
    typer.echo("\n" + table(["cache", "size", "what"], list(_caches())))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _needed(package: str) -> tuple[str, str, str]:
    version = _version(package)
    if version is None:
        return package, "-", "missing: pip install vital-fv"
    return package, version, _broken(package) if package in ("torchvision", "kornia") else ""


def _broken(package: str) -> str:
    """Why a package that is installed cannot be imported; a torchvision of another torch is the usual case."""
    try:
        importlib.import_module(package)
    except Exception as error:  # noqa: BLE001  whatever its import raises is what the user must see
        return unimportable(error) or f"does not work: {first_line(error)}"
    return ""


def _optional(package: str, extra: str) -> tuple[str, str, str]:
    version = _version(package)
    if version is None:
        return package, "-", f"optional: {install(extra)}" if extra else "optional"
    return package, version, ""


def _devices() -> Iterator[tuple[str, str]]:
    import torch

    yield "cpu", f"{torch.get_num_threads()} threads"
    for index in range(torch.cuda.device_count()):
        known = torch.cuda.get_device_properties(index)
        yield f"cuda:{index}", f"{known.name}, {known.total_memory / 1e9:.0f} GB"
    if torch.backends.mps.is_available():
        yield "mps", "Apple GPU"


def _caches() -> Iterator[tuple[str, str, str]]:
    import torch

    folder = cache_folder()
    yield str(folder), megabytes(_size(folder)), "banks and templates; may be deleted"
    checkpoints = Path(torch.hub.get_dir()) / "checkpoints"
    for file in sorted(filter(Path.is_file, checkpoints.iterdir())) if checkpoints.is_dir() else []:
        yield file.name, megabytes(file.stat().st_size), "weights, torchvision"
    hub = _hub()
    for repository in sorted(hub.glob("models--*")) if hub.is_dir() else []:
        name = repository.name.removeprefix("models--").replace("--", "/")
        yield name, megabytes(_size(repository / "blobs")), "weights, Hugging Face"


def _hub() -> Path:
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        return Path.home() / ".cache" / "huggingface" / "hub"
    return Path(HF_HUB_CACHE)


def _size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())
