"""Batch normalization in evaluation: by the running statistics, which are constants.

    y = w x̂ + b                                x̂ = (x − μ) ρ          ρ = 1/√(v + ε)

    ∂L/∂b = Σ g                                g = ∂L/∂y
    ∂L/∂w = Σ g x̂
    ∂L/∂x = w ρ g

μ is the running mean, v the running variance; the sums run over samples and positions.
Shapes: x, x̂, y, g (N, C, …); μ, v, ρ, w, b (C).

Source: Ioffe, Szegedy 2015.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.normalization.channels import all_but_channels, per_channel
from manual_backprop.normalization.statistics import where_needed


class FixedBatchNormFunction(Function):
    """y = w (x − μ) ρ + b with μ and v given, as in evaluation.

    Backward: ∂L/∂x = wρg,  ∂L/∂w = Σ g x̂,  ∂L/∂b = Σ g
    """

    @staticmethod
    def forward(
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor,
        running_var: Tensor,
        momentum: float,
        eps: float,
    ) -> Tensor:
        return torch.nn.functional.batch_norm(
            input, running_mean, running_var, weight, bias, False, momentum, eps
        )

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, _, running_mean, running_var, _, ctx.eps = inputs
        ctx.save_for_backward(input, weight, running_mean, running_var)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, mean, variance = ctx.saved_tensors
        g, x, μ, v = in_opmath(grad_output, input, mean, variance)
        ρ = torch.rsqrt(v + ctx.eps)
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = g * per_channel(ρ if weight is None else ρ * weight, x)  # ∂L/∂x = wρg
        if ctx.needs_input_grad[1]:
            x̂ = (x - per_channel(μ, x)) * per_channel(ρ, x)
            grad_weight = (g * x̂).sum(all_but_channels(x))  # ∂L/∂w = Σ g x̂
        if ctx.needs_input_grad[2]:
            grad_bias = g.sum(all_but_channels(x))  # ∂L/∂b = Σ g
        found = where_needed(ctx, input.dtype, weight, grad_input, grad_weight, grad_bias)
        return *found, None, None, None, None
