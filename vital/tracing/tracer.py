"""One forward pass, watched: a `Tracer` turns images into `Trace`s."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vital.errors import InvalidValueError, ModelError, UnitError, UnknownNameError
from vital.models import Model
from vital.models.outputs import asked, first_tensor, grey_image, output_of, tensors_of
from vital.tracing import readout
from vital.tracing.layers import list_layers
from vital.tracing.passes import borrowed
from vital.tracing.redirect import Redirect
from vital.tracing.tape import NoRuleError, Tape
from vital.types import Images, PerImage
from vital.units import OUTPUT, Unit, find_layer
from vital.utils.devices import version

INPUT_OF = "<"


Of = Literal["image", "seen", "input"]
"""The pictures that a trace has."""

Units: TypeAlias = str | Unit | Sequence[Unit]
"""One unit, or several of one layer that are read in the same way."""


def check_of(of: str) -> None:
    """Raise `InvalidValueError` for a picture that a trace does not have."""
    if of not in ("image", "seen", "input"):
        raise InvalidValueError(f"of is {of!r}; allowed are 'image', 'seen' and 'input'")


@dataclass(frozen=True, eq=False)
class Pass:
    """One run of the network: each layer's tensor as the network made it, and the tape where one was kept."""

    raw: Mapping[str, Tensor]
    tape: Tape | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """What one forward pass showed.

    `image` (B, C, H, W) is the picture as it will be saved, in [0, 1]; `seen` is the same after the random transforms;
    `input` after normalization. `acts` maps a layer to (B, C), (B, C, H, W) or (B, C, T), channels always second;
    `"class"` is the network's output. Each picture stands `n_transforms` times in a row when several transforms of it
    are seen in one pass. `run` is the run of the network behind it, with its tape if the tracer records; its rows are
    those of the whole batch, of which this trace begins at row `first`. `relevance` maps layers to tensors shaped like
    their activations, where a term asked for it (`Term.relevance_request`), and `beside` to the activations of another
    image, seen through the same transforms (`Term.beside`).
    """

    image: Images
    seen: Images
    input: Tensor
    acts: Mapping[str, Tensor]
    model: Model
    n_transforms: int = 1
    run: Pass | None = None
    first: int = 0
    relevance: Mapping[str, Tensor] = field(default_factory=dict)
    beside: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, layer: str) -> Tensor:
        if layer not in self.acts:
            watched = ", ".join(map(repr, self.acts)) or "none"
            raise UnknownNameError(
                f"the layer {layer!r} is read, but was not asked for (asked for: {watched}); "
                "name in `layers` all that is read"
            )
        return self.acts[layer]

    def __len__(self) -> int:
        return len(self.seen)

    def rows(self, start: int, stop: int) -> Trace:
        """The same pass, for the images `start` to `stop` alone."""
        part = slice(start, stop)
        acts = {name: act[part] for name, act in self.acts.items()}
        pictures = (self.image[part], self.seen[part], self.input[part])
        relevance = {name: found[part] for name, found in self.relevance.items()}
        beside = {name: act[part] for name, act in self.beside.items()}
        first = self.first + start
        return Trace(*pictures, acts, self.model, self.n_transforms, self.run, first, relevance, beside)

    def slot(self, number: int, of: int) -> Trace:
        """The same pass, for the images of one of several units that share them evenly, in order."""
        each = len(self) // of
        return self.rows(number * each, (number + 1) * each)

    def take(self, rows: Tensor, layers: Iterable[str]) -> Trace:
        """The same for the images whose numbers are `rows`, with some of the layers; without the run behind it."""
        acts = {name: self.acts[name][rows] for name in layers}
        relevance = {name: found[rows] for name, found in self.relevance.items() if name in acts}
        beside = {name: act[rows] for name, act in self.beside.items() if name in acts}
        pictures = (self.image[rows], self.seen[rows], self.input[rows])
        return Trace(*pictures, acts, self.model, self.n_transforms, relevance=relevance, beside=beside)

    def picture(self, of: Of) -> Images:
        """The picture as it will be saved, after the random transforms, or after normalization: (B, C, H, W)."""
        return {"image": self.image, "seen": self.seen, "input": self.input}[of]

    def found(self, units: Units) -> list[Unit]:
        """The units as the network of this pass has them; `UnitError` unless they can be read in one go."""
        if isinstance(units, str | Unit):
            return [self.model.unit(units)]
        found = self.model.units(units)
        if len({readout.kind_of(unit) for unit in found}) != 1 or len(self) % len(found):
            raise UnitError(
                f"the units {', '.join(map(str, found)) or 'none'} cannot share {len(self)} images; allowed are units "
                "of one layer that are read in the same way, with equally many images each"
            )
        return found

    def map(self, units: Units) -> Tensor:
        """The unit's activation at every place it has: (B, places); `UnitError` when there is no such unit.

        That of a direction v is the projection Σ_c v_c a_c. Several units of one layer share the images: of S units
        the first is read from the first B / S images, the second from the next, and so on.
        """
        found = self.found(units)
        return readout.values(found, self[found[0].layer])

    def vectors(self, units: Units) -> Tensor:
        """All channels at the unit's places: (B, C, places); units as in `map`."""
        found = self.found(units)
        return readout.vectors(found, self[found[0].layer])

    def read(self, units: Units) -> PerImage:
        """The unit's value: the mean over its places, (B,); units as in `map`."""
        found = self.found(units)
        return readout.read(found, self[found[0].layer])


class Tracer:
    """Shows images to a network and keeps the activations of some layers.

    Use it as a context manager: inside, the network is in eval mode and its parameters ask for no gradient;
    afterwards everything is as before. Hooks are in place during a pass alone, which stops after the deepest of
    `layers`. A layer written `<name` stands for the input of the module `name`. With `record` every pass keeps a
    tape, along which `vital.attribution` goes back.

    >>> model = Model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), size=(8, 8))
    >>> with Tracer(model, ["0"]) as tracer:
    ...     trace = tracer(torch.rand(2, 3, 8, 8))
    >>> trace["0"].shape
    torch.Size([2, 4, 6, 6])
    """

    def __init__(self, model: Model, layers: Iterable[str], *, record: bool = False) -> None:
        self.model, self.record = model, record
        known = list_layers(model)
        self.layers = tuple(dict.fromkeys(layers))
        self._info = {name: find_layer(name.removeprefix(INPUT_OF), known) for name in self.layers}
        self._raw: dict[str, Tensor] = {}
        self._tape: Tape | None = None
        self._kept: dict[int, Any] = {}
        self._versions: dict[str, int] = {}
        self._cloned: set[str] = set()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if torch.is_inference_mode_enabled():
            self._stack.enter_context(torch.inference_mode(mode=False))
        self._stack.enter_context(borrowed(self.model.module))
        return self

    def __exit__(self, *error: object) -> None:
        self._raw, self._tape, self._kept = {}, None, {}
        self._stack.close()

    def __call__(
        self,
        image: Images,
        seen: Images | None = None,
        *,
        n_transforms: int = 1,
        redirect: Redirect | None = None,
    ) -> Trace:
        """One pass over `seen` (`image` itself by default), which holds each image `n_transforms` times in a row.

        `redirect` lets gradients through rectifiers that would give an image none at all (see `Redirect`).
        """
        seen = image if seen is None else seen
        shown = image.repeat_interleave(n_transforms, 0) if n_transforms > 1 else image
        given = self.model.normalize(seen)
        with redirect or ExitStack():
            run = self._run(self.model.as_input(given))
        acts = {name: self._canonical(name, run.raw[name], len(seen)) for name in self.layers}
        return Trace(shown, seen, given, acts, self.model, n_transforms, run)

    def _canonical(self, name: str, raw: Tensor, rows: int) -> Tensor:
        """A layer's output, images first and channels second; raises where it is laid out in another way than known."""
        layer = self._info[name]
        if name.startswith(INPUT_OF):
            return _single(layer.canonical(raw))
        if raw.ndim == len(layer.shape) + 1:
            act = layer.canonical(raw)
            if act.shape[:2] == (rows, layer.channels):
                return _single(act)
        raise ModelError(
            f"layer {name!r} of {self.model.name} returned {tuple(raw.shape)} for {rows} images, and "
            f"{layer.shape}, channels first, for one at first; name a layer whose output is laid out the same each time"
        )

    def _run(self, given: Tensor) -> Pass:
        self._pass(given)
        if changed := self._overwritten():
            self._cloned |= changed
            self._pass(given)
        done = Pass(self._raw, self._tape)
        self._raw, self._tape = {}, None
        return done

    def _pass(self, given: Tensor) -> None:
        self._raw = {}
        if not self.layers:
            return
        self._tape = Tape(given, kept=self._kept) if self.record else None
        run = asked(self.model, f"run on an input of shape {tuple(given.shape)}", given.shape[2:])
        try:
            with self._hooks(), self._tape or ExitStack(), self.model.casting(), run:
                output = output_of(self.model, self.model.module(given), len(given))
        except _Halt:
            return
        if OUTPUT in self.layers:
            self._keep(OUTPUT, output)

    def _overwritten(self) -> set[str]:
        """Layers whose output a later in-place operation wrote over; they are copied from now on."""
        return {n for n, raw in self._raw.items() if version(raw) != self._versions[n]}

    def _keep(self, name: str, value: Tensor | None) -> None:
        if value is None:
            tensor = self._info[name].tensor if name in self._info else ""
            what = f"no tensor {tensor!r}, which it did at first" if tensor else "no tensor"
            raise ModelError(f"layer {name!r} of {self.model.name} returned {what}; name another layer")
        value = value if self._tape is None else self._tape.current(value)
        self._raw[name] = value.clone() if name in self._cloned else value
        self._versions[name] = version(self._raw[name])

    @contextmanager
    def _hooks(self) -> Iterator[None]:
        """The hooks, for one pass only: between passes the network is the caller's."""
        with ExitStack() as stack:
            for name in self.layers:
                if name != OUTPUT:
                    stack.callback(self._watch(name).remove)
            yield

    def _watch(self, name: str) -> RemovableHandle:
        module = self.model.module.get_submodule(self._info[name].module)
        if name.startswith(INPUT_OF):
            return module.register_forward_pre_hook(self._on_input(name))
        return module.register_forward_hook(self._on_output(name))

    def _on_input(self, name: str) -> Callable[[nn.Module, Any], None]:
        def hook(module: nn.Module, inputs: Any) -> None:
            del module
            self._keep(name, first_tensor(inputs))
            self._halt_when_done()

        return hook

    def _on_output(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            del module, inputs
            tensor = self._info[name].tensor
            self._keep(name, tensors_of(output).get(tensor) if tensor else first_tensor(output))
            self._halt_when_done()

        return hook

    def _halt_when_done(self) -> None:
        if len(self._raw) == len(self.layers):
            raise _Halt


def _single(act: Tensor) -> Tensor:
    """Activations in half precision as float32, in which losses are exact enough."""
    return act.float() if act.dtype in {torch.float16, torch.bfloat16} else act


class _Halt(BaseException):
    """Ends a pass after the deepest layer; not an Exception, so that no network code swallows it."""


def feeding(model: Model, layer: str, others: Iterable[str]) -> tuple[str, ...]:
    """Those of the other layers, in their order, from whose output the output of `layer` is made.

    A sibling branch that ends earlier is not among them. Where the operations cannot be followed (scripted code, or
    something computed outside torch) the layers that finish earlier are taken.

    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), size=(8, 8))
    >>> feeding(net, "1", ["0", "1"])
    ('0',)
    """
    known = list_layers(model)
    earlier = tuple(name for name in others if known[name].order < known[layer].order)
    if not earlier:
        return ()
    try:
        with Tracer(model, [*earlier, layer], record=True) as tracer:
            done = tracer(grey_image(model).requires_grad_()).run
    except NoRuleError:
        return earlier
    tape = done.tape if done else None
    if done is None or tape is None or id(done.raw[layer]) not in tape.makers:
        return earlier
    sources = tape.sources(done.raw[layer])
    return tuple(name for name in earlier if id(done.raw[name]) in sources)
