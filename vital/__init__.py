"""Feature visualization: what a unit of a vision network responds to, as pictures.

    import vital

    model = vital.load_model("torchvision:resnet50")
    images = vital.load_images("path/to/folder")
    bank = vital.build_bank(model, ["layer4"], images)
    vital.render(model, ["layer4:162", "class:tabby"], bank=bank)

Everything raises a `VitalError` with one sentence where a request cannot be met.
"""

from vital import errors as errors
from vital import objectives as objectives
from vital import params as parameterizations
from vital import regularizers as regularizers
from vital import transforms as transforms
from vital._version import __version__ as __version__
from vital.activations import ReferenceBank as ReferenceBank
from vital.activations import build_bank as build_bank
from vital.activations import load_bank as load_bank
from vital.backends import CAPTIONERS as _CAPTIONERS
from vital.backends import ENCODERS as _ENCODERS
from vital.backends import GENERATORS as _GENERATORS
from vital.backends import SUMMARIZERS as _SUMMARIZERS
from vital.backends.load import Later as _Later
from vital.comparing import compare as compare
from vital.data import ImageSet as ImageSet
from vital.data import load_images as load_images
from vital.data.open import SETS as _SETS
from vital.describing import describe as describe
from vital.errors import VitalError as VitalError
from vital.models import Model as Model
from vital.models import load_model as load_model
from vital.models.published import SOURCES as _SOURCES
from vital.optim import Optimizer as Optimizer
from vital.optim import optimize as optimize
from vital.records import Prototype as Prototype
from vital.records import Prototypes as Prototypes
from vital.records import Template as Template
from vital.rendering import METHODS as METHODS
from vital.rendering import Method as Method
from vital.rendering import make_method as make_method
from vital.rendering import render as render
from vital.reporting import report as report
from vital.terms import Term as Term
from vital.tracing import list_layers as list_layers
from vital.units import Unit as Unit


@_SOURCES.register("world", example="world or world:judge")
def _world_model(name: str, pretrained: bool, size: tuple[int, int] | None = None) -> Model:
    """Load a network of the known-answer world, which lies above the networks and is imported when asked for."""
    from vital.world.networks.weights import model

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
    from vital.world.scenes.dataset import images as rendered

    return rendered()


# The makers of the world, which lie above the registries and are imported when asked for.
_ENCODERS.register("world", example="world")(_Later("vital.world.networks.backends", "encoder"))
_CAPTIONERS.register("world", example="world")(_Later("vital.world.networks.backends", "captioner"))
_SUMMARIZERS.register("world", example="world")(_Later("vital.world.networks.backends", "summarizer"))
_GENERATORS.register("world", example="world")(_Later("vital.world.networks.backends", "generator"))

__all__ = [
    "METHODS",
    "ImageSet",
    "Method",
    "Model",
    "Optimizer",
    "Prototype",
    "Prototypes",
    "ReferenceBank",
    "Template",
    "Term",
    "Unit",
    "VitalError",
    "__version__",
    "build_bank",
    "compare",
    "describe",
    "errors",
    "list_layers",
    "load_bank",
    "load_images",
    "load_model",
    "make_method",
    "objectives",
    "optimize",
    "parameterizations",
    "regularizers",
    "render",
    "report",
    "transforms",
]
