"""What a network's outputs mean: how likely a class is, where there is such a thing."""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.errors import InvalidValueError, OutOfMemoryError
from vital.models.model import Model, Output
from vital.models.outputs import answered, asked, count_outputs, eval_mode, grey_image
from vital.types import PerImage

LIKELY: tuple[Output, ...] = ("softmax", "sigmoid")
"""The outputs of which there are probabilities."""
_APPLIED: dict[str, Output] = {
    "SoftmaxBackward": "softmax",
    "LogSoftmaxBackward": "softmax",
    "SigmoidBackward": "sigmoid",
}
_RESHAPES = (
    "View",
    "UnsafeView",
    "Squeeze",
    "Unsqueeze",
    "Alias",
    "Permute",
    "Transpose",
    "T",
    "ToCopy",
    "Clone",
)


class _End(NamedTuple):
    """How a network ends: the operation that its outputs come from, and their number."""

    operation: str
    outputs: int


_ENDS: WeakKeyDictionary[Model, _End] = WeakKeyDictionary()


def known(model: Model) -> Output | None:
    """What the outputs are: as the model says, or by the softmax or sigmoid that the network ends with.

    >>> known(Model(torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.Sigmoid()), size=(4, 4)))
    'sigmoid'
    """
    return model.output or _APPLIED.get(_end(model).operation)


def meaning(model: Model) -> Output | None:
    """What the outputs are, where several with class names and nothing else said are taken for a softmax.

    None for others of which nothing is known: one output is never a softmax.

    >>> meaning(Model(torch.nn.Conv2d(3, 2, 1), size=(4, 4), classes=("cat", "dog"), output="sigmoid"))
    'sigmoid'
    """
    if found := known(model):
        return found
    return "softmax" if model.classes and _end(model).outputs > 1 else None


def unsaid(model: Model) -> str:
    """Say for what the outputs are taken where nobody said what they are; empty where it is known."""
    if known(model):
        return ""
    taken = "for the logits of one softmax" if meaning(model) else "as plain values"
    return (
        f"{model.name} does not say what its outputs are, and they are taken {taken}; say output (--output): "
        "softmax, sigmoid, regression or embedding"
    )


def surprisal(model: Model, own: Tensor, among: Tensor) -> PerImage:
    """How little an image is the class's, −log p, a mean over places: (B,); minus the value where there is no p.

    `own` (B, places) are the class's outputs, `among` (B, C, places) all. What nothing is known of is taken for a
    softmax, unless there is one output alone. Raises `InvalidValueError` for a softmax of one output.
    """
    several = among.shape[1] > 1
    kind = known(model) or ("softmax" if several else None)
    if kind not in LIKELY:
        return -own.mean(1)
    if kind == "softmax":
        check_softmax(model, among.shape[1])
    applied = _end(model).operation
    if applied == "LogSoftmaxBackward" or _APPLIED.get(applied) != kind:
        lack = torch.logsumexp(among, 1) - own if kind == "softmax" else -F.logsigmoid(own)
    else:
        lack = -own.clamp(min=torch.finfo(own.dtype).tiny).log()
    return lack.mean(1)


def probabilities(model: Model, scores: Tensor) -> Tensor | None:
    """The probability of each class, (B, C); None where there is none, as of a map, an embedding or what is unknown.

    >>> probabilities(Model(torch.nn.Identity(), output="sigmoid"), torch.zeros(1, 1))
    tensor([[0.5000]])
    """
    if (
        scores.ndim != 2
        or (kind := meaning(model)) not in LIKELY
        or (kind == "softmax" and scores.shape[1] < 2)
    ):
        return None
    applied = _end(model).operation
    if _APPLIED.get(applied) == kind:
        return scores.exp() if applied == "LogSoftmaxBackward" else scores
    return scores.softmax(1) if kind == "softmax" else scores.sigmoid()


def check_softmax(model: Model, outputs: int) -> None:
    """Raise `InvalidValueError` where the output is said to be a softmax, but there is one alone."""
    if model.output == "softmax" and outputs == 1:
        raise InvalidValueError(
            f"{model.name} has one output, whose softmax is always 1; say that its output is 'sigmoid', "
            "'regression' or 'embedding'"
        )


def _end(model: Model) -> _End:
    """How the network ends, worked out once from a pass over a grey image."""
    if model not in _ENDS:
        grey = grey_image(model).requires_grad_()
        run = asked(model, f"run on an image of shape {tuple(grey.shape[1:])}")
        try:
            with eval_mode(model.module), torch.enable_grad(), run:
                output = answered(model, model.normalize(grey))
        except OutOfMemoryError:  # what comes after will say so
            return _End("", count_outputs(model))
        _ENDS[model] = _End(_operation(output.grad_fn), output.shape[1] if output.ndim > 1 else 0)
    return _ENDS[model]


def _operation(node: torch.autograd.graph.Node | None) -> str:
    """The last operation that did more than bring numbers into another form, in autograd's word."""
    while node is not None:
        name = node.name().rstrip("0123456789")
        if name.removesuffix("Backward") not in _RESHAPES:
            return name
        node = node.next_functions[0][0] if node.next_functions else None
    return ""
