"""Group normalization: of each sample, groups of channels brought to mean 0 and variance 1.

    y = w x̂ + b                                x̂ = (x − μ) ρ          ρ = 1/√(v + ε)

μ and v are mean and variance of the m elements of a group: its channels at all positions, in one
sample. With ĝ = w g and g = ∂L/∂y, where sums run over a group for x, and over samples and
positions for w and b:

    ∂L/∂b = Σ g
    ∂L/∂w = Σ g x̂
    ∂L/∂x = ρ (ĝ − 1/m Σ ĝ − x̂ 1/m Σ ĝ x̂)

The three terms are those of batch normalization (see ``batch_norm``): through x̂ itself, through μ
and through v.

Shapes: x, x̂, y, g (N, C, …); w, b (C); μ, v, ρ (N, G, 1) for the groups (N, G, m) of x.

Source: Wu, He 2018.
"""

import torch
from torch import Tensor

from manual_backprop.kit.blocks import in_blocks
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.normalization.channels import all_but_channels, check_channels, per_channel
from manual_backprop.normalization.statistics import mean_and_rstd, over_blocks, where_needed


class GroupNormFunction(Function):
    """y = w x̂ + b.

    Backward: ∂L/∂x = ρ(ĝ − mean ĝ − x̂ mean ĝx̂) with ĝ = wg,  ∂L/∂w = Σ g x̂,  ∂L/∂b = Σ g
    """

    @staticmethod
    def forward(
        input: Tensor, weight: Tensor | None, bias: Tensor | None, num_groups: int, eps: float
    ) -> Tensor:
        return torch.nn.functional.group_norm(input, num_groups, weight, bias, eps)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, _, ctx.num_groups, ctx.eps = inputs
        ctx.save_for_backward(input, weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        g, x = in_opmath(grad_output, input)
        m = x.shape[1:].numel() // ctx.num_groups
        dims = all_but_channels(x)

        def of_samples(g: Tensor, x: Tensor) -> tuple[Tensor | None, ...]:
            groups = (len(x), ctx.num_groups, m)
            grouped = x.reshape(groups)
            μ, ρ = mean_and_rstd(grouped, [2], ctx.eps, keepdim=True)
            x̂ = (grouped - μ) * ρ
            grad_input = grad_weight = grad_bias = None
            if ctx.needs_input_grad[0]:
                ĝ = (g * per_channel(weight, x)).reshape(groups)
                of_mean = ĝ.mean(2, keepdim=True)
                of_variance = (ĝ * x̂).mean(2, keepdim=True)
                grad_input = ρ * (ĝ - of_mean - x̂ * of_variance)  # ρ (ĝ − 1/m Σ ĝ − x̂ 1/m Σ ĝ x̂)
            if ctx.needs_input_grad[1]:
                grad_weight = (g * x̂.reshape(x.shape)).sum(dims)[None]  # ∂L/∂w = Σ g x̂
            if ctx.needs_input_grad[2]:
                grad_bias = g.sum(dims)[None]  # ∂L/∂b = Σ g
            return grad_input, grad_weight, grad_bias

        grad_input, grad_weight, grad_bias = over_blocks(in_blocks(of_samples, g, x), x.shape)
        found = where_needed(ctx, input.dtype, weight, grad_input, grad_weight, grad_bias)
        return *found, None, None


@public(cuda="float32")
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """y = w x̂ + b, as ``torch.nn.functional.group_norm``.

    Args:
        input: x, shape (N, C, …).
        num_groups: G, a divisor of C.
        weight, bias: w and b, shape (C).
        eps: ε.

    Raises:
        ValueError: if shapes do not fit, or there is one element in all to normalize.
    """
    check_channels("group_norm", input, weight=weight, bias=bias)
    if num_groups <= 0 or input.shape[1] % num_groups:
        raise ValueError(
            f"group_norm: expected num_groups to divide the {input.shape[1]} channels of input "
            f"{tuple(input.shape)}, got {num_groups}"
        )
    if input.numel() == num_groups:
        raise ValueError(
            "group_norm: expected more than one element in each group, got input "
            f"{tuple(input.shape)} and num_groups {num_groups}"
        )
    return GroupNormFunction.apply(input, weight, bias, num_groups, eps)


class GroupNorm(torch.nn.GroupNorm):
    """``torch.nn.GroupNorm`` with the backward of ``functional.group_norm``."""

    def forward(self, input: Tensor) -> Tensor:
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
