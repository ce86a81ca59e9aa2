"""Networks with published weights: torchvision, timm and open_clip, each imported when first needed."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vital.errors import (
    MissingDependencyError,
    ModelError,
    UsageError,
    WeightsError,
    first_line,
    missing_extra,
    unknown,
)
from vital.models.model import Model
from vital.models.modules import built_for
from vital.models.pixels import INTERPOLATIONS
from vital.utils.importing import is_misfit, misfit
from vital.utils.registry import Registry

Size = tuple[int, int]
Source = Callable[[str, bool, Size | None], Model]
SOURCES: Registry[Source] = Registry("kind of model")
RANDOM = "random"

# These are imported when they are asked for: they lie above the models, or are seldom wanted.
SOURCES.register_lazy("world", "vital.world.networks.weights:from_world", example="world or world:judge")
SOURCES.register_lazy(
    "hf", "vital.models.huggingface:from_huggingface", example="hf:google/vit-base-patch16-224"
)
SOURCES.register_lazy("lwta", "vital.lwta.conversion:model", example="lwta:4/torchvision:resnet50")


@SOURCES.register("torchvision", example="torchvision:resnet50/IMAGENET1K_V1")
def from_torchvision(name: str, pretrained: bool, size: Size | None = None) -> Model:
    """Build `NAME[/WEIGHTS]` of torchvision; preprocessing and class names are those of the weights.

    Only networks on single images are offered: classification and segmentation. Nothing is downloaded unless
    `pretrained`. Raises `UnknownNameError`, `ModelError`, `WeightsError` (no download) and `MissingDependencyError`.
    """
    del size  # these networks take what they get, but for transformers, whose size belongs to their weights
    models = package("torchvision.models", "", "models named torchvision:NAME")
    name, _, tag = name.partition("/")
    if name not in models.list_models():
        raise unknown("torchvision model", name, models.list_models())
    table = models.get_model_weights(name)
    known = {weights.name: weights for weights in table}
    if tag not in ("", "DEFAULT", *known):
        raise unknown(f"weights of torchvision:{name}", tag, known)
    chosen = known.get(tag) or table.DEFAULT
    preset = chosen.transforms()
    side = _side(name, preset)
    label = f"torchvision:{name}/{chosen.name}"
    options: dict[str, Any] = {"image_size": side} if name.startswith("vit_") else {}
    if not hasattr(preset, "crop_size"):
        options["weights_backbone"] = None  # segmentation networks would download their backbone
    with building(label, pretrained):
        module = models.get_model(name, weights=chosen if pretrained else None, **options)
    if hasattr(module, "transform_input"):
        module.transform_input = True  # torchvision's weights ask for it, whichever way they are loaded
    return Model(
        module,
        f"torchvision:{name}",
        (side, side),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        resize=preset.resize_size[0],
        interpolation=preset.interpolation.value,
        classes=tuple(chosen.meta.get("categories") or ()),
        weights=label if pretrained else RANDOM,
        output="softmax",
        head=None if hasattr(preset, "crop_size") else "out",  # beside the auxiliary classifier's
    )


def _side(name: str, preset: Any) -> int:
    """The side of the input in torchvision's preprocessing; raises for what is not a network on single images."""
    resize: Any = getattr(preset, "resize_size", ())
    crop: Any = getattr(preset, "crop_size", resize)
    if name.startswith("quantized_") or len(crop) != 1 or len(resize) != 1:
        raise ModelError(
            f"torchvision:{name} cannot be used; allowed are torchvision's classification and segmentation networks "
            "on single images, not quantized"
        )
    return int(crop[0])


@SOURCES.register("timm", example="timm:convnext_tiny.fb_in1k")
def from_timm(name: str, pretrained: bool, size: Size | None = None) -> Model:
    """Build `NAME[.TAG]` of timm; preprocessing from its configuration, class names from timm's ImageNet tables.

    `hf-hub:OWNER/NAME` and `local-dir:FOLDER` are networks of the hub and of a folder. `size` is passed on to networks
    that are built for a size. Raises as `from_torchvision` does.
    """
    timm = package("timm", "timm", "models named timm:NAME")
    elsewhere = name.startswith(("hf-hub:", "hf_hub:", "local-dir:"))
    if not elsewhere:
        _check_timm(timm, name, pretrained)
    with building(f"timm:{name}", pretrained):
        module = _create(timm, name, pretrained, size)
    config = timm.data.resolve_model_data_config(module)
    channels, height, width = config["input_size"]
    classes = _timm_classes(timm, module)
    return Model(
        module,
        f"timm:{name}",
        (height, width),
        channels,
        tuple(config["mean"]),
        tuple(config["std"]),
        _resize(f"timm:{name}", config["crop_mode"], math.floor(min(height, width) / config["crop_pct"])),
        _interpolation(config["interpolation"]),
        classes,
        _timm_weights(name, module, elsewhere) if pretrained else RANDOM,
        output="softmax" if classes else None if module.num_classes else "embedding",
    )


