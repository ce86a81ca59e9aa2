"""Render the world and train its networks: `python -m vital.world.training`.

    python -m vital.world.training --out runs/world              everything: hours on two cores, minutes on a GPU
    python -m vital.world.training --only judge --epochs 2       one network, sooner

A run that was stopped goes on where it was when the same command is given again, and ends with the same weights. The
last lines are the figures on fresh scenes, each with its goal.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vital.errors import VitalError, unknown
from vital.lwta.train import adamw, descend, load_checkpoint, save_checkpoint, schedule
from vital.models.model import Model, usable_device
from vital.utils.io import as_json, locked, write
from vital.utils.progress import Progress
from vital.utils.random import generator, seed_of
from vital.world.networks.architectures import PLANTED, SIZE, normalized
from vital.world.networks.weights import FOLDER, ship, take_over, wrapped
from vital.world.networks.weights import network as trained
from vital.world.scenes.concepts import concepts
from vital.world.scenes.ground_truth import SCENES, tables
from vital.world.scenes.ground_truth_cache import SHIPPED, ship_truths
from vital.world.scenes.vocabulary import FACTORS
from vital.world.training.batches import Batch, Task, moved, roughened
from vital.world.training.corpus import Corpus, draw, rendered
from vital.world.training.metrics import Metrics
from vital.world.training.tasks import TASKS, TWIN_FACTORS

TRUTHS = "truths"
JOBS = (*TASKS, TRUTHS)
"""What there is to do: the networks, and what the classifier's units respond to."""

READ = ("stem", "layer1", "layer2", "layer3", "planted", "layer4", "class")
"""The classifier's layers whose truths are shipped."""


GOALS: Mapping[str, float] = {
    "competing/solid": 0.97,
    "classifier/solid": 0.97,
    "classifier/material": 0.97,
    "classifier/planted AUPRC, worst": 0.95,
    **{f"judge/{factor}": 0.96 for factor in FACTORS},
    "encoder/caption among 200": 0.90,
    "encoder/material by its word": 0.90,
    "captioner/solid, material and color": 0.85,
    **{f"twin-{factor}/{factor}": 0.97 for factor in TWIN_FACTORS},
}
"""What the networks have to reach on fresh scenes."""


@dataclass(frozen=True)
class Plan:
    """How to train: where to work, where to put the weights, how many scenes, and how long."""

    out: Path = Path("runs/world")
    weights: Path = FOLDER
    scenes: int = 30_000
    fresh: int = 4_000
    epochs: int = 16
    batch: int = 128
    lr: float = 3e-3
    decay: float = 0.05
    seed: int = 0
    device: str = "cpu"
    bf16: bool = False
    quiet: bool = False

    def key(self, task: Task, *networks: nn.Module) -> int:
        """Number what decides a task's weights, such as the networks that it begins with and learns from.

        Checkpoints of another number are left alone.
        """
        own = (self.scenes, self.epochs, self.batch, self.lr, self.decay, self.seed, self.bf16)
        how = (
            task,
            task.length,
            task.lr_factor,
            task.competition,
            *(Model(n).weights_hash() for n in networks),
        )
        return seed_of(*own, *how) % 2**32


def train(plan: Plan, only: Sequence[str] = ()) -> dict[str, Metrics]:
    """Do the work of `JOBS`, all or some by name: train, write the weights, and measure them on fresh scenes.

    Raises `UnknownNameError`, and `RunError` for a folder that is in use or belongs to other settings.
    """
    for name in only:
        if name not in JOBS:
            raise unknown("network of the world", name, JOBS)
    wanted = [name for name in JOBS if name in (only or JOBS)]
    plan.out.mkdir(parents=True, exist_ok=True)
    with locked(plan.out):
        found = _networks(plan, [name for name in wanted if name != TRUTHS])
        return found | ({TRUTHS: _truths(plan)} if TRUTHS in wanted else {})


def _networks(plan: Plan, names: Sequence[str]) -> dict[str, Metrics]:
    """Train networks on one corpus, rendered for all of them."""
    if not names:
        return {}
    device = str(usable_device(plan.device))
    known, fresh = (
        rendered(draw(kind, count, plan.seed), plan.out / kind, SIZE, device, quiet=plan.quiet)
        for kind, count in (("train", plan.scenes), ("test", plan.fresh))
    )
    return {name: _one(plan, name, known, fresh) for name in names}


def _truths(plan: Plan) -> Metrics:
    """Write what the classifier's units respond to beside its weights, and hold it against what they were taught."""
    model = wrapped(trained("classifier", plan.weights))
    units = model.units([f"{layer}:0" for layer in READ])
    found = tables(model, units, SCENES, 0, 64, progress=not plan.quiet)
    ship_truths(model, found, plan.weights / SHIPPED.name)
    taught = [int(found["planted:0"]["concept"][i, 0] == concepts().index(c)) for i, c in enumerate(PLANTED)]
    return {"planted units at their concept": sum(taught) / len(taught)}


def _one(plan: Plan, name: str, known: Corpus, fresh: Corpus) -> Metrics:
    """Train one network, write its weights, and measure what was written."""
    network = fitted(plan, name, TASKS[name], known)
    ship(network, plan.weights / f"{name}.safetensors")
    found = measured(TASKS[name], network, fresh)
    write(plan.out / f"{name}.json", as_json(found))
    return found


def fitted(plan: Plan, name: str, task: Task, known: Corpus) -> nn.Module:
    """Train one network on a corpus, from its last checkpoint where there is one."""
    network, teacher = _fresh(plan, name, task), _teacher(plan, task)
    involved = [part for part in (network, teacher) if part is not None]
    rows = task.rows(known)
    steps, epochs = max(1, len(rows) // plan.batch), round(plan.epochs * task.length)
    optimizer = adamw(network, plan.lr, plan.decay)
    path = plan.out / f"{name}-{plan.key(task, *involved):08x}.pt"
    first = load_checkpoint(path, network, optimizer)
    for epoch in range(first, epochs):
        rng = generator("world", name, plan.seed, epoch)
        order = rows[torch.randperm(len(rows), generator=rng)]
        with Progress(f"{name} {epoch + 1}/{epochs}", steps, shown=not plan.quiet) as bar:
            for step in bar.each(range(steps)):
                batch = order[step * plan.batch : (step + 1) * plan.batch]
                done = (epoch * steps + step) / (epochs * steps)
                for group in optimizer.param_groups:
                    group["lr"] = plan.lr * task.lr_factor * schedule(done)
                images = roughened(moved(_images(known.pictures[batch], plan.device), rng), rng)
                loss = _step(plan, task, network, optimizer, Batch(images, known, batch, rng, teacher), done)
                bar.say(f"loss {loss:.3f}")
        save_checkpoint(path, network, optimizer, epoch + 1)
    network.eval()
    return network


def _fresh(plan: Plan, name: str, task: Task) -> nn.Module:
    """Make a network with the weights that its name and the seed give it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("world", name, plan.seed))
        network = task.build()
    if task.eyes:
        take_over(network, task.eyes, plan.weights)
    if task.parent:
        network.load_state_dict(trained(task.parent, plan.weights).state_dict())
    network.to(memory_format=torch.channels_last)
    return network.to(plan.device)


def _teacher(plan: Plan, task: Task) -> nn.Module | None:
    """Load the network that the task learns from too, where there is one."""
    if not task.teacher:
        return None
    network = trained(task.teacher, plan.weights).requires_grad_(False).to(plan.device)
    return network.to(memory_format=torch.channels_last)


def _step(
    plan: Plan, task: Task, network: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, done: float
) -> float:
    network.train()
    kind = torch.device(plan.device).type
    with (
        torch.autocast(kind, dtype=torch.bfloat16, enabled=plan.bf16),
        task.competition.at(network, batch.generator, done) as sampler,
    ):
        loss = task.loss(network, batch) + task.competition.weight * sampler.divergence()
    return descend(network, loss, optimizer)


def _images(pictures: Tensor, device: torch.device | str) -> Tensor:
    plain = pictures.to(device).float().div(255)
    return normalized(plain).contiguous(memory_format=torch.channels_last)


def measured(task: Task, network: nn.Module, fresh: Corpus, batch: int = 200) -> Metrics:
    """Measure a network on fresh scenes, in single precision."""
    device = next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        return task.metrics(
            network, [_images(part, device) for part in torch.split(fresh.pictures, batch)], fresh
        )


def table(found: dict[str, Metrics]) -> str:
    """Lay out figures, one a line, each with its goal where it has one."""
    lines = []
    for name, metrics in found.items():
        for what, value in metrics.items():
            goal = GOALS.get(f"{name}/{what}")
            reached = goal is None or value >= goal - 1e-6
            verdict = "" if goal is None else f"  goal {goal:.1%}  {'reached' if reached else 'MISSED'}"
            lines.append(f"{name:16s} {what:28s} {value:7.2%}{verdict}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    plan = Plan()
    parser = argparse.ArgumentParser(
        "python -m vital.world.training", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--only", default="", help=f"names with commas between them: {', '.join(JOBS)}")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    for option in ("out", "weights", "scenes", "fresh", "epochs", "batch", "lr", "decay", "seed", "device"):
        default = getattr(plan, option)
        parser.add_argument(f"--{option}", type=type(default) if option != "out" else Path, default=default)
    parser.add_argument(
        "--bf16", action="store_true", help="bfloat16 where it is faster: a GPU, some processors"
    )
    given = vars(parser.parse_args(arguments))
    only, threads = given.pop("only"), given.pop("threads")
    if threads:
        torch.set_num_threads(threads)
    start = time.monotonic()
    try:
        found = train(Plan(**given), [n.strip() for n in only.split(",") if n.strip()])
    except VitalError as error:
        sys.stderr.write(f"vital: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{table(found)}\n{(time.monotonic() - start) / 60:.0f} minutes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
