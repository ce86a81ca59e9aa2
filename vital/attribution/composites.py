"""Which rule goes with which kind of operation: a composite, and the ones that have names."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import accumulate
from typing import Literal, TypeAlias, get_args, get_origin, get_type_hints

from vital.errors import InvalidValueError
from vital.utils.registry import Registry

WeightedRule: TypeAlias = Literal["zplus", "epsilon", "gamma", "alphabeta", "flat", "box"]


@dataclass(frozen=True)
class Relevance:
    """Rules for layer-wise relevance propagation (LRP), from a unit back through the network.

    Notation: an operation maps a to z = Σ_i c_i, where c_i = a_i w_i is what input i contributes to one output, and
    c⁺, c⁻ are the positive and negative contributions. Output relevance r becomes input relevance.

    `weighted`: convolutions, linear layers and products with constant matrices.
        "zplus": r_i = c_i⁺ / Σ c⁺ · r (Montavon et al. 2017), for inputs of any sign. Where no contribution is
        positive, r is lost, as published; without a stabilizer, sums of fewer than 64 terms (depthwise convolutions),
        where that is common, share it as c_i⁻ / Σ c⁻ · r.
        "epsilon": r_i = c_i / (z + ε sign z) · r (Bach et al. 2015).
        "gamma": r_i = (c_i + γ c_i^s) / Σ (c + γ c^s) · r, where s is the sign of z (Montavon et al. 2019, extended
        to negative outputs as by Andéol et al. 2021).
        "alphabeta": r_i = (α c_i⁺ / Σ c⁺ − β c_i⁻ / Σ c⁻) · r with α − β = 1 (Bach et al. 2015); without a
        stabilizer, contributions that are all of one sign take r.
        "flat": equal shares for all inputs of an output (Lapuschkin et al. 2019).
        "box": r_i = (c_i − l_i w_i⁺ − h_i w_i⁻) / Σ (c − l w⁺ − h w⁻) · r (zB, Montavon et al. 2017), for inputs
        between l and h: what black and white images become on the way to the layer.
    `linear`: the same for linear layers and products with constant matrices, where they have another rule.
    `first`: the same for the layers that no other layer is before, whatever their kind.
    `named`: rules for layers by name, as pairs of a pattern and a rule with the settings of this composite, or another
        composite. A pattern stands for the layers that match it and those within; the first that matches holds.
    `bias`: "none": a bias takes no relevance (the sums leave it out), so that relevance is conserved; "share": it
        is one more contribution, whose relevance is lost; "convolutions": the same in convolutions alone; "auto":
        "share" where the rule is "epsilon", whose sums have no bounds without it, and "none" elsewhere.
    `batch_norm`: "identity": relevance passes; "folded": a batch norm that alone follows a convolution or linear
        layer belongs to that layer: its scale to the weights, its shift to the bias. Where the rule is "epsilon", other
        norms are layers of their own then, in which the deviation is a constant.
    `average`: sums of activations: pooling, means over axes, interpolation, attention over values.
        "magnitude": r_i = |c_i| / Σ |c| · r, which conserves whatever the signs (equal shares where all are 0);
        "epsilon": r_i = c_i / (z + ε sign z) · r, with the stabilizer for ε where there is one.
    `sums`: sums of two activations. "magnitude": in the ratio |a| / (|a| + |b|), half each where both are 0;
        "epsilon": as for averages.
    `max_pool`: "winner": all to the largest; "average": as an average pool of the same window;
        "halving": as an average pool of 2×2 with stride 2, for a network whose max pools halve their input.
    `floor`: what keeps the division from zero when masks are brought to [0, 1] (`vital.attribution.mask`): 1e-6 of the
        image's largest range in the layer, "relative", or 1e-6, "absolute", as published.
    `stabilizer`: added to all denominators, away from 0, but those of "epsilon" and of sums by magnitude. `signed`:
        whether "zplus" looks at the signs of the inputs; without, c⁺ = a w⁺, which is the same for inputs that are
        not negative.

    The same in every composite: constants take nothing; activation functions, dropout and (but for `batch_norm`)
    norms pass r (the mean and deviation of a layer norm, and the denominator of a softmax, are constants: Ali et al.
    2022); a gate (sigmoid, softmax attention, a factor that is spread over places or channels, a constant scale) is a
    constant and takes nothing, and of two factors without a gate each takes half (Achtibat et al. 2024);
    rearrangements send r back to where the values came from.

    >>> RULES["zplus"] == Relevance(), Relevance("gamma", gamma=0.5).gamma
    (True, 0.5)
    """

    weighted: WeightedRule = "zplus"
    linear: Literal["same"] | WeightedRule = "same"
    first: Literal["same"] | WeightedRule = "same"
    named: tuple[tuple[str, WeightedRule | Relevance], ...] = ()
    epsilon: float = 1e-6
    gamma: float = 0.25
    alpha: float = 2.0
    beta: float = 1.0
    bias: Literal["auto", "none", "share", "convolutions"] = "auto"
    batch_norm: Literal["identity", "folded"] = "identity"
    average: Literal["magnitude", "epsilon"] = "magnitude"
    sums: Literal["magnitude", "epsilon"] = "magnitude"
    max_pool: Literal["winner", "average", "halving"] = "winner"
    stabilizer: float = 0.0
    signed: bool = True
    floor: Literal["relative", "absolute"] = "relative"

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            value, allowed = getattr(self, name), _choices(kind)
            if allowed and value not in allowed:
                raise InvalidValueError(f"{name} is {value!r}; allowed are {', '.join(allowed)}")
            if kind is float and not (math.isfinite(value) and value >= 0):
                raise InvalidValueError(f"{name} is {value}; allowed are finite numbers from 0")
        if abs(self.alpha - self.beta - 1) > 1e-9:
            raise InvalidValueError(f"alpha − beta is {self.alpha - self.beta:g}; it must be 1")
        for pattern, rule in self.named:
            if not isinstance(rule, Relevance) and rule not in get_args(WeightedRule):
                known = ", ".join(get_args(WeightedRule))
                raise InvalidValueError(
                    f"the rule of {pattern!r} is {rule!r}; allowed are {known} and composites"
                )

    @property
    def least(self) -> float:
        """What moves the denominators of averages and sums away from 0."""
        return self.stabilizer or self.epsilon

    def of_layer(self, name: str, *, linear: bool, first: bool) -> Relevance:
        """The composite for one layer: its rule is the one that stands under `weighted`."""
        for pattern, rule in self.named:
            if stands_for(pattern, name):
                if not isinstance(rule, Relevance):
                    return _with_rule(self, rule)
                return _narrowed(rule, linear, first)
        return _narrowed(self, linear, first)

    def shares_bias(self, *, linear: bool) -> bool:
        """Whether a bias is one of the contributions, in a layer with the rule of `weighted`."""
        if self.bias == "auto":
            return self.weighted == "epsilon"
        return self.bias == "share" or (self.bias == "convolutions" and not linear)


def stands_for(pattern: str, layer: str) -> bool:
    """Whether a pattern matches a layer or one that it is in.

    >>> stands_for("layer[12]", "layer1.0.conv1"), stands_for("layer1", "layer10")
    (True, False)
    """
    return any(fnmatchcase(name, pattern) for name in accumulate(layer.split("."), "{}.{}".format))


@lru_cache(maxsize=64)
def _narrowed(how: Relevance, linear: bool, first: bool) -> Relevance:
    for asked, own in ((first, how.first), (linear, how.linear)):
        if asked and own != "same":
            return _with_rule(how, own)
    return how


@lru_cache(maxsize=64)
def _with_rule(how: Relevance, rule: WeightedRule) -> Relevance:
    return replace(how, weighted=rule)


def _choices(kind: object) -> tuple[str, ...]:
    """The values of a `Literal`, or of several; none for any other type."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    parts = [_choices(part) for part in get_args(kind)]
    return sum(parts, ()) if all(parts) else ()


