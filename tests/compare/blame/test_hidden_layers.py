"""Functions that run layers where nobody sees them: parameters, inputs and outputs decide."""

import math

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from compare import compare_gradients
from tests.compare.by_hand import by_hand


def block():
    return nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 6), block(), nn.Linear(6, 3)

    def inner(self, x):
        return self.b(x)

    def forward(self, x):
        return self.c(self.inner(self.a(x)))


class Checkpointed(Plain):
    def inner(self, x):
        return checkpoint(self.b, x, use_reentrant=True)


class CheckpointedFirst(Plain):
    def forward(self, x):
        return self.c(checkpoint(nn.Sequential(self.a, self.b), x, use_reentrant=True))


class CheckpointedWhole(Plain):
    def forward(self, x):
        return checkpoint(super().forward, x, use_reentrant=True)


class CallsBackward(torch.autograd.Function):
    scale = 1.0

    @staticmethod
    def forward(ctx, x, module, scale):
        ctx.module, ctx.scale = module, scale
        ctx.save_for_backward(x)
        return module(x)

    @staticmethod
    def backward(ctx, g):
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = ctx.module(x)
        y.backward(g * ctx.scale)
        return x.grad / ctx.scale, None, None


class BackwardInside(Plain):
    def inner(self, x):
        return CallsBackward.apply(x, self.b, 1.0)


class WrongInside(Plain):
    """The parameters inside get half of their gradients, the input all of its own."""

    def inner(self, x):
        return CallsBackward.apply(x, self.b, 0.5)


class Couple(nn.Module):
    """A reversible block: y₁ = x₁ + f(x₂), y₂ = x₂ + g(y₁)."""

    def __init__(self):
        super().__init__()
        self.f, self.g = (nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2))

    def forward(self, x):
        x1, x2 = x.chunk(2, -1)
        y1 = x1 + self.f(x2)
        return torch.cat([y1, x2 + self.g(y1)], -1)


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, f, g, *parameters):
        x1, x2 = x.chunk(2, -1)
        y1 = x1 + f(x2)
        y = torch.cat([y1, x2 + g(y1)], -1)
        ctx.f, ctx.g = f, g
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        y1, y2 = ctx.saved_tensors[0].chunk(2, -1)
        g1, g2 = grad_y.chunk(2, -1)
        through_g, of_g = Reversed.through(ctx.g, y1, g2)
        x2 = y2 - ctx.g(y1)
        through_f, of_f = Reversed.through(ctx.f, x2, g1 + through_g)
        return torch.cat([g1 + through_g, g2 + through_f], -1), None, None, *of_f, *of_g

    @staticmethod
    def through(module, x, g):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            found = torch.autograd.grad(module(x), [x, *module.parameters()], g)
        return found[0], found[1:]


class Reversible(Couple):
    def forward(self, x):
        return Reversed.apply(x, self.f, self.g, *self.f.parameters(), *self.g.parameters())


def solve(f, x):
    """Runge and Kutta's method; in float64 it takes more steps, as an adaptive solver does."""
    steps = 3 if math.sqrt(torch.finfo(x.dtype).eps) > 1e-5 else 5
    h = 1 / steps
    for _ in range(steps):
        k1 = f(x)
        k2 = f(x + h / 2 * k1)
        k3 = f(x + h / 2 * k2)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + f(x + h * k3))
    return x


class Flow(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

    def forward(self, x):
        return solve(self.f, x)


class Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, f, *parameters):
        ctx.f = f
        ctx.save_for_backward(x)
        return solve(f, x)

    @staticmethod
    def backward(ctx, g):
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            found = torch.autograd.grad(solve(ctx.f, x), [x, *ctx.f.parameters()], g)
        return found[0], None, *found[1:]


class AdjointFlow(Flow):
    def forward(self, x):
        return Adjoint.apply(x, self.f, *self.f.parameters())


RIGHT = [
    (Checkpointed, Plain, 5),
    (Plain, Checkpointed, 5),
    (CheckpointedFirst, Plain, 5),
    (CheckpointedWhole, Plain, 5),
    (BackwardInside, Plain, 5),
    (Reversible, Couple, 8),
    (AdjointFlow, Flow, 4),
    (Flow, AdjointFlow, 4),
]


@pytest.mark.parametrize("layers", [True, False], ids=["by layer", "whole"])
@pytest.mark.parametrize(
    ("manual", "reference", "width"), RIGHT, ids=lambda x: getattr(x, "__name__", "")
)
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True")
def test_right_ones_pass(manual, reference, width, layers):
    report = compare_gradients(manual(), reference(), torch.randn(7, width), layers=layers)
    assert report.passed, str(report)


def test_layers_that_are_not_visible_are_said_to_be():
    report = compare_gradients(Checkpointed(), Plain(), torch.randn(7, 5))
    remarks = {layer.name: layer.remark for layer in report.layers}
    assert "not visible" in remarks["b.0"]
    assert not remarks["a"]
    assert not any(row.name.startswith("b.0 Linear") for row in report.rows)  # δ cannot be seen
    assert {row.name for row in report.rows} >= {"b.0.weight", "b.2.bias", "a.weight", "input"}


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True")
def test_it_is_said_what_gets_a_gradient_only_where_an_input_needs_one():
    report = compare_gradients(CheckpointedFirst(), Plain(), torch.randn(7, 5))
    [remark] = report.remarks
    assert remark.endswith("a gradient only if an input of the model requires one, as with "
                           "reentrant checkpointing")  # fmt: skip
    assert {"a.weight", "b.2.bias"} < set(remark.partition(":")[0].split(", "))


@pytest.mark.parametrize("layers", [True, False], ids=["by layer", "whole"])
def test_wrong_parameters_inside_are_found(layers):
    report = compare_gradients(WrongInside(), Plain(), torch.randn(7, 5), layers=layers)
    assert {row.name for row in report.failures} == {
        "b.0.weight", "b.0.bias", "b.2.weight", "b.2.bias",
    }  # fmt: skip


class HandsWeightsOver(torch.autograd.Function):
    """The layer computes with tensors that ``functional_call`` gives it, not with its own."""

    @staticmethod
    def call(module, x, θ):
        names = [name for name, _ in module.named_parameters()]
        return torch.func.functional_call(module, dict(zip(names, θ, strict=True)), x)

    @staticmethod
    def forward(ctx, x, module, *θ):
        ctx.module = module
        ctx.save_for_backward(x, *θ)
        return HandsWeightsOver.call(module, x, θ)

    @staticmethod
    def backward(ctx, g):
        x, *θ = ctx.saved_tensors
        _, pull = torch.func.vjp(lambda x, *θ: HandsWeightsOver.call(ctx.module, x, θ), x, *θ)
        grad_x, *grad_θ = pull(g)
        return grad_x, None, *grad_θ


class WrongLast(Plain):
    """It hands weights over as it should; the last layer's bias has the wrong sign."""

    def __init__(self):
        super().__init__()
        self.c = NegatedBias(6, 3)

    def inner(self, x):
        return HandsWeightsOver.apply(x, self.b, *self.b.parameters())


class NegatedBias(nn.Linear):
    function = by_hand(nn.functional.linear, lambda g, x, w, b: (g @ w, g.T @ x, -g.sum(0)))

    def forward(self, x):
        return self.function(x, self.weight, self.bias)


def test_weights_that_are_handed_over_get_their_gradients():
    torch.manual_seed(0)
    report = compare_gradients(WrongLast(), Plain(), torch.randn(7, 5))
    assert [layer.label for layer in report.originators] == ["c NegatedBias"], str(report)
