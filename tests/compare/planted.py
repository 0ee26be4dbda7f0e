"""A small network with backwards of its own, so that one of them can be made wrong."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Gradients = tuple[Tensor | None, ...]
Fault = Callable[[Any, Tensor, Gradients], Gradients]  # (saved, incoming, right ones) → wrong ones


def right(saved: Any, g: Tensor, gradients: Gradients) -> Gradients:
    return gradients


class LinearFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b, fault):
        ctx.save_for_backward(x, w)
        ctx.fault = fault
        return F.linear(x, w, b)

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return *ctx.fault((x, w), g, (g @ w, g.T @ x, g.sum(0))), None


class ReLUFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, fault):
        ctx.save_for_backward(z)
        ctx.fault = fault
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (z,) = ctx.saved_tensors
        return *ctx.fault(z, g, (torch.where(z <= 0, 0, g),)), None


class CrossEntropyFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, y, fault):
        ctx.save_for_backward(z)
        ctx.y, ctx.fault = y, fault
        return F.cross_entropy(z, y)

    @staticmethod
    def backward(ctx, g):
        (z,) = ctx.saved_tensors
        p = z.softmax(1)
        delta = (p - F.one_hot(ctx.y, z.shape[1]).to(z.dtype)) * g / len(z)
        return *ctx.fault((p, ctx.y), g, (delta,)), None, None


class Linear(nn.Linear):
    fault: Fault = staticmethod(right)

    def forward(self, x):
        return LinearFunction.apply(x, self.weight, self.bias, self.fault)


class ReLU(nn.ReLU):
    fault: Fault = staticmethod(right)

    def forward(self, z):
        return ReLUFunction.apply(z, self.fault)


class CrossEntropyLoss(nn.CrossEntropyLoss):
    fault: Fault = staticmethod(right)

    def forward(self, z, y):
        return CrossEntropyFunction.apply(z, y, self.fault)


SIZES = (8, 8, 8, 3)  # square layers: a transposed gradient fits, and only its numbers tell
BATCH = 13


def pair(layer: str = "", fault: Fault = right):
    """(manual, reference, manual's loss, reference's loss), with the fault in the layer named.

    Layers are bit for bit those of torch.nn where they are right; the loss is right but for
    rounding, and so there only when asked for.
    """
    torch.manual_seed(3)
    modules = []
    for namespace in (None, nn):
        linear, relu = (Linear, ReLU) if namespace is None else (nn.Linear, nn.ReLU)
        steps: list[nn.Module] = []
        for n_in, n_out in pairwise(SIZES):
            steps += [linear(n_in, n_out), relu()]
        modules.append(nn.Sequential(*steps[:-1]))
    manual, reference = modules
    loss = CrossEntropyLoss() if layer == "loss" else nn.CrossEntropyLoss()
    if layer:
        (loss if layer == "loss" else manual.get_submodule(layer)).fault = fault
    return manual, reference, loss, nn.CrossEntropyLoss()


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(BATCH, SIZES[0], generator=generator)
    return x, torch.randint(SIZES[-1], (BATCH,), generator=generator)


def changed(i: int, change: Callable[..., Tensor]) -> Fault:
    """The fault that changes the i-th gradient: ``change(right, saved, incoming)``."""

    def fault(saved, g, gradients):
        wrong = list(gradients)
        wrong[i] = change(gradients[i], saved, g)
        return tuple(wrong)

    return fault


INPUT, WEIGHT, BIAS = 0, 1, 2

# What is wrong → the layer it is planted in, the fault, what the report must call that layer, and
# the first tensor that comes out wrong.
PLANTED = {
    "ReLU: wrong sign": ("1", changed(INPUT, lambda r, *_: -r), "1 ReLU", "0 Linear δ"),
    "ReLU: derivative 1 at 0 and below": (
        "3",
        changed(INPUT, lambda r, z, g: g),
        "3 ReLU",
        "2 Linear δ",
    ),
    "ReLU: derivative forgotten for one unit": (
        "3",
        changed(INPUT, lambda r, z, g: torch.cat([g[:, :1], r[:, 1:]], 1)),
        "3 ReLU",
        "2 Linear δ",
    ),
    "weight: 1 % off": ("2", changed(WEIGHT, lambda r, *_: r * 1.01), "2 Linear", "2.weight"),
    "weight: 0.01 % off": ("2", changed(WEIGHT, lambda r, *_: r * 1.0001), "2 Linear", "2.weight"),
    "weight: transposed": ("2", changed(WEIGHT, lambda r, *_: r.T), "2 Linear", "2.weight"),
    "weight: mean for sum": ("0", changed(WEIGHT, lambda r, *_: r / BATCH), "0 Linear", "0.weight"),
    "weight: last sample left out": (
        "4",
        changed(WEIGHT, lambda r, s, g: g[:-1].T @ s[0][:-1]),
        "4 Linear",
        "4.weight",
    ),
    "weight: zero": ("0", changed(WEIGHT, lambda r, *_: r * 0), "0 Linear", "0.weight"),
    "weight: none": ("0", changed(WEIGHT, lambda *_: None), "0 Linear", "0.weight"),
    "bias: only the first sample": ("2", changed(BIAS, lambda r, s, g: g[0]), "2 Linear", "2.bias"),
    "bias: mean for sum": ("4", changed(BIAS, lambda r, *_: r / BATCH), "4 Linear", "4.bias"),
    "input: W instead of Wᵀ": (
        "2",
        changed(INPUT, lambda r, s, g: g @ s[1].T),
        "2 Linear",
        "1 ReLU δ",
    ),
    "input: doubled": ("4", changed(INPUT, lambda r, *_: 2 * r), "4 Linear", "3 ReLU δ"),
    "loss: mean forgotten": (
        "loss",
        changed(INPUT, lambda r, *_: r * BATCH),
        "loss CrossEntropyLoss",
        "4 Linear δ",
    ),
    "loss: incoming gradient ignored": (
        "loss",
        changed(INPUT, lambda r, s, g: r / g),
        "loss CrossEntropyLoss",
        "4 Linear δ",
    ),
    "loss: one-hot target forgotten": (
        "loss",
        changed(INPUT, lambda r, s, g: s[0] * g / len(s[0])),
        "loss CrossEntropyLoss",
        "4 Linear δ",
    ),
}
