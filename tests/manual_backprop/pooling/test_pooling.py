"""Pooling of small integers, by hand, and what is special about it."""

import pytest
import torch

from compare.catalogue.values import normal
from manual_backprop import functional
from tests.manual_backprop.calls import close


def gradient(y, x, g):
    return torch.autograd.grad(y, x, torch.tensor(g, dtype=y.dtype))[0].tolist()


def test_max_pool_by_hand():
    x = torch.tensor([[[1.0, 5, 2, 3, 3, 0]]], requires_grad=True)
    y, m = functional.max_pool1d(x, 3, stride=1, return_indices=True)
    assert y.tolist() == [[[5, 5, 3, 3]]]
    assert m.tolist() == [[[1, 1, 3, 3]]]  # of two 3 the first
    assert not m.requires_grad
    assert gradient(y, x, [[[1, 2, 3, 4]]]) == [[[0, 3, 0, 7, 0, 0]]]


def test_max_pool2d_by_hand():
    x = torch.tensor([[[1.0, 2, 3], [4, 9, 6], [7, 8, 5]]], requires_grad=True)
    assert gradient(functional.max_pool2d(x, 2, 1), x, [[[1, 2], [3, 4]]]) == [
        [[0, 0, 0], [0, 10, 0], [0, 0, 0]]
    ]


def test_nan_is_the_largest():
    x = torch.tensor([[[1.0, torch.nan, 2, 3]]], requires_grad=True)
    assert gradient(functional.max_pool1d(x, 2), x, [[[1, 2]]]) == [[[0, 1, 0, 2]]]


def test_adaptive_max_pool_by_hand():
    x = torch.tensor([[[1.0, 2, 9, 4, 5]]], requires_grad=True)
    y = functional.adaptive_max_pool1d(x, 2)  # of 0 to 2 and 2 to 4
    assert y.tolist() == [[[9, 9]]]
    assert gradient(y, x, [[[1, 2]]]) == [[[0, 0, 3, 0, 0]]]


def test_avg_pool_by_hand():
    x = torch.tensor([[[2.0, 4, 6, 8, 10]]], requires_grad=True)
    y = functional.avg_pool1d(x, 2)
    assert y.tolist() == [[[3, 7]]]
    assert gradient(y, x, [[[2, 4]]]) == [[[1, 1, 2, 2, 0]]]
    y = functional.avg_pool1d(x, 2, stride=1)
    assert gradient(y, x, [[[2, 4, 6, 8]]]) == [[[1, 3, 5, 7, 4]]]


def test_what_counts_in_a_mean():
    """A window of 3 with one element of padding, and one that reaches beyond the padding."""
    x = torch.ones(1, 1, 4, requires_grad=True)
    options = {"stride": 3, "padding": 1, "ceil_mode": True}
    y = functional.avg_pool1d(x, 3, **options)
    assert gradient(y, x, [[[3, 6]]]) == [[[1, 1, 2, 2]]]
    y = functional.avg_pool1d(x, 3, **options, count_include_pad=False)
    assert gradient(y, x, [[[3, 6]]]) == [[[1.5, 1.5, 3, 3]]]
    square = torch.ones(1, 4, 4, requires_grad=True)
    y = functional.avg_pool2d(square, 4, divisor_override=2)
    assert gradient(y, square, [[[6]]]) == [[[3] * 4] * 4]


def test_adaptive_avg_pool_by_hand():
    x = torch.ones(1, 1, 5, requires_grad=True)
    y = functional.adaptive_avg_pool1d(x, 2)  # of 0 to 2 and 2 to 4
    assert gradient(y, x, [[[3, 6]]]) == [[[1, 1, 3, 2, 2]]]
    y = functional.adaptive_avg_pool1d(x, 10)  # each twice
    assert gradient(y, x, [[[*range(10)]]]) == [[[1, 5, 9, 13, 17]]]


@pytest.mark.parametrize("size", [1, 2, 5, 6, 7, 12, 13])
def test_every_division_into_parts(size):
    """The parts of i are those whose parts have i, whichever is larger."""
    x, g, found = normal(1, 1, 7, 6), normal(1, 1, size, 5, seed=1), []
    for functions in (functional, torch.nn.functional):
        leaf = x.clone().requires_grad_()
        y = functions.adaptive_avg_pool2d(leaf, (size, 5))
        found.append(torch.autograd.grad(y, leaf, g)[0])
    close(*found)


def test_nothing_but_the_positions_is_kept():
    x = normal(2, 3, 8, 8).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        functional.max_pool2d(x, 2)
        functional.avg_pool2d(x, 2)
        functional.adaptive_avg_pool2d(x, 3)
    assert [(t.shape, t.dtype) for t in kept] == [((2, 3, 4, 4), torch.int64)]
