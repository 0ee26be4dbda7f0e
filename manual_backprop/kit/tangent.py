"""Forward mode, for every Function at once, out of its backward.

    backward     g ↦ Jᵀ g                      J = ∂output/∂input, g = ∂L/∂output
    tangent      v ↦ J v                       v a direction in the input, J v the output's

The backward is linear in g, so its own derivative with respect to g is Jᵀ, and the backward of
that is v ↦ (Jᵀ)ᵀ v. Nobody writes a second rule that could disagree with the first.

Source: Townsend 2017, "A new trick for calculating Jacobian vector products".
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class Keeping:
    """A context that keeps for forward mode, too, what is saved for the backward.

    A tensor that only moves requires no gradient, and what its derivative needs is to be saved all
    the same: all inputs are said to need one.
    """

    def __init__(self, ctx: Any, inputs: Any, output: Any) -> None:
        outputs = output if isinstance(output, tuple) else (output,)
        ctx.shapes = [(o.shape, o.dtype, o.device) for o in outputs]
        object.__setattr__(self, "_outputs", outputs)
        object.__setattr__(self, "_ctx", ctx)
        object.__setattr__(self, "needs_input_grad", (True,) * len(inputs))

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """As PyTorch's."""
        self._ctx.save_for_backward(*tensors)
        self._ctx.save_for_forward(*tensors)

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """As PyTorch's. Such an output moves nowhere."""
        self._ctx.mark_non_differentiable(*tensors)
        for i, output in enumerate(self._outputs):
            if any(output is t for t in tensors):
                self._ctx.shapes[i] = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._ctx, name, value)


class _Asked:
    """The context of a backward that is asked for some of its gradients."""

    def __init__(self, ctx: Any, needed: Sequence[bool]) -> None:
        self._ctx, self.needs_input_grad = ctx, tuple(needed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)


def tangents(backward: Callable[..., Any], ctx: Any, grad_inputs: Sequence[Tensor | None]) -> Any:
    """J v, one for each output; None for an output that has no derivative.

    Args:
        backward: of a Function.
        ctx: its context.
        grad_inputs: v, one for each input; None for one that does not move.
    """
    asked = _Asked(ctx, [v is not None for v in grad_inputs])
    directions: list[Tensor] = []

    def gradients(*grad_outputs: Tensor) -> tuple[Tensor, ...]:
        moving = iter(grad_outputs)
        found = backward(asked, *(next(moving) if shape else None for shape in ctx.shapes))
        found = found if isinstance(found, tuple) else (found,)
        pairs = list(zip(found, grad_inputs, strict=False))
        # A constant moves nowhere: it has no gradient, and a direction of zeros at most.
        directions[:] = [v for g, v in pairs if g is not None and v is not None]
        return tuple(g for g, v in pairs if g is not None and v is not None)

    zeros = [torch.zeros(s[0], dtype=s[1], device=s[2]) for s in ctx.shapes if s]
    _, transposed, *_ = torch.func.vjp(gradients, *zeros)
    moved = iter(transposed(tuple(directions)))
    outputs = tuple(next(moved) if shape else None for shape in ctx.shapes)
    return outputs if len(outputs) > 1 else outputs[0]
