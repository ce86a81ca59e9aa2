"""References: which images a unit's prototype is held against, and what their features look like."""

from vital.reference.bank import ReferenceBank as ReferenceBank
from vital.reference.field import Box as Box
from vital.reference.field import effective_field as effective_field
from vital.reference.field import receptive_field as receptive_field
from vital.reference.make import free_for_bank as free_for_bank
from vital.reference.make import load_bank as load_bank
from vital.reference.make import merged as merged
from vital.reference.make import opened_from as opened_from
from vital.reference.make import reference_bank as reference_bank
from vital.reference.patches import Patches as Patches
from vital.reference.patches import Spot as Spot
from vital.reference.template import make_template as make_template

__all__ = [
    "Box",
    "Patches",
    "ReferenceBank",
    "Spot",
    "effective_field",
    "free_for_bank",
    "load_bank",
    "make_template",
    "merged",
    "opened_from",
    "receptive_field",
    "reference_bank",
]
