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
from vital.engine import Optimiser as Optimiser
from vital.engine import optimise as optimise
from vital.errors import VitalError as VitalError
from vital.images import ImageSet as ImageSet
from vital.images import images as images
from vital.models import Model as Model
from vital.models import load_model as load_model
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
from vital.terms import Term as Term
from vital.trace import survey as survey
from vital.units import Unit as Unit

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
    "survey",
    "views",
]
