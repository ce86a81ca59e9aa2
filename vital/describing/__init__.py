"""Words: what a unit responds to, said by several methods, with evidence and with the right to say nothing."""

from vital.describing.api import Descriptions, describe
from vital.describing.base import DESCRIBERS, Context, Describer, describer
from vital.describing.candidates.concept_lists import read_concepts
from vital.describing.evaluation.agreement import agreement
from vital.describing.evaluation.importers import import_labels
from vital.describing.evaluation.significance import LabelEvaluator
from vital.describing.matching.similarity import SIMILARITIES
from vital.describing.methods.activation_ranges import ActivationRanges
from vital.describing.methods.clip_dissect import ClipDissect, class_of_description
from vital.describing.methods.dnd import Dnd
from vital.describing.methods.linear import Linear
from vital.describing.methods.prototype import OfPrototypes
from vital.describing.run_folder import read_labels, write_labels
from vital.utils.options import with_overview

with_overview(describe, DESCRIBERS, "vital.describing.DESCRIBERS")

__all__ = [
    "DESCRIBERS",
    "SIMILARITIES",
    "ActivationRanges",
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
