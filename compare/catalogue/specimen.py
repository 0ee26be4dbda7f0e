"""What a planted bug is, and the small networks that they are planted in."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from compare.diagnosis.mistake import Mistake
from compare.trial.question import Question

Backward = Callable[..., Any]  # (g, *inputs) → one gradient for each input


@dataclass(frozen=True)
class Specimen:
    """A bug, where it is, and what it is; without a place it is right and must not be accused."""

    name: str
    build: Callable[[], Question]
    places: tuple[tuple[str, str], ...] = ()  # layer in manual, gradient of that layer
    mistakes: frozenset[Mistake] = frozenset()  # each of these names is true of it


def function(forward: Callable[..., Tensor], backward: Backward) -> Callable[..., Tensor]:
    """A hand-written Function of the two."""

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*(x for x in inputs if isinstance(x, Tensor)))
            return forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return backward(g, *ctx.saved_tensors)

    return ByHand.apply


def layer(base: nn.Module, call: Callable[..., Tensor]) -> nn.Module:
    """A copy of a module whose forward is ``call(module, *inputs)``."""

    class ByHand(type(base)):  # type: ignore[misc]
        def forward(self, *inputs):
            return call(self, *inputs)

    ByHand.__name__ = type(base).__name__
    module = copy.deepcopy(base)
    module.__class__ = ByHand
    return module


def linear(base: nn.Linear, backward: Backward) -> nn.Module:
    """A Linear with this backward, ``(g, x, W, b)`` → ∂L/∂x, ∂L/∂W, ∂L/∂b."""
    apply = function(nn.functional.linear, backward)
    return layer(base, lambda self, x: apply(x, self.weight, self.bias))


def pointwise(base: nn.Module, backward: Backward) -> nn.Module:
    """A module without parameters with this backward, ``(g, z, a)`` → ∂L/∂z."""
    forward = copy.deepcopy(base)
    apply = function(forward, lambda g, z: backward(g, z, forward(z)))
    return layer(base, lambda self, z: apply(z))


def network(*layers: nn.Module, place: int, by_hand: nn.Module, inputs: Tensor) -> Question:
    """The layers in a row, and the same with one of them by hand."""
    reference = nn.Sequential(*layers)
    manual = copy.deepcopy(reference)
    manual[place] = by_hand
    return Question(manual, reference, [inputs])


def batch(*shape: int, seed: int = 5) -> Tensor:
    """Standard normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def labels(n: int, classes: int) -> Tensor:
    """Each class in turn."""
    return torch.arange(n) * 3 % classes
