import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import manual_backprop
from compare.catalogue.values import normal
from manual_backprop import functional
from tests.manual_backprop.calls import close
from tests.manual_backprop.checks import saved_bytes


def test_by_hand():
    """Scores 0 and ln 3 make the weights ¼ and ¾."""
    q = torch.tensor([[1.0]], requires_grad=True)
    k = torch.tensor([[0.0], [math.log(3)]], requires_grad=True)
    v = torch.tensor([[4.0], [8.0]], requires_grad=True)
    o = functional.scaled_dot_product_attention(q, k, v)
    o.backward(torch.tensor([[4.0]]))
    # ∂L/∂P = (16, 32), its mean under P is 28: ∂L/∂S = (¼ · −12, ¾ · 4) = (−3, 3)
    torch.testing.assert_close(o, torch.tensor([[7.0]]))
    torch.testing.assert_close(v.grad, torch.tensor([[1.0], [3.0]]))
    torch.testing.assert_close(k.grad, torch.tensor([[-3.0], [3.0]]))
    torch.testing.assert_close(q.grad, torch.tensor([[3 * math.log(3)]]))


def flash_arguments():
    """Of shapes that PyTorch gives to its fused kernel."""
    return tuple(normal(2, 3, 8, 4, seed=s).requires_grad_() for s in range(3))


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"attn_mask": normal(8, 8) > 0}])
def test_against_the_fused_kernel(options):
    args = flash_arguments()
    g = normal(2, 3, 8, 4, seed=5)
    found, expected = (
        [o, *torch.autograd.grad(o, args, g)]
        for o in (
            function(*args, **options)
            for function in (
                functional.scaled_dot_product_attention,
                F.scaled_dot_product_attention,
            )
        )
    )
    for actual, right in zip(found, expected, strict=True):
        close(actual, right, g)


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"attn_mask": normal(8, 8) > 0}])
def test_keeps_less_than_the_fused_kernel(options):
    ours, theirs = (
        saved_bytes(lambda *args, f=f: f(*args, **options), flash_arguments())
        for f in (functional.scaled_dot_product_attention, F.scaled_dot_product_attention)
    )
    mask = options["attn_mask"].nbytes if "attn_mask" in options else 0
    assert ours == 3 * 2 * 3 * 8 * 4 * 8 + mask < theirs


def test_second_derivative_where_a_query_sees_nothing():
    q, k, v = flash_arguments()
    mask = torch.zeros(8, 8, dtype=torch.float64)
    mask[2] = -torch.inf
    o = functional.scaled_dot_product_attention(q, k, v, mask)
    grads = torch.autograd.grad(o.sum(), (q, k, v), create_graph=True)
    found = torch.autograd.grad(sum((g * g).sum() for g in grads), (q, k, v))
    assert all(t.isfinite().all() for t in (o, *grads, *found))
    assert not o[..., 2, :].any()


def twins(**options):
    modules = manual_backprop.MultiheadAttention, nn.MultiheadAttention
    manual, reference = (module(4, 2, **options).double() for module in modules)
    manual.load_state_dict(reference.state_dict())
    return manual, reference


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_query_that_sees_nothing_in_several_heads(need_weights):
    """It gives 0 without weights, NaN with them, as PyTorch has it."""
    x, y = normal(3, 2, 4), normal(5, 2, 4, seed=1)
    padding = torch.tensor([[True] * 5, [False] * 5])
    found, expected = (
        module(x, y, y, key_padding_mask=padding, need_weights=need_weights) for module in twins()
    )
    close(found[0].detach(), expected[0].detach())
    assert bool(found[0].isnan().any()) == need_weights
    if need_weights:
        close(found[1].detach(), expected[1].detach())


@pytest.mark.parametrize(
    "options",
    [
        {"attn_mask": torch.ones(3, 3).triu(1).bool(), "is_causal": True, "need_weights": False},
        {"attn_mask": normal(4, 3, 3), "average_attn_weights": False},
        {"key_padding_mask": torch.eye(3)[:2].bool(), "attn_mask": torch.eye(3).bool()},
        {"key_padding_mask": normal(2, 3), "attn_mask": normal(3, 3)},
    ],
    ids=["causal", "a mask for each head", "both masks", "both masks in numbers"],
)
def test_masks_of_several_heads(options):
    x = normal(3, 2, 4).requires_grad_()
    found = []
    for module in twins(add_bias_kv=True, add_zero_attn=True):
        outputs = [t for t in module(x, x, x, **options) if t is not None]
        gs = [normal(*t.shape, seed=3) for t in outputs]
        found.append([*outputs, *torch.autograd.grad(outputs, [x, *module.parameters()], gs)])
    for actual, expected in zip(*found, strict=True):
        close(actual.detach(), expected.detach(), *gs)


def test_the_product_of_rotated_depends_on_the_distance():
    q, k = normal(1, 6), normal(1, 6, seed=1)

    def product(s, t):
        at = [functional.rotary_embedding(x, torch.tensor([p])) for x, p in ((q, s), (k, t))]
        return (at[0] * at[1]).sum()

    torch.testing.assert_close(product(3, 1), product(1003, 1001), rtol=1e-12, atol=0)
    assert abs(product(3, 1) - product(3, 2)) > 1e-3


def test_rotary_by_hand():
    """At position 1 the pair is turned by one radian, and the gradient back."""
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    y = manual_backprop.RotaryEmbedding()(x.expand(2, 2))
    turn = math.cos(1), math.sin(1)
    expected = [[1.0, 2.0], [turn[0] - 2 * turn[1], turn[1] + 2 * turn[0]]]
    torch.testing.assert_close(y.tolist(), expected)
    (back,) = torch.autograd.grad(y[1], x, y[1].detach())
    torch.testing.assert_close(back, x.detach())


attention = functional.scaled_dot_product_attention
QKV = [normal(2, 2)] * 3
THREE_HEADS = [normal(3, 2, 2)] * 2
SELF = [normal(3, 2, 4)] * 3


def attend(*args, **options):
    return manual_backprop.MultiheadAttention(4, 2).double()(*args, **options)


@pytest.mark.parametrize(
    ("says", "call"),
    [
        (r"\(2, 3\), \(4, 5\)", lambda: attention(normal(2, 3), normal(4, 5), normal(4, 5))),
        ("got both", lambda: attention(*QKV, torch.ones(2, 2).bool(), is_causal=True)),
        ("int64", lambda: attention(*QKV, torch.ones(2, 2).long())),
        ("dropout_p", lambda: attention(*QKV, dropout_p=1.5)),
        ("4, 3 and 3", lambda: attention(normal(4, 2, 2), *THREE_HEADS, enable_gqa=True)),
        ("even", lambda: functional.rotary_embedding(normal(2, 3))),
        ("integer positions", lambda: functional.rotary_embedding(normal(2, 4), normal(2))),
        ("3D, 2D and 2D", lambda: attend(SELF[0], normal(3, 4), normal(3, 4))),
        (r"attn_mask \(3, 3\) or \(4, 3, 3\)", lambda: attend(*SELF, attn_mask=normal(2, 3))),
        (r"key_padding_mask \(2, 3\)", lambda: attend(*SELF, key_padding_mask=normal(3, 2))),
    ],
)
def test_bad_input(says, call):
    with pytest.raises(ValueError, match=says):
        call()


def test_causal_without_a_mask_is_refused():
    with pytest.raises(RuntimeError, match="needs attn_mask"):
        attend(*SELF, is_causal=True)
