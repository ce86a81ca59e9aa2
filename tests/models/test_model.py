import pytest
import torch
from torch import nn

from vital.errors import InvalidValueError
from vital.models import Model
from vital.models.outputs import count_outputs, eval_mode, first_tensor


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scalar", torch.tensor(1.0))
        self.register_buffer("brain", torch.ones(2, 3, dtype=torch.bfloat16))
        self.register_buffer("flag", torch.tensor([True, False]))
        self.register_buffer("none", torch.zeros(0))
        self.register_buffer("slanted", torch.arange(6).view(2, 3).T)


def test_normalize_is_undone_by_hand():
    image = torch.rand(2, 3, 4, 4)
    seen = Model(nn.Identity(), mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 4.0)).normalize(image)
    back = seen * torch.tensor([1.0, 2.0, 4.0]).view(1, 3, 1, 1) + torch.tensor([0.1, 0.2, 0.3]).view(
        1, 3, 1, 1
    )
    torch.testing.assert_close(back, image)


def test_the_weights_hash_sees_every_kind_of_tensor():
    first = Model(Odd()).weights_hash()
    assert first == Model(Odd()).weights_hash()
    for name, value in [("scalar", 2.0), ("brain", 2.0), ("flag", True), ("slanted", 9)]:
        changed = Odd()
        getattr(changed, name).fill_(value)
        assert Model(changed).weights_hash() != first, name


def test_the_weights_hash_sees_names_and_shapes():
    one, other = nn.ParameterDict({"a": torch.zeros(4)}), nn.ParameterDict({"b": torch.zeros(4)})
    square = nn.ParameterDict({"a": torch.zeros(2, 2)})
    assert len({Model(m).weights_hash() for m in (one, other, square)}) == 3


def test_a_device_that_is_not_here_is_refused():
    with pytest.raises(InvalidValueError) as caught:
        Model(nn.Conv2d(3, 1, 1)).to("cuda:99")
    assert str(caught.value).startswith("the device 'cuda:99' cannot be used here; there are: cpu")
    with pytest.raises(InvalidValueError, match="the device 'gpu' cannot be used here"):
        Model(nn.Conv2d(3, 1, 1)).to("gpu")


def test_the_first_tensor_is_found_in_any_nest():
    tensor = torch.ones(1)
    for nest in (tensor, (tensor,), [None, {"a": tensor}], {"a": (), "b": tensor}):
        assert first_tensor(nest) is tensor
    assert first_tensor({"a": 1}) is None


def test_counting_outputs_leaves_the_network_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5), nn.Dropout()).train()
    network[2].eval()
    before = Model(network).weights_hash()
    assert count_outputs(Model(network, size=(4, 4))) == 5
    assert (network.training, network[1].training, network[2].training) == (True, True, False)
    assert Model(network).weights_hash() == before


def test_modes_come_back_after_an_error():
    network = nn.Sequential(nn.Dropout()).train()
    with pytest.raises(ZeroDivisionError), eval_mode(network):
        _ = 1 / 0
    assert network[0].training
