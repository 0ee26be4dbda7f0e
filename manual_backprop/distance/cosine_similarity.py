"""CosineSimilarity: the cosine of the angle between two vectors.

    c = Σ_i u_i v_i                            u = x/m,  m = max(‖x‖, ε);  v = y/k,  k = max(‖y‖, ε)

    ∂c/∂x = (v − c x̂)/m                        x̂ = x/‖x‖, which is u unless x is tiny
    ∂c/∂y = (u − c ŷ)/k

For the vector 0, x̂ is taken to be 0. As in PyTorch the cut at ε has derivative 1 everywhere.
Shapes: x and y broadcast; the vectors lie along ``dim``, and c has the others.

Source: quotient rule and ∂‖x‖/∂x = x̂.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class CosineSimilarityFunction(Function):
    """c = x · y / (‖x‖ ‖y‖).

    Backward: ∂L/∂x = g(ŷ − c x̂)/‖x‖,  ∂L/∂y = g(x̂ − c ŷ)/‖y‖
    """

    @staticmethod
    def forward(x1: Tensor, x2: Tensor, dim: int, eps: float) -> Tensor:
        return F.cosine_similarity(x1, x2, dim, eps)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x1, x2, ctx.dim, ctx.eps = inputs
        ctx.save_for_backward(x1, x2)

    @staticmethod
    def backward(ctx, grad_output):
        x1, x2 = ctx.saved_tensors
        g, x, y = in_opmath(grad_output, x1, x2)
        grad_x1 = grad_x2 = None
        g = g.unsqueeze(ctx.dim)
        (m, u, x̂), (k, v, ŷ) = (_directions(t, ctx.dim, ctx.eps) for t in (x, y))
        c = (u * v).sum(ctx.dim, keepdim=True)
        if ctx.needs_input_grad[0]:
            grad_x1 = (g * (v - c * x̂) / m).to(x1.dtype)  # (v − c x̂)/m
        if ctx.needs_input_grad[1]:
            grad_x2 = (g * (u - c * ŷ) / k).to(x2.dtype)  # (u − c ŷ)/k
        return grad_x1, grad_x2, None, None


def _directions(x: Tensor, dim: int, ε: float) -> tuple[Tensor, Tensor, Tensor]:
    """m = max(‖x‖, ε), x/m and x̂."""
    n = torch.linalg.vector_norm(x, dim=dim, keepdim=True)
    m = n + (n.clamp(min=ε) - n).detach()  # cut off at ε, with derivative 1
    return m, x / m, x / torch.where(n == 0, torch.inf, n)


@public(cuda="float32")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """c = x₁ · x₂ / (‖x₁‖ ‖x₂‖), as ``torch.nn.functional.cosine_similarity``.

    Args:
        x1: any shape.
        x2: a shape that broadcasts with it.
        dim: the dimension along which the vectors lie, of the shape they have in common.
        eps: ε, the smallest length that is divided by.

    Returns:
        c, that shape without ``dim``.

    Raises:
        RuntimeError: (by PyTorch) if the shapes do not broadcast.
    """
    dtype = torch.promote_types(x1.dtype, x2.dtype)
    x1, x2 = torch.broadcast_tensors(x1, x2)
    return CosineSimilarityFunction.apply(x1.to(dtype), x2.to(dtype), dim, eps)


class CosineSimilarity(torch.nn.CosineSimilarity):
    """``torch.nn.CosineSimilarity`` with the backward of ``functional.cosine_similarity``."""

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return cosine_similarity(x1, x2, self.dim, self.eps)
