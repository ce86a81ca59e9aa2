"""A recorded pass: which operation made which tensor from which, while the network runs as it always does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from vital.errors import ModelError

_ALIASES = {"truediv": "div", "__get__": "get"}


class NoRuleError(ModelError):
    """An operation through which relevance cannot be followed."""


@dataclass(frozen=True, eq=False)
class Step:
    """One operation of a pass.

    `name` is the same for all ways to write it (`torch.add`, `x + y`, `x += y` are "add"). `inputs` are those of
    its arguments that depend on the network's input, each once; `outputs` the tensors that it returned.
    """

    name: str
    run: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        """Look an argument up by place or name."""
        return self.args[place] if place < len(self.args) else self.kwargs.get(name, default)

    def again(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the operation with other tensors in the place of its inputs, in their order."""
        return self.with_other({id(old): new for old, new in zip(self.inputs, inputs, strict=True)})

    def with_other(self, other: dict[int, Tensor]) -> tuple[Tensor, ...]:
        """Run the operation with other tensors in the place of those arguments whose ids are named."""
        made = self.run(*replace_tensors(self.args, other), **replace_tensors(self.kwargs, other))
        return tuple(tensor for tensor in tensors_in(made) if tensor.is_floating_point())

    def depends(self, value: Any) -> bool:
        """Whether an argument depends on the network's input."""
        return any(value is tensor for tensor in self.inputs)


class Tape(TorchFunctionMode):
    """Records what becomes of the watched tensors while it is active; everything else is a constant.

    The network's own operations run, and autograd sees them. Operations in place run on a copy, which every later
    reader of the overwritten tensor is given instead, so that each tensor keeps one value. Raises `NoRuleError` where
    that cannot be done, and where a tensor depends on the network's input through something that no mode can see
    (scripted code, a function computed outside torch); the latter needs an input that requires a gradient. `kept` is
    a place for what readers of several tapes of one network want to keep, by the id of a weight.

    >>> import torch
    >>> x = torch.ones(2)
    >>> with Tape(x) as tape:
    ...     y = torch.relu_(x * 2) + 1
    >>> [step.name for step in tape.steps], tape.current(x) is x
    (['mul', 'relu', 'add'], True)
    """

    def __init__(self, *watched: Tensor, kept: dict[int, Any] | None = None) -> None:
        super().__init__()
        self.kept = {} if kept is None else kept
        self.steps: list[Step] = []
        self.makers: dict[int, int] = {id(tensor): -1 for tensor in watched}
        self._watched = watched
        self._moved: dict[int, tuple[Tensor, Tensor]] = {}
        self._split: list[tuple[Tensor, Tensor]] = []

    def current(self, tensor: Tensor) -> Tensor:
        """The tensor, or what an operation in place has made of it."""
        while id(tensor) in self._moved:
            tensor = self._moved[id(tensor)][1]
        return tensor

    def sources(self, *tensors: Tensor) -> set[int]:
        """Find all tensors from which these were made, and these themselves, by id."""
        found = {id(tensor) for tensor in tensors}
        for step in reversed(self.steps):
            if any(id(x) in found for x in step.outputs):
                found.update(id(x) for x in step.inputs)
        return found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = kwargs or {}
        given = tuple(tensors_in((args, kwargs)))
        if moved := {id(t): self.current(t) for t in given if id(t) in self._moved}:
            args, kwargs = replace_tensors(args, moved), replace_tensors(kwargs, moved)
            given = tuple(moved.get(id(t), t) for t in given)
        inputs = tuple({id(t): t for t in given if id(t) in self.makers}.values())
        name, in_place = name_of(func), bool(given) and _writes(func, kwargs)
        run = _on_a_copy(func, kwargs) if inputs and in_place else func
        made = run(*args, **kwargs)
        outputs = tuple(t for t in tensors_in(made) if t.is_floating_point() and id(t) not in self.makers)
        if outputs:
            if name == "setitem":  # `x[i] += y` writes what it made of a view of x back to x
                self._split = [(x, new) for x, new in self._split if x is not args[0] or new is not args[2]]
            self._refuse_hidden(name, given)
        if not inputs or not outputs:
            return made
        args, kwargs = replace_tensors((tuple(args), kwargs), {})  # the caller may add to its lists later
        self._note(Step(name, run, args, kwargs, inputs, outputs))
        if in_place:
            self._overwrite(args[0] if args else kwargs["input"], outputs)
        return made

    def _note(self, step: Step) -> None:
        for tensor in step.outputs:
            self.makers[id(tensor)] = len(self.steps)
        self.steps.append(step)

    def _overwrite(self, old: Tensor, outputs: tuple[Tensor, ...]) -> None:
        self._moved[id(old)] = (old, outputs[0])
        if (base := old._base) is not None:  # noqa: SLF001  torch has no public name for it
            self._split.append((base, outputs[0]))

    def _refuse_hidden(self, name: str, given: tuple[Tensor, ...]) -> None:
        for tensor in given:
            if tensor.grad_fn is not None and id(tensor) not in self.makers:
                raise NoRuleError(
                    f"relevance cannot be followed into {name!r}: one of its inputs comes from "
                    f"{tensor.grad_fn.name()}, which is hidden from the tape (scripted, or computed outside torch)"
                )
        for base, _ in self._split:
            if any(tensor is base or tensor._base is base for tensor in given):  # noqa: SLF001
                raise NoRuleError(
                    f"relevance cannot be followed into {name!r}: one of its inputs was written to through a view"
                )


