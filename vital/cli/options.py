"""The arguments and options that commands take, each said once, and groups of options that commands share.

A parameter of a command whose type is a group stands for all options of the group (`grouped`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from typer import Argument, Option

from vital.cli import completion, grouping
from vital.cli.talk import log
from vital.errors import InvalidValueError, UsageError, said

if TYPE_CHECKING:
    from vital.activations import ReferenceBank
    from vital.data import ImageSet
    from vital.models import Model
    from vital.models.model import Output as Outputs
    from vital.rendering import Method
    from vital.rendering.run_folder import Render
    from vital.units import Unit

grouped = grouping.grouped

FORMS = "world, torchvision:NAME[/WEIGHTS], timm:NAME, hf:NAME, open_clip:NAME/PRETRAINED or path/to/file.py:FUNCTION"
IMAGES = "Images: a folder, .npz, .npy or .tar, shards-{000..009}.tar, or world, the built-in set."
UNITS = "Such as layer4:162, layer4:0-63, layer4:162@3,3, class:281, class:tabby, blocks.9:5#patches."

ModelName = Annotated[
    str, Argument(metavar="MODEL", help=f"The network: {FORMS}.", autocompletion=completion.models)
]
UnitNames = Annotated[list[str], Argument(metavar="UNIT", help=UNITS, autocompletion=completion.units)]

Weights = Annotated[
    str | None, Option(metavar="FILE|random", help="A state dict; random for random weights.")
]
Device = Annotated[
    str | None,
    Option(
        metavar="DEVICE",
        help="Where to compute: cpu, cuda, cuda:1, mps.",
        autocompletion=completion.of("cpu", "cuda", "mps"),
    ),
]
Dtype = Annotated[
    str | None,
    Option(
        metavar="DTYPE",
        help="In what to compute: float32, float64, bf16 or fp16.",
        autocompletion=completion.of("float32", "float64", "bf16", "fp16"),
    ),
]
Batch = Annotated[
    int | None,
    Option(
        min=1,
        metavar="N",
        help="The most that go through the network at once: units where pictures are made, else images.",
    ),
]
ChannelsLast = Annotated[
    bool,
    Option("--channels-last", help="Convolve in the memory layout channels_last; faster on some devices."),
]
ClassNames = Annotated[
    Path | None,
    Option(
        "--classes",
        metavar="FILE",
        help="Class names: a line for each, or CSV with the columns index and name.",
    ),
]
Bands = Annotated[
    str | None,
    Option(metavar="R,G,B", help="Of many channels those shown as red, green, blue; by default 0,1,2."),
]
Output = Annotated[
    str | None, Option(metavar="KIND", help="Its outputs: softmax, sigmoid, regression or embedding.")
]
Head = Annotated[
    str | None, Option(metavar="NAME", help="The tensor that is class, by index or key, of several returned.")
]
InputSize = Annotated[
    int | None, Option(min=1, metavar="PX", help="Side of the network's input, if not its own.")
]

NeededImages = Annotated[Path, Option(metavar="DIR", help=IMAGES)]
Images = Annotated[Path | None, Option(metavar="DIR", help=IMAGES)]
ImageLabels = Annotated[
    Path | None, Option(metavar="CSV", help="Labels of the images: columns file, and index or name.")
]
Workers = Annotated[
    int | None,
    Option(min=0, metavar="N", help="Processes that decode images; by default as worth while, 0 for none."),
]
BankFile = Annotated[
    Path | None, Option(metavar="BANK", help="What vital bank or vital merge made of the images.")
]

Layers = Annotated[
    str,
    Option(
        metavar="LAYER,LAYER", help="The layers whose units are ranked.", autocompletion=completion.layers
    ),
]
Top = Annotated[int, Option(min=1, metavar="N", help="Images kept for each unit.")]
NewBank = Annotated[Path, Option("--out", metavar="BANK", help="The file to write: NAME.safetensors.")]

OneLayer = Annotated[
    str,
    Option("--layer", metavar="LAYER", help="The layer to look into.", autocompletion=completion.layers),
]
Count = Annotated[int | None, Option(min=1, metavar="K", help="How many directions to find.")]
Decomposition = Annotated[
    str | None,
    Option(metavar="NAME", help="An estimator of scikit-learn, such as PCA or KMeans; by default NMF."),
]
DecompositionSettings = Annotated[
    list[str] | None, Option("--set", metavar="FIELD=VALUE", help="Any parameter of the decomposition.")
]
Rows = Annotated[int | None, Option(min=1, metavar="N", help="Places kept of all images; about 50,000.")]
Sae = Annotated[
    Path | None,
    Option(metavar="FILE", help="A sparse autoencoder instead: .safetensors, .pt or the folder of one."),
]
SaePart = Annotated[
    str | None, Option("--part", metavar="PART", help="Of an autoencoder: decoder (by default) or encoder.")
]
SaeKey = Annotated[
    str | None, Option("--key", metavar="KEY", help="Of an autoencoder: the name of the matrix in the file.")
]
Tokens = Annotated[str | None, Option(metavar="WHICH", help="In a layer of tokens: patches, cls or all.")]
Directions = Annotated[Path, Option("--out", metavar="FILE", help="The file to write: NAME.safetensors.")]

Banks = Annotated[list[Path], Argument(metavar="BANK", help="Banks that vital bank wrote.")]

OneUnit = Annotated[str, Argument(metavar="UNIT", help=UNITS, autocompletion=completion.units)]
CircuitLayers = Annotated[
    str,
    Option(
        "--layers",
        metavar="LAYER,LAYER",
        help="The layers to look into, from later to earlier; class for the classes that UNIT serves.",
        autocompletion=completion.layers,
    ),
]
ForClass = Annotated[
    str | None,
    Option("--for", metavar="label|predicted", help="With --layers class: which class an image counts for."),
]
Feeders = Annotated[
    int, Option("--count", min=1, metavar="K", help="How many units, or classes, to show; of each unit.")
]
HowMany = Annotated[int, Option("--count", min=1, metavar="K", help="Images shown for each unit.")]
ExemplarsBy = Annotated[
    str,
    Option(
        metavar="BY",
        help="Rank by activation, or all images by relevance for another unit (RelMax).",
        autocompletion=completion.of("activation", "relevance"),
    ),
]
ForUnit = Annotated[
    str | None,
    Option(
        "--for",
        metavar="UNIT|label|predicted",
        help="With --by relevance: the unit that reads these, or the class of each image.",
    ),
]
Conditions = Annotated[
    list[str] | None,
    Option(
        "--condition", metavar="UNIT", help="Follow relevance through these units alone; may be repeated."
    ),
]
Rule = Annotated[
    str,
    Option(
        metavar="RULE",
        help="How relevance is followed, such as zplus or epsilon.",
        autocompletion=completion.of("zplus", "epsilon"),
    ),
]

RunFolder = Annotated[Path, Option("--out", metavar="RUN", help="The run folder; a stopped run goes on.")]
MethodName = Annotated[
    str,
    Option(
        metavar="METHOD",
        help="One of those that vital methods lists.",
        autocompletion=completion.methods,
    ),
]
Steps = Annotated[
    int | None,
    Option(
        min=1,
        metavar="N",
        help="How many steps to take: 256 for vital; vital methods NAME says it of the others.",
    ),
]
Size = Annotated[
    int | None,
    Option(min=1, metavar="PX", help="How large the picture is; by default the size that the network takes."),
]
Fit = Annotated[bool, Option("--fit", help="Bring the picture to the network's size in every step.")]
Seed = Annotated[int, Option(metavar="SEED", help="What is left to chance goes by it.")]
Pictures = Annotated[
    int,
    Option("--count", min=1, metavar="N", help="Independent pictures of each unit, of seeds from SEED on."),
]
Settings = Annotated[
    list[str] | None, Option("--set", metavar="FIELD=VALUE", help="Any option of the method.")
]
Frames = Annotated[
    int, Option(min=0, metavar="N", help="Keep N pictures of the way, as a GIF and side by side.")
]

Methods = Annotated[
    str,
    Option(
        metavar="METHOD,METHOD",
        help="Ways to put units into words; vital methods lists them.",
        autocompletion=completion.describers,
    ),
]
Concepts = Annotated[
    str | None, Option(metavar="FILE", help="Words to choose from, one a line; world for the built-in list.")
]
EncoderName = Annotated[
    str | None,
    Option(
        metavar="ENCODER",
        help="What sees images and words: world, open_clip:NAME/PRETRAINED or hf:NAME.",
        autocompletion=completion.encoders,
    ),
]
TextEncoderName = Annotated[
    str | None,
    Option(
        metavar="ENCODER",
        help="What reads texts: sentence-transformers:NAME, open_clip:NAME/PRETRAINED, hf:NAME or world.",
        autocompletion=completion.text_encoders,
    ),
]
CaptionerName = Annotated[
    str | None,
    Option(
        metavar="CAPTIONER",
        help="What says what an image shows: world or transformers:NAME.",
        autocompletion=completion.of("world", "transformers:"),
    ),
]
SummarizerName = Annotated[
    str | None,
    Option(
        metavar="SUMMARIZER",
        help="What makes one label of many captions: built-in, world, openai:MODEL[@URL] or transformers:NAME.",
        autocompletion=completion.of("built-in", "world", "openai:", "transformers:"),
    ),
]
GeneratorName = Annotated[
    str | None,
    Option(
        metavar="GENERATOR",
        help="What draws images of a label: world or diffusers:NAME.",
        autocompletion=completion.of("world", "diffusers:"),
    ),
]
WordsSettings = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Any option of the methods; alpha and n_random_models of the judge.",
    ),
]
WordsFolder = Annotated[
    Path, Option("--out", metavar="RUN", help="The run folder, which may hold pictures already.")
]


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """How the network is loaded."""

    weights: Weights = None
    device: Device = None
    dtype: Dtype = None
    channels_last: ChannelsLast = False
    input_size: InputSize = None
    classes: ClassNames = None
    bands: Bands = None
    output: Output = None
    head: Head = None

    def open(self, model: str, labels: Path | None = None) -> Model:
        """Load the network that is named; labels of images may name the classes of one without names."""
        from vital.models import load_model
        from vital.models.factory import parse_factory
        from vital.models.load import named_by

        found = load_model(
            model,
            weights=self.weights,
            device=self.device,
            size=self.input_size,
            dtype=self.dtype,
            channels_last=self.channels_last,
            classes=self.classes,
            bands=None if self.bands is None else read_bands(self.bands),
            output=cast("Outputs | None", self.output),
            head=self.head,
        )
        if self.weights is None and (made := parse_factory(model)):
            log.info("weights: as %s:%s made them; --weights FILE loads yours", made[0].name, made[1])
        return found if labels is None or found.classes else named_by(found, labels)


@dataclass(frozen=True, kw_only=True)
class NeededImageOptions:
    """Which images are shown, for a command that makes something of them."""

    images: NeededImages
    image_labels: ImageLabels = None
    workers: Workers = None

    def open(self) -> ImageSet:
        """Open the images."""
        from vital.cli.common import open_images

        return open_images(self.images, self.image_labels, self.workers)


@dataclass(frozen=True, kw_only=True)
class BatchedNeededImageOptions(NeededImageOptions):
    """Which images are shown, and how many at once."""

    batch: Batch = None

    def open(self) -> ImageSet:
        """Open the images."""
        return replace(super().open(), batch=self.batch)


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Which natural images there are: given, or those of a bank."""

    images: Images = None
    bank: BankFile = None
    image_labels: ImageLabels = None
    workers: Workers = None

    def open(self) -> ImageSet | None:
        """Open the images; None where none are named."""
        from vital.cli.common import images_of, open_images

        if self.images is not None:
            return open_images(self.images, self.image_labels, self.workers)
        if self.bank is not None:
            return images_of(self.bank, self.image_labels, self.workers)
        if self.image_labels is not None:
            raise UsageError(f"--image-labels {self.image_labels} needs its images; give --images DIR too")
        return None

    def needed(self, why: str) -> ImageSet:
        """Open the images. Raises `UsageError` where none are named, which says why they are needed."""
        found = self.open()
        if found is None:
            raise UsageError(f"{why}; give --images DIR or --bank FILE")
        return found

    def read_bank(self, model: Model, pictures: ImageSet) -> ReferenceBank | None:
        """Read the bank over the images; None where none is named."""
        from vital.activations import load_bank

        return None if self.bank is None else load_bank(self.bank, model, pictures)

    def make_bank(self, model: Model, pictures: ImageSet, units: Sequence[Unit]) -> ReferenceBank:
        """Read the bank over the images, or make one for the layers of these units."""
        from vital.cli.common import watched
        from vital.rendering.api import bank_for

        found = self.read_bank(model, pictures)
        return bank_for(model, pictures, units, progress=watched()) if found is None else found


