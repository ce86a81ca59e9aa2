"""Which rule goes with which kind of operation: a composite, and the ones that have names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args, get_type_hints

from vital.errors import InvalidValueError
from vital.utils.registry import Registry


@dataclass(frozen=True)
class Relevance:
    """Rules for layer-wise relevance propagation (LRP), from a unit back through the network.

    Notation: an operation maps a to z = Σ_i c_i, where c_i = a_i w_i is what input i contributes to one output, and
    c⁺, c⁻ are the positive and negative contributions. Output relevance r becomes input relevance.

    `weighted`: convolutions, linear layers and products with constant matrices.
        "zplus": r_i = c_i⁺ / Σ c⁺ · r (Montavon et al. 2017), for inputs of any sign. Where no contribution is
        positive, r is lost, as published; sums of fewer than 64 terms (depthwise convolutions), where that is
        common, share it as c_i⁻ / Σ c⁻ · r.
        "epsilon": r_i = c_i / (z + ε sign z) · r (Bach et al. 2015).
        "gamma": r_i = (c_i + γ c_i^s) / Σ (c + γ c^s) · r, where s is the sign of z (Montavon et al. 2019, extended
        to negative outputs as by Andéol et al. 2021).
        "alphabeta": r_i = (α c_i⁺ / Σ c⁺ − β c_i⁻ / Σ c⁻) · r with α − β = 1 (Bach et al. 2015); where the
        contributions are all of one sign, they take r.
    `bias`: "none": a bias takes no relevance (the sums leave it out), so that relevance is conserved; "share": it
        is one more contribution, whose relevance is lost; "convolutions": the same in convolutions alone.
    `batch_norm`: "identity": relevance passes; "folded": the scale of a batch norm that alone follows a convolution or
        linear layer belongs to that layer's weights. Shifts are biases, and take none either way.
    `average`: sums of activations: pooling, means over axes, interpolation, attention over values.
        "magnitude": r_i = |c_i| / Σ |c| · r, which conserves whatever the signs (equal shares where all are 0);
        "epsilon": r_i = c_i / (z + ε sign z) · r.
    `max_pool`: "winner": all to the largest; "average": as an average pool of the same window;
        "halving": as an average pool of 2×2 with stride 2, for a network whose max pools halve their input.
    `floor`: what keeps the division from zero when masks are brought to [0, 1] (`vital.attribution.mask`): 1e-6 of the
        image's largest range in the layer, "relative", or 1e-6, "absolute", as published.
    `stabilizer`: added to the denominator of "zplus" alone. `signed`: whether "zplus" looks at the signs of the
        inputs; without, c⁺ = a w⁺, which is the same for inputs that are not negative.

    The same in every composite: a sum of two activations splits r in the ratio |a| / (|a| + |b|), half each where both
    are 0, and constants take nothing; activation functions, dropout and norms pass r (the mean and deviation of a
    layer norm, and the denominator of a softmax, are constants: Ali et al. 2022); a gate (sigmoid, softmax attention,
    a factor that is spread over places or channels, a constant scale) is a constant and takes nothing, and of two
    factors without a gate each takes half (Achtibat et al. 2024); rearrangements send r back to where the values
    came from.

    >>> RULES["zplus"] == Relevance(), Relevance("gamma", gamma=0.5).gamma
    (True, 0.5)
    """

    weighted: Literal["zplus", "epsilon", "gamma", "alphabeta"] = "zplus"
    epsilon: float = 1e-6
    gamma: float = 0.25
    alpha: float = 2.0
    beta: float = 1.0
    bias: Literal["none", "share", "convolutions"] = "none"
    batch_norm: Literal["identity", "folded"] = "identity"
    average: Literal["magnitude", "epsilon"] = "magnitude"
    max_pool: Literal["winner", "average", "halving"] = "winner"
    stabilizer: float = 0.0
    signed: bool = True
    floor: Literal["relative", "absolute"] = "relative"

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            value, allowed = getattr(self, name), get_args(kind)
            if allowed and value not in allowed:
                raise InvalidValueError(f"{name} is {value!r}; allowed are {', '.join(allowed)}")
            if kind is float and not (math.isfinite(value) and value >= 0):
                raise InvalidValueError(f"{name} is {value}; allowed are finite numbers from 0")
        if abs(self.alpha - self.beta - 1) > 1e-9:
            raise InvalidValueError(f"alpha − beta is {self.alpha - self.beta:g}; it must be 1")


RULES: Registry[Relevance] = Registry("relevance rule")
"""Composites by name."""

RULES.register("zplus")(Relevance())
RULES.register("epsilon")(Relevance("epsilon", average="epsilon"))
RULES.register("gamma")(Relevance("gamma"))
RULES.register("alphabeta")(Relevance("alphabeta"))
RULES.register("folded")(Relevance(batch_norm="folded"))
# The published VITAL code (inner units): its z+ keeps the bias and adds 1e-5, its max pool is an average pool.
RULES.register("reference")(
    Relevance(bias="convolutions", max_pool="halving", stabilizer=1e-5, signed=False, floor="absolute")
)


def composite(rule: str | Relevance) -> Relevance:
    """Look a composite up by name; raises `UnknownNameError`.

    >>> composite("reference").stabilizer
    1e-05
    """
    return rule if isinstance(rule, Relevance) else RULES[rule]
