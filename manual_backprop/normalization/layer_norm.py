"""Layer normalization: each sample brought to mean 0 and variance 1 over its features.

    y = w ⊙ x̂ + b                              x̂ = (x − μ) ρ          ρ = 1/√(v + ε)
    μ = 1/m Σ_i x_i                            v = 1/m Σ_i (x_i − μ)²

i counts the m features of a sample n, over which μ and v are taken. With ĝ = w ⊙ g, g = ∂L/∂y:

    ∂L/∂b_i = Σ_n g_ni
    ∂L/∂w_i = Σ_n g_ni x̂_ni
    ∂L/∂x_i = ρ (ĝ_i − 1/m Σ_j ĝ_j − x̂_i 1/m Σ_j ĝ_j x̂_j)

The three terms are those of batch normalization (see ``batch_norm``): through x̂ itself, through μ
and through v. Here each weight has a feature of its own, so it stands inside the sums.

Shapes: x, x̂, y, g (…, i), where i may be several dimensions; w, b (i); μ, v, ρ (…, 1).

Source: Ba, Kiros, Hinton 2016.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from manual_backprop.kit.blocks import in_blocks
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.normalization.features import check_features
from manual_backprop.normalization.statistics import of_backward, over_blocks, where_needed


class LayerNormFunction(Function):
    """y = w ⊙ x̂ + b; also gives μ and ρ.

    Backward: ∂L/∂x = ρ(ĝ − mean ĝ − x̂ mean ĝx̂) with ĝ = w ⊙ g,  ∂L/∂w = Σ g x̂,  ∂L/∂b = Σ g
    """

    @staticmethod
    def forward(
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        normalized_shape: tuple[int, ...],
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        return torch.native_layer_norm(input, normalized_shape, weight, bias, eps)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, _, ctx.features, ctx.eps = inputs
        _, mean, rstd = output
        ctx.mark_non_differentiable(mean, rstd)
        ctx.save_for_backward(input, weight, mean, rstd)

    @staticmethod
    def backward(ctx, grad_output, *_):
        input, weight, *saved = ctx.saved_tensors
        g, x = in_opmath(grad_output, input)
        dims = list(range(-len(ctx.features), 0))
        μ, ρ = of_backward(saved, x, dims, ctx.eps, keepdim=True)

        def of_samples(g: Tensor, x: Tensor, μ: Tensor, ρ: Tensor) -> tuple[Tensor | None, ...]:
            x̂ = (x - μ) * ρ
            grad_input = grad_weight = grad_bias = None
            if ctx.needs_input_grad[0]:
                ĝ = g if weight is None else g * weight
                mean_ĝ, mean_ĝx̂ = ĝ.mean(dims, keepdim=True), (ĝ * x̂).mean(dims, keepdim=True)
                # ∂L/∂x = ρ (ĝ − 1/m Σ ĝ − x̂ 1/m Σ ĝ x̂)
                grad_input = torch.addcmul(ĝ - mean_ĝ, x̂, mean_ĝx̂, value=-1) * ρ
            if ctx.needs_input_grad[1]:
                grad_weight = (g * x̂).sum(0)[None]  # ∂L/∂w = Σ_n g x̂
            if ctx.needs_input_grad[2]:
                grad_bias = g.sum(0)[None]  # ∂L/∂b = Σ_n g
            return grad_input, grad_weight, grad_bias

        samples = [t.reshape(-1, *t.shape[x.dim() - len(dims) :]) for t in (g, x, μ, ρ)]
        found = in_blocks(of_samples, *samples)
        grad_input, grad_weight, grad_bias = over_blocks(found, x.shape)
        found = where_needed(ctx, input.dtype, weight, grad_input, grad_weight, grad_bias)
        return *found, None, None


@public(cuda="float32")
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """y = w ⊙ x̂ + b, as ``torch.nn.functional.layer_norm``.

    Args:
        input: x, shape (…, *normalized_shape).
        normalized_shape: the last dimensions, over which the statistics are taken.
        weight, bias: w and b, shape normalized_shape.
        eps: ε.

    Raises:
        ValueError: if shapes do not fit.
    """
    shape = check_features("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    y, _, _ = LayerNormFunction.apply(input, weight, bias, shape, eps)
    return y


class LayerNorm(torch.nn.LayerNorm):
    """``torch.nn.LayerNorm`` with the backward of ``functional.layer_norm``."""

    def forward(self, input: Tensor) -> Tensor:
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)
