"""References: which images a unit's prototype is held against, and what their features look like."""

from vital.activations.bank import ReferenceBank as ReferenceBank
from vital.activations.build import build_bank as build_bank
from vital.activations.build import free_for_bank as free_for_bank
from vital.activations.build import load_bank as load_bank
from vital.activations.build import merged as merged
from vital.activations.build import opened_from as opened_from
from vital.activations.patches import Patches as Patches
from vital.activations.patches import TopLocation as TopLocation
from vital.activations.template import make_template as make_template
from vital.attribution.receptive_field import Box as Box
from vital.attribution.receptive_field import effective_field as effective_field
from vital.attribution.receptive_field import receptive_field as receptive_field

__all__ = [
    "Box",
    "Patches",
    "ReferenceBank",
    "TopLocation",
    "build_bank",
    "effective_field",
    "free_for_bank",
    "load_bank",
    "make_template",
    "merged",
    "opened_from",
    "receptive_field",
]
