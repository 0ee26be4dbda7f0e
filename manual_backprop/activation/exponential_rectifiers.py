"""ELU, SELU and CELU: rectifiers that fall to a limit, as an exponential, instead of to 0.

    elu(z)  = z   if z > 0 else α(eᶻ − 1)         elu′(z)  = 1  if z > 0 else α eᶻ
    selu(z) = λ elu(z)                            selu′(z) = λ elu′(z)
    celu(z) = z   if z > 0 else α(e^{z/α} − 1)    celu′(z) = 1  if z > 0 else e^{z/α}

    ∂L/∂z = ∂L/∂a ⊙ elu′(z)                       elementwise, any shape

ELU has a kink at 0 unless α = 1; there the derivative is the one from the left, as in PyTorch.
CELU is ELU made smooth: its derivative is 1 from either side. (PyTorch's backward takes the α of
CELU in float32: for 0.7 in float64 the 8th digit differs.) SELU is ELU with the α and λ that
keep mean 0 and variance 1 from layer to layer.

The derivative is chosen and not multiplied by a mask, see rectifiers.py; all three keep z.

Source: Clevert, Unterthiner, Hochreiter 2016 (ELU); Klambauer et al. 2017 (SELU); Barron 2017
(CELU).
"""

import torch
from torch import Tensor

from manual_backprop.kit.choice import where
from manual_backprop.kit.function import Function
from manual_backprop.kit.inplace import overwrite
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public

SELU_α = 1.6732632423543772848170429916717
SELU_λ = 1.0507009873554804934193349852946


class ELUFunction(Function):
    """a = z if z > 0 else α(eᶻ − 1).

    Backward: g where z > 0, else g ⊙ αeᶻ
    """

    @staticmethod
    def forward(input: Tensor, alpha: float) -> Tensor:
        return torch.nn.functional.elu(input, alpha)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.alpha = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        return elu_gradient(g, z, ctx.alpha).to(grad_output.dtype), None


def elu_gradient(g: Tensor, z: Tensor, α: float = 1.0) -> Tensor:
    """∂L/∂z from g = ∂L/∂a."""
    # eᶻ is only used for z ≤ 0; the clamp keeps it from overflowing where it is not.
    return where(z > 0, g, g * α * z.clamp(max=0).exp())  # elu′(z) = 1 or α eᶻ


class SELUFunction(Function):
    """a = λz if z > 0 else λα(eᶻ − 1), with constants α and λ.

    Backward: λg where z > 0, else λg ⊙ αeᶻ
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.selu(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        return elu_gradient(SELU_λ * g, z, SELU_α).to(grad_output.dtype)  # selu′ = λ elu′


class CELUFunction(Function):
    """a = z if z > 0 else α(e^{z/α} − 1).

    Backward: g where z > 0, else g ⊙ e^{z/α}
    """

    @staticmethod
    def forward(input: Tensor, alpha: float) -> Tensor:
        return torch.celu(input, alpha)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.alpha = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        slope = (z.clamp(max=0) / ctx.alpha).exp()
        return where(z > 0, g, g * slope).to(grad_output.dtype), None  # celu′(z) = 1 or e^{z/α}


@public()
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """a = z if z > 0 else α(eᶻ − 1), as ``torch.nn.functional.elu``; any shape."""
    return overwrite(lambda z: elu(z, alpha), input) if inplace else ELUFunction.apply(input, alpha)


@public()
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """a = λ elu(z; α), as ``torch.nn.functional.selu``; any shape."""
    return overwrite(selu, input) if inplace else SELUFunction.apply(input)


@public()
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """a = z if z > 0 else α(e^{z/α} − 1), as ``torch.nn.functional.celu``; any shape, α ≠ 0."""
    if inplace:
        return overwrite(lambda z: celu(z, alpha), input)
    return CELUFunction.apply(input, alpha)


class ELU(torch.nn.ELU):
    """``torch.nn.ELU`` with the backward of ``functional.elu``."""

    def forward(self, input: Tensor) -> Tensor:
        return elu(input, self.alpha, self.inplace)


class SELU(torch.nn.SELU):
    """``torch.nn.SELU`` with the backward of ``functional.selu``."""

    def forward(self, input: Tensor) -> Tensor:
        return selu(input, self.inplace)


class CELU(torch.nn.CELU):
    """``torch.nn.CELU`` with the backward of ``functional.celu``."""

    def forward(self, input: Tensor) -> Tensor:
        return celu(input, self.alpha, self.inplace)
