"""Words: what a unit responds to, said by several methods, with evidence and with the right to say nothing."""

from vital.describe.base import DESCRIBERS as DESCRIBERS
from vital.describe.base import Describer as Describer
from vital.describe.base import Toolbox as Toolbox
from vital.describe.base import describer as describer
from vital.describe.dnd import Dnd as Dnd
from vital.describe.prototype import OfPrototypes as OfPrototypes

__all__ = ["DESCRIBERS", "Describer", "Toolbox", "describer"]
