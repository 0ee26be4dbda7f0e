"""MultiMarginLoss: the right class's score should be larger than every other one's, by Δ.

    L_n = (w_t/C) Σ_{c≠t} max(0, h_nc)ᵖ        h_nc = Δ − x_nt + x_nc,  t the class of sample n

    ∂L_n/∂x_nc = (w_t/C) p h_ncᵖ⁻¹ if h_nc > 0 else 0          for c ≠ t
    ∂L_n/∂x_nt = −Σ_{c≠t} ∂L_n/∂x_nc

p is 1 or 2; c runs over C classes. The mean is the plain one over the N samples. Shapes: x (C) or
(N, C), t the same without C; w (C), constant.

Source: Crammer, Singer 2001, "On the algorithmic implementation of multiclass kernel-based vector
machines".
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import chosen_reduction, require_constant
from manual_backprop.loss.reduction import reduced, unreduced


class MultiMarginFunction(Function):
    """L_n = (w_t/C) Σ_{c≠t} max(0, Δ − x_t + x_c)ᵖ.

    Backward: p max(0, Δ − x_t + x_c)ᵖ⁻¹/(Cm) at c ≠ t, minus their sum at t
    """

    @staticmethod
    def forward(
        input: Tensor, target: Tensor, weight: Tensor | None, p: int, margin: float, reduction: str
    ) -> Tensor:
        h, is_t = _margins(input, target, margin)
        losses = torch.where(is_t, 0, h.clamp(min=0) ** p).mean(1)  # (1/C) Σ_{c≠t} max(0, h)ᵖ
        if weight is not None:
            losses = losses * weight[target.reshape(-1)]
        return reduced(losses.reshape(target.shape), reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, weight, *ctx.options = inputs
        ctx.save_for_backward(input, target, weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, target, weight = ctx.saved_tensors
        p, Δ, reduction = ctx.options
        g, x, w = in_opmath(grad_output, input, weight)
        h, is_t = _margins(x, target, Δ)
        g = unreduced(g, reduction, len(h)).reshape(-1, 1) / h.shape[1]
        if w is not None:
            g = g * w[target.reshape(-1, 1)]  # w_t
        slope = g if p == 1 else 2 * h * g
        others = torch.where((h > 0) & ~is_t, slope, 0)  # p hᵖ⁻¹, c ≠ t
        grad_input = torch.where(is_t, -others.sum(1, keepdim=True), others)
        return grad_input.reshape(input.shape).to(input.dtype), None, None, None, None, None


def _margins(x: Tensor, target: Tensor, Δ: float) -> tuple[Tensor, Tensor]:
    """h and whether c is t, both (N, C)."""
    t = target.reshape(-1, 1)
    x = x.reshape(t.shape[0], x.shape[-1] if x.dim() else 1)
    return Δ - x.gather(1, t) + x, torch.arange(x.shape[1], device=t.device) == t


@public(cpu="float32", cuda="float32")
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """L = Σ_c max(0, Δ − x_t + x_c)ᵖ / C, as ``torch.nn.functional.multi_margin_loss``.

    Args:
        input: x, scores of shape (C) or (N, C).
        target: t, class indices in [0, C) of shape () or (N).
        p: 1 or 2.
        margin: Δ.
        weight: w, one constant for each class, shape (C).
        size_average, reduce: PyTorch's former names for ``reduction``.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over samples.

    Raises:
        RuntimeError: if the weight requires a gradient; (by PyTorch) if an index is outside
            [0, C).
        ValueError: for another p, an unknown reduction, or shapes that do not fit.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: expected p 1 or 2, got {p}")
    N, C = (1, *input.shape[-1:], 1)[:2] if input.dim() < 2 else input.shape[:2]
    if input.dim() > 2 or target.dim() > 1 or target.numel() != N:
        raise ValueError(
            "multi_margin_loss: expected input (N, C) and target (N), or (C) and (), got "
            f"{tuple(input.shape)} and {tuple(target.shape)}"
        )
    if weight is not None and weight.shape != (C,):
        raise ValueError(
            f"multi_margin_loss: expected a weight of shape ({C},), got {tuple(weight.shape)}"
        )
    require_constant(weight=weight)
    return MultiMarginFunction.apply(input, target, weight, p, margin, reduction)


class MultiMarginLoss(torch.nn.MultiMarginLoss):
    """``torch.nn.MultiMarginLoss`` with the backward of ``functional.multi_margin_loss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return multi_margin_loss(
            input, target, self.p, self.margin, self.weight, reduction=self.reduction
        )
