"""Image-text encoders of open_clip."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vital.backends._loading import (
    Device,
    Dtype,
    check_texts,
    package,
    pictures,
    placed,
    quietly,
    unit_length,
    warn_cut,
    why,
)
from vital.errors import UsageError, WeightsError, unknown
from vital.types import Images
from vital.utils.io import did_you_mean

_QUICK = re.compile(r"openai|quick_?gelu|metaclip|(?<![a-z])dfn", re.IGNORECASE)
_PLAIN = re.compile(r"laion|datacomp|commonpool|webli", re.IGNORECASE)
"""Whose weights are trained with QuickGELU and with GELU, by the names of their files."""

HELP = "write open_clip:NAME/PRETRAINED, open_clip:NAME@FILE or open_clip:FOLDER"
PRECISIONS = {torch.float32: "fp32", torch.float16: "pure_fp16", torch.bfloat16: "pure_bf16"}
_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")


@dataclass(frozen=True, eq=False)
class OpenClip:
    """A network of open_clip with its own preprocessing and tokenizer, `batch` images or texts at a time."""

    network: torch.nn.Module = field(repr=False)
    preprocess: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    name: str
    batch: int = 64

    @torch.no_grad()
    def encode_image(self, images: Images) -> Tensor:
        """Embed images in [0, 1]: (B, D), length 1, float32, on the network's device."""
        like = next(self.network.parameters())
        found = []
        for part in torch.split(images, self.batch):
            seen = torch.stack([self.preprocess(picture) for picture in pictures(part)])
            found.append(self.network.encode_image(seen.to(like.device, like.dtype)))  # type: ignore[operator]
        return unit_length(torch.cat(found), self.name)

    @torch.no_grad()
    def encode_text(self, texts: list[str]) -> Tensor:
        """Embed texts: (K, D), length 1, float32, on the network's device."""
        check_texts(texts)
        context = int(getattr(self.tokenizer, "context_length", 0) or 0)
        warn_cut(
            self.name,
            context,
            [text for text in texts if context and _length(self.tokenizer, text) > context],
        )
        like = next(self.network.parameters())
        found = []
        for start in range(0, len(texts), self.batch):
            read = self.tokenizer(texts[start : start + self.batch]).to(like.device)
            found.append(self.network.encode_text(read))  # type: ignore[operator]
        return unit_length(torch.cat(found), self.name)


def _length(tokenizer: Any, text: str) -> int:
    """How many tokens a text has, the marks of its beginning and end among them."""
    if hasattr(tokenizer, "encode"):
        return len(tokenizer.encode(text)) + 2
    inner = getattr(tokenizer, "tokenizer", None)
    return len(inner(text, verbose=False)["input_ids"]) if callable(inner) else 0


def from_open_clip(name: str, *, device: Device = None, dtype: Dtype = None, batch: int = 64) -> OpenClip:
    """Load `NAME/PRETRAINED`, `NAME@FILE` or a folder of open_clip.

    Published weights that are in the cache are read from there; others are downloaded by open_clip. Raises
    `UsageError` and `UnknownNameError` for a name that cannot be read, `WeightsError` and `MissingDependencyError`.
    """
    open_clip = package("open_clip", "open_clip_torch", "clip", "image-text encoders named open_clip:NAME")
    where, kind = placed(device, dtype)
    bare, options = _chosen(open_clip, name)
    label = f"open_clip:{name}"
    try:
        with quietly():
            network = open_clip.create_model(
                bare, precision=PRECISIONS[kind], device=where, require_pretrained=True, **options
            )
            tokenizer = open_clip.get_tokenizer(bare)
    except Exception as error:  # open_clip passes on errors of torch, of files and of several HTTP clients
        raise WeightsError(_failed(label, options, error)) from error
    _check_activation(open_clip, label, bare, options)
    cfg = open_clip.transform.PreprocessCfg(**network.visual.preprocess_cfg)
    preprocess = open_clip.transform.image_transform_v2(cfg, is_train=False)
    return OpenClip(network.eval(), preprocess, tokenizer, label, batch)