def _check_timm(timm: Any, name: str, pretrained: bool) -> None:
    """Raise for a network that timm does not have, or that it has no such weights for."""
    if not timm.is_model(name):
        raise unknown("timm model", name, timm.list_models())
    bare, _, tag = name.partition(".")
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{bare}.*")]
    if tag and tag not in tags:
        raise unknown(f"weights of timm:{bare}", tag, tags)
    if pretrained and not tags:
        raise WeightsError(f"timm has no weights for {name!r}; give --weights FILE or --weights random")


def _timm_weights(name: str, module: Any, elsewhere: bool) -> str:
    if elsewhere:
        return f"timm:{name}"
    return f"timm:{name.partition('.')[0]}.{module.pretrained_cfg.get('tag', '')}".rstrip(".")


def _create(timm: Any, name: str, pretrained: bool, size: Size | None) -> Any:
    if size is not None:
        try:
            return timm.create_model(name, pretrained=pretrained, img_size=size)
        except TypeError:  # a network for any size does not know the option
            pass
    return timm.create_model(name, pretrained=pretrained)


def _timm_classes(timm: Any, module: Any) -> tuple[str, ...]:
    subset = timm.data.infer_imagenet_subset(module)
    if not subset:
        return ()
    table = timm.data.ImageNetInfo(subset)
    names = tuple(table.index_to_description(i) for i in range(table.num_classes()))
    return names if len(names) == module.num_classes else ()


@SOURCES.register("open_clip", example="open_clip:ViT-B-32/laion2b_s34b_b79k")
def from_open_clip(name: str, pretrained: bool, size: Size | None = None) -> Model:
    """Build the image tower of `NAME[/PRETRAINED]` of open_clip; its outputs are an embedding and have no names.

    A network with several sets of weights wants one named. Raises as `from_torchvision` does.
    """
    open_clip = package("open_clip", "clip", "models named open_clip:NAME", distribution="open_clip_torch")
    name, _, tag = name.partition("/")
    if name not in open_clip.list_models():
        raise unknown("open_clip model", name, open_clip.list_models())
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag and tag not in tags:
        raise unknown(f"weights of open_clip:{name}", tag, tags)
    if pretrained and not tag:
        tag = _only(name, tags)
    published = open_clip.get_pretrained_cfg(name, tag) if tag else {}
    label = f"open_clip:{name}" + (f"/{tag}" if tag else "")
    side = size[0] if size and size[0] == size[1] else size  # a ResNet tower takes one number only
    with building(label, pretrained):
        module = open_clip.create_model(
            name,
            pretrained=tag if pretrained else None,
            pretrained_text=False,
            force_image_size=side,
            force_quick_gelu=bool(published.get("quick_gelu")),
        ).visual
    preset = {**module.preprocess_cfg, **{k: v for k, v in published.items() if k in module.preprocess_cfg}}
    extent = (preset["size"],) * 2 if isinstance(preset["size"], int) else tuple(preset["size"])
    extent = extent if size is None else size
    return Model(
        module,
        f"open_clip:{name}",
        extent,
        mean=tuple(preset["mean"]),
        std=tuple(preset["std"]),
        resize=_resize(f"open_clip:{name}", preset["resize_mode"], min(extent)),
        interpolation=_interpolation(preset["interpolation"]),
        weights=label if pretrained else RANDOM,
        output="embedding",
    )


