"""Feature visualization: what a unit of a vision network responds to, as pictures.

    import vital

    model = vital.load_model("torchvision:resnet50")
    images = vital.load_images("path/to/folder")
    bank = vital.build_bank(model, ["layer4"], images)
    vital.render(model, ["layer4:162", "class:tabby"], bank=bank)

Everything raises a `VitalError` with one sentence where a request cannot be met. Names are imported when they are used,
so that `import vital` and the command line start at once; the subpackages are reached in the same way, such as
`vital.describing.DESCRIBERS`.
"""

import logging as _logging
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from vital._version import __version__ as __version__

if TYPE_CHECKING:
    from vital import activations as activations
    from vital import atlases as atlases
    from vital import attribution as attribution
    from vital import backends as backends
    from vital import callbacks as callbacks
    from vital import cli as cli
    from vital import comparing as comparing
    from vital import data as data
    from vital import describing as describing
    from vital import directions as directions
    from vital import errors as errors
    from vital import figures as figures
    from vital import lwta as lwta
    from vital import metrics as metrics
    from vital import models as models
    from vital import objectives as objectives
    from vital import optim as optim
    from vital import params as params
    from vital import records as records
    from vital import regularizers as regularizers
    from vital import rendering as rendering
    from vital import reporting as reporting
    from vital import terms as terms
    from vital import tracing as tracing
    from vital import transforms as transforms
    from vital import types as types
    from vital import units as units
    from vital import utils as utils
    from vital import world as world
    from vital.activations import ReferenceBank as ReferenceBank
    from vital.activations import build_bank as build_bank
    from vital.activations import load_bank as load_bank
    from vital.atlases import atlas as atlas
    from vital.comparing import compare as compare
    from vital.data import ImageSet as ImageSet
    from vital.data import load_images as load_images
    from vital.describing import describe as describe
    from vital.errors import VitalError as VitalError
    from vital.models import Model as Model
    from vital.models import load_model as load_model
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
    from vital.reporting import write_site as write_site
    from vital.terms import Term as Term
    from vital.tracing import list_layers as list_layers
    from vital.units import Unit as Unit

_logging.getLogger("vital").addHandler(_logging.NullHandler())

_PACKAGES = (
    "activations", "atlases", "attribution", "backends", "callbacks", "cli", "comparing", "data", "describing",
    "directions", "errors", "figures", "lwta", "metrics", "models", "objectives", "optim", "params", "records",
    "regularizers",
    "rendering", "reporting", "terms", "tracing", "transforms", "types", "units", "utils", "world",
)  # fmt: skip
_HOMES = {
    "METHODS": "rendering",
    "ImageSet": "data",
    "Method": "rendering",
    "Model": "models",
    "Optimizer": "optim",
    "Prototype": "records",
    "Prototypes": "records",
    "ReferenceBank": "activations",
    "Template": "records",
    "Term": "terms",
    "Unit": "units",
    "VitalError": "errors",
    "atlas": "atlases",
    "build_bank": "activations",
    "compare": "comparing",
    "describe": "describing",
    "list_layers": "tracing",
    "load_bank": "activations",
    "load_images": "data",
    "load_model": "models",
    "make_method": "rendering",
    "optimize": "optim",
    "render": "rendering",
    "report": "reporting",
    "write_site": "reporting",
}
"""Where each public object is defined; the imports above say the same to type checkers."""

__all__ = ["__version__", *_HOMES, *_PACKAGES]  # noqa: PLE0604 (all are texts)

if not TYPE_CHECKING:  # or every misspelt name would pass

    def __getattr__(name: str) -> object:
        """Import a public object or a subpackage when it is first used."""
        if name in _PACKAGES:
            return _import_module(f"vital.{name}")
        if name in _HOMES:
            return getattr(_import_module(f"vital.{_HOMES[name]}"), name)
        from vital.errors import nearest

        hint = "".join(f"; did you mean {close!r}?" for close in nearest(name, __all__, 1))
        raise AttributeError(f"module 'vital' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
