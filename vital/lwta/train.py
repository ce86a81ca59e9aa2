"""Train or fine-tune a network on labeled images, its competitions sampled and then settled."""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from vital.callbacks import Callback, End, Step
from vital.callbacks.base import Callbacks, guarded, told
from vital.data import ImageSet
from vital.data.labels import LABELING, match_classes
from vital.errors import DataError, ModelError, RunError
from vital.lwta.schedule import SamplingSchedule
from vital.models import Model
from vital.models.outputs import answered, count_outputs
from vital.types import Images
from vital.utils.io import as_json, explained, locked, read_json, write
from vital.utils.logs import logger
from vital.utils.options import MOST, Count, NonNegative, Positive, Range, check_options, check_whole
from vital.utils.progress import Progress
from vital.utils.random import generator, seed_of

PartialShare = Annotated[float, Range(0, 1, below=True)]
NAMES = ("training",)
"""What callbacks hear of it is called."""


@dataclass(frozen=True)
class TrainConfig:
    """How to train: AdamW on the cross-entropy, one cosine, pictures flipped and shifted.

    Raises `InvalidValueError`.

    Options:
        epochs: How often every image is seen.
        batch_size: The number of images of one step.
        lr: The largest learning rate.
        weight_decay: The weight decay of matrices and kernels.
        warmup_share: The share of training over which the learning rate grows.
        label_smoothing: The share of each label that is spread over all classes.
        flip: Whether half of the pictures are shown mirrored.
        shift: The most that a picture is moved, as a share of its side.
        seed: What is left to chance goes by it.
        bf16: Whether to compute in bfloat16 where that is safe: faster on a GPU, slower on most processors.
        competition: How winners are chosen over the course of training.
    """

    epochs: Count = 20
    batch_size: Count = 64
    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.05
    warmup_share: PartialShare = 0.05
    label_smoothing: PartialShare = 0.05
    flip: bool = True
    shift: PartialShare = 0.125
    seed: int = 0
    bf16: bool = False
    competition: SamplingSchedule = field(default_factory=SamplingSchedule)

    def __post_init__(self) -> None:
        check_options(self)

    def lr_at(self, done: float) -> float:
        """Give the learning rate after a share of training: up in a line, then down to 0 along a cosine.

        >>> TrainConfig().lr_at(1.0)
        0.0
        """
        return self.lr * schedule(done, self.warmup_share)


def schedule(done: float, warm: float = 0.05) -> float:
    """Scale the step size: up in a line over the share `warm` of the way, then down to 0 along a cosine.

    >>> schedule(0.05), round(schedule(1.0), 6)
    (1.0, 0.0)
    """
    if done < warm:
        return max(done / warm, 0.02)
    return 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))


def fit(
    model: Model,
    images: ImageSet,
    folder: Path,
    how: TrainConfig | None = None,
    callback: Callbacks = None,
    progress: bool = False,
) -> None:
    """Train a network in place on the labeled images of a set, and write its weights to `folder`/weights.safetensors.

    After each epoch a checkpoint is written, and a run that was stopped goes on from it; on a CPU it ends with the same
    bytes. Networks of `vital.lwta.convert` compete; others are trained as they are. Labels are matched
    with the network's classes as everywhere (`ImageSet.of_class`); images without one are left out. Raises `DataError`
    for a set without labels, or with some that fit no class, and `RunError` for a folder that is in use, holds another
    training, or parts of one that does not say whose it is, and `ModelError` for a network that fails.

    A callback (`vital.callbacks`) is told of each step, of all epochs, with the loss; one that fails is left out with a
    warning. `progress` shows a bar, or a line every half a minute where there is no terminal.

    >>> import tempfile, numpy as np
    >>> from vital.data import load_images
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> some = load_images(np.zeros((4, 4, 4, 3), np.uint8), labels=[0, 1, 0, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fit(Model(net, size=(4, 4)), some, Path(folder), TrainConfig(epochs=1))
    ...     print((Path(folder) / "weights.safetensors").is_file())
    True
    """
    how = how or TrainConfig()
    targets = classes_of(images, model)
    with locked(_claimed(folder, model, images, how)):
        watch = told(guarded(callback))
        _Training(model, images, targets, how, folder / "checkpoint.pt", watch, progress).run()
        write(
            folder / "weights.safetensors",
            save({k: v.cpu().contiguous().clone() for k, v in model.module.state_dict().items()}),
        )


