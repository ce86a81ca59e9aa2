"""Vision networks of transformers, from a folder, from the cache of the hub, or from the hub."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from vital.errors import WeightsError
from vital.models.model import Model
from vital.models.published import RANDOM, Size, building, package

T = TypeVar("T")
HEADS = {
    "ForImageClassification": "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING",
    "ForSemanticSegmentation": "MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING",
}
"""The tasks whose networks return scores of classes, each with the table of those that there are."""
_RESAMPLING = {0: "nearest", 2: "bilinear", 3: "bicubic"}


def from_huggingface(name: str, pretrained: bool, size: Size | None = None) -> Model:
    """Build the network NAME; preprocessing from its image processor, class names from its configuration.

    A network for image classification or semantic segmentation is taken with its head, an image-text network with its
    image tower alone, any other without its head, which a warning says. Code of a repository is never run. Raises
    `WeightsError` (no download), `ModelError` and `MissingDependencyError`.
    """
    del size  # it belongs to the weights
    library = package("transformers", "caption", "models named hf:NAME")
    label = f"hf:{name}"

    def load(part: str, **options: Any) -> Any:
        one = getattr(library, part).from_pretrained
        return _local_first(
            lambda local: one(name, local_files_only=local, trust_remote_code=False, **options)
        )

    with building(label, pretrained), _no_bars(library.utils.logging):
        config = load("AutoConfig")
        made = next(iter(config.architectures or ()), "")
        kind = next((f"AutoModel{task}" for task in HEADS if _does(library, config, task)), "AutoModel")
        classifies = kind != "AutoModel"
        module, report = getattr(library, kind).from_config(config), {}
        if pretrained:
            module, report = load(kind, output_loading_info=True)
        shown = _preprocessing(load("AutoImageProcessor"))
    if missing := [key for key in sorted(map(str, report.get("missing_keys", ()))) if "pooler" not in key]:
        raise WeightsError(
            f"{label} does not fit its network: {len(missing)} weights are missing ({missing[0]}, …)"
        )
    if not classifies and "For" in made:
        warnings.warn(
            f"{label} is a {made} and is taken without its head, so that class is its embedding; for the head wrap it "
            "in a module whose forward returns one tensor of scores",
            stacklevel=2,
        )
    tower = getattr(module, "vision_model", module)
    names = class_names(config) if classifies else ()
    told: dict[str, Any] = (
        {"output": "softmax", "head": "logits"} if classifies else {"output": "embedding", "head": 0}
    )
    return Model(tower, label, classes=names, weights=label if pretrained else RANDOM, **shown, **told)


def _does(library: Any, config: Any, task: str) -> bool:
    return task in str(config.architectures) and type(config) in getattr(library, HEADS[task])


@contextmanager
def _no_bars(bars: Any) -> Iterator[None]:
    """Without progress bars where there is no terminal."""
    shown = not sys.stderr.isatty() and bars.is_progress_bar_enabled()
    if shown:
        bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def _local_first(load: Callable[[bool], T]) -> T:
    try:
        return load(True)
    except OSError:
        return load(False)


def class_names(config: Any) -> tuple[str, ...]:
    """The names of the outputs; none where they are numbers with "LABEL_" in front, as transformers makes them up."""
    names = tuple(str(config.id2label[i]) for i in sorted(config.id2label))
    return () if all(name.startswith("LABEL_") for name in names) else names


def _preprocessing(processor: Any) -> dict[str, Any]:
    """What an image processor does, in the words of `Model`: the resize, the crop, (255 · factor · x − mean) / std."""
    said = {key: value for key, value in processor.to_dict().items() if value is not None}
    short, extent = _extent(said["size"])
    resize = short if said.get("do_resize", True) else None
    if said.get("do_center_crop") and "crop_size" in said:
        resize, extent = resize or min(extent), _extent(said["crop_size"])[1]
    elif short and "crop_pct" in said and short < 384:  # ConvNeXt: enlarged, then cropped
        resize = round(short / said["crop_pct"])
    scale = 255 * (said.get("rescale_factor", 1 / 255) if said.get("do_rescale", True) else 1.0)
    plain = not said.get("do_normalize", True)
    mean, std = ([0.0], [1.0]) if plain else (said["image_mean"], said["image_std"])
    return {
        "size": extent,
        "resize": resize if resize is None else max(resize, min(extent)),
        "mean": tuple(value / scale for value in mean),
        "std": tuple(value / scale for value in std),
        "interpolation": _RESAMPLING.get(int(said.get("resample", 2)), "bilinear"),
    }


def _extent(size: Mapping[str, int]) -> tuple[int | None, Size]:
    """The short side that pictures are brought to, None where both sides are given, and the size."""
    if "shortest_edge" in size:
        return size["shortest_edge"], (size["shortest_edge"],) * 2
    return None, (size["height"], size["width"])
