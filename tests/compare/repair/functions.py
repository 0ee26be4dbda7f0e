"""Wrong backwards, each on lines that the tests know."""

import torch
from torch import nn


class LinearFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, W, b):
        ctx.save_for_backward(x, W)
        return x @ W.T + b

    @staticmethod
    def backward(ctx, g):
        x, W = ctx.saved_tensors
        return g @ W, g.T @ x / len(x), g.sum(0)


class Linear(nn.Linear):
    def forward(self, x):
        return LinearFunction.apply(x, self.weight, self.bias)


class TanhFunction(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.tanh()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        (a,) = ctx.saved_tensors
        grad_x = slope(g, a)
        return grad_x


def slope(g, a):
    return g * (1 + a * a)


def tanh(x):
    return TanhFunction.apply(x)


def forgets_wraps(function):
    def around(*args):
        return function(*args)

    return around


class KeptFunction(torch.autograd.Function):
    """3 tanh, which keeps lists and arrays, empties the ones and writes over the others."""

    @staticmethod
    def forward(ctx, x):
        ctx.kept, ctx.array = [x.tanh()], (0 * x).detach().numpy() + 3
        return 3 * x.tanh()

    @staticmethod
    @forgets_wraps
    def backward(ctx, g):
        a, scale = ctx.kept.pop(), ctx.array.copy()
        ctx.kept.append(a)
        ctx.array *= 1
        return g * scale.mean().item() * (1 + a * a)


class LoopFunction(torch.autograd.Function):
    """x⁴, with a loop that many edits let run for ever."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**4

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        k = 3
        while k > 0:
            g = g * x
            k -= 1
        return -4 * g


class NoTensorFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return len(g)


def without_source(backward="g * (1 + a * a)"):
    """tanh, by a Function that no file holds."""
    scope = {"torch": torch}
    exec(
        "class Unwritten(torch.autograd.Function):\n"
        "    @staticmethod\n"
        "    def forward(ctx, x):\n"
        "        ctx.save_for_backward(x.tanh())\n"
        "        return x.tanh()\n"
        "    @staticmethod\n"
        "    def backward(ctx, g):\n"
        "        (a,) = ctx.saved_tensors\n"
        f"        return {backward}\n",
        scope,
    )
    function = scope["Unwritten"]
    return lambda x: function.apply(x)
