"""Networks whose units compete: local winner takes all (LWTA), by conversion, training and explanation."""

from vital.lwta.compete import LWTA as LWTA
from vital.lwta.compete import LWTAConv2d as LWTAConv2d
from vital.lwta.compete import LWTALinear as LWTALinear
from vital.lwta.convert import convert as convert
