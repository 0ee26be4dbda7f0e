"""Functions and modules of PyTorch with another backward than PyTorch's."""

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from compare.trial.randomness import random_state, undisturbed

Formula = Callable[..., Any]


def function(forward: Callable[..., Tensor], backward: Formula) -> Callable[..., Tensor]:
    """A Function of the two; ``backward(g, *tensors)`` gives a gradient for each argument."""

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


def rewritten(base: nn.Module, formula: Formula, gradient: str = "") -> nn.Module:
    """A copy of a module whose backward is this formula.

    Args:
        base: the module.
        formula: ``(g, *inputs, *parameters, *buffers)`` → the gradients of inputs and parameters.
            For a module that has neither parameters nor buffers it is ``(g, *inputs, output)``. It
            draws the random numbers that the forward drew. One that has an argument ``training``
            is told the module's mode.
        gradient: the only one that the formula gives: ``"input"``, of several ``"input 0"`` and
            so on, or a parameter's name. The others are autograd's.
    """
    original = copy.deepcopy(base)
    state = [*dict(base.named_parameters()), *dict(base.named_buffers())]
    wants_mode = "training" in inspect.signature(formula).parameters

    def run(*tensors: Tensor) -> Tensor:
        inputs = len(tensors) - len(state)
        values = dict(zip(state, tensors[inputs:], strict=True))
        return functional_call(original, values, tensors[:inputs])

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.random_state = random_state(tensors)
            output = run(*tensors)
            ctx.save_for_backward(*tensors, output)
            return output

        @staticmethod
        def backward(ctx, g):
            *tensors, output = ctx.saved_tensors
            with undisturbed(tensors):
                ctx.random_state.restore()
                mode = {"training": original.training} if wants_mode else {}
                found = formula(g, *tensors, *([] if state else [output]), **mode)
                if gradient:
                    ctx.random_state.restore()
                    gradients = _by_autograd(run, tensors, ctx.needs_input_grad, g)
                    inputs = len(tensors) - len(state)
                    names = ["input"] if inputs == 1 else [f"input {i}" for i in range(inputs)]
                    gradients[[*names, *state].index(gradient)] = found
                    return tuple(gradients)
            gradients = list(found) if isinstance(found, tuple) else [found]
            return *gradients, *[None] * (len(tensors) - len(gradients))

    ByHand.backward.__dict__["__wrapped__"] = formula  # where the mathematics is

    def call(self: nn.Module, *inputs: Tensor) -> Tensor:
        original.train(self.training)
        return ByHand.apply(*inputs, *self.parameters(), *self.buffers())

    return layer(base, call)


def _by_autograd(
    run: Callable[..., Tensor], tensors: Sequence[Tensor], needed: Sequence[bool], g: Tensor
) -> list[Tensor | None]:
    with torch.enable_grad():
        leaves = [
            x.detach().clone().requires_grad_(n) for x, n in zip(tensors, needed, strict=True)
        ]
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        found = iter(torch.autograd.grad(run(*leaves), wanted, g))
    return [next(found) if leaf.requires_grad else None for leaf in leaves]
