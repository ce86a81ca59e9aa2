"""One forward pass, watched. The only room that touches hooks.

`list_layers` learns once how a network's layers are laid out; a `Tracer` then turns images into `Trace`s. On every way
out the hooks are gone and the caller's gradient flags and train/eval modes are as they were.
"""

from vital.models.outputs import first_tensor
from vital.tracing.layers import list_layers
from vital.tracing.passes import calls
from vital.tracing.redirect import Redirect
from vital.tracing.tape import NoRuleError, Step, Tape
from vital.tracing.tracer import INPUT_OF, Of, Pass, Trace, Tracer, check_of, feeding
from vital.units.direction import digests, read_direction

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