def _claimed(folder: Path, model: Model, images: ImageSet, how: TrainConfig) -> Path:
    """Make the folder, or see that it is that of the same training."""
    with explained(folder, "write"):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / "training.json"
    own: dict[str, Any] = {"fit": asdict(how), "images": images.hash(), "model": model.name}
    own |= {"code": model.code_hash(), "start": model.weights_hash()}
    own["preprocessing"] = model.preprocessing
    if not path.is_file():
        if left := [name for name in ("checkpoint.pt", "weights.safetensors") if (folder / name).exists()]:
            raise RunError(
                f"{str(folder)!r} holds {' and '.join(left)} but no training.json that says of which training; "
                "choose another folder, or remove it"
            )
        write(path, as_json(own))
    elif _but_for_its_name(read_json(path)) != _but_for_its_name(json.loads(as_json(own))):
        raise RunError(f"{str(folder)!r} holds another training; choose another folder, or remove it")
    return folder


def _but_for_its_name(training: dict[str, Any]) -> dict[str, Any]:
    """Leave out how the network was spelled: its code and the weights that it starts from say which one it is."""
    return {what: value for what, value in training.items() if what != "model"}


def classes_of(images: ImageSet, model: Model) -> dict[int, int]:
    """Find the network's class of each image that has a label: image -> class.

    Raises `DataError` where no image has one, and for labels of which the class is not certain, naming them.
    """
    outputs = count_outputs(model)
    used = {label for label in images.labels if label is not None}
    if not used:
        raise DataError(f"{images.name} has no labels; {LABELING}")
    if images.class_names:
        classes = match_classes(images.class_names, model.classes, outputs, images.name, used)
    elif strange := sorted(used - set(range(outputs))):
        said = ", ".join(map(str, strange[:3])) + (", …" if len(strange) > 3 else "")
        raise DataError(
            f"{images.name}: {len(strange)} of the {len(used)} labels are no class of {model.name}, which has "
            f"0 to {outputs - 1} ({said}); {LABELING}"
        )
    else:
        classes = dict(zip(used, used, strict=True))
    return {i: classes[label] for i, label in enumerate(images.labels) if label is not None}


