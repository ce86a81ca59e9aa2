"""One forward pass, watched. The only room that touches hooks.

`survey` learns once how a network's layers are laid out; a `Tracer` then turns images into `Trace`s. On every way
out the hooks are gone and the caller's gradient flags and train/eval modes are as they were.
"""

from vital.models.outputs import first_tensor as first_tensor
from vital.trace.depend import feeding as feeding
from vital.trace.direction import digests as digests
from vital.trace.direction import direction_for as direction_for
from vital.trace.direction import read_direction as read_direction
from vital.trace.layers import calls as calls
from vital.trace.layers import resolve_units as resolve_units
from vital.trace.layers import survey as survey
from vital.trace.redirect import Redirect as Redirect
from vital.trace.tape import NoRule as NoRule
from vital.trace.tape import Step as Step
from vital.trace.tape import Tape as Tape
from vital.trace.watch import INPUT_OF as INPUT_OF
from vital.trace.watch import Pass as Pass
from vital.trace.watch import Trace as Trace
from vital.trace.watch import Tracer as Tracer

__all__ = [
    "INPUT_OF",
    "NoRule",
    "Pass",
    "Redirect",
    "Step",
    "Tape",
    "Trace",
    "Tracer",
    "calls",
    "digests",
    "direction_for",
    "feeding",
    "first_tensor",
    "read_direction",
    "resolve_units",
    "survey",
]
