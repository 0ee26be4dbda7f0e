"""Batch normalization: each channel brought to mean 0 and variance 1 over the batch.

    y = w x̂ + b                                x̂ = (x − μ) ρ          ρ = 1/√(v + ε)
    μ = 1/m Σ x                                v = 1/m Σ (x − μ)²

All sums run over the m elements of a channel: samples and positions. With ĝ = w g, g = ∂L/∂y:

    ∂L/∂b = Σ g
    ∂L/∂w = Σ g x̂
    ∂L/∂x = ρ (ĝ − 1/m Σ ĝ − x̂ 1/m Σ ĝ x̂)

x acts on L in three ways, each of which gives one term of ∂L/∂x:

    through x̂ itself       ρ ĝ
    through μ              ∂L/∂μ = −ρ Σ ĝ,  ∂μ/∂x = 1/m:                    −ρ 1/m Σ ĝ
    through v              ∂L/∂v = −½ ρ² Σ ĝ x̂,  ∂v/∂x = 2/m (x − μ):       −ρ x̂ 1/m Σ ĝ x̂

since ∂ρ/∂v = −½ρ³, and (x − μ) = x̂/ρ. v depends on μ, too, but ∂v/∂μ = −2/m Σ (x − μ) = 0. As w is
the same for the whole channel, Σ ĝ = w ∂L/∂b and Σ ĝ x̂ = w ∂L/∂w.

In evaluation the running statistics take the place of μ and v: see ``fixed_batch_norm``.

Shapes: x, x̂, y, g (N, C, …); μ, v, ρ, w, b (C).

Source: Ioffe, Szegedy 2015.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.plain import plain
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.normalization.channels import (
    all_but_channels,
    check_channels,
    check_running,
    per_channel,
    sum_of_products,
)
from manual_backprop.normalization.fixed_batch_norm import FixedBatchNormFunction
from manual_backprop.normalization.statistics import of_backward, where_needed


class BatchNormFunction(Function):
    """y = w x̂ + b with the statistics of the batch; also gives μ, ρ and the running statistics.

    Backward: ∂L/∂x = wρ(g − mean g − x̂ mean g x̂),  ∂L/∂w = Σ g x̂,  ∂L/∂b = Σ g
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
        y, mean, rstd = torch.native_batch_norm(
            input, weight, bias, r_mean, r_var, True, momentum, eps
        )
        return y, mean, rstd, *updated

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, *_, ctx.eps = inputs
        _, mean, rstd, *_ = output
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(input, weight, mean, rstd)

    @staticmethod
    def backward(ctx, grad_output, *_):
        input, weight, *saved = ctx.saved_tensors
        g, x = in_opmath(grad_output, input)
        dims = all_but_channels(x)
        m = x.numel() // x.shape[1]
        μ, ρ = of_backward(saved, x, dims, ctx.eps)
        from_μ = x - per_channel(μ, x)  # x̂/ρ: ρ is brought in by channel
        grad_input = None
        grad_bias = g.sum(dims)  # ∂L/∂b = Σ g
        grad_weight = sum_of_products(g, from_μ) * ρ  # ∂L/∂w = Σ g x̂
        if ctx.needs_input_grad[0]:
            mean_g, ρ_mean_gx̂ = per_channel(grad_bias / m, x), per_channel(ρ * grad_weight / m, x)
            wρ = per_channel(ρ if weight is None else ρ * weight, x)
            # x − μ is not needed again, so the result is written over it.
            over = from_μ if plain(g, x) else None
            through_v = torch.mul(from_μ, ρ_mean_gx̂, out=over)
            # ∂L/∂x = −wρ (x̂ 1/m Σ g x̂ − g + 1/m Σ g)
            grad_input = through_v.sub_(g).add_(mean_g).mul_(-wρ)
        found = where_needed(ctx, input.dtype, weight, grad_input, grad_weight, grad_bias)
        return *found, None, None, None, None


@public()
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """y = w x̂ + b, as ``torch.nn.functional.batch_norm``.

    Args:
        input: x, shape (N, C, …).
        running_mean, running_var: shape (C). In training they are moved towards μ and towards
            m/(m − 1) v, in place; else they are μ and v.
        weight, bias: w and b, shape (C).
        training: normalize by the statistics of the batch.
        momentum: how far the running statistics are moved, from 0 (not at all) to 1.
        eps: ε.

    Raises:
        RuntimeError: if running statistics require a gradient.
        ValueError: if shapes do not fit, in training if a channel has one element only or ε is
            not positive, in evaluation if there are no running statistics.
    """
    check_channels("batch_norm", input, weight=weight, bias=bias)
    running = check_running("batch_norm", input, running_mean, running_var, needed=not training)
    if training and input.numel() == input.shape[1]:
        raise ValueError(
            "batch_norm: expected more than one element in each channel in training, got input "
            f"{tuple(input.shape)}"
        )
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm: expected a positive eps, got {eps}")
    arguments = (input, weight, bias, running_mean, running_var, momentum, eps)
    if not training:
        return FixedBatchNormFunction.apply(*arguments)
    y, _, _, *updated = BatchNormFunction.apply(*arguments)
    for buffer, new in zip(running, updated, strict=True):
        buffer.copy_(new)
    return y


def _forward(self: torch.nn.modules.batchnorm._BatchNorm, input: Tensor) -> Tensor:
    self._check_input_dim(input)
    momentum = self.momentum or 0.0
    if self.training and self.track_running_stats and self.num_batches_tracked is not None:
        self.num_batches_tracked.add_(1)
        if self.momentum is None:  # the mean over all batches so far
            momentum = 1.0 / float(self.num_batches_tracked)
    tracked = self.track_running_stats or not self.training
    return batch_norm(
        input,
        self.running_mean if tracked else None,
        self.running_var if tracked else None,
        self.weight,
        self.bias,
        self.training or self.running_mean is None,
        momentum,
        self.eps,
    )


class BatchNorm1d(torch.nn.BatchNorm1d):
    """``torch.nn.BatchNorm1d`` with the backward of ``functional.batch_norm``."""

    forward = _forward


class BatchNorm2d(torch.nn.BatchNorm2d):
    """``torch.nn.BatchNorm2d`` with the backward of ``functional.batch_norm``."""

    forward = _forward


class BatchNorm3d(torch.nn.BatchNorm3d):
    """``torch.nn.BatchNorm3d`` with the backward of ``functional.batch_norm``."""

    forward = _forward
