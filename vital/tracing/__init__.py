"""One forward pass, watched. The only room that touches hooks.

`list_layers` learns once how a network's layers are laid out; a `Tracer` then turns images into `Trace`s. On every way
out the hooks are gone and the caller's gradient flags and train/eval modes are as they were.
"""

from vital.models.outputs import first_tensor as first_tensor
from vital.tracing.dependencies import feeding as feeding
from vital.tracing.layers import calls as calls
from vital.tracing.layers import list_layers as list_layers
from vital.tracing.redirect import Redirect as Redirect
from vital.tracing.tape import NoRuleError as NoRuleError
from vital.tracing.tape import Step as Step
from vital.tracing.tape import Tape as Tape
from vital.tracing.tracer import INPUT_OF as INPUT_OF
from vital.tracing.tracer import Of as Of
from vital.tracing.tracer import Pass as Pass
from vital.tracing.tracer import Trace as Trace
from vital.tracing.tracer import Tracer as Tracer
from vital.tracing.tracer import check_of as check_of
from vital.units.direction import digests as digests
from vital.units.direction import read_direction as read_direction

__all__ = [
    "INPUT_OF",
    "NoRuleError",
    "Of",
    "Pass",
    "Redirect",
    "Step",
    "Tape",
    "Trace",
    "Tracer",
    "calls",
    "check_of",
    "digests",
    "feeding",
    "first_tensor",
    "list_layers",
    "read_direction",
]
