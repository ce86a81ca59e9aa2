import numpy as np
import pytest
import torch

from vital.data import load_images
from vital.errors import DataError
from vital.utils import arrays
from vital.utils.arrays import plain_array, range_hint

pytestmark = pytest.mark.filterwarnings("ignore:.*quantize", "ignore:The PyTorch API of nested")


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.bfloat16(),
        lambda t: t.to(torch.float8_e4m3fn),
        lambda t: t.to_sparse(),
        lambda t: t.to_mkldnn(),
        lambda t: torch._neg_view(-t),
        lambda t: torch.quantize_per_tensor(t, 1 / 255, 0, torch.quint8),
        lambda t: t.requires_grad_(),
    ],
)
def test_tensors_of_every_kind_are_their_values(make):
    values = torch.tensor([[0.0, 0.5], [0.25, 1.0]])
    np.testing.assert_allclose(plain_array(make(values.clone())), values, atol=0.01)
    images = values.repeat(3, 3, 8, 8)
    made = np.asarray(load_images(make(images.clone()))[1], dtype=np.float32)
    np.testing.assert_allclose(made, images[1].movedim(0, -1), atol=0.01)


def test_other_byte_orders_are_the_machines_own():
    values = np.arange(4, dtype=np.uint16)
    for order in "<>":
        found = plain_array(values.astype(values.dtype.newbyteorder(order)))
        assert (found.dtype, found.tolist()) == (np.uint16, [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (torch.zeros(1).expand(2**30, 3, 8, 8), "holds 4 bytes; give one with a value for each place"),
        (torch.zeros(2, 3, 8, 8, device="meta"), "on the device meta holds no values"),
        (
            np.ma.masked_array(np.zeros((2, 8, 8, 3), np.uint8), mask=True),
            "has places without a value; fill them",
        ),
        ([torch.zeros(3, 8, 8), torch.zeros(3, 6, 6)], "give a list of them"),
    ],
)
def test_what_holds_no_values_is_told(value, says):
    value = torch.nested.nested_tensor(value) if isinstance(value, list) else value
    with pytest.raises(DataError, match=says):
        plain_array(value)
    with pytest.raises(DataError, match=rf"^the array: .*{says}"):
        load_images(value)


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize(
    "make",
    [
        lambda t: torch.sparse_coo_tensor(torch.arange(4)[None], t, check_invariants=True),
        lambda t: torch.sparse_bsr_tensor([0, 4], range(4), t[:, 0], (16, 64), check_invariants=True),
    ],
)
def test_a_row_or_block_of_a_sparse_tensor_has_a_value_for_each_of_its_places(make, monkeypatch):
    monkeypatch.setattr(arrays, "FREE", 0)
    sparse = make(torch.rand(4, 3, 16, 16))
    assert np.array_equal(plain_array(sparse), sparse.to_dense().numpy())


def test_a_sparse_tensor_may_hold_too_little(monkeypatch):
    monkeypatch.setattr(arrays, "FREE", 0)
    sparse = torch.sparse_coo_tensor([[5]], torch.ones(1, 3), (1000, 3), check_invariants=True)
    with pytest.raises(DataError, match=r"of the shape \(1000, 3\) holds 12 bytes"):
        plain_array(sparse)


def test_what_is_masked_in_one_image_is_told():
    image = np.ma.masked_array(np.full((8, 8, 3), 9, np.uint8), mask=np.arange(192).reshape(8, 8, 3) > 5)
    with pytest.raises(DataError, match="has places without a value"):
        load_images([image])
    whole = np.ma.masked_array(np.full((8, 8, 3), 9, np.uint8))
    assert load_images([whole])[0].max() == 9


@pytest.mark.parametrize(
    ("low", "high", "hint"),
    [
        (0, 255, "divide them by 255"),
        (0, 4095, "divide them by 65535"),
        (-1, 1, "take (x + 1) / 2"),
        (-2, 2, "undo their normalization, for the network has its own"),
        (float("nan"), float("nan"), "mend or leave out the images whose values are not finite"),
        (0, float("inf"), "mend or leave out the images whose values are not finite"),
    ],
)
def test_values_out_of_range_say_how_to_scale_them(low, high, hint):
    assert range_hint(low, high) == hint
