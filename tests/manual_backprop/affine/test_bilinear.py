"""Bilinear, by hand."""

import pytest
import torch

from manual_backprop import functional


def test_by_hand():
    x = torch.tensor([[1.0, 2]], requires_grad=True)
    y = torch.tensor([[3.0, 4]], requires_grad=True)
    W = torch.tensor([[[1.0, 0], [0, 1]], [[0, 1], [0, 0]]], requires_grad=True)
    b = torch.tensor([1.0, -1], requires_grad=True)
    z = functional.bilinear(x, y, W, b)  # x₁y₁ + x₂y₂ + 1 and x₁y₂ − 1
    assert z.tolist() == [[12, 3]]
    z.backward(torch.tensor([[1.0, 2]]))
    assert x.grad.tolist() == [[11, 4]]  # y + 2 (y₂, 0)
    assert y.grad.tolist() == [[1, 4]]  # x + 2 (0, x₁)
    assert W.grad.tolist() == [[[3, 4], [6, 8]], [[6, 8], [12, 16]]]
    assert b.grad.tolist() == [1, 2]


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"got \(1, 2\) and \(2, 2\), \(1, 2, 2\) and None"):
        functional.bilinear(torch.ones(1, 2), torch.ones(2, 2), torch.ones(1, 2, 2))