def adamw(network: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW; only matrices and kernels decay."""
    learning = [p for p in network.parameters() if p.requires_grad]
    large, small = ([p for p in learning if (p.ndim > 1) == matrix] for matrix in (True, False))
    groups = [{"params": large, "weight_decay": weight_decay}, {"params": small, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr)


def descend(network: nn.Module, loss: Tensor, optimizer: torch.optim.Optimizer) -> float:
    """Take one step down a loss, its gradient cut to length 1; the loss as a number.

    Raises `ModelError` for a loss that is not finite, before it reaches the weights.
    """
    if not torch.isfinite(loss):
        raise ModelError("the loss is not finite; use a lower learning rate, or mend what the network gives")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def save_checkpoint(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """Write what training goes on from after so many epochs."""
    buffer = io.BytesIO()
    torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, buffer)
    write(path, buffer.getvalue())


def load_checkpoint(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, epochs: int | None = None
) -> int:
    """Go on from a checkpoint of up to so many epochs, where there is one; those that are done."""
    if not path.is_file():
        return 0
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        _check_checkpoint(state, optimizer, epochs or MOST)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    except Exception as error:  # torch passes on whatever a damaged archive makes its parts raise
        raise RunError(
            f"the checkpoint {str(path)!r} is damaged or of another network: {type(error).__name__}; remove it to "
            "train from the beginning"
        ) from error
    return int(state["epoch"])


def _check_checkpoint(state: dict[str, Any], optimizer: torch.optim.Optimizer, epochs: int) -> None:
    """Raise for what PyTorch would take though it is no state of this training."""
    if check_whole("epoch", state["epoch"], 0) > epochs:
        raise ValueError("more epochs than there are")
    _check_finite(state["network"].values())
    _check_optimizer(state["optimizer"], optimizer)


def _check_finite(tensors: Iterable[Tensor]) -> None:
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        raise ValueError("numbers that are not finite")


def _check_optimizer(kept: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
    own = optimizer.state_dict()["param_groups"]
    if [{**group, "lr": 0} for group in kept["param_groups"]] != [{**group, "lr": 0} for group in own]:
        raise ValueError("another optimizer")
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    for number, state in kept["state"].items():
        shape = parameters[number].shape
        if set(state) != {"step", "exp_avg", "exp_avg_sq"} or state["step"].numel() != 1:
            raise ValueError("another optimizer")
        if {state["exp_avg"].shape, state["exp_avg_sq"].shape} != {shape}:
            raise ValueError("other shapes")
        _check_finite(state.values())


@dataclass(frozen=True, eq=False)
class _Training:
    model: Model
    images: ImageSet
    targets: dict[int, int]
    how: TrainConfig
    checkpoint: Path
    watch: Callback
    progress: bool

    def run(self) -> None:
        """Go through the epochs that are left."""
        network, how = self.model.module, self.how
        optimizer = adamw(network, how.lr, how.weight_decay)
        per_epoch = len(cuts(len(self.targets), how.batch_size)) - 1
        modes = [(part, part.training) for part in network.modules()]
        first, steps = (
            load_checkpoint(self.checkpoint, network, optimizer, how.epochs),
            per_epoch * how.epochs,
        )
        if first:
            logger.debug("the training goes on after epoch %d of %d", first, how.epochs)
        self.watch.on_begin(NAMES, steps)
        try:
            with Progress("training", steps, shown=self.progress, done=first * per_epoch) as bar:
                for epoch in range(first, how.epochs):
                    self._epoch(epoch, optimizer, per_epoch, bar)
                    save_checkpoint(self.checkpoint, network, optimizer, epoch + 1)
            self.watch.on_end(End(NAMES, status=("done",)))
        finally:
            optimizer.zero_grad(set_to_none=True)
            for part, mode in modes:
                part.training = mode

    def _epoch(self, epoch: int, optimizer: torch.optim.Optimizer, per_epoch: int, bar: Progress) -> None:
        rng, steps = generator("lwta", self.how.seed, epoch), per_epoch * self.how.epochs
        with self._seeded(epoch):
            for step, rows in enumerate(self._batches(rng), epoch * per_epoch):
                loss = self._step(rows, optimizer, rng, step / steps)
                self.watch.on_step(Step(step + 1, steps, torch.tensor([loss]), names=NAMES))
                bar.note = f"epoch {epoch + 1} of {self.how.epochs}, loss {loss:.3f}"
                bar.update()

    @contextmanager
    def _seeded(self, epoch: int) -> Iterator[None]:
        """Give what draws from torch's own random state, such as dropout, the same in every run of this epoch."""
        device = self.model.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed_of("lwta", self.how.seed, epoch))
            yield

    def _batches(self, rng: torch.Generator) -> Iterator[list[int]]:
        known = list(self.targets)
        order = torch.randperm(len(known), generator=rng).tolist()
        for start, end in itertools.pairwise(cuts(len(order), self.how.batch_size)):
            yield [known[i] for i in order[start:end]]

    def _step(
        self, rows: list[int], optimizer: torch.optim.Optimizer, rng: torch.Generator, done: float
    ) -> float:
        model, how = self.model, self.how
        kept, pictures = self.images.load(rows, model)
        wanted = torch.tensor([self.targets[i] for i in kept]).to(model.device)
        shown = model.normalize(
            varied(pictures, rng, flip=how.flip, shift=how.shift).to(model.device, model.dtype)
        )
        for group in optimizer.param_groups:
            group["lr"] = how.lr_at(done)
        model.module.train()
        with how.competition.at(model.module, rng, done) as sampler:
            with torch.autocast(model.device.type, torch.bfloat16, enabled=how.bf16):
                scores = answered(model, shown, f"learn from a batch of {len(shown)}")
            _check_scores(scores, len(shown), model.name)
            loss = functional.cross_entropy(scores.float(), wanted, label_smoothing=how.label_smoothing)
            loss = loss + how.competition.weight * sampler.divergence().to(loss)
        return descend(model.module, loss, optimizer)


def _check_scores(scores: Tensor, images: int, name: str) -> None:
    if scores.ndim != 2 or len(scores) != images:
        raise ModelError(
            f"{name} gives {tuple(scores.shape)} for {images} images; needed is one row of scores for each"
        )


def cuts(count: int, batch: int) -> list[int]:
    """Cut `count` images into batches: where each begins, and the end of the last.

    What is left over after the last whole batch is one more, but for a single image, which joins the batch before it:
    batch norm cannot learn from one.

    >>> cuts(7, 4), cuts(9, 4), cuts(1, 4)
    ([0, 4, 7], [0, 4, 9], [0, 1])
    """
    starts = list(range(0, count, batch))
    if batch > 1 and len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return [*starts, count]


def varied(pictures: Images, rng: torch.Generator, *, flip: bool = True, shift: float = 0.125) -> Images:
    """Mirror half of the pictures, and move each by up to a share of its side, its edges repeated.

    >>> varied(torch.zeros(2, 3, 8, 8), torch.Generator()).shape
    torch.Size([2, 3, 8, 8])
    """
    count, _, height, width = pictures.shape
    luck = torch.rand(count, 3, generator=rng)
    if flip:
        pictures = torch.where((luck[:, 0] < 0.5).view(-1, 1, 1, 1), pictures.flip(3), pictures)
    up, left = round(shift * height), round(shift * width)
    wide = functional.pad(pictures, (left, left, up, up), mode="replicate")
    places = (luck[:, 1:] * torch.tensor([2 * up + 1, 2 * left + 1])).long().tolist()
    return torch.stack(
        [one[:, y : y + height, x : x + width] for one, (y, x) in zip(wide, places, strict=True)]
    )
