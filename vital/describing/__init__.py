"""Words: what a unit responds to, said by several methods, with evidence and with the right to say nothing."""

from vital.describing.api import Descriptions as Descriptions
from vital.describing.api import describe as describe
from vital.describing.base import DESCRIBERS as DESCRIBERS
from vital.describing.base import Context as Context
from vital.describing.base import Describer as Describer
from vital.describing.base import describer as describer
from vital.describing.candidates.concept_lists import read_concepts as read_concepts
from vital.describing.evaluation.agreement import agreement as agreement
from vital.describing.evaluation.importers import import_labels as import_labels
from vital.describing.evaluation.significance import LabelEvaluator as LabelEvaluator
from vital.describing.labels_csv import read_labels as read_labels
from vital.describing.labels_csv import write_labels as write_labels
from vital.describing.matching.similarity import SIMILARITIES as SIMILARITIES
from vital.describing.methods.activation_ranges import ActivationRanges as ActivationRanges
from vital.describing.methods.clip_dissect import ClipDissect as ClipDissect
from vital.describing.methods.clip_dissect import class_of_description as class_of_description
from vital.describing.methods.dnd import Dnd as Dnd
from vital.describing.methods.linear import Linear as Linear
from vital.describing.methods.prototype import OfPrototypes as OfPrototypes
from vital.utils.options import with_overview

with_overview(describe, DESCRIBERS, "vital.describing.DESCRIBERS")

__all__ = [
    "DESCRIBERS",
    "SIMILARITIES",
    "Bands",
    "ClipDissect",
    "Context",
    "Describer",
    "Descriptions",
    "Dnd",
    "LabelEvaluator",
    "Linear",
    "OfPrototypes",
    "agreement",
    "class_of_description",
    "describe",
    "describer",
    "import_labels",
    "read_concepts",
    "read_labels",
    "write_labels",
]
