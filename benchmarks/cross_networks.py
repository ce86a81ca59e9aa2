"""Do other networks recognize a network's prototypes? Each network's pictures are judged by all the others.

A network that is asked about its own pictures is pleased by what was made to please it. Here every network renders
the same classes by every method, and the *other* networks name them: the class is among the judge's five most likely
(top-5), or the first (top-1). Real images of the same classes are the ceiling. Pictures are kept in OUT/NETWORK/METHOD
and are not rendered twice; pictures that lie there already are judged as they are.

    python -m benchmarks.cross_networks --out runs/cross --images DIR --labels CSV \\
        --networks resnet=torchvision:resnet50,mobile=torchvision:mobilenet_v2 --methods vital,fourier

A network is NAME=MODEL or NAME=MODEL@WEIGHTS. All must have ImageNet's 1000 classes in its order. Shares are over
pictures and judges, with 95 % intervals by bootstrap over pictures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

import vital
from benchmarks.blind_reading.pictures import REAL, Bank, Spec, specs
from benchmarks.blind_reading.places import BRANCHES, IMAGENET
from benchmarks.common import machine, report, start
from vital.errors import InvalidValueError
from vital.metrics import interval
from vital.models import Model
from vital.tracing import Tracer
from vital.units import OUTPUT

METHODS = "vital,vital-scene,fourier,vital-reference"
CLASSES = [number for members in BRANCHES.values() for number in list(members)[:2]]
"""Two classes of each branch of ImageNet."""
TOP = (1, 5)


def networks(text: str, size: int) -> dict[str, Model]:
    """Load the networks of a comma list of NAME=MODEL or NAME=MODEL@WEIGHTS."""
    found = {}
    for part in text.split(","):
        name, equals, spec = part.strip().partition("=")
        if not equals or not name or name in found:
            raise InvalidValueError(
                f"the network {part!r} cannot be read; write NAME=MODEL or NAME=MODEL@WEIGHTS, each name once"
            )
        spec, _, weights = spec.partition("@")
        found[name] = vital.load_model(spec, weights=weights or None, size=size)
        outputs = vital.list_layers(found[name])[OUTPUT].channels
        if outputs != IMAGENET:
            raise InvalidValueError(f"{name} has {outputs} classes; allowed are networks with {IMAGENET}")
    if len(found) < 2:
        raise InvalidValueError("one network is given; give two or more, so that another can judge")
    return found


def rendered(model: Model, one: Spec, bank: Bank, classes: Sequence[int], folder: Path) -> None:
    """Render the classes that a folder lacks."""
    lacking = [number for number in classes if not (folder / f"{number}.png").exists()]
    if not lacking:
        return
    references = bank() if one.method.needs_images else None
    folder.mkdir(parents=True, exist_ok=True)
    for number in lacking:
        made = vital.render(model, f"{OUTPUT}:{number}", method=one.method, bank=references, progress=False)
        made[0].to_pil().save(folder / f"{number}.png")
    print(f"{folder}: {len(lacking)} pictures", file=sys.stderr, flush=True)


@torch.no_grad()
def ranks(judge: Model, pictures: Sequence[Any], classes: Sequence[int]) -> list[int]:
    """The rank of each picture's class in a judge's output, 1 for the most likely."""
    shown = torch.stack([judge.preprocess(picture) for picture in pictures]).to(judge.device, judge.dtype)
    with Tracer(judge, [OUTPUT]) as tracer:
        out = torch.cat([tracer(part)[OUTPUT].float().cpu() for part in torch.split(shown, 8)])
    wanted = torch.tensor(list(classes))
    own = out.gather(1, wanted[:, None])
    return (1 + (out > own).sum(1)).tolist()


def measure(
    nets: Mapping[str, Model],
    methods: Sequence[Spec],
    images: vital.ImageSet,
    classes: Sequence[int],
    out: Path,
) -> dict[str, Any]:
    """Render, and let every network judge the pictures of the others: ranks per network, method and judge."""
    found: dict[str, dict[str, dict[str, list[int]]]] = {}
    names = next((model.classes for model in nets.values() if model.classes), ())
    members = {n: images.of_class(n, names, IMAGENET)[0] for n in classes}
    for name, model in nets.items():
        bank = cache(
            partial(vital.build_bank, model, [], images, progress=False)
        )  # one for all methods, if any asks
        for one in methods:
            rendered(model, one, bank, classes, out / name / one.label)
            pictures = [Image.open(out / name / one.label / f"{n}.png").convert("RGB") for n in classes]
            judges = {other: judge for other, judge in nets.items() if other != name}
            found.setdefault(one.label, {})[name] = {
                other: ranks(judge, pictures, classes) for other, judge in judges.items()
            }
    real = {}
    for other, judge in nets.items():
        real[other] = ranks(judge, [images[members[n]] for n in classes], classes)
    return {"classes": list(classes), "ranks": found, REAL: real, "machine": machine()}


def shares(ranks_of: Mapping[str, Mapping[str, Sequence[int]]], top: int) -> list[float]:
    """For each picture, the share of its judges who have its class among their `top` first.

    >>> shares({"a": {"b": [1, 9], "c": [3, 9]}}, 1)
    [0.5, 0.0]
    """
    each = []
    for judges in ranks_of.values():
        each += [
            sum(rank <= top for rank in of_one) / len(of_one) for of_one in zip(*judges.values(), strict=True)
        ]
    return each


def rows(result: Mapping[str, Any]) -> list[list[object]]:
    """The table: methods by networks, and over all networks with an interval."""
    names = list(next(iter(result["ranks"].values())))
    table: list[list[object]] = [
        ["method", *(f"{name}'s, top-5" for name in names), "all, top-1", "all, top-5"]
    ]
    for label, of in result["ranks"].items():
        own = [sum(s) / len(s) for s in (shares({name: of[name]}, 5) for name in names)]
        table.append([label, *(f"{share:.0%}" for share in own), *(told(shares(of, top)) for top in TOP)])
    every = [told(shares({REAL: result[REAL]}, top)) for top in TOP]
    return [*table, [REAL, *[""] * len(names), *every]]


def told(values: Sequence[float]) -> str:
    """A mean with its interval, in percent."""
    found = interval(values)
    return f"{found.mean:.0%} [{found.low:.0%}, {found.high:.0%}]"


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", required=True)
    parser.add_argument("--images", required=True, help="a folder of images, one or more of each class")
    parser.add_argument("--labels", help="a CSV file with the labels of the images")
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--classes", help="class indices with commas between; by default 20 of ten branches")
    parser.add_argument("--input-size", type=int, default=224)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    start()
    classes = [int(n) for n in given.classes.split(",")] if given.classes else CLASSES
    images = vital.load_images(given.images, labels=given.labels)
    nets = networks(given.networks, given.input_size)
    result = measure(nets, specs(given.methods), images, classes, given.out)
    report(result, rows(result), given.json)
    return result


if __name__ == "__main__":
    main()
