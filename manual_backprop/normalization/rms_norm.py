"""RMS normalization: each sample divided by the root of its mean square.

    y = w ⊙ x̂                                  x̂ = x r                r = 1/√(1/m Σ_i x_i² + ε)

i counts the m features of a sample n. With ĝ = w ⊙ g, g = ∂L/∂y:

    ∂L/∂w_i = Σ_n g_ni x̂_ni
    ∂L/∂x_i = r (ĝ_i − x̂_i 1/m Σ_j ĝ_j x̂_j)

The first term is through x itself, the second through r: ∂L/∂r = Σ_j ĝ_j x_j and ∂r/∂x_i =
−r³ x_i/m give −r³ x_i 1/m Σ_j ĝ_j x_j, where x = x̂/r. No mean is taken off, so there is no third.

Shapes: x, x̂, y, g (…, i), where i may be several dimensions; w (i); r (…, 1).

Source: Zhang, Sennrich 2019.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import HALF_PRECISION, in_opmath
from manual_backprop.kit.public import public
from manual_backprop.normalization.features import check_features
from manual_backprop.normalization.statistics import where_needed


class RMSNormFunction(Function):
    """y = w ⊙ x̂.

    Backward: ∂L/∂x = r(ĝ − x̂ mean ĝx̂) with ĝ = w ⊙ g,  ∂L/∂w = Σ g x̂
    """

    @staticmethod
    def forward(
        input: Tensor, weight: Tensor | None, normalized_shape: tuple[int, ...], eps: float
    ) -> Tensor:
        return torch.nn.functional.rms_norm(input, normalized_shape, weight, eps)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, ctx.features, ctx.eps = inputs
        ctx.save_for_backward(input, weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        g, x = in_opmath(grad_output, input)
        dims = list(range(-len(ctx.features), 0))
        r = torch.rsqrt((x * x).mean(dims, keepdim=True) + ctx.eps)
        x̂ = x * r
        grad_input = grad_weight = None
        if ctx.needs_input_grad[0]:
            ĝ = g if weight is None else g * weight
            grad_input = r * (ĝ - x̂ * (ĝ * x̂).mean(dims, keepdim=True))  # r (ĝ − x̂ 1/m Σ ĝ x̂)
        if ctx.needs_input_grad[1]:
            grad_weight = (g * x̂).sum_to_size(ctx.features)  # ∂L/∂w = Σ_n g x̂
        found = where_needed(ctx, input.dtype, weight, grad_input, grad_weight)
        return *found, None, None


@public(cuda="float32")
def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """y = w ⊙ x̂, as ``torch.nn.functional.rms_norm``.

    Args:
        input: x, shape (…, *normalized_shape).
        normalized_shape: the last dimensions, over which the mean square is taken.
        weight: w, shape normalized_shape.
        eps: ε; ``None`` for the machine epsilon of the type that it is computed in.

    Raises:
        ValueError: if shapes do not fit.
    """
    shape = check_features("rms_norm", input, normalized_shape, weight=weight)
    if eps is None:
        eps = torch.finfo(torch.float32 if input.dtype in HALF_PRECISION else input.dtype).eps
    return RMSNormFunction.apply(input, weight, shape, eps)


class RMSNorm(torch.nn.RMSNorm):
    """``torch.nn.RMSNorm`` with the backward of ``functional.rms_norm``."""

    def forward(self, input: Tensor) -> Tensor:
        return rms_norm(input, self.normalized_shape, self.weight, self.eps)
