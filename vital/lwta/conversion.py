"""Make the units of an existing network compete: its activation modules give way to competitions."""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, fx, nn

from vital.errors import InvalidValueError, ModelError, UsageError, VitalError, unknown
from vital.lwta.layers import LWTA, allowed, competing
from vital.models import Model, load_model
from vital.models.factory import SIDE, parse_factory
from vital.models.load import RANDOM
from vital.models.modules import copied, ready
from vital.tracing import calls
from vital.utils.foreign import RAISED, described
from vital.utils.public import door

ACTIVATIONS = frozenset({
    *("ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish", "Hardswish", "Softplus"),
    *("Tanh", "GELUTanh", "QuickGELU", "PytorchGELUTanh", "Swish", "HardSwish", "HardMish"),
})  # fmt: skip
"""Class names of the modules that give way, torch's own and timm's."""

Call = tuple[str, tuple[int, ...] | None]


@door
def convert(
    network: nn.Module,
    competitors: int,
    *,
    skip: Collection[str] = (),
    example: Tensor | None = None,
) -> nn.Module:
    """Copy a network and let its units compete in blocks of `competitors`, where it had activation modules.

    The weights stay as they are and their names too, so that a state dict fits both. A module that its block calls
    several times, as torchvision's residual blocks do, becomes as many competitions: `relu`, `relu_1`, ... (names that
    are free). Such a block is rewritten, and still learns and evaluates by its mode; one that chooses its way by it
    cannot be. With one competitor each activation stays what it was.

    Layers in `skip` keep theirs: one or several names, or patterns with `*` (dots too), `?` and `[...]`; layers that
    compete already stay as they are. The name of a module that is called several times stands for all its calls,
    `relu_1` for the second alone. So `["relu", "*.relu_1"]` leaves out the stem and the sums of torchvision's basic
    blocks (`*.relu_2` of its bottlenecks; `act1` and `*.act2`, `*.act3` in timm's): only what is inside the blocks
    competes then, as in a transformer.

    How wide each layer is, and which axis holds its channels, is learned from a pass over `example`, what the network
    takes; without it one is made of zeros for the first layer with weights. Raises `InvalidValueError` for a width that
    `competitors` does not divide and where all is skipped, `ModelError` for a network without activation modules or
    that does not run, and `UnknownNameError` for a layer to skip that is no activation, or a pattern that fits none.

    >>> net = convert(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()), 4)
    >>> net[2]
    LWTA(4, axis=1)
    """
    if competitors < 1:
        raise InvalidValueError(
            f"blocks of {competitors} units are asked for; allowed are whole numbers from 1"
        )
    found = _apart(copied(ready(network)))
    given = _example(found) if example is None else example
    found, made, left = _spread(found, given, [skip] if isinstance(skip, str) else skip)
    names = _activations(found)
    places = {name: _place(name, made, found) for name in names if name not in left}
    if not places:
        raise _nothing(found, type(network).__name__, len(names))
    for name, (width, axis) in places.items():
        if width % competitors:
            raise InvalidValueError(
                f"the layer {name!r} has {width} units, which cannot compete in blocks of {competitors}; "
                f"allowed are {allowed(width)}, or leave the layer out with skip"
            )
        old = found.get_submodule(name)
        found.set_submodule(name, LWTA(competitors, axis, old).train(old.training))
    return found


def _spread(
    network: nn.Module, given: Tensor, skip: Collection[str]
) -> tuple[nn.Module, list[Call], set[str]]:
    """Give every call that is not to be skipped a module of its own.

    Returns the network, the calls of a pass, and what to skip.
    """
    made = _run(network, given)
    if not _activations(network):
        return network, made, set()
    later = _later(network, made)
    known = list(itertools.chain(_activations(network), *later.values()))
    for pattern in skip:
        if not _fitting([pattern], known):
            raise unknown("activation module", pattern, known)
    left = _fitting(skip, known)
    if several := {name: later[name] for name in later if name not in left}:
        network = _split(network, several)
        made = _run(network, given)
    return network, made, left


