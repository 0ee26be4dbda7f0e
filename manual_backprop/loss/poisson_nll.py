"""PoissonNLLLoss: the negative log-likelihood of counts, y, that are Poisson distributed.

    L_n = eᶻ − y z               ∂L_n/∂z = eᶻ − y             ∂L_n/∂y = −z
    L_n = a − y ln(a + ε)        ∂L_n/∂a = 1 − y/(a + ε)      ∂L_n/∂y = −ln(a + ε)

The model says the logarithm z of the rate, or with ``log_input=False`` the rate a itself. ``full``
adds Stirling's approximation of ln y!, which the model does not change, but a computed target does:

    S = y ln y − y + ½ ln(2πy)   ∂S/∂y = ln y + 1/(2y)        where y > 1, else 0

n runs over all elements, and so does the mean; shapes broadcast.

Source: ``torch.nn.PoissonNLLLoss``.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import broadcast, chosen_reduction
from manual_backprop.loss.reduction import unreduced


class PoissonNLLFunction(Function):
    """L = Σ (eᶻ − y z) / m, or Σ (a − y ln(a + ε)) / m.

    Backward: (eᶻ − y)/m
    """

    @staticmethod
    def forward(
        input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: str
    ) -> Tensor:
        return F.poisson_nll_loss(
            input, target, log_input=log_input, full=full, eps=eps, reduction=reduction
        )

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, *ctx.options = inputs
        ctx.save_for_backward(input, target)

    @staticmethod
    def backward(ctx, grad_output):
        input, target = ctx.saved_tensors
        log_input, full, ε, reduction = ctx.options
        g, z, y = in_opmath(grad_output, input, target)
        g = unreduced(g, reduction, z.numel())
        grad_input = grad_target = None
        if ctx.needs_input_grad[0]:
            slope = z.exp() - y if log_input else 1 - y / (z + ε)
            grad_input = (slope * g).to(input.dtype)
        if ctx.needs_input_grad[1]:
            slope = -z if log_input else -(z + ε).log()
            if full:
                counts = torch.where(y > 1, y, 1)  # where S is 0, anything that can be divided by
                slope = slope + torch.where(y > 1, counts.log() + 0.5 / counts, 0)  # ∂S/∂y
            grad_target = (slope * g).to(target.dtype)
        return grad_input, grad_target, None, None, None, None


@public(cpu="float32", cuda="float32")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """L = Σ (eᶻ − y z) / m, as ``torch.nn.functional.poisson_nll_loss``.

    Args:
        input: z, the logarithm of the rate, any shape; the rate a if ``log_input`` is false.
        target: y, counts, a shape that broadcasts with the input's.
        log_input: whether the input is the logarithm.
        full: add Stirling's approximation of ln y!.
        size_average, reduce: PyTorch's former names for ``reduction``.
        eps: ε, keeps ln(a + ε) finite at a = 0.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over elements.

    Raises:
        ValueError: for an unknown reduction.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = broadcast(input, target)
    return PoissonNLLFunction.apply(input, target, log_input, full, eps, reduction)


class PoissonNLLLoss(torch.nn.PoissonNLLLoss):
    """``torch.nn.PoissonNLLLoss`` with the backward of ``functional.poisson_nll_loss``."""

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return poisson_nll_loss(
            log_input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )
