"""`vital lwta`: networks whose units compete."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from vital.cli import options as opt
from vital.cli.command import Command
from vital.cli.common import listed, open_images, say_ignored, show_skipped, table, watched
from vital.cli.examples import epilog
from vital.cli.talk import talkative, wrote
from vital.utils.io import as_json, write
from vital.utils.options import FACTOR, check_whole

if TYPE_CHECKING:
    from vital.data import ImageSet
    from vital.models import Model

Competitors = Annotated[int, Option(min=1, metavar="U", help="Units of a block, of which one wins.")]
Skipped = Annotated[
    str | None,
    Option(
        metavar="LAYER,LAYER",
        help="Activation modules that stay as they are: names, or patterns such as '*.relu_1' (no commas in them).",
    ),
]
TestImages = Annotated[
    Path | None, Option(metavar="DIR", help="Labeled images on which the result is measured.")
]
Epochs = Annotated[int, Option(min=1, metavar="N", help="How often every image is seen.")]
BatchSize = Annotated[int, Option(min=1, metavar="N", help="Images of one step.")]
LearningRate = Annotated[float, Option(metavar="RATE", help="The largest learning rate.")]
Sampling = Annotated[
    float,
    Option(
        min=0,
        max=1,
        metavar="SHARE",
        help="Share of training, from its beginning, in which winners are sampled.",
    ),
]
Samples = Annotated[
    int, Option(min=1, metavar="N", help="Samples whose outputs are averaged when measuring.")
]
Bf16 = Annotated[bool, Option("--bf16", help="Compute in bfloat16 where it is safe; for a GPU.")]
TrainingFolder = Annotated[
    Path, Option("--out", metavar="RUN", help="The folder of the training; a stopped one goes on.")
]

app = typer.Typer(
    name="lwta", no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    help="Make networks whose units compete (local winner takes all).",
)  # fmt: skip


@app.callback()
def _group() -> None:
    """Make networks whose units compete (local winner takes all)."""


@app.command(cls=Command, epilog=epilog("lwta train"))
@talkative
@opt.grouped
def train(
    model: opt.ModelName,
    source: opt.NeededImageOptions,
    out: TrainingFolder,
    *,
    competitors: Competitors = 4,
    skip: Skipped = None,
    test: TestImages = None,
    epochs: Epochs = 20,
    batch_size: BatchSize = 64,
    lr: LearningRate = 1e-3,
    sampling: Sampling = 0.5,
    samples: Samples = 6,
    seed: opt.Seed = 0,
    bf16: Bf16 = False,
    network: opt.NetworkOptions,
) -> None:
    """Convert a network and train it on labeled images.

    With its own weights this is fine-tuning. Writes weights.safetensors, training.json (the settings) and
    checkpoint.pt (to go on from) to the folder RUN, and with --test also results.json: accuracy and activity on those
    images. A stopped run goes on. The last line says by which name the network is found by every other command:
    lwta:U/MODEL, or lwta:U-LAYER,LAYER/MODEL with --skip, and --weights RUN/weights.safetensors.
    """
    import torch

    from vital.lwta import convert
    from vital.lwta.conversion import format_spec
    from vital.lwta.schedule import SamplingSchedule
    from vital.lwta.train import TrainConfig, classes_of, fit

    check_whole("--samples", samples, 1, FACTOR)
    if test is None:
        say_ignored("nothing is measured without --test DIR", "samples")
    schedule = SamplingSchedule(sampling)
    how = TrainConfig(epochs, batch_size, lr, seed=seed, bf16=bf16, competition=schedule)
    net = network.open(model)
    example = torch.zeros(2, net.channels, *net.size, device=net.device, dtype=net.dtype)
    left_out = listed(skip, "--skip") if skip else ()
    made = convert(net.module, competitors, skip=left_out, example=example)
    net = replace(net, module=made, name=format_spec(competitors, left_out, model))
    pictures = source.open()
    tested = open_images(test) if test else None
    if tested:
        classes_of(tested, net)  # to refuse a set without labels before the training
    fit(net, pictures, out, how, progress=watched())
    typer.echo(f"wrote {out / 'weights.safetensors'}")
    wrote(out / "weights.safetensors")
    if tested:
        _measured(net, tested, samples, seed, out)
    show_skipped(pictures)
    shown_at = "" if network.input_size is None else f" --input-size {network.input_size}"
    told = f"{quote(net.name)} --weights {quote(str(out / 'weights.safetensors'))}"
    typer.echo(f"the network is {told}{shown_at}")


def _measured(model: Model, test: ImageSet, samples: int, seed: int, out: Path) -> None:
    """Print and write accuracy on the test images, and the activity of each layer on them."""
    from vital.lwta.layers import competing
    from vital.lwta.predict import accuracy, activity

    found: dict[str, object] = {"accuracy": accuracy(model, test)}
    typer.echo(f"accuracy {found['accuracy']:.2%}")
    if competing(model.module):
        found[f"accuracy, mean of {samples}"] = averaged = accuracy(model, test, samples, seed)
        typer.echo(f"accuracy {averaged:.2%}, mean of {samples} samples")
        shares = activity(model, test)
        found["active"] = {name: list(row) for name, row in shares.items()}
        rows = [(name, *(f"{value:.4f}" for value in row)) for name, row in shares.items()]
        typer.echo(table(["layer", "active", "least", "most"], rows))
    write(out / "results.json", as_json(found))