def _nothing(network: nn.Module, title: str, skipped: int) -> VitalError:
    """Why no unit of a network can be made to compete."""
    if skipped:
        return InvalidValueError(
            f"skip leaves out every activation module ({skipped}); at least one has to compete"
        )
    if already := competing(network):
        return ModelError(f"the units of {title} compete already, in {len(already)} layers")
    return ModelError(
        f"{title} has no activation modules to replace (functions such as "
        f"torch.relu cannot be); known are {', '.join(sorted(ACTIVATIONS))}"
    )


def _apart(network: nn.Module) -> nn.Module:
    """Give every place of an activation module that stands in several a copy of its own."""
    seen: set[int] = set()
    for name, part in list(network.named_modules(remove_duplicate=False)):
        if type(part).__name__ in ACTIVATIONS:
            if id(part) in seen:
                network.set_submodule(name, copy.deepcopy(part))
            seen.add(id(part))
    return network


def _run(network: nn.Module, given: Tensor) -> list[Call]:
    """List the calls of a pass, in order."""
    try:
        return calls(network, given)
    except RAISED as error:  # a network may fail in any way
        shape = tuple(given.shape)
        raise ModelError(
            f"{type(network).__name__} cannot run on an input of shape {shape}: {described(error)}; give an example"
        ) from error


def _example(network: nn.Module) -> Tensor:
    """Zeros for two inputs, by the first layer with weights and the sides that the network says."""
    for part in network.modules():
        if isinstance(part, nn.Linear):
            return part.weight.new_zeros(2, part.in_features)
        if isinstance(part, nn.Conv2d):
            return part.weight.new_zeros(2, part.in_channels, *_sides(network))
    raise ModelError(f"{type(network).__name__} has no layer that says what it takes; give an example")


def _sides(network: nn.Module) -> tuple[int, int]:
    """Height and width of the input: those of torchvision's and timm's transformers, or 224."""
    said = getattr(network, "image_size", None)
    if said is None:
        said = getattr(getattr(network, "patch_embed", None), "img_size", None)
    height, width = (said, said) if isinstance(said, int) else said or (SIDE, SIDE)
    return int(height), int(width)


def _activations(network: nn.Module) -> list[str]:
    return [name for name, part in network.named_modules() if type(part).__name__ in ACTIVATIONS]


