"""Dropout of channels, and alpha dropout: what is left out, and what is drawn."""

import math

import pytest
import torch
from torch.nn import functional as F

import manual_backprop
from compare.catalogue.values import normal
from manual_backprop import functional
from tests.manual_backprop.regularization.test_dropout import drawn

SHAPES = {
    "dropout1d": [(7, 5, 3), (5, 3)],
    "dropout2d": [(7, 5, 3, 2)],
    "dropout3d": [(7, 5, 3, 2, 2), (5, 3, 2, 2)],
    "alpha_dropout": [(33, 13)],
}


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("name", "shape"), [(n, s) for n, each in SHAPES.items() for s in each])
def test_what_is_drawn_is_what_torch_draws(name, shape, p):
    x = normal(*shape).float()
    ours, theirs = (drawn(getattr(f, name), x, p=p, training=True) for f in (functional, F))
    for actual, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(actual, expected)
        assert torch.equal(actual == 0, expected == 0)


def test_channels_by_hand():
    x = torch.ones(50, 4, 3, requires_grad=True)
    y = functional.dropout1d(x, 0.75)
    assert set(y.flatten().tolist()) == {0, 4}
    assert torch.equal(y, y[..., :1].expand_as(y))
    (grad,) = torch.autograd.grad(y, x, torch.full_like(y, 3))
    assert torch.equal(grad, 3 * y)


def test_alpha_dropout_keeps_mean_and_variance():
    torch.manual_seed(0)
    y = functional.alpha_dropout(torch.randn(100_000), 0.4, training=True)
    assert abs(y.mean()) < 0.02
    assert abs(y.std() - 1) < 0.02


def test_alpha_dropout_by_hand():
    torch.manual_seed(0)
    x = torch.zeros(100, requires_grad=True)
    y = functional.alpha_dropout(x, 0.5, training=True)
    (grad,) = torch.autograd.grad(y.sum(), x)
    α = 1.7580993408473766
    A = 1 / math.sqrt(0.5 * (1 + 0.5 * α * α))
    B = A * α * 0.5
    torch.testing.assert_close(y, torch.where(grad > 0, B, B - A * α))
    torch.testing.assert_close(grad, torch.where(grad > 0, A, 0.0))


@pytest.mark.parametrize("name", ["Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"])
def test_nothing_is_left_out_in_evaluation(name):
    x = normal(2, 3, *(4, 3, 2)[: int(name[-2]) if name[-1] == "d" else 1])
    assert getattr(manual_backprop, name)(0.9).eval()(x) is x


@pytest.mark.parametrize("name", SHAPES)
def test_in_place(name):
    x = normal(*SHAPES[name][0])
    torch.manual_seed(0)
    expected = getattr(functional, name)(x, 0.4, True)
    torch.manual_seed(0)
    assert getattr(functional, name)(x, 0.4, True, inplace=True) is x
    assert torch.equal(x, expected)


def test_a_single_image_is_taken_for_a_batch_of_lines():
    with pytest.warns(UserWarning, match=r"\(N, C, L\)") as caught:
        functional.dropout2d(normal(2, 3, 4))
    assert caught[0].filename == __file__


def test_bad_input():
    with pytest.raises(ValueError, match=r"2 or 3 dimensions, got \(4,\)"):
        functional.dropout1d(normal(4))
    with pytest.raises(ValueError, match=r"between 0 and 1, got 2"):
        functional.dropout3d(normal(2, 3, 2, 2, 2), 2)
