import pytest
import torch
from torch.nn import functional as F

import manual_backprop
from compare.catalogue.values import normal
from manual_backprop import functional


def drawn(function, x, **options):
    """What comes out, the gradient of the sum of its squares, and the next random number."""
    torch.manual_seed(3)
    x = x.clone().requires_grad_()
    y = function(x, **options)
    (grad,) = torch.autograd.grad((y * y).sum(), x)
    return y, grad, torch.rand(())


LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x.mT,
    "expanded": lambda x: x[:1].expand(x.shape),
    "every second": lambda x: x[..., ::2],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_masks_are_those_of_torch(layout, p, dtype):
    x = LAYOUTS[layout](normal(33, 13).to(dtype))
    *ours, our_next = drawn(functional.dropout, x, p=p)
    *theirs, their_next = drawn(F.dropout, x, p=p)
    assert torch.equal(our_next, their_next)
    for actual, expected in zip(ours, theirs, strict=True):
        assert torch.equal(actual == 0, expected == 0)
        if dtype == torch.bfloat16:  # on the CPU PyTorch rounds 1/(1 − p) to it beforehand
            torch.testing.assert_close(actual, expected)
        else:
            assert torch.equal(actual, expected)


def test_by_hand():
    x = torch.tensor([[1.0, 2], [3, 4]]).repeat(50, 1).requires_grad_()
    y = functional.dropout(x, 0.75)
    kept = y != 0
    assert 0 < kept.sum() < kept.numel()
    assert torch.equal(y[kept], 4 * x[kept])
    (grad,) = torch.autograd.grad(y, x, torch.full_like(x, 3))
    assert torch.equal(grad, torch.where(kept, 12.0, 0.0))


def test_nothing_is_left_out_in_evaluation():
    x = normal(5, 3)
    layer = manual_backprop.Dropout(0.9).eval()
    assert layer(x) is x
    assert functional.dropout(x, 0.0) is x


def test_in_place():
    x = normal(5, 3)
    torch.manual_seed(0)
    expected = functional.dropout(x, 0.4)
    torch.manual_seed(0)
    assert functional.dropout(x, 0.4, inplace=True) is x
    assert torch.equal(x, expected)


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_bad_input(p):
    with pytest.raises(ValueError, match=rf"between 0 and 1, got {p}"):
        functional.dropout(normal(3), p)


@pytest.mark.gpu
def test_masks_on_a_gpu():
    x = normal(33, 13).float().cuda()
    for ours, theirs in zip(
        drawn(functional.dropout, x, p=0.3), drawn(F.dropout, x, p=0.3), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
