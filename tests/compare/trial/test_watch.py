"""What the model is handed: the leaves themselves, or copies where it works in place."""

import torch
from torch import nn

from compare import compare_gradients
from tests.compare.by_hand import module


class ToTheLeaf(torch.autograd.Function):
    """Adds its gradient to the leaf's by itself, and returns it as well."""

    @staticmethod
    def forward(ctx, x):
        ctx.input = x
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        if ctx.input.is_leaf:
            ctx.input.grad = 2 * g
        return 2 * g


def test_a_gradient_that_is_given_to_a_leaf_twice_is_found():
    report = compare_gradients(module(ToTheLeaf.apply)(), lambda x: 2 * x, torch.randn(4, 3))
    assert [row.name for row in report.failures] == ["input"]


def test_a_model_that_works_in_place_on_its_input_is_judged():
    right, wrong = nn.Hardtanh(inplace=True), nn.Hardtanh(-1, 0.5, inplace=True)
    assert compare_gradients(right, nn.Hardtanh(inplace=True), torch.randn(4, 3)).passed
    assert not compare_gradients(wrong, nn.Hardtanh(inplace=True), torch.randn(4, 3)).passed
