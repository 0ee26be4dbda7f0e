"""CosineEmbeddingLoss: pairs that are alike point the same way, others apart.

    L_n = 1 − c_n  if y_n = 1                  c = u · v / √(M K),  M = u · u + ε,  K = v · v + ε
    L_n = max(0, c_n − Δ)  if y_n = −1

    ∂c/∂u = v/√(M K) − c u/M                   ∂L_n/∂c_n = −1 if y_n = 1
    ∂c/∂v = u/√(M K) − c v/K                   ∂L_n/∂c_n = 1 if y_n = −1 and c_n > Δ, else 0

At the kink c = Δ the derivative is 0, as in PyTorch. Another y counts nothing. The mean is the one
over the N samples. Shapes: u and v (D) or (N, D), broadcast; y () or (N), constant.

Source: ``torch.nn.CosineEmbeddingLoss``.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import chosen_reduction
from manual_backprop.loss.reduction import reduced, unreduced

ε = torch.tensor(1e-12, dtype=torch.float32).item()  # PyTorch's, a C++ float


class CosineEmbeddingFunction(Function):
    """L_n = 1 − c if y = 1, max(0, c − Δ) if y = −1, c the cosine.

    Backward: ∂L/∂u = s(v/‖v‖ − cu/‖u‖)/‖u‖,  s = −g where y = 1, g where y = −1 and c > Δ, else 0
    """

    @staticmethod
    def forward(
        input1: Tensor, input2: Tensor, target: Tensor, margin: float, reduction: str
    ) -> Tensor:
        c, *_ = _cosine(input1, input2)
        losses = torch.where(target == 1, 1 - c, 0)
        losses = losses + torch.where(target == -1, (c - margin).clamp(min=0), 0)
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        input1, input2, target, ctx.margin, ctx.reduction = inputs
        ctx.save_for_backward(input1, input2, target)

    @staticmethod
    def backward(ctx, grad_output):
        input1, input2, target = ctx.saved_tensors
        g, u, v = in_opmath(grad_output, input1, input2)
        c, M, K = _cosine(u, v)
        grad_input1 = grad_input2 = None
        g = unreduced(g, ctx.reduction, torch.broadcast_shapes(c.shape, target.shape).numel())
        apart = (target == -1) & (c > ctx.margin)
        s = torch.where(apart, g, torch.where(target == 1, -g, 0))  # ∂L/∂c
        s, c, M, K = (t.unsqueeze(-1) for t in (s, c, M, K))
        root = (M * K).sqrt()
        if ctx.needs_input_grad[0]:
            grad_input1 = (s * (v / root - c * u / M)).sum_to_size(u.shape).to(input1.dtype)
        if ctx.needs_input_grad[1]:
            grad_input2 = (s * (u / root - c * v / K)).sum_to_size(v.shape).to(input2.dtype)
        return grad_input1, grad_input2, None, None, None


def _cosine(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """c, M and K."""
    M, K = (u * u).sum(-1) + ε, (v * v).sum(-1) + ε
    return (u * v).sum(-1) / (M * K).sqrt(), M, K


@public(cpu="float32", cuda="float32")
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 − cos for pairs that are alike, as ``torch.nn.functional.cosine_embedding_loss``.

    Args:
        input1: u, vectors of shape (D) or (N, D).
        input2: v, as many dimensions; the shapes broadcast.
        target: y, 1 or −1, shape () or (N).
        margin: Δ.
        size_average, reduce: PyTorch's former names for ``reduction``.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over samples.

    Raises:
        ValueError: for an unknown reduction.
        RuntimeError: if the numbers of dimensions do not fit.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if target.dim() > 1 or not input1.dim() == input2.dim() == target.dim() + 1:
        raise RuntimeError(
            "cosine_embedding_loss: expected inputs (N, D) and target (N), or (D) and (), got "
            f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    dtype = torch.promote_types(input1.dtype, input2.dtype)
    return CosineEmbeddingFunction.apply(
        input1.to(dtype), input2.to(dtype), target, margin, reduction
    )


class CosineEmbeddingLoss(torch.nn.CosineEmbeddingLoss):
    """``torch.nn.CosineEmbeddingLoss`` with a hand-written backward.

    It is that of ``functional.cosine_embedding_loss``.
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return cosine_embedding_loss(input1, input2, target, self.margin, reduction=self.reduction)