def _later(network: nn.Module, made: list[Call]) -> dict[str, list[str]]:
    """The names for the second call, the third, ... of every activation module that is called several times."""
    counts, found = Counter(name for name, _ in made), {}
    for name in _activations(network):
        owner, _, leaf = name.rpartition(".")
        each = -(-counts[name] // max(counts[owner], 1))  # a block may stand in several places
        if each > 1:
            block = network.get_submodule(owner)
            free = (i for i in itertools.count(1) if not hasattr(block, f"{leaf}_{i}"))
            found[name] = [f"{name}_{i}" for i in itertools.islice(free, each - 1)]
    return found


def _fitting(patterns: Collection[str], names: Iterable[str]) -> set[str]:
    return {name for name in names if name in patterns or any(fnmatchcase(name, p) for p in patterns)}


def _place(name: str, made: list[Call], network: nn.Module) -> tuple[int, int]:
    """How many units a layer has, and which axis holds them: the last after a linear layer, else axis 1."""
    at = next((i for i, (called, _) in enumerate(made) if called == name), -1)
    shape = made[at][1] if at >= 0 else None
    if shape is None or len(shape) < 2:
        raise ModelError(
            f"the layer {name!r} takes no part in a pass, or returns no units; leave it out with skip"
        )
    before = (network.get_submodule(called) for called, _ in reversed(made[:at]))
    weighed = next((part for part in before if isinstance(part, nn.Linear | _MAPS)), None)
    axis = -1 if isinstance(weighed, nn.Linear) else 1
    return shape[axis], axis


_MAPS = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.BatchNorm1d | nn.BatchNorm2d | nn.GroupNorm


def _split(network: nn.Module, later: Mapping[str, list[str]]) -> nn.Module:
    """Give every call of a module that is called several times in a pass a copy of its own, by the names given."""
    owners: dict[str, dict[str, list[str]]] = {}
    for name, names in later.items():
        owner, _, leaf = name.rpartition(".")
        owners.setdefault(owner, {})[leaf] = [new.rpartition(".")[2] for new in names]
    for owner, own in owners.items():
        block = network.get_submodule(owner)
        made = _unshared(block, own, owner)
        places = [place for place, part in network.named_modules(remove_duplicate=False) if part is block]
        for place in filter(None, places):
            network.set_submodule(place, made)
        network = network if owner else made
    return network


class _Flat(fx.Tracer):
    """Follows what a block itself does, and no part of it."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Take every part as it is."""
        del m, module_qualified_name
        return True

    def create_args_for_root(self, *given: Any, **more: Any) -> Any:
        """Let `training` be read when the block runs: what is read now would hold for good."""
        found = fx.Tracer.create_args_for_root(self, *given, **more)
        for name, part in self.root.named_modules():
            part.training = self.create_proxy("get_attr", f"{name}.training".lstrip("."), (), {})
        return found


def _unshared(block: nn.Module, later: Mapping[str, list[str]], owner: str) -> nn.Module:
    """Rewrite one block so that the second call of `relu` is one of `relu_1`, and so on."""
    graph = _followed(block, later, owner)
    seen: Counter[str] = Counter()
    for node in graph.nodes:
        name = str(node.target)
        if node.op == "call_module" and name in later:
            if count := seen[name]:
                node.target = later[name][count - 1]
                block.add_module(node.target, copy.deepcopy(block.get_submodule(name)))
            seen[name] += 1
    made = fx.GraphModule(block, graph, type(block).__name__)
    for name, part in block.named_children():  # parts that a pass does not call keep their weights
        if not hasattr(made, name):
            made.add_module(name, part)
    return made


def _followed(block: nn.Module, later: Mapping[str, list[str]], owner: str) -> fx.Graph:
    """What one block does. Raises `ModelError` where that cannot be said, or has other calls than the pass had."""
    names = ", ".join(f"{owner}.{leaf}".lstrip(".") for leaf in sorted(later))
    refused = f"{names} is called several times, and its block cannot be rewritten"
    modes = [(part, part.training) for part in block.modules()]
    try:
        graph = _Flat().trace(block)
    except RAISED as error:  # a block may do what cannot be followed symbolically
        raise ModelError(f"{refused}: {described(error)}; leave it out with skip") from error
    finally:
        for part, mode in modes:
            part.training = mode
    for node in [n for n in graph.nodes if n.op == "get_attr" and not n.users]:
        graph.erase_node(node)
    found = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    for leaf, more in later.items():
        if found[leaf] != 1 + len(more):
            calls_made = f"it makes {1 + len(more)} calls, and {found[leaf]} when it is followed"
            raise ModelError(f"{refused}: {calls_made}; leave it out with skip")
    return graph


def format_spec(competitors: int, skip: Sequence[str], spec: str) -> str:
    """Write the name by which a converted network is loaded.

    >>> format_spec(4, ["relu"], "world")
    'lwta:4-relu/world'
    """
    return f"lwta:{competitors}{'-' if skip else ''}{','.join(skip)}/{spec}"


def model(name: str, pretrained: bool, size: tuple[int, int] | None = None) -> Model:
    """Load `U/MODEL`, any network by its name, converted to blocks of U; `U-LAYER,LAYER/MODEL` leaves layers out.

    Layers are names or patterns, without commas in them.

    Raises `UsageError` for a name of another form, and what `load_model` and `convert` raise.
    """
    said, slash, spec = name.partition("/")
    count, _, skipped = said.partition("-")
    if not slash or not spec or not count.isdecimal():
        raise UsageError(
            f"'lwta:{name}' names no competing network; write lwta:U/MODEL, such as lwta:4/timm:resnet18"
        )
    own = pretrained or parse_factory(spec) is not None  # a factory has no weights but those that it makes
    net = load_model(spec, weights=None if own else RANDOM, size=size)
    example = torch.zeros(2, net.channels, *net.size)
    skip = [layer.strip() for layer in skipped.split(",") if layer.strip()]
    module = convert(net.module, int(count), skip=skip, example=example)
    return replace(net, module=module, name=format_spec(int(count), skip, spec))