@dataclass(frozen=True, kw_only=True)
class BatchedImageOptions(ImageOptions):
    """Which natural images there are, and how many are shown at once."""

    batch: Batch = None

    def open(self) -> ImageSet | None:
        """Open the images; None where none are named."""
        found = super().open()
        return None if found is None else replace(found, batch=self.batch)


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """How pictures are made."""

    method: MethodName = "vital"
    steps: Steps = None
    size: Size = None
    fit: Fit = False
    seed: Seed = 0
    batch: Batch = None
    settings: Settings = None

    def make(self) -> Method:
        """Make the method. Raises `UsageError` for an option that is given twice."""
        from vital.rendering import make_method

        own = {"steps": self.steps, "size": self.size, "fit": self.fit or None}
        named = {key: value for key, value in own.items() if value is not None}
        given = read_settings(self.settings or [])
        if twice := [key for key in named if key in given]:
            raise UsageError(f"{twice[0]} is given by --{twice[0]} and by --set; give it once")
        return make_method(self.method, **named, **given)

    def request(
        self, model: Model, units: Sequence[Unit], method: Method, pictures: ImageSet | None, frames: int = 0
    ) -> Render:
        """The request for pictures of these units."""
        from vital.rendering.resume import request_for

        return request_for(
            model, units, method, seed=self.seed, batch=self.batch, frames=frames, images=pictures
        )


def read_bands(text: str) -> tuple[int, ...]:
    """Read the numbers of channels.

    >>> read_bands("3,2,1")
    (3, 2, 1)
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise InvalidValueError(
            f"--bands is {said(text)}; give three numbers of channels, such as 3,2,1, or one"
        )
    return tuple(map(int, parts))


def read_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Read FIELD=VALUE pairs.

    >>> read_settings(["steps=64", "tv=0.5"])
    {'steps': '64', 'tv': '0.5'}
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise InvalidValueError(
                f"--set {pair!r} is not a setting; write --set FIELD=VALUE (vital methods lists the fields)"
            )
        if found.setdefault(name.strip(), value) != value:
            raise InvalidValueError(
                f"--set gives {name.strip()} twice: {found[name.strip()]!r} and {value!r}"
            )
    return found