def name_of(func: Any) -> str:
    """Name an operation, the same for function, method, operator and in-place form.

    >>> import torch
    >>> [name_of(f) for f in (torch.add, torch.Tensor.__iadd__, torch.Tensor.add_, torch.Tensor.__rtruediv__)]
    ['add', 'add', 'add', 'rdiv']
    """
    name = str(func.__name__)
    if name == "__get__":
        return str(func.__self__.__name__)
    if not name.startswith("__"):
        return name.strip("_")
    name = name.strip("_")
    bare = name[1:] if name[1:] in _OPERATORS and name[0] in "ir" else name
    reflected = name[0] == "r" and bare in {"sub", "truediv", "matmul", "pow"} and bare != name
    bare = _ALIASES.get(bare, bare)
    return f"r{bare}" if reflected else bare


_OPERATORS = {"add", "sub", "mul", "truediv", "matmul", "pow", "floordiv", "mod", "and", "or", "xor"}


_ARITHMETIC: dict[str, Callable[..., Tensor]] = {
    "add_": torch.add,
    "sub_": torch.sub,
    "mul_": torch.mul,
    "div_": torch.div,
}


def _writes(func: Any, kwargs: dict[str, Any]) -> bool:
    name = str(func.__name__)
    if name.startswith("__"):
        return name == "__setitem__" or (name[2] == "i" and name[3:-2] in _OPERATORS)
    return bool(kwargs.get("inplace")) or (name.endswith("_") and name != "requires_grad_")


def _on_a_copy(func: Any, kwargs: dict[str, Any]) -> Callable[..., Any]:
    """The operation without its effect on its first argument: the new tensor is returned."""
    if arithmetic := _ARITHMETIC.get(func.__name__):  # written once, not copied first
        return lambda x, *args, **given: arithmetic(x, *args, **given).to(x.dtype)

    def run(*args: Any, **given: Any) -> Tensor:
        if "inplace" in kwargs:
            return func(*args, **{**given, "inplace": False})  # type: ignore[no-any-return]
        given = dict(given)
        target = (args[0] if args else given.pop("input")).clone()
        func(target, *args[1:], **given)
        return target  # type: ignore[no-any-return]

    return run


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Find every tensor in nested tuples, lists and dicts, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, dict):
        yield from tensors_in(tuple(value.values()))


def replace_tensors(value: Any, other: dict[int, Tensor]) -> Any:
    """The same nested tuples, lists and dicts, with other tensors in the place of those whose ids are named."""
    if isinstance(value, Tensor):
        return other.get(id(value), value)
    if isinstance(value, dict):
        return {key: replace_tensors(part, other) for key, part in value.items()}
    if type(value) in {tuple, list}:
        return type(value)(replace_tensors(part, other) for part in value)
    return value
