"""Units: what can be asked about, as text and as found in a network."""

from vital.units.record_list import RecordList as RecordList
from vital.units.unit import HELP as HELP
from vital.units.unit import OUTPUT as OUTPUT
from vital.units.unit import TOKENS as TOKENS
from vital.units.unit import Unit as Unit
from vital.units.unit import find_layer as find_layer
from vital.units.unit import is_unit as is_unit
from vital.units.unit import layer_with_units as layer_with_units
from vital.units.unit import only as only
from vital.units.unit import parse as parse
from vital.units.unit import resolve as resolve
from vital.units.unit import slug as slug
from vital.units.unit import warn_of_choice as warn_of_choice
