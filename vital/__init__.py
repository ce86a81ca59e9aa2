"""Feature visualisation: what a unit of a vision network responds to, as pictures.

    import vital

    model = vital.load_model("torchvision:resnet50")
    images = vital.images("path/to/folder")
    bank = vital.reference_bank(model, ["layer4"], images)
    vital.render(model, ["layer4:162", "class:tabby"], bank=bank)

Everything raises a `VitalError` with one sentence where a request cannot be met.
"""

from vital import errors as errors
from vital import objectives as objectives
from vital import parameterisations as parameterisations
from vital import regularizers as regularizers
from vital import views as views
from vital._version import __version__ as __version__
from vital.compare import compare as compare
from vital.describe import describe as describe
from vital.engine import Optimiser as Optimiser
from vital.engine import optimise as optimise
from vital.errors import VitalError as VitalError
from vital.images import ImageSet as ImageSet
from vital.images import images as images
from vital.images.open import SETS as _SETS
from vital.makers import CAPTIONERS as _CAPTIONERS
from vital.makers import ENCODERS as _ENCODERS
from vital.makers import GENERATORS as _GENERATORS
from vital.makers import SUMMARISERS as _SUMMARISERS
from vital.makers.load import Later as _Later
from vital.models import Model as Model
from vital.models import load_model as load_model
from vital.models.published import SOURCES as _SOURCES
from vital.recipes import METHODS as METHODS
from vital.recipes import Method as Method
from vital.recipes import method as method
from vital.recipes import render as render
from vital.records import Prototype as Prototype
from vital.records import Prototypes as Prototypes
from vital.records import Template as Template
from vital.reference import ReferenceBank as ReferenceBank
from vital.reference import load_bank as load_bank
from vital.reference import reference_bank as reference_bank
from vital.report import report as report
from vital.terms import Term as Term
from vital.trace import survey as survey
from vital.units import Unit as Unit


@_SOURCES.register("world", example="world or world:judge")
def _world_model(name: str, pretrained: bool, size: tuple[int, int] | None = None) -> Model:
    """Load a network of the known-answer world, which lies above the networks and is imported when asked for."""
    from vital.world.weights import model

    del size
    return model(name or "classifier", pretrained=pretrained)


@_SOURCES.register("lwta", example="lwta:4/torchvision:resnet50")
def _competing_model(name: str, pretrained: bool, size: tuple[int, int] | None = None) -> Model:
    """Load `U/MODEL` with units that compete in blocks of U; imported when asked for."""
    from vital.lwta.load import model

    return model(name, pretrained, size)


@_SETS.register("world", example="world")
def _world_images() -> ImageSet:
    """Make the set of images of the known-answer world, imported when asked for."""
    from vital.world.data import images as rendered

    return rendered()


# The makers of the world, which lie above the registries and are imported when asked for.
_ENCODERS.register("world", example="world")(_Later("vital.world.makers", "encoder"))
_CAPTIONERS.register("world", example="world")(_Later("vital.world.makers", "captioner"))
_SUMMARISERS.register("world", example="world")(_Later("vital.world.makers", "summariser"))
_GENERATORS.register("world", example="world")(_Later("vital.world.makers", "generator"))

__all__ = [
    "METHODS",
    "ImageSet",
    "Method",
    "Model",
    "Optimiser",
    "Prototype",
    "Prototypes",
    "ReferenceBank",
    "Template",
    "Term",
    "Unit",
    "VitalError",
    "__version__",
    "compare",
    "describe",
    "errors",
    "images",
    "load_bank",
    "load_model",
    "method",
    "objectives",
    "optimise",
    "parameterisations",
    "reference_bank",
    "regularizers",
    "render",
    "report",
    "survey",
    "views",
]
