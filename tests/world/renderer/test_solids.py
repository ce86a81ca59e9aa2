import pytest
import torch

from vital.world.renderer.solids import BY_NUMBER, SHAPES, normal
from vital.world.renderer.vectors import Vec
from vital.world.scenes.vocabulary import SOLIDS


def points(count: int = 20000, reach: float = 1.7) -> Vec:
    numbers = (torch.rand(3, count, generator=torch.Generator().manual_seed(0)) * 2 - 1) * reach
    return Vec(*numbers)


@pytest.mark.parametrize("name", SHAPES)
def test_a_distance_is_never_overstated(name: str) -> None:
    solid, p = SHAPES[name], points()
    near = Vec(*(part + step for part, step in zip(p.parts, points(reach=0.2).parts, strict=True)))
    rise = (solid.distance(p) - solid.distance(near)).abs()
    assert (rise <= (p - near).length() * 1.001 + 1e-5).all()


@pytest.mark.parametrize("name", SHAPES)
def test_a_solid_fills_its_bound_and_rests_on_its_lowest_point(name: str) -> None:
    solid, p = SHAPES[name], points(200000)
    inside = solid.distance(p) < 0
    assert inside.any()
    assert p.length()[inside].max() <= solid.bound
    assert p.length()[inside].max() > 0.85 * solid.bound
    assert abs(float(p.y[inside].min()) + solid.rest) < 0.05


@pytest.mark.parametrize("name", SHAPES)
def test_a_normal_has_length_one_and_points_outwards(name: str) -> None:
    solid, p = SHAPES[name], points(2000)
    found = normal(solid, p)
    assert torch.allclose(found.length(), torch.ones(2000), atol=1e-3)
    away = solid.distance(p + found * 0.01) - solid.distance(p)
    assert (away > 0).float().mean() > 0.99


def test_convex_solids_are_convex_and_the_others_are_not() -> None:
    p = points(4000)
    for name, solid in SHAPES.items():
        inside = (solid.distance(p) < 0).nonzero().view(-1)
        first, second = p.at(inside), p.at(inside.flip(0))
        between = solid.distance(first.mix(second, 0.5))
        assert bool((between <= 1e-3).all()) == solid.convex, name


def test_every_solid_is_in_the_tables() -> None:
    assert tuple(SHAPES) == SOLIDS
    assert BY_NUMBER[0] is SHAPES["cube"]
