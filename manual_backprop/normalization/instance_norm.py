"""Instance normalization: each channel of each sample brought to mean 0 and variance 1.

    y = w x̂ + b                                x̂ = (x − μ) ρ          ρ = 1/√(v + ε)

μ and v are mean and variance of one channel of one sample, over its m positions. With ĝ = w g,
g = ∂L/∂y, and sums over the positions for x, over samples and positions for w and b:

    ∂L/∂b = Σ g
    ∂L/∂w = Σ g x̂
    ∂L/∂x = ρ (ĝ − 1/m Σ ĝ − x̂ 1/m Σ ĝ x̂)

The three terms are those of batch normalization (see ``batch_norm``): through x̂ itself, through μ
and through v. By running statistics it is batch normalization in evaluation (see
``fixed_batch_norm``).

Shapes: x, x̂, y, g (N, C, …); w, b (C); μ, v, ρ (N, C, 1, …).

Source: Ulyanov, Vedaldi, Lempitsky 2016.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.normalization.channels import (
    all_but_channels,
    check_channels,
    check_running,
    per_channel,
)
from manual_backprop.normalization.fixed_batch_norm import FixedBatchNormFunction
from manual_backprop.normalization.statistics import mean_and_rstd, where_needed


class InstanceNormFunction(Function):
    """y = w x̂ + b; also gives the running statistics.

    Backward: ∂L/∂x = ρ(ĝ − mean ĝ − x̂ mean ĝx̂) with ĝ = wg,  ∂L/∂w = Σ g x̂,  ∂L/∂b = Σ g
    """

    @staticmethod
    def forward(
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        momentum: float,
        eps: float,
    ) -> tuple[Tensor, ...]:
        # Copies, for PyTorch writes them over.
        updated = [r.clone() for r in (running_mean, running_var) if r is not None]
        r_mean, r_var = updated or (None, None)
        y = torch.nn.functional.instance_norm(
            input, r_mean, r_var, weight, bias, True, momentum, eps
        )
        return y, *updated

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, *_, ctx.eps = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(input, weight)

    @staticmethod
    def backward(ctx, grad_output, *_):
        input, weight = ctx.saved_tensors
        g, x = in_opmath(grad_output, input)
        positions = list(range(2, x.dim()))
        μ, ρ = mean_and_rstd(x, positions, ctx.eps, keepdim=True)
        x̂ = (x - μ) * ρ
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            ĝ = g * per_channel(weight, x)
            of_mean = ĝ.mean(positions, keepdim=True)
            of_variance = (ĝ * x̂).mean(positions, keepdim=True)
            grad_input = ρ * (ĝ - of_mean - x̂ * of_variance)  # ρ (ĝ − 1/m Σ ĝ − x̂ 1/m Σ ĝ x̂)
        if ctx.needs_input_grad[1]:
            grad_weight = (g * x̂).sum(all_but_channels(x))  # ∂L/∂w = Σ g x̂
        if ctx.needs_input_grad[2]:
            grad_bias = g.sum(all_but_channels(x))  # ∂L/∂b = Σ g
        found = where_needed(ctx, input.dtype, weight, grad_input, grad_weight, grad_bias)
        return *found, None, None, None, None


@public()
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """y = w x̂ + b, as ``torch.nn.functional.instance_norm``.

    Args:
        input: x, shape (N, C, …) with one position or more.
        running_mean, running_var: shape (C). With ``use_input_stats`` they are moved towards the
            means over the samples of μ and m/(m − 1) v, in place; else they are μ and v.
        weight, bias: w and b, shape (C).
        use_input_stats: normalize by the statistics of each sample.
        momentum: how far the running statistics are moved, from 0 (not at all) to 1.
        eps: ε.

    Raises:
        RuntimeError: if running statistics require a gradient.
        ValueError: if shapes do not fit, if there is one position only to take statistics of, or no
            running statistics to use instead.
    """
    check_channels("instance_norm", input, weight=weight, bias=bias)
    running = check_running(
        "instance_norm", input, running_mean, running_var, needed=not use_input_stats
    )
    if use_input_stats and input.shape[2:].numel() == 1:
        raise ValueError(
            "instance_norm: expected more than one position to compute statistics over, got input "
            f"{tuple(input.shape)}"
        )
    arguments = (input, weight, bias, running_mean, running_var, momentum, eps)
    if not use_input_stats:
        return FixedBatchNormFunction.apply(*arguments)
    y, *updated = InstanceNormFunction.apply(*arguments)
    for buffer, new in zip(running, updated, strict=True):
        buffer.copy_(new)
    return y


class InstanceNorm1d(torch.nn.InstanceNorm1d):
    """``torch.nn.InstanceNorm1d`` with the backward of ``functional.instance_norm``."""

    def _apply_instance_norm(self, input: Tensor) -> Tensor:
        return _of_module(self, input)


class InstanceNorm2d(torch.nn.InstanceNorm2d):
    """``torch.nn.InstanceNorm2d`` with the backward of ``functional.instance_norm``."""

    def _apply_instance_norm(self, input: Tensor) -> Tensor:
        return _of_module(self, input)


class InstanceNorm3d(torch.nn.InstanceNorm3d):
    """``torch.nn.InstanceNorm3d`` with the backward of ``functional.instance_norm``."""

    def _apply_instance_norm(self, input: Tensor) -> Tensor:
        return _of_module(self, input)


def _of_module(module: torch.nn.modules.instancenorm._InstanceNorm, input: Tensor) -> Tensor:
    return instance_norm(
        input,
        module.running_mean,
        module.running_var,
        module.weight,
        module.bias,
        module.training or not module.track_running_stats,
        module.momentum or 0.0,
        module.eps,
    )
