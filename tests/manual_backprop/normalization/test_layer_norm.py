import pytest
import torch

from compare.catalogue.values import normal
from manual_backprop import functional


def test_by_hand():
    # μ = 0, v = 1, ρ = 1/√(1 + 3) = ½
    x = torch.tensor([[-1.0, 1, -1, 1]], requires_grad=True)
    w = torch.tensor([2.0, 4, 6, 8], requires_grad=True)
    b = torch.zeros(4, requires_grad=True)
    y = functional.layer_norm(x, (4,), w, b, eps=3)
    assert y.tolist() == [[-1, 2, -3, 4]]
    y.backward(torch.tensor([[4.0, 0, 0, 1]]))
    # ĝ = (8, 0, 0, 8), its mean 4, that of ĝ x̂ 0
    assert x.grad.tolist() == [[2, -2, -2, 2]]
    assert w.grad.tolist() == [-2, 0, 0, 0.5]
    assert b.grad.tolist() == [4, 0, 0, 1]


@pytest.mark.parametrize("shape", [(), (2,), (3, 4)])
def test_bad_input(shape):
    with pytest.raises(ValueError, match=r"got input \(5, 3\) and normalized_shape"):
        functional.layer_norm(normal(5, 3), shape)
    with pytest.raises(ValueError, match=r"expected bias of shape normalized_shape \(3,\)"):
        functional.layer_norm(normal(5, 3), (3,), bias=normal(*shape))
