"""Networks whose units compete: local winner takes all (LWTA), by conversion, training and explanation."""

from vital.lwta.conversion import convert as convert
from vital.lwta.layers import LWTA as LWTA
from vital.lwta.layers import LWTAConv2d as LWTAConv2d
from vital.lwta.layers import LWTALinear as LWTALinear
from vital.lwta.predict import outputs as outputs
