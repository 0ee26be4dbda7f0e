"""TripletMarginLoss: an anchor is nearer to what is like it, by Δ, than to what is not.

    L_n = max(0, h_n)                          h_n = Δ + ‖u_n‖ − ‖v_n‖
    u = a − q + ε,  v = a − r + ε              a anchor, q positive, r negative

    ∂L_n/∂u_n = ∂‖u_n‖/∂u_n   if h_n > 0 else 0
    ∂L_n/∂v_n = −∂‖v_n‖/∂v_n  if h_n > 0 else 0

and ∂L/∂a = ∂L/∂u + ∂L/∂v, ∂L/∂q = −∂L/∂u, ∂L/∂r = −∂L/∂v. The norm is the p-norm, whose gradient
is in p_norm.py. With ``swap`` the smaller one of ‖v‖ and ‖w‖, w = q − r + ε, is taken for ‖v‖;
where they tie each gets half. At the kink h = 0 the derivative is 0, as in PyTorch.

The Function is that of the differences, so that two tensors are kept for the three. The mean is the
one over the samples. Shapes: a, q, r (D), (N, D) or more, broadcast; L_n without D.

Source: Balntas, Riba, Ponsa, Mikolajczyk 2016; Schroff, Kalenichenko, Philbin 2015, "FaceNet".
"""

import torch
from torch import Tensor

from manual_backprop.distance.p_norm import p_norm_gradient
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import chosen_reduction
from manual_backprop.loss.reduction import reduced, unreduced


class TripletMarginFunction(Function):
    """L_n = max(0, Δ + ‖u‖ − min(‖v‖, ‖w‖)), or without w.

    Backward: ∂L/∂a = g(û − v̂) where Δ + ‖u‖ > ‖v‖, else 0,  ∂L/∂q = −gû,  ∂L/∂r = gv̂
    """

    @staticmethod
    def forward(
        u: Tensor, v: Tensor, w: Tensor | None, p: float, margin: float, reduction: str
    ) -> Tensor:
        near, far = u.norm(p, -1), v.norm(p, -1)
        if w is not None:
            far = torch.minimum(far, w.norm(p, -1))
        losses = (margin + near - far).clamp(min=0)
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        u, v, w, *ctx.options = inputs
        ctx.save_for_backward(u, v, w)

    @staticmethod
    def backward(ctx, grad_output):
        p, Δ, reduction = ctx.options
        g, u, v, w = in_opmath(grad_output, *ctx.saved_tensors)
        grad_u = grad_v = grad_w = None
        near, far = u.norm(p, -1, True), v.norm(p, -1, True)
        nearer, share = far, 1.0
        if w is not None:
            other = w.norm(p, -1, True)
            nearer, share = torch.minimum(far, other), 0.5 * (far <= other) + 0.5 * (far < other)
        h = Δ + near - nearer
        g = unreduced(g, reduction, h.numel())
        g = torch.where(h > 0, g.unsqueeze(-1) if reduction == "none" else g, 0)
        if ctx.needs_input_grad[0]:
            grad_u = p_norm_gradient(g, u, near, p, -1).to(grad_output.dtype)  # ∂‖u‖/∂u
        if ctx.needs_input_grad[1]:
            grad_v = p_norm_gradient(-g * share, v, far, p, -1).to(grad_output.dtype)  # −∂‖v‖/∂v
        if ctx.needs_input_grad[2]:
            grad_w = p_norm_gradient(g * (share - 1), w, other, p, -1).to(grad_output.dtype)
        return grad_u, grad_v, grad_w, None, None, None


@public(cpu="float32", cuda="float32")
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """L = Σ max(0, Δ + ‖a − q‖ − ‖a − r‖) / m, as ``torch.nn.functional.triplet_margin_loss``.

    Args:
        anchor: a, vectors along the last dimension, shape (…, D).
        positive: q, as many dimensions; the shapes broadcast.
        negative: r, the same.
        margin: Δ, positive.
        p: which norm.
        eps: ε, added to each difference.
        swap: take ‖q − r‖ for ‖a − r‖ where it is smaller.
        size_average, reduce: PyTorch's former names for ``reduction``.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over samples.

    Raises:
        ValueError: for an unknown reduction or a margin that is not positive.
        RuntimeError: if the numbers of dimensions differ.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss: expected a positive margin, got {margin}")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "triplet_margin_loss: expected three tensors with the same number of dimensions, got "
            f"{tuple(anchor.shape)}, {tuple(positive.shape)} and {tuple(negative.shape)}"
        )
    u, v = anchor - positive + eps, anchor - negative + eps
    w = positive - negative + eps if swap else None
    return TripletMarginFunction.apply(u, v, w, p, margin, reduction)


class TripletMarginLoss(torch.nn.TripletMarginLoss):
    """``torch.nn.TripletMarginLoss`` with the backward of ``functional.triplet_margin_loss``."""

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )
