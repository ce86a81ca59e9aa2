"""References: which images a unit's prototype is held against, and what their features look like."""

from vital.activations.bank import ReferenceBank
from vital.activations.build import build_bank, free_for_bank, load_bank, merged, opened_from
from vital.activations.patches import Patches, TopLocation
from vital.activations.relevances import ServedClass, ServedClasses, served_classes
from vital.activations.template import make_template
from vital.attribution.receptive_field import Box, effective_field, receptive_field

__all__ = [
    "Box",
    "Patches",
    "ReferenceBank",
    "ServedClass",
    "ServedClasses",
    "TopLocation",
    "build_bank",
    "effective_field",
    "free_for_bank",
    "load_bank",
    "make_template",
    "merged",
    "opened_from",
    "receptive_field",
    "served_classes",
]
