"""References: which images a unit's prototype is held against, and what their features look like."""

from vital.reference.bank import ReferenceBank as ReferenceBank
from vital.reference.bank import load_bank as load_bank
from vital.reference.bank import opened_from as opened_from
from vital.reference.bank import reference_bank as reference_bank
from vital.reference.template import make_template as make_template

__all__ = ["ReferenceBank", "load_bank", "make_template", "opened_from", "reference_bank"]
