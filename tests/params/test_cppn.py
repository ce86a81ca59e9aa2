from __future__ import annotations

import numpy as np
import pytest
import torch

from vital.errors import InvalidValueError
from vital.params import CPPN


def test_the_canvas_is_mordvintsevs_network() -> None:
    made, draws = CPPN((3, 5), hidden=6, layers=2), torch.Generator().manual_seed(0)
    parameters = {k: torch.randn(v.shape, generator=draws) for k, v in made.init(draws).items()}
    w = {k: 0.1 * v[0].double().numpy() for k, v in parameters.items()}
    reach = np.sqrt(3)
    wanted = np.zeros((3, 3, 5))
    for row, y in enumerate((-reach / 2, 0, reach / 2)):
        for column, x in enumerate(np.linspace(-reach, reach, 5)):
            flow = np.array([[x], [y]])
            for layer in range(2):
                bent = np.arctan(w[f"weight {layer}"] @ flow + w[f"bias {layer}"])
                flow = np.concatenate([bent / 0.67, bent**2 / 0.6])
            wanted[:, row, column] = (w["weight 2"] @ flow + w["bias 2"])[:, 0]
    np.testing.assert_allclose(made.paint(parameters)[0].numpy(), wanted, atol=1e-5)


def test_every_slot_starts_grey_and_differs_inside() -> None:
    made = CPPN(8)
    first, second = (made.init(torch.Generator().manual_seed(s)) for s in (0, 1))
    assert bool((made.decode(first) == 0.5).all())
    assert not torch.equal(first["weight 3"], second["weight 3"])


def test_activations_neither_vanish_nor_explode_through_the_layers() -> None:
    made = CPPN(16, layers=12)
    start = made.init(torch.Generator().manual_seed(0))
    start["weight 12"] += torch.randn(start["weight 12"].shape, generator=torch.Generator().manual_seed(1))
    assert 0.05 < float(made.paint(start).std()) < 2


@pytest.mark.parametrize(("options", "name"), [({"hidden": 0}, "hidden"), ({"layers": 0}, "layers")])
def test_an_empty_network_is_refused_in_one_sentence(options: dict[str, int], name: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        CPPN(8, **options)  # type: ignore[arg-type]
    assert str(caught.value) == f"{name} is 0; allowed are whole numbers from 1"


def test_the_coordinates_of_two_pixels_are_the_ends_and_of_one_the_middle() -> None:
    like, reach = torch.zeros((), dtype=torch.float64), 3**0.5
    assert CPPN((2, 1))._places(like)[0].tolist() == [[0, 0], pytest.approx([-reach, reach])]
    assert CPPN((1, 2))._places(like)[0].tolist() == [pytest.approx([-reach, reach]), [0, 0]]
    assert CPPN(1)._places(like).tolist() == [[[0], [0]]]


def test_hidden_weights_start_with_the_variance_of_one_over_their_inputs() -> None:
    start = CPPN(2, hidden=400, layers=2).init(torch.Generator().manual_seed(0))
    for name, inputs in (("weight 0", 2), ("weight 1", 800)):
        assert start[name].shape == (1, 400, inputs)
        assert float(0.1 * start[name].std()) == pytest.approx(inputs**-0.5, rel=0.06)
    assert all(not bool(v.any()) for k, v in start.items() if k in ("weight 2", "bias 0", "bias 1", "bias 2"))


@pytest.mark.parametrize(("height", "width"), [(5, 3), (3, 5), (4, 4), (2, 7)])
def test_the_coordinates_run_over_the_longer_side_with_one_step_for_both(height: int, width: int) -> None:
    x, y = CPPN((height, width))._places(torch.zeros((), dtype=torch.float64))[0].view(2, height, width)
    step = 2 * 3**0.5 / (max(height, width) - 1)
    torch.testing.assert_close(x[0], step * (torch.arange(width).double() - (width - 1) / 2))
    torch.testing.assert_close(y[:, 0], step * (torch.arange(height).double() - (height - 1) / 2))
    assert torch.equal(x, x[:1].expand_as(x))
    assert torch.equal(y, y[:, :1].expand_as(y))
