"""Lengths and angles, by 3-4-5 triangles."""

import math

import pytest
import torch

from manual_backprop import functional


def tensor(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


@pytest.mark.parametrize(
    ("p", "y", "grad"),
    [
        (2.0, [0.6, 0.8], [0.128, -0.096]),  # (g − 0.6 y)/5 with g = (1, 0)
        (1.0, [3 / 7, 4 / 7], [4 / 49, -3 / 49]),
        (math.inf, [0.75, 1], [0.25, -0.1875]),
    ],
)
def test_normalize_by_hand(p, y, grad):
    x = tensor(3, 4).requires_grad_()
    found = functional.normalize(x, p, dim=0)
    assert found.tolist() == pytest.approx(y)
    found.backward(tensor(1, 0))
    assert x.grad.tolist() == pytest.approx(grad)


def test_what_is_largest_twice_shares_the_gradient():
    x = tensor(2, -2).requires_grad_()
    functional.normalize(x, math.inf, dim=0).backward(tensor(1, 0))
    assert x.grad.tolist() == [0.25, 0.25]  # ½ − ½·½ and 0 + ½·½


def test_normalize_into_a_tensor_has_no_gradient():
    out = torch.empty(2, dtype=torch.float64)
    assert functional.normalize(tensor(3, 4), dim=0, out=out) is out
    assert out.tolist() == [0.6, 0.8]
    with pytest.raises(RuntimeError, match="out="):
        functional.normalize(tensor(3, 4).requires_grad_(), dim=0, out=out)


def test_cosine_similarity_by_hand():
    x, y = tensor(3, 4).requires_grad_(), tensor(2, 0).requires_grad_()
    c = functional.cosine_similarity(x, y, dim=0)
    assert c.item() == pytest.approx(0.6)
    c.backward()
    assert x.grad.tolist() == pytest.approx([0.128, -0.096])  # ((1, 0) − 0.6 (0.6, 0.8))/5
    assert y.grad.tolist() == pytest.approx([0, 0.4])  # ((0.6, 0.8) − 0.6 (1, 0))/2
