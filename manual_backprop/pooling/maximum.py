"""Max pooling: the largest value of every window.

    y_t = x_{m(t)}                             m(t) = argmax_{i ∈ window t} x_i

    ∂L/∂x_i = Σ_{t: m(t) = i} ∂L/∂y_t          to the largest all of it, to the others nothing

Windows may overlap, so that an element may be the largest of several. Of several largest ones the
first counts, and NaN counts as larger than any number, as in PyTorch.

The windows have a fixed size and distance, or divide x into as many parts as are asked for
(adaptive pooling): part t of T is ⌊tS/T⌋ ≤ i < ⌈(t+1)S/T⌉. The backward needs m alone.

Shapes: x (…, i), y, m and δ (…, t), where i and t are positions of one to three coordinates; m
counts the positions of a channel from its first.

Source: Zhou, Chellappa 1988; Ranzato, Huang, Boureau, LeCun 2007.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath


class MaximumFunction(Function):
    """y_t = x_{m(t)}; y and m.

    Backward: ∂L/∂x_i = Σ_{t: m(t)=i} δ_t
    """

    @staticmethod
    def forward(input: Tensor, dims: int, pool: Callable[..., Any], options: tuple[Any, ...]):
        return pool(input, *options, return_indices=True)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.dims, *_ = inputs
        _, m = output
        ctx.shape = input.shape
        ctx.mark_non_differentiable(m)
        ctx.save_for_backward(m)

    @staticmethod
    def backward(ctx, grad_output, _):
        (m,) = ctx.saved_tensors
        (delta,) = in_opmath(grad_output)
        channels, size = ctx.shape[: -ctx.dims], ctx.shape[-ctx.dims :].numel()
        grad_input = delta.new_zeros(*channels, size)
        # ∂L/∂x_i = Σ_{t: m(t) = i} δ_t
        grad_input = grad_input.scatter_add(-1, m.flatten(-ctx.dims), delta.flatten(-ctx.dims))
        return grad_input.reshape(ctx.shape).to(grad_output.dtype), None, None, None