def _check_activation(open_clip: Any, label: str, model: str, options: Mapping[str, Any]) -> None:
    """Warn where weights were trained with another activation than the network has, which spoils what they say.

    Of a file of one's own only its name and its kind can tell: OpenAI's own files are archives of TorchScript.
    Published weights are computed with QuickGELU where they need it; for an architecture that has it, and no twin
    without it, they were made.
    """
    built = bool((open_clip.get_model_config(model) or {}).get("quick_gelu"))
    file = str(options.get("pretrained", ""))
    if "force_quick_gelu" in options:
        trained, has = bool(options["force_quick_gelu"]), built or bool(options["force_quick_gelu"])
    elif not file:
        return
    else:
        named = _QUICK.search(Path(file).name) is not None or _is_script(file)
        trained, has = (True, built) if named else (built and _PLAIN.search(Path(file).name) is None, built)
    bare = model.removesuffix("-quickgelu")
    write = bare if has else f"{bare}-quickgelu"
    exists = write != model and write in open_clip.list_models()
    if trained != has and (exists or "force_quick_gelu" not in options):
        own, other = ("QuickGELU", "GELU") if has else ("GELU", "QuickGELU")
        fits = f"; open_clip:{write} fits" if exists else ""
        warnings.warn(
            f"{label} computes with {own}, and its weights seem to be trained with {other}{fits}",
            stacklevel=3,
        )


def _is_script(file: str) -> bool:
    """Whether a file is an archive of TorchScript."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any("/code/" in f"/{name}" for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _failed(label: str, options: Mapping[str, Any], error: Exception) -> str:
    source = str(options.get("pretrained", ""))
    if not source or Path(source).is_file():
        return f"{label} cannot be loaded: {why(error)}"
    return f"{label} is not on this machine and the download failed ({why(error)}); {HELP}"


def _chosen(open_clip: Any, name: str) -> tuple[str, dict[str, Any]]:
    """Read which network is meant, and the options with which open_clip finds its weights."""
    if Path(name).expanduser().is_dir():
        return f"local-dir:{Path(name).expanduser()}", {}
    model, at, file = name.partition("@")
    model, _, tag = (model, "", "") if at else model.partition("/")
    if model not in open_clip.list_models():
        raise UsageError(f"{unknown('open_clip model', model, open_clip.list_models())}; {HELP}")
    if at:
        path = Path(file).expanduser()
        if not path.is_file():
            raise WeightsError(f"open_clip:{name}: there is no file {file!r}{did_you_mean(file)}")
        return model, {"pretrained": str(path)}
    return model, _published(open_clip, model, tag)


def _published(open_clip: Any, model: str, tag: str) -> dict[str, Any]:
    tags = open_clip.list_pretrained_tags_by_model(model)
    if not tag:
        shown = ", ".join(tags[:6]) + (f", … ({len(tags)} in all)" if len(tags) > 6 else "")
        wanted = f"open_clip:{model}/ and one of: {shown}" if tags else f"open_clip:{model}@FILE"
        raise UsageError(f"open_clip:{model} does not say which weights; write {wanted}")
    if tag not in tags:
        raise unknown(f"weights of open_clip:{model}", tag, tags)
    known = open_clip.get_pretrained_cfg(model, tag)
    cfg = {
        key: value for key, value in known.items() if key in ("mean", "std", "interpolation", "resize_mode")
    }
    return {
        "pretrained": _cached(known) or tag,
        "force_quick_gelu": bool(known.get("quick_gelu")),
        "force_preprocess_cfg": cfg,
    }


def _cached(known: Mapping[str, Any]) -> str:
    """Find published weights in the cache of the hub, without asking the hub; empty where they are not there."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, file = str(known.get("hf_hub", "")).rpartition("/")
    found = (try_to_load_from_cache(repository, f) for f in ((file,) if file else _FILES) if repository)
    return next((path for path in found if isinstance(path, str)), "")
