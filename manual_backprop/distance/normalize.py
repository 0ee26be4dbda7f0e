"""normalize: a vector divided by its length.

    y = x/m                  m = max(n, ε),  n = ‖x‖_p

    ∂L/∂x = g/m − s ∂n/∂x    s = (Σ_i g_i y_i)/m  where n ≥ ε, else 0

g is ∂L/∂y. The first term is what x does itself, the second what it does to its length, see
p_norm.py. For p = 2 it is (g − (Σ g y) y)/m: of g only what is at right angles to x is left.
Shapes: x, y and g any; n and s have size 1 along ``dim``.

Source: ``torch.nn.functional.normalize``.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.distance.p_norm import p_norm_gradient
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class NormalizeFunction(Function):
    """y = x / max(‖x‖, ε).

    Backward: (g − y Σ g y)/‖x‖
    """

    @staticmethod
    def forward(input: Tensor, p: float, dim: int, eps: float) -> Tensor:
        return F.normalize(input, p, dim, eps)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, *ctx.options = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx, grad_output):
        p, dim, ε = ctx.options
        g, x = in_opmath(grad_output, *ctx.saved_tensors)
        n = torch.linalg.vector_norm(x, p, dim, keepdim=True)
        m = n.clamp(min=ε)
        s = torch.where(n >= ε, (g * x).sum(dim, keepdim=True) / (m * m), 0)
        grad_input = g / m - p_norm_gradient(s, x, n, p, dim)
        return grad_input.to(grad_output.dtype), None, None, None


@public(cuda="float32")
def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """y = x / max(‖x‖_p, ε), as ``torch.nn.functional.normalize``.

    Args:
        input: x, any shape.
        p: which norm.
        dim: the dimension along which the vectors lie.
        eps: ε, the smallest length that is divided by.
        out: where to write the result, which then has no gradient.

    Raises:
        RuntimeError: (by PyTorch) if ``out`` is given and the input requires a gradient.
    """
    if out is not None:
        return F.normalize(input, p, dim, eps, out)
    return NormalizeFunction.apply(input, p, dim, eps)
