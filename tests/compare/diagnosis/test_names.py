"""What is said without a look at the source, of slips that were called something else once."""

import pytest
import torch
from torch import nn

from compare import compare_gradients
from tests.compare.repair import slipped_layers


def said(*arguments):
    report = compare_gradients(*arguments, repair=0)
    [layer] = report.originators
    return {fault.gradient: fault.diagnosis.sentence for fault in layer.faults}


@pytest.mark.parametrize(
    ("name", "gradient", "sentence"),
    [
        (
            "group norm: weight without x_hat",
            "input 1",
            "what it should be multiplied by is missing",
        ),
        (
            "batch norm: weight without g",
            "input 1",
            "it is the same whatever the incoming gradient is",
        ),
        ("layer norm: variance term scaled", "input 0", "`: it is 2 times too large"),
        ("loss: N times N", "input 0", "multiplied by the square of the number of elements, 28"),
    ],
)
def test_of_functions(name, gradient, sentence):
    function, reference, shapes, _ = slipped_layers.FORGOTTEN[name]
    found = said(function.apply, reference, *[torch.randn(shape) for shape in shapes])
    assert sentence in found[gradient]


def test_dropout_is_told_the_factor_and_no_other_p():
    torch.manual_seed(0)
    models = slipped_layers.Dropout(0.3).train(), nn.Dropout(0.3).train()
    sentence = said(*models, torch.randn(9, 6))["input"]
    assert "it is 0.538462 of what it should be" in sentence
    assert "p =" not in sentence


class _Gate(torch.autograd.Function):
    """x σ(y) + y², whose backward a test writes."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y.sigmoid() + y * y


def _gate(of_y):
    class Gate(_Gate):
        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y.sigmoid(), of_y(g, x, y.sigmoid()) + 2 * g * y

    return Gate.apply


@pytest.mark.parametrize(
    ("of_y", "sentence"),
    [
        (
            lambda g, x, s: -g * x * s * (1 - s),
            "the gradient through `input 0 * sigmoid(input 1)` in `(input 0 * sigmoid(input 1)) "
            "+ (input 1 * input 1)` has the wrong sign",
        ),
        (
            lambda g, x, s: g * s * (1 - s),
            "the factor `input 0` is missing: `input 0 * sigmoid(input 1)` is differentiated as if "
            "that were 1",
        ),
        (
            lambda g, x, s: g * x * (1 - s * s),
            "the derivative of `sigmoid(input 1)` is taken to be 1 − a², where a is its value",
        ),
        (
            lambda g, x, s: g * s * s * (1 - s),
            "in the derivative of `input 0 * sigmoid(input 1)` the factor is `sigmoid(input 1)` "
            "instead of `input 0`",
        ),
    ],
)
def test_one_wrong_step(of_y, sentence):
    found = said(
        _gate(of_y), lambda x, y: x * y.sigmoid() + y * y, torch.randn(5, 4), torch.randn(5, 4)
    )
    assert found == {"input 1": sentence}


class _Windows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.unfold(1, 3, 1).sum(-1)

    @staticmethod
    def backward(ctx, g):
        grad_x = g.new_zeros(ctx.shape)
        for k in range(3):
            grad_x[:, k : k + g.shape[1]] = g
        return grad_x


def test_written_over_where_it_is_to_be_added():
    found = said(_Windows.apply, lambda x: x.unfold(1, 3, 1).sum(-1), torch.randn(4, 7))
    assert "only one of them counts: overwritten (`=`) instead of accumulated" in found["input"]
