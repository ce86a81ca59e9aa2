"""Operations of several parts: in attention the values take all, as the terms of an average."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.attribution.slow import back
from tests.attribution.test_operations import draw, two
from vital.attribution import Context, NoRuleError, Relevance
from vital.attribution.compound import attend_in_parts
from vital.attribution.sweep import sweep
from vital.tracing import Tape


def values_shares(weights: Tensor, v: Tensor, r: Tensor, *, signed: bool) -> Tensor:
    """Token by token: r_t = c_t / Σ c · r with c = A v."""
    found = torch.zeros_like(v)
    for row in range(weights.shape[-2]):
        c = weights[..., row, :, None] * v
        c = c if signed else c.abs()
        z = c.sum(-2, keepdim=True)
        z = z + torch.where(z < 0, -1e-6, 1e-6) if signed else z
        found += c / z * r[..., row, None, :]
    return found


ATTENTION = [
    F.scaled_dot_product_attention,
    lambda q, k, v: F.dropout((q @ k.transpose(-2, -1) / 2.0).softmax(-1), 0.0) @ v,
    lambda q, k, v: torch.einsum("bhts,bhsd->bhtd", (q @ k.mT * 0.5).softmax(-1), v),
    lambda q, k, v: torch.bmm((q @ k.mT * 0.5).softmax(-1)[0], v[0])[None],
    lambda q, k, v: (v.mT @ (q @ k.mT * 0.5).softmax(-1).mT).mT,
    lambda q, k, v: F.scaled_dot_product_attention(query=q, key=k, value=v),
]


@pytest.mark.parametrize("average", ["magnitude", "epsilon"])
def test_attention_weights_may_be_negative(average: str) -> None:
    q, v, r = draw(1, 5, 5), draw(1, 5, 4), draw(1, 5, 4)
    with Tape(q, v) as tape:
        y = F.elu(q) @ v
    how = Relevance("epsilon", average=average)  # type: ignore[arg-type]
    (made,) = sweep(Context(how, tape), [(y, r)], [v])
    assert F.elu(q).min() < 0
    torch.testing.assert_close(made, values_shares(F.elu(q), v, r, signed=average == "epsilon"))


@pytest.mark.parametrize("rule", ["zplus", "epsilon"])
@pytest.mark.parametrize("attend", ATTENTION)
def test_attention_is_an_average_of_values(
    attend: Callable[[Tensor, Tensor, Tensor], Tensor], rule: str
) -> None:
    q, k, v, r = (draw(1, 2, 5, 4) for _ in range(4))
    with Tape(q, k, v) as tape:
        y = attend(q, k, v)
    how = Relevance() if rule == "zplus" else Relevance("epsilon", average="epsilon")
    to_q, to_k, to_v = sweep(Context(how, tape), [(y, r)], [q, k, v])
    weights = (q @ k.transpose(-2, -1) / 2).softmax(-1)
    torch.testing.assert_close(to_v, values_shares(weights, v, r, signed=rule == "epsilon"))
    assert not to_q.any()
    assert not to_k.any()


@pytest.mark.parametrize("named", [False, True])
def test_the_mask_and_the_scale_of_attention_count_however_they_are_given(*, named: bool) -> None:
    q, k, v, r = (draw(1, 2, 5, 4) for _ in range(4))
    mask, scale = draw(5, 5), 0.1
    given = {"attn_mask": mask} if named else {}
    f = partial(F.scaled_dot_product_attention, scale=scale, **given)
    made = back(lambda a: f(q, k, a) if named else f(q, k, a, mask), v, r)
    weights = (q @ k.mT * scale + mask).softmax(-1)
    torch.testing.assert_close(made, values_shares(weights, v, r, signed=False))


def attention_arguments(*, separate: bool, bias: bool, masked: bool) -> dict:
    width, heads = 8, 2
    module = nn.MultiheadAttention(
        width, heads, bias=bias, kdim=6 if separate else None, vdim=5 if separate else None
    ).double()
    for p in module.parameters():
        nn.init.normal_(p)
    given = {"query": draw(7, 3, width), "key": draw(9, 3, 6 if separate else width)}
    given["value"] = draw(9, 3, 5 if separate else width)
    mask = torch.zeros(7, 9, dtype=torch.bool)
    mask[:, 1] = True
    padding = torch.zeros(3, 9, dtype=torch.bool)
    padding[1, 4:] = True
    return {
        **given, "embed_dim_to_check": width, "num_heads": heads, "in_proj_weight": module.in_proj_weight,
        "in_proj_bias": module.in_proj_bias, "bias_k": None, "bias_v": None, "add_zero_attn": False,
        "dropout_p": 0.0, "out_proj_weight": module.out_proj.weight, "out_proj_bias": module.out_proj.bias,
        "training": False, "need_weights": False, "attn_mask": mask if masked else None,
        "key_padding_mask": padding if masked else None, "use_separate_proj_weight": separate,
        "q_proj_weight": module.q_proj_weight, "k_proj_weight": module.k_proj_weight,
        "v_proj_weight": module.v_proj_weight,
    }  # fmt: skip


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("separate", [False, True])
def test_multi_head_attention_in_parts_computes_the_same(separate: bool, bias: bool, masked: bool) -> None:
    given = attention_arguments(separate=separate, bias=bias, masked=masked)
    expected, _ = F.multi_head_attention_forward(**given)
    torch.testing.assert_close(attend_in_parts(given), expected)


@pytest.mark.parametrize("number", [False, True])
def test_masks_of_multi_head_attention_may_differ_between_images_and_heads(*, number: bool) -> None:
    given = attention_arguments(separate=False, bias=True, masked=True)
    each = draw(3 * 2, 7, 9)
    given["attn_mask"] = each if number else each > 0.5
    if number:
        given["key_padding_mask"] = draw(3, 9)
    expected, _ = F.multi_head_attention_forward(**given)
    torch.testing.assert_close(attend_in_parts(given), expected)


def test_multi_head_attention_gives_all_to_the_values() -> None:
    given = attention_arguments(separate=False, bias=True, masked=False)
    q, k, v = (given[name] for name in ("query", "key", "value"))
    with torch.no_grad(), Tape(q, k, v) as tape:
        y, _ = F.multi_head_attention_forward(**given)
    r = torch.randn_like(y)
    to_q, to_k, to_v = sweep(Context(Relevance("gamma"), tape), [(y, r)], [q, k, v])
    assert not to_q.any()
    assert not to_k.any()
    torch.testing.assert_close(to_v.sum(), r.sum())


def test_multi_head_attention_of_one_image_needs_no_batch() -> None:
    layer = nn.MultiheadAttention(8, 2).double().requires_grad_(requires_grad=False)
    x, r = draw(5, 8), draw(5, 8)
    for rule in ("zplus", "gamma", "epsilon"):
        made = back(lambda a: layer(a, a, a)[0], x, r, rule)
        torch.testing.assert_close(
            made, back(lambda a: layer(a, a, a)[0], x[:, None], r[:, None], rule)[:, 0]
        )


def test_the_fast_path_of_the_attention_module_does_not_hide_it() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).double().eval()
    x = draw(2, 5, 8)
    with torch.no_grad(), Tape(x) as tape:
        y = layer(x)
    assert "multi_head_attention_forward" in [step.name for step in tape.steps]
    for part in layer.parameters():
        part.requires_grad_(requires_grad=False)
    (made,) = sweep(Context(Relevance("gamma"), tape), [(y, y)], [x])
    torch.testing.assert_close(made.sum(), y.sum())


def test_attention_with_added_keys_is_refused() -> None:
    layer = nn.MultiheadAttention(8, 2, add_zero_attn=True).eval()
    with pytest.raises(NoRuleError, match="added keys and values"):
        back(lambda x: layer(x, x, x)[0], torch.rand(5, 1, 8), torch.ones(5, 1, 8))


def test_a_sum_with_a_product_in_one_operation() -> None:
    x, r, w = draw(2, 5), draw(2, 5), draw(5)
    made = back(lambda a: torch.addcmul(a * 2, w, a, value=0.5), x, r)
    torch.testing.assert_close(made, r)
    to_a, to_b = two(lambda a, b: torch.addcmul(a, w, b), x, r, r)
    share = x.abs() / (x.abs() + (w * r).abs())
    torch.testing.assert_close(to_a, share * r)
    torch.testing.assert_close(to_b, (1 - share) * r)


@pytest.mark.parametrize("named", [False, True])
def test_products_with_sums_may_name_their_arguments(*, named: bool) -> None:
    x, w, b, r = draw(2, 5), draw(5, 3), draw(3), draw(2, 3)
    if named:
        made = back(lambda a: torch.addmm(input=b, mat1=a, mat2=w, beta=2.0, alpha=0.5), x, r, "epsilon")
    else:
        made = back(lambda a: torch.addmm(b, a, w, beta=2.0, alpha=0.5), x, r, "epsilon")
    torch.testing.assert_close(made, back(lambda a: F.linear(a, w.T) * 0.5 + 2.0 * b, x, r, "epsilon"))
    u, s = draw(2, 5), draw(2, 5)
    if named:
        made = back(lambda a: torch.addcmul(input=u, tensor1=a, tensor2=w[:, 0], value=2.0), x, s)
    else:
        made = back(lambda a: torch.addcmul(u, a, w[:, 0], value=2.0), x, s)
    torch.testing.assert_close(made, back(lambda a: u + 2.0 * (a * w[:, 0]), x, s))