RULES: Registry[Relevance] = Registry("relevance rule")
"""Composites by name."""

_SIGNED = Relevance("epsilon", bias="share", batch_norm="folded", average="epsilon", sums="epsilon")
_CONVOLUTIONS: dict[str, WeightedRule] = {"plus": "zplus", "gamma": "gamma", "alpha2-beta1": "alphabeta"}

RULES.register("zplus")(Relevance())
RULES.register("epsilon")(_SIGNED)
RULES.register("gamma")(Relevance("gamma"))
RULES.register("alphabeta")(Relevance("alphabeta"))
RULES.register("folded")(Relevance(batch_norm="folded"))
# Epsilon in linear layers, another rule in convolutions, a third in the first layer: Montavon et al. 2019.
for _name, _rule in _CONVOLUTIONS.items():
    _own = replace(_SIGNED, weighted=_rule, linear="epsilon", stabilizer=1e-6)
    RULES.register(f"epsilon-{_name}")(_own)
    RULES.register(f"epsilon-{_name}-flat")(replace(_own, first="flat"))
    RULES.register(f"epsilon-{_name}-box")(replace(_own, first="box"))
# The published VITAL code (inner units): z+ keeps the bias, it and the pools add 1e-5, a max pool is an average pool.
RULES.register("reference")(
    Relevance(bias="convolutions", max_pool="halving", stabilizer=1e-5, signed=False, floor="absolute")
)


def composite(rule: str | Relevance) -> Relevance:
    """Look a composite up by name; raises `UnknownNameError`.

    >>> composite("reference").stabilizer
    1e-05
    """
    return rule if isinstance(rule, Relevance) else RULES[rule]
