"""A user's own part that is wrong is one sentence: which part, what it gave, what is allowed, what to write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch

import vital
from tests import toy
from vital import transforms
from vital.describing.api import Words
from vital.describing.base import DESCRIBERS, Context, Describer
from vital.errors import ForeignCodeError, InvalidValueError, UnknownNameError
from vital.objectives import Channel
from vital.params import PARAMS, Pixels
from vital.rendering import METHODS, Plan
from vital.terms import OBJECTIVES, REGULARIZERS, Term
from vital.transforms import TRANSFORMS
from vital.types import Images, Parameterization, Parameters, Transform
from vital.utils.parts import check_one_size
from vital.utils.random import Random
from vital.utils.registry import Registry

MODEL = toy.model()
Give = Callable[..., Any]


@dataclass(frozen=True, repr=False)
class Own(Term):
    """A term that returns what a function makes of the trace."""

    give: Give
    layers: Any = ("layer2",)  # type: ignore[assignment]

    def __call__(self, trace: Any) -> Any:
        """Whatever it is."""
        return self.give(trace)

    def __repr__(self) -> str:
        return "Own()"


@dataclass(frozen=True)
class OwnTransform(Transform):
    """A transform that returns what a function makes of the images."""

    give: Give

    def __call__(self, images: Images, random: Random) -> Any:
        """Whatever it is."""
        return self.give(images, random)

    def __repr__(self) -> str:
        return "OwnTransform()"


@dataclass(frozen=True)
class Space(Parameterization):
    """A parameterization that draws and decodes by functions."""

    give: Give = lambda x: x
    draw: Give = lambda: {"x": torch.rand(1, 3, 16, 16)}
    later: Give | None = None

    def init(self, generator: torch.Generator) -> Any:
        """Whatever it is."""
        return self.draw()

    def decode(self, parameters: Parameters) -> Any:
        """Whatever it is."""
        return self.give(parameters["x"])

    def at(self, progress: float) -> Any:
        """Itself, or whatever it is."""
        return self.later() if self.later else self

    def __repr__(self) -> str:
        return "Space()"


@dataclass(frozen=True)
class Way(vital.Method):
    """A method whose plan is what a function makes of the units."""

    needs_images: ClassVar[bool] = False
    give: Any = None

    def plan(self, model: Any, units: Any, bank: Any, seed: int) -> Any:
        """Whatever it is."""
        return self.give(units)

    def __repr__(self) -> str:
        return "Way()"


@dataclass(frozen=True)
class Teller(Describer):
    """A describer that says what it is told to."""

    needs: ClassVar[tuple[str, ...]] = ()
    said: Any | None = None

    def describe(self, context: Context, units: Any) -> Any:
        """Whatever it is."""
        return self.said

    def __repr__(self) -> str:
        return "Teller()"


def made(term: Any = None, space: Any = None, chain: Any = (), steps: int = 2, n_transforms: int = 1) -> Any:
    return vital.optimize(
        MODEL, term or Channel("layer2:1"), space or Pixels(16), chain, steps=steps, n_transforms=n_transforms
    )


TERMS: list[tuple[Give, str]] = [
    (
        lambda trace: trace["layer2"].mean(),
        r"a tensor of shape \(\); allowed is .*\(1,\).*; take the mean over all axes",
    ),
    (
        lambda trace: trace["layer2"].mean((2, 3)),
        r"a tensor of shape \(1, 16\); .*; take the mean over the other axes",
    ),
    (lambda trace: torch.zeros(5), r"a tensor of shape \(5,\); .*, one loss for each image$"),
    (
        lambda trace: torch.zeros(1, dtype=torch.int64),
        r"a tensor of shape \(1,\) and type torch\.int64; allowed is a float tensor",
    ),
    (lambda trace: None, "None; allowed is a float tensor"),
    (lambda trace: 0.5, r"0\.5; allowed is a float tensor"),
]


@pytest.mark.parametrize(("give", "says"), TERMS)
def test_a_term_that_gives_no_loss_for_each_image(give: Give, says: str) -> None:
    with pytest.raises(InvalidValueError, match=rf"^the term Own\(\) returned {says}"):
        made(Own(give))
    with pytest.raises(InvalidValueError, match=rf"^the term Own\(\) returned {says}"):
        made(Channel("layer2:1") - 2 * Own(give))


@pytest.mark.parametrize(
    "give", [lambda trace: trace["layer3"].mean((1, 2, 3)), lambda trace: trace.read("layer3:1")]
)
def test_a_term_that_reads_a_layer_which_it_does_not_declare(give: Give) -> None:
    says = r"^the term Own\(\): the layer 'layer3' is read, but was not asked for \(asked for: 'layer2'\); name in `la"
    with pytest.raises(UnknownNameError, match=says):
        made(Own(give))


@pytest.mark.parametrize("layers", ["layer2", ("layer2", 3), None])
def test_a_term_whose_layers_are_no_tuple_of_names(layers: Any) -> None:
    says = r"^the layers of the term Own\(\) are .*; allowed are tuples of names, such as \('layer4',\)"
    with pytest.raises(InvalidValueError, match=says):
        made(Own(lambda trace: trace["layer2"].mean((1, 2, 3)), layers))


@pytest.mark.parametrize(
    ("give", "layers"),
    [
        (lambda trace: trace["layer2"].detach().mean((1, 2, 3)), ("layer2",)),
        (lambda trace: torch.zeros(len(trace)), ()),
    ],
)
def test_a_term_that_loses_the_gradient(give: Give, layers: tuple[str, ...]) -> None:
    with pytest.raises(
        InvalidValueError, match=r"^no gradient passes through Own\(\); let each loss depend on"
    ):
        made(Own(give, layers))


def test_a_term_that_loses_the_gradient_is_found_beside_others() -> None:
    own = Own(lambda trace: trace["layer2"].detach().mean((1, 2, 3)))
    for terms in ([own, Channel("layer2:1")], [Channel("layer2:1"), own], Channel("layer2:1") + 0.1 * own):
        with pytest.raises(InvalidValueError, match=r"^no gradient passes through Own\(\); "):
            made(terms)


def test_a_term_without_a_finite_number_is_named_in_the_status_and_the_others_go_on() -> None:
    bad = Own(lambda trace: trace["layer2"].mean((1, 2, 3)) * float("nan"))
    found = vital.optimize(MODEL, [Channel("layer2:1"), Channel("layer2:2") + bad], Pixels(16), steps=2)
    assert found.status == ("done", "diverged at step 1: Own() gave numbers that are not finite")


IMAGES: list[tuple[Give, str]] = [
    (lambda images, random: None, r"None; allowed is \(1, 3\) with any height and width"),
    (lambda images, random: images[0], r"a tensor of shape \(3, 16, 16\); allowed is \(1, 3\)"),
    (lambda images, random: images[:, :1], r"a tensor of shape \(1, 1, 16, 16\); allowed is \(1, 3\)"),
    (
        lambda images, random: images.repeat(2, 1, 1, 1),
        r"a tensor of shape \(2, 3, 16, 16\); allowed is \(1, 3\)",
    ),
    (
        lambda images, random: images.detach(),
        "images without gradient; use operations on float tensors alone",
    ),
]


@pytest.mark.parametrize(("give", "says"), IMAGES)
def test_a_transform_that_gives_no_such_image(give: Give, says: str) -> None:
    for chain in (OwnTransform(give), transforms.Compose(OwnTransform(give), transforms.Roll(1))):
        with pytest.raises(InvalidValueError, match=rf"^the transform OwnTransform\(\) returned {says}"):
            made(chain=chain)


GENERATORS: list[Give] = [
    lambda images, random: images.flip(-1) if torch.rand((), generator=random) < 0.5 else images,
    lambda images, random: images + torch.randint(-8, 9, (), generator=random),
    lambda images, random: images * random.initial_seed(),
]


@pytest.mark.parametrize("give", GENERATORS)
def test_a_transform_that_takes_its_random_numbers_for_a_generator_of_torch(give: Give) -> None:
    says = (
        r"^the transform OwnTransform\(\) cannot draw from its random numbers; they are no torch.Generator but a "
        r"vital.transforms.Random with a row for each image, as in random.uniform\(-1, 1, 3\) of shape \(B, 3\): .+"
    )
    for chain in (OwnTransform(give), transforms.Compose(OwnTransform(give))):
        with pytest.raises(InvalidValueError, match=says) as caught:
            made(chain=chain)
        assert "\n" not in str(caught.value)


def test_another_error_in_a_transform_is_its_own() -> None:
    with pytest.raises(
        ForeignCodeError, match=r"^the transform OwnTransform.* failed: TypeError: "
    ) as caught:
        made(chain=OwnTransform(lambda images, random: images + "a"))
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_transform_is_given_the_whole_batch_and_asked_once_a_step() -> None:
    given = []

    def see(images: Images, random: Random) -> Images:
        given.append((images.shape, len(random), random.step, random.draws))
        return images

    made(chain=[transforms.Roll(1), OwnTransform(see)], steps=2, n_transforms=3)
    assert given == [((3, 3, 16, 16), 3, 0, 1), ((3, 3, 16, 16), 3, 1, 1)]


def test_a_transform_that_gives_images_of_several_sizes() -> None:
    with pytest.raises(
        InvalidValueError,
        match=r"^the transform OwnTransform\(\) made images of \(4, 4\) and of \(4, 5\) pixels in",
    ):
        check_one_size(OwnTransform(abs), [torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5)])
    check_one_size(OwnTransform(abs), [torch.zeros(1, 3, 4, 4)] * 2)


SPACES: list[tuple[Space, str]] = [
    (
        Space(lambda x: None),
        r"^decode of the parameterization Space\(\) returned None; allowed is a float tensor of",
    ),
    (
        Space(lambda x: x[0]),
        r"returned a tensor of shape \(3, 16, 16\); allowed is .* \(1, 3, height, width\)",
    ),
    (
        Space(lambda x: x[:, :1]),
        r"returned a tensor of shape \(1, 1, 16, 16\); .* for a network of 3 channels",
    ),
    (Space(lambda x: x.repeat(2, 1, 1, 1)), r"returned a tensor of shape \(2, 3, 16, 16\); .*, 1 images"),
    (
        Space(lambda x: 255 * x),
        r"Space\(\) starts from pictures with a mean of 1\d\d; .*divide by 255, or take the sig",
    ),
    (
        Space(lambda x: x * float("nan")),
        r"starts from pictures with a mean of nan; allowed are finite values from 0",
    ),
    (
        Space(draw=lambda: None),
        r"^init of the parameterization Space\(\) returned None; allowed is a dict of tensors",
    ),
    (Space(draw=dict), r"returned \{\}; allowed is a dict of tensors with a first axis of length 1"),
    (
        Space(draw=lambda: {"x": torch.rand(3, 16, 16)}),
        r"returned a tensor of shape \(3, 16, 16\) as 'x'; allowed is",
    ),
    (
        Space(later=lambda: None),
        r"^at of Space\(\) returned None; allowed is a Parameterization, such as itself",
    ),
]


@pytest.mark.parametrize(("space", "says"), SPACES)
def test_a_parameterization_that_gives_no_such_pictures(space: Space, says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        made(space=space)


def test_a_parameterization_is_told_before_a_frame_is_kept() -> None:
    with pytest.raises(InvalidValueError, match=r"^decode of the parameterization"):
        vital.optimize(MODEL, Channel("layer2:1"), Space(lambda x: None), steps=2, frames=[0])


def fine(units: Any) -> Plan:
    return Plan([Channel(unit) for unit in units], Pixels(16), steps=2)


PLANS: list[tuple[Give, str]] = [
    (lambda units: None, r"^plan of the method Way\(\) returned None; allowed is a vital\.rendering\.Plan"),
    (
        lambda units: Plan([Channel("layer2:1")], Pixels(16)),
        "gave a list of 1; allowed is a list with one Term for each o",
    ),
    (lambda units: Plan(None, Pixels(16)), r"^the terms in the plan of the method Way\(\) gave None"),  # type: ignore[arg-type]
    (
        lambda units: Plan([3, 4], Pixels(16)),
        "gave 3 in a list; allowed is a list with one Term for each of 2 units",
    ),  # type: ignore[list-item]
    (
        lambda units: Plan(fine(units).terms, Pixels(16), notes=["a"]),
        "^the notes in the plan of .* gave a list of 1",
    ),
    (lambda units: Plan(fine(units).terms, None), "^the parameterization is None; give one"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("give", "says"), PLANS)
def test_a_method_that_plans_no_term_for_each_unit(give: Give, says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        vital.render(MODEL, "layer2:0-1", method=Way(give), progress=False)


def test_a_method_of_ones_own_that_is_right_renders() -> None:
    found = vital.render(MODEL, "layer2:0-1", method=Way(fine), progress=False)
    assert [one.status for one in found] == ["done", "done"]


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (
            None,
            r"^describe of the describer Teller\(\) gave None; allowed is a list with one Description for each of 2",
        ),
        (["a", "b"], r"gave 'a' in a list; allowed is a list with one Description for each of 2 units"),
        ([], "gave a list of 0"),
    ],
)
def test_a_describer_that_says_nothing_of_a_unit(said: Any, says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        Words(Context(MODEL), {"teller": Teller(said)}).describe(MODEL.units("layer2:0-1"))


FAMILIES: list[tuple[Registry[Any], type]] = [
    (OBJECTIVES, Own), (REGULARIZERS, Own), (TRANSFORMS, OwnTransform), (PARAMS, Space), (METHODS, Way),
    (DESCRIBERS, Teller),
]  # fmt: skip


@pytest.mark.parametrize(("registry", "base"), FAMILIES, ids=lambda one: getattr(one, "what", ""))
def test_a_class_that_is_no_frozen_dataclass_is_told_when_it_is_registered(
    registry: Registry[Any], base: type
) -> None:
    class Bare(base):  # type: ignore[misc,valid-type]
        size: int = 3
        known: ClassVar[int] = 4

    with pytest.raises(
        InvalidValueError, match=r"^the class Bare is not a dataclass; write @dataclass\(frozen=True\)"
    ):
        registry.register("bare")(Bare)
    with pytest.raises(InvalidValueError, match=r" 'loose' is 3; allowed are subclasses of vital"):
        registry.register("loose")(3)
    assert not {"bare", "loose"} & set(registry)


def test_a_class_that_is_no_frozen_dataclass_is_told_when_it_is_used() -> None:
    class Bare(Term):
        def __call__(self, trace: Any) -> Any:
            return trace.image.mean((1, 2, 3))

    @dataclass
    class Loose(Term):
        def __call__(self, trace: Any) -> Any:
            return trace.image.mean((1, 2, 3))

    class Field(Way):
        size: int = 3

    with pytest.raises(InvalidValueError, match=r"^the class Bare is not a dataclass"):
        made(Bare())
    with pytest.raises(InvalidValueError, match=r"^the dataclass Loose is not frozen"):
        made(Channel("layer2:1") + Loose())

    class BareTransform(Transform):
        def __call__(self, images: Images, random: Random) -> Images:
            return images

    @dataclass
    class LooseSpace(Parameterization):
        def init(self, generator: torch.Generator) -> Parameters:
            return Pixels(16).init(generator)

        def decode(self, parameters: Parameters) -> Images:
            return Pixels(16).decode(parameters)

    with pytest.raises(InvalidValueError, match=r"^the class BareTransform is not a dataclass"):
        made(chain=BareTransform())
    with pytest.raises(InvalidValueError, match=r"^the class BareTransform is not a dataclass"):
        transforms.Compose(transforms.Roll(1), BareTransform())
    with pytest.raises(InvalidValueError, match=r"^the dataclass LooseSpace is not frozen"):
        made(space=LooseSpace())
    with pytest.raises(InvalidValueError, match=r"^the class Field is not a dataclass"):
        vital.render(MODEL, "layer2:1", method=Field(fine), progress=False)


def test_a_subclass_without_fields_of_its_own_needs_no_decorator() -> None:
    class Same(Way):
        """The same way."""

    assert vital.render(MODEL, "layer2:1", method=Same(fine), progress=False)[0].status == "done"
