"""`vital explain`: one image, explained by the units that won."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from vital.cli import options as opt
from vital.cli.common import listed, open_images, say_ignored, table
from vital.cli.talk import log, wrote
from vital.errors import UsageError
from vital.utils.io import as_json, as_png, write

if TYPE_CHECKING:
    from vital.data import ImageSet

OneImage = Annotated[Path, Argument(metavar="IMAGE", help="The image file to explain.")]
SomeLayers = Annotated[
    str | None, Option(metavar="LAYER,LAYER", help="Competing layers to explain by; all by default.")
]
UnitLabels = Annotated[
    Path | None, Option(metavar="CSV", help="Words for the units: a file of labels that vital score reads.")
]
Decision = Annotated[
    str | None,
    Option(metavar="CLASS", help="The class to explain, such as class:tabby; by default the network's."),
]
By = Annotated[
    str, Option(metavar="BY", help="What a contribution is: gradient (times response) or relevance.")
]
Contributors = Annotated[int, Option("--count", min=1, metavar="K", help="Winners shown per layer.")]
ExplanationFolder = Annotated[
    Path | None, Option("--out", metavar="RUN", help="Write it as JSON, text and picture to this folder.")
]


@opt.grouped
def explain(
    model: opt.ModelName,
    image: OneImage,
    *,
    out: ExplanationFolder = None,
    layers: SomeLayers = None,
    unit_labels: UnitLabels = None,
    decision: Decision = None,
    by: By = "gradient",
    rule: opt.Rule = "zplus",
    tokens: opt.Tokens = None,
    count: Contributors = 5,
    as_text: Annotated[bool, Option("--text", help="Print sentences and no table.")] = False,
    network: opt.NetworkOptions,
) -> None:
    """Say which units of a competing network decided on an image.

    Those are the units that won their blocks, with what they contribute to the decision. IMAGE is one image; a folder
    of several is refused. With --out writes explanation.json (every block), explanation.txt, explanation.png and
    image.png to the folder. MODEL is world:competing, or any network made with vital lwta train and named
    lwta:U/MODEL with --weights.
    """
    from vital.lwta.explain import explain as find

    if by == "gradient":
        say_ignored("it is how relevance is followed; give --by relevance", "rule")
    net = network.open(model)
    picture = _one(image).tensor([0], net)
    words = _labels(unit_labels, net.name) if unit_labels else {}
    chosen = listed(layers, "--layers") if layers else None
    found = find(
        net, picture, layers=chosen, labels=words, decision=decision, by=by, rule=rule, tokens=tokens
    )
    if unit_labels and not any(winner.label for winner in found.winners):
        named = f"which names {', '.join([*words][:3])}" if words else "in which no label stands"
        log.warning("no winner has a label in %r, %s", str(unit_labels), named)
    if out is not None:
        write(out / "explanation.json", as_json(found.to_dict()))
        write(out / "explanation.txt", f"{found.text(count)}\n".encode())
        write(out / "explanation.png", as_png(found.picture(count)))
        write(out / "image.png", as_png(found.image))
        wrote(out / "explanation.png")
    if as_text:
        typer.echo(found.text(count))
        return
    typer.echo(found.text(0).splitlines()[0])
    typer.echo(table(["unit", "label", "places", "strength", "contribution"], found.table(count)))


def _one(where: Path) -> ImageSet:
    """Open one image. Raises `UsageError` for a folder or a file of several."""
    found = open_images(where)
    if len(found) != 1:
        raise UsageError(f"IMAGE is {str(where)!r}, which holds {len(found)} images; allowed is one image")
    return found


def _labels(path: Path, name: str) -> dict[str, str]:
    """The words of each unit: the first method's that says something, this network's own before those of others.

    Says where words are of another network; a row without a network is taken as this one's.
    """
    from vital.describing.evaluation.importers import import_labels

    found: dict[str, tuple[str, str]] = {}
    for one in sorted(import_labels(path), key=lambda one: one.model not in {name, ""}):
        if one.label:
            found.setdefault(str(one.unit), (one.label, one.model))
    if others := {model for _, model in found.values()} - {name, ""}:
        log.warning("%r has words of %s, not of %s", str(path), ", ".join(sorted(others)), name)
    return {unit: words for unit, (words, _) in found.items()}
