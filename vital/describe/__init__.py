"""Words: what a unit responds to, said by several methods, with evidence and with the right to say nothing."""

from vital.describe.bands import Bands as Bands
from vital.describe.base import DESCRIBERS as DESCRIBERS
from vital.describe.base import Describer as Describer
from vital.describe.base import Toolbox as Toolbox
from vital.describe.base import describer as describer
from vital.describe.clip_dissect import ClipDissect as ClipDissect
from vital.describe.clip_dissect import class_of_description as class_of_description
from vital.describe.concepts import read_concepts as read_concepts
from vital.describe.dnd import Dnd as Dnd
from vital.describe.facade import Descriptions as Descriptions
from vital.describe.facade import describe as describe
from vital.describe.judge import Court as Court
from vital.describe.linear import Linear as Linear
from vital.describe.prototype import OfPrototypes as OfPrototypes
from vital.describe.similarity import SIMILARITIES as SIMILARITIES
from vital.describe.table import read_labels as read_labels
from vital.describe.table import write_labels as write_labels

__all__ = [
    "DESCRIBERS",
    "SIMILARITIES",
    "Bands",
    "ClipDissect",
    "Court",
    "Describer",
    "Descriptions",
    "Dnd",
    "Linear",
    "OfPrototypes",
    "Toolbox",
    "class_of_description",
    "describe",
    "describer",
    "read_concepts",
    "read_labels",
    "write_labels",
]
