"""Image generators of diffusers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import torch

from vital.backends._loading import Device, Dtype, local_first, package, placed
from vital.errors import InvalidValueError, ModelError
from vital.types import Images

PROMPT = "a realistic photo of {}"


@dataclass(frozen=True, eq=False)
class Diffusion:
    """A text-to-image pipeline of diffusers with its own scheduler, `batch` images at a time.

    `prompt` is what it is asked, with {} for the text; `size` is (height, width) in pixels, or the pipeline's own.
    Image i is drawn from `seed` + i alone, whatever the count and the batch.
    """

    pipeline: Any = field(repr=False)
    name: str
    steps: int = 50
    guidance: float | None = None
    prompt: str = PROMPT
    size: tuple[int, int] | None = None
    batch: int = 4

    def generate(self, text: str, count: int, seed: int) -> Images:
        """Make `count` images of what the text says: (N, 3, H, W) in [0, 1], float32, on the CPU.

        Warns of images that the pipeline's own safety checker held back, which are black.
        """
        if count < 1:
            raise InvalidValueError(f"{count} images are asked for; allowed are whole numbers from 1")
        seeds = range(seed, seed + count)
        return torch.cat([self._drawn(text, seeds[i : i + self.batch]) for i in range(0, count, self.batch)])

    @torch.no_grad()
    def _drawn(self, text: str, seeds: range) -> Images:
        options: dict[str, Any] = {} if self.guidance is None else {"guidance_scale": self.guidance}
        if self.size:
            options |= dict(zip(("height", "width"), self.size, strict=True))
        found = self.pipeline(
            self.prompt.replace("{}", text),
            num_images_per_prompt=len(seeds),
            num_inference_steps=self.steps,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="pt",
            **options,
        )
        held = sum(map(bool, getattr(found, "nsfw_content_detected", None) or ()))
        if held:
            note = f"{held} of {len(seeds)} images are black: its safety checker held them back"
            warnings.warn(f"{self.name}: {note}", stacklevel=3)
        images: Images = torch.as_tensor(found.images).float().cpu()
        if not torch.isfinite(images).all():
            raise ModelError(f"{self.name} gives images that are not finite; its weights may need float32")
        return images.clamp(0, 1)


def from_diffusers(
    name: str,
    *,
    device: Device = None,
    dtype: Dtype = None,
    steps: int = 50,
    guidance: float | None = None,
    prompt: str = PROMPT,
    size: tuple[int, int] | None = None,
    batch: int = 4,
) -> Diffusion:
    """Load a pipeline from a folder, from the cache of the hub, or from the hub.

    Code of a repository is never run. Raises `WeightsError`, `MissingDependencyError` and `InvalidValueError`.
    """
    purpose = "image generators named diffusers:NAME"
    library = package("diffusers", "diffusers", "generate", purpose)
    texts = package("transformers", "transformers", "generate", purpose)
    if steps < 1 or batch < 1 or "{}" not in prompt:
        allowed = "allowed are whole numbers from 1, and a prompt with {} for the text"
        raise InvalidValueError(f"steps is {steps}, batch {batch}, prompt {prompt!r}; {allowed}")
    where, kind = placed(device, dtype)
    label = f"diffusers:{name}"

    def load(local: bool) -> Diffusion:
        pipeline = library.DiffusionPipeline.from_pretrained(name, torch_dtype=kind, local_files_only=local)
        pipeline.set_progress_bar_config(disable=None, leave=False)
        return Diffusion(pipeline.to(where), label, steps, guidance, prompt, size, batch)

    return local_first(label, name, load, library, texts)
