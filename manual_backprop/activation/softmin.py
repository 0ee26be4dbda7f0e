"""Softmin: softmax of −z. What is smallest gets most.

    a_k = e^{−z_k} / Σ_j e^{−z_j}              ∂a_k/∂z_j = −a_k([k=j] − a_j)

    ∂L/∂z = a ⊙ (Σ_k g_k a_k − g)              g = ∂L/∂a

k and j run along ``dim``; [k=j] is 1 if k = j, else 0. It is softmax's gradient (softmax.py) with
the sign of ∂(−z)/∂z. Any shape; it keeps a.

Source: ``torch.nn.Softmin``.
"""

import torch
from torch import Tensor

from manual_backprop.activation.softmax import implicit_dim
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class SoftminFunction(Function):
    """a = softmax(−z).

    Backward: a ⊙ (Σ g a − g)
    """

    @staticmethod
    def forward(input: Tensor, dim: int) -> Tensor:
        return torch.softmax(-input, dim)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.dim = inputs
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_output):
        g, a = in_opmath(grad_output, *ctx.saved_tensors)
        grad_input = a * ((g * a).sum(ctx.dim, keepdim=True) - g)
        return grad_input.to(grad_output.dtype), None


@public(cuda="float32")
def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """a = e^{−z} / Σ e^{−z} along ``dim``, as ``torch.nn.functional.softmin``.

    Args:
        input: z, any shape.
        dim: the dimension along which the result sums to 1; chosen with a warning if ``None``.
        dtype: the type to compute and return; the input's own if ``None``.
    """
    if dim is None:
        dim = implicit_dim("softmin", input.dim(), _stacklevel)
    return SoftminFunction.apply(input if dtype is None else input.to(dtype), dim)


class Softmin(torch.nn.Softmin):
    """``torch.nn.Softmin`` with the backward of ``functional.softmin``."""

    def forward(self, input: Tensor) -> Tensor:
        return softmin(input, self.dim, _stacklevel=5)
