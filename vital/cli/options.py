"""The arguments and options that commands take, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from typer import Argument, Option

FORMS = "world, torchvision:NAME[/WEIGHTS], timm:NAME, open_clip:NAME/PRETRAINED or path/to/file.py:FUNCTION"
IMAGES = "Images: a folder tree, a .npz or .npy file, or world, the built-in set."
UNITS = "Such as layer4:162, layer4:0-63, layer4:162@3,3, class:281, class:tabby, blocks.9:5#patches."

ModelName: TypeAlias = Annotated[str, Argument(metavar="MODEL", help=f"The network: {FORMS}.")]
UnitNames: TypeAlias = Annotated[list[str], Argument(metavar="UNIT", help=UNITS)]

Weights: TypeAlias = Annotated[
    str | None, Option(metavar="FILE|none", help="A state dict; none for random weights.")
]
Device: TypeAlias = Annotated[str | None, Option(help="Where to compute: cpu, cuda, cuda:1, mps.")]
InputSize: TypeAlias = Annotated[
    int | None, Option(min=1, metavar="PX", help="Side of the network's input, if not its own.")
]

NeededImages: TypeAlias = Annotated[Path, Option(metavar="DIR", help=IMAGES)]
Images: TypeAlias = Annotated[Path | None, Option(metavar="DIR", help=IMAGES)]
Labels: TypeAlias = Annotated[
    Path | None, Option(metavar="CSV", help="Labels of the images: columns file, and index or name.")
]
BankFile: TypeAlias = Annotated[
    Path | None, Option(metavar="BANK", help="What vital bank or vital merge made of the images.")
]

Layers: TypeAlias = Annotated[str, Option(metavar="LAYER,LAYER", help="The layers whose units are ranked.")]
Top: TypeAlias = Annotated[int, Option(min=1, help="Images kept for each unit.")]
NewBank: TypeAlias = Annotated[
    Path, Option("--out", metavar="BANK", help="The file to write: NAME.safetensors.")
]

OneLayer: TypeAlias = Annotated[str, Option("--layer", metavar="LAYER", help="The layer to look into.")]
Count: TypeAlias = Annotated[int, Option(min=1, metavar="K", help="How many directions to find.")]
Tokens: TypeAlias = Annotated[str, Option(metavar="WHICH", help="In a layer of tokens: patches, cls or all.")]
Directions: TypeAlias = Annotated[
    Path, Option("--out", metavar="FILE", help="The file to write: NAME.safetensors.")
]

Banks: TypeAlias = Annotated[list[Path], Argument(metavar="BANK", help="Banks that vital bank wrote.")]

OneUnit: TypeAlias = Annotated[str, Argument(metavar="UNIT", help=UNITS)]
Feeders: TypeAlias = Annotated[int, Option("--count", min=1, metavar="K", help="How many units to show.")]
HowMany: TypeAlias = Annotated[int, Option("--count", min=1, metavar="K", help="Images shown for each unit.")]
ExemplarsBy: TypeAlias = Annotated[str, Option(help="Rank by activation, or by relevance for another unit.")]
ForUnit: TypeAlias = Annotated[
    str | None, Option("--for", metavar="UNIT", help="With --by relevance: the unit that reads these.")
]
Rule: TypeAlias = Annotated[str, Option(help="How relevance is followed, such as zplus or epsilon.")]

RunFolder: TypeAlias = Annotated[
    Path, Option("--out", metavar="RUN", help="The run folder; a stopped run goes on.")
]
MethodName: TypeAlias = Annotated[str, Option(help="One of those that vital methods lists.")]
Steps: TypeAlias = Annotated[int | None, Option(min=1, help="The method's option steps.")]
Size: TypeAlias = Annotated[int | None, Option(min=1, metavar="PX", help="The method's option size.")]
Seed: TypeAlias = Annotated[int, Option(help="What is left to chance goes by it.")]
Batch: TypeAlias = Annotated[int, Option(min=0, help="Units that share a pass; 0: as the device allows.")]
Settings: TypeAlias = Annotated[
    list[str] | None, Option("--set", metavar="FIELD=VALUE", help="Any option of the method.")
]
Frames: TypeAlias = Annotated[
    int, Option(min=0, metavar="N", help="Keep N pictures of the way, as a GIF and side by side.")
]

Methods: TypeAlias = Annotated[
    str, Option(metavar="METHOD,METHOD", help="Ways to put units into words; vital methods lists them.")
]
Concepts: TypeAlias = Annotated[
    str | None, Option(metavar="FILE", help="Words to choose from, one a line; world for the built-in list.")
]
EncoderName: TypeAlias = Annotated[
    str | None, Option(metavar="ENCODER", help="world or open_clip:NAME/PRETRAINED.")
]
CaptionerName: TypeAlias = Annotated[
    str | None, Option(metavar="CAPTIONER", help="world or transformers:NAME.")
]
SummariserName: TypeAlias = Annotated[
    str | None, Option(metavar="SUMMARIZER", help="built-in, openai:MODEL or transformers:NAME.")
]
GeneratorName: TypeAlias = Annotated[str | None, Option(metavar="GENERATOR", help="world or diffusers:NAME.")]
WordsSettings: TypeAlias = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Any option of the methods; alpha and n_random_models of the judge.",
    ),
]
WordsFolder: TypeAlias = Annotated[
    Path, Option("--out", metavar="RUN", help="The run folder, which may hold pictures already.")
]

OneImage: TypeAlias = Annotated[Path, Argument(metavar="IMAGE", help="The image file to explain.")]
SomeLayers: TypeAlias = Annotated[
    str | None, Option(metavar="LAYER,LAYER", help="Competing layers to explain by; all by default.")
]
LabelsFile: TypeAlias = Annotated[
    Path | None, Option(metavar="CSV", help="Words for the units: a labels.csv of vital describe.")
]
Decision: TypeAlias = Annotated[
    str | None,
    Option(metavar="CLASS", help="The class to explain, such as class:tabby; by default the network's."),
]
By: TypeAlias = Annotated[str, Option(help="What a contribution is: gradient (times response) or relevance.")]
TokensOf: TypeAlias = Annotated[str, Option("--tokens", help="In layers of tokens: cls, patches or all.")]
Contributors: TypeAlias = Annotated[
    int, Option("--count", min=1, metavar="K", help="Winners shown per layer.")
]
ExplanationFolder: TypeAlias = Annotated[
    Path | None, Option("--out", metavar="RUN", help="Write it as JSON, text and picture to this folder.")
]

Competitors: TypeAlias = Annotated[
    int, Option(min=1, metavar="U", help="Units of a block, of which one wins.")
]
Skipped: TypeAlias = Annotated[
    str | None,
    Option(
        metavar="LAYER,LAYER",
        help="Activation modules that stay as they are: names, or patterns such as '*.relu_1' (no commas in them).",
    ),
]
TestImages: TypeAlias = Annotated[
    Path | None, Option(metavar="DIR", help="Labelled images on which the result is measured.")
]
Epochs: TypeAlias = Annotated[int, Option(min=1, help="How often every image is seen.")]
PassBatch: TypeAlias = Annotated[int, Option("--batch", min=1, help="Images of one step.")]
Rate: TypeAlias = Annotated[float, Option(help="The largest step size.")]
Sampling: TypeAlias = Annotated[
    float, Option(min=0, max=1, help="Share of training, from its beginning, in which winners are sampled.")
]
Samples: TypeAlias = Annotated[int, Option(min=1, help="Samples whose outputs are averaged when measuring.")]
Half: TypeAlias = Annotated[bool, Option("--half", help="Compute in bfloat16 where it is safe; for a GPU.")]
TrainingFolder: TypeAlias = Annotated[
    Path, Option("--out", metavar="RUN", help="The folder of the training; a stopped one goes on.")
]
