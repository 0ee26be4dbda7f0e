"""Functions and layers written by hand, right and wrong, and who was accused of them."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from compare import compare_gradients


def by_hand(forward, backward):
    """A Function of the two: ``backward(g, *inputs)`` gives one gradient for each input."""

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return backward(g, *ctx.saved_tensors)

    return ByHand.apply


def module(function):
    """The function as a class of modules without parameters."""

    class Function(nn.Module):
        def forward(self, x):
            return function(x)

    return Function


straight_through = by_hand(torch.relu, lambda g, z: g)
one_at_zero = by_hand(torch.relu, lambda g, z: torch.where(z < 0, 0, g))
half = by_hand(torch.clone, lambda g, x: g / 2)
linear_relu = by_hand(
    lambda x, w, b: F.linear(x, w, b).relu(),
    lambda g, x, w, b: _linear_backward(g * (F.linear(x, w, b) > 0), x, w),
)
linear_relu_without_derivative = by_hand(
    lambda x, w, b: F.linear(x, w, b).relu(), lambda g, x, w, b: _linear_backward(g, x, w)
)


def _linear_backward(delta, x, w):
    return delta @ w, delta.T @ x, delta.sum(0)


class FusedLinear(nn.Linear):
    function = staticmethod(linear_relu)

    def forward(self, x):
        return self.function(x, self.weight, self.bias)


class WrongFusedLinear(FusedLinear):
    function = staticmethod(linear_relu_without_derivative)


def accused(report):
    """Of each layer at fault its name and the gradients that it computes wrongly."""
    return {layer.name: [f.gradient for f in layer.faults] for layer in report.originators}


def verdicts(report):
    return {layer.name: layer.verdict for layer in report.layers}


def plain(*sizes):
    steps = []
    for n_in, n_out in pairwise(sizes):
        steps += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*steps[:-1])


def only_fault(manual, reference, *inputs):
    """The one fault there is: its sentence, and the kind of input that exposed it."""
    report = compare_gradients(manual, reference, *inputs)
    [layer] = report.originators
    [fault] = layer.faults
    return fault