def metadata(module: Any) -> dict[str, Any]:
    """What a module says of the images that it takes, in the words of a factory's constants.

    Those of timm and open_clip say all, those of transformers and the transformers of torchvision their size.

    >>> from torch import nn
    >>> metadata(nn.Identity())
    {}
    """
    while (inner := getattr(module, "_orig_mod", None) or _parallel(module)) is not None:
        module = inner
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "preprocess_cfg", None)
    config = config if isinstance(config, Mapping) else vars(config) if hasattr(config, "__dict__") else {}
    if not {"mean", "std"} <= config.keys():
        size = built_for(module)
        return {"SIZE": size} if size else {}
    size = config.get("size") or (config.get("input_size") or (224, 224))[-2:]
    height, width = (size, size) if isinstance(size, int) else size
    found = {
        "MEAN": config["mean"],
        "STD": config["std"],
        "SIZE": (height, width),
        "RESIZE": math.floor(min(height, width) / (config.get("crop_pct") or 1)),
        "INTERPOLATION": _interpolation(str(config.get("interpolation"))),
    }
    if (config.get("resize_mode") or config.get("crop_mode")) == "squash":
        found["RESIZE"] = None
    if (
        (timm := sys.modules.get("timm"))
        and hasattr(module, "pretrained_cfg")
        and hasattr(module, "num_classes")
    ):
        found["CLASSES"] = _timm_classes(timm, module)
    return found


def _parallel(module: Any) -> Any:
    return module.module if type(module).__name__ in ("DataParallel", "DistributedDataParallel") else None


def _only(name: str, tags: list[str]) -> str:
    if len(tags) == 1:
        return tags[0]
    if not tags:
        raise WeightsError(f"open_clip has no weights for {name!r}; give --weights FILE or --weights random")
    shown = ", ".join(tags[:6]) + (f", … ({len(tags)} in all)" if len(tags) > 6 else "")
    raise UsageError(
        f"open_clip:{name} has several sets of weights; write open_clip:{name}/ and one of: {shown}"
    )


def image_tower(state: Mapping[str, Any]) -> dict[str, Any]:
    """Take the image tower's part out of the state dict of a whole image-text network; a tower's own stays.

    >>> image_tower({"visual.conv1": 1, "text.bias": 2})
    {'conv1': 1}
    """
    tower = {key.removeprefix("visual."): value for key, value in state.items() if key.startswith("visual.")}
    return tower or dict(state)


def _resize(name: str, mode: str, side: int) -> int | None:
    """The short side before the crop, for the ways in which timm and open_clip say it."""
    if mode in ("center", "shortest"):
        return side
    if mode == "squash":
        return None
    raise ModelError(
        f"{name} is shown images with {mode!r} padding; allowed are center crops and plain resizing"
    )


def _interpolation(name: str) -> str:
    return name if name in INTERPOLATIONS else "bilinear"


def package(name: str, extra: str, purpose: str, distribution: str = "") -> Any:
    """Import a package that is not always there; `extra` brings it, or (empty) it belongs to every installation.

    Raises `MissingDependencyError` where it is missing or does not fit the installed torch.
    """
    top = name.partition(".")[0]
    distribution = distribution or top
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in (top, None):
            if not extra:
                raise MissingDependencyError(
                    f"{purpose} need the package {top}: pip install {top}"
                ) from error
            raise missing_extra(distribution, extra, purpose) from error
        raise _unfit(distribution, purpose, error) from error
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        raise _unfit(distribution, purpose, error) from error


def _unfit(distribution: str, purpose: str, error: Exception) -> MissingDependencyError:
    if is_misfit(error):
        return MissingDependencyError(f"{purpose} need the package {distribution}: {misfit()}")
    return MissingDependencyError(
        f"{purpose} need the package {distribution}, which is installed ({_version(distribution)}) but does not work "
        f"with torch {_version('torch')}: {first_line(error)}; install versions that belong together"
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "version unknown"


@contextmanager
def building(label: str, pretrained: bool) -> Iterator[None]:
    """Turn whatever a library raises while it builds a network, or downloads its weights, into one sentence."""
    try:
        with _quietly():
            yield
    except Exception as error:  # the libraries pass on errors of several HTTP clients
        why = first_line(error).partition(". ")[0]
        if not pretrained or isinstance(error, TypeError | AssertionError):
            raise ModelError(f"{label} cannot be built: {why}") from error
        raise WeightsError(
            f"the weights {label} are not cached here and the download failed ({why}); "
            "give --weights FILE, or --weights random for random ones"
        ) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence what the libraries log and warn while they build a network: its outcome says the same."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
