import math

import pytest
import torch
from torch.nn import functional as F

from compare.catalogue.values import normal
from manual_backprop.functional import attention_in_blocks
from tests.manual_backprop.calls import close
from tests.manual_backprop.checks import Operations


def test_by_hand():
    """Scores 0 and ln 3 make the weights ¼ and ¾, the keys in blocks of one."""
    q = torch.tensor([[1.0]], requires_grad=True)
    k = torch.tensor([[0.0], [math.log(3)]], requires_grad=True)
    v = torch.tensor([[4.0], [8.0]], requires_grad=True)
    o = attention_in_blocks(q, k, v, block_size=1)
    o.backward(torch.tensor([[4.0]]))
    # ∂L/∂P = (16, 32) and D = 4 · 7 = 28: ∂L/∂S = (¼ · −12, ¾ · 4) = (−3, 3)
    torch.testing.assert_close(o, torch.tensor([[7.0]]))
    torch.testing.assert_close(v.grad, torch.tensor([[1.0], [3.0]]))
    torch.testing.assert_close(k.grad, torch.tensor([[-3.0], [3.0]]))
    torch.testing.assert_close(q.grad, torch.tensor([[3 * math.log(3)]]))


def long(length=32):
    return tuple(normal(2, length, 4, seed=s).requires_grad_() for s in range(3))


@pytest.mark.parametrize("block_size", [5, 8, 32, 256])
@pytest.mark.parametrize(
    "options",
    [{}, {"is_causal": True}, {"attn_mask": normal(32, 32) > 0}, {"attn_mask": normal(2, 1, 32)}],
    ids=["plain", "causal", "masked", "added"],
)
def test_every_cut_is_the_whole(options, block_size):
    args, g = long(), normal(2, 32, 4, seed=5)
    found, expected = (
        [o, *torch.autograd.grad(o, args, g)]
        for o in (
            attention_in_blocks(*args, **options, block_size=block_size),
            F.scaled_dot_product_attention(*args, **options),
        )
    )
    for actual, right in zip(found, expected, strict=True):
        close(actual, right, g)


def test_the_largest_tensor_is_linear_in_the_length():
    """It is an input, where the matrix of all queries by all keys has 2 · 64 · 64 numbers."""
    args = long(64)
    with Operations() as operations:
        torch.autograd.grad(attention_in_blocks(*args, block_size=8), args, torch.ones(2, 64, 4))
    assert operations.largest == 2 * 64 * 4


@pytest.mark.parametrize(("is_causal", "blocks"), [(False, 16), (True, 10)])
def test_blocks_that_nobody_sees_are_left_out(is_causal, blocks):
    """Seven products a block: two in the forward, five in the backward."""
    args = long()
    with Operations() as operations:
        o = attention_in_blocks(*args, is_causal=is_causal, block_size=8)
        torch.autograd.grad(o, args, torch.ones_like(o))
    assert sum(name.startswith("bmm") for name in operations.names) == 7 * blocks


def test_second_derivative_where_a_query_sees_nothing():
    args, mask = long(8), torch.zeros(8, 8, dtype=torch.float64)
    mask[2] = -torch.inf
    o = attention_in_blocks(*args, mask, block_size=3)
    grads = torch.autograd.grad(o.sum(), args, create_graph=True)
    found = torch.autograd.grad(sum((g * g).sum() for g in grads), args)
    assert all(t.isfinite().all() for t in (o, *grads, *found))
    assert not o[..., 2, :].any()


@pytest.mark.parametrize(
    ("says", "call"),
    [
        ("block_size above 0, got 0", lambda: attention_in_blocks(*long(2), block_size=0)),
        (r"\(2, 3\), \(4, 5\)", lambda: attention_in_blocks(normal(2, 3), *[normal(4, 5)] * 2)),
    ],
)
def test_bad_input(says, call):
    with pytest.raises(ValueError, match=f"attention_in_blocks: .*{says}"):
        call()
