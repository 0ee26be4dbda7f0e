"""Mish: z times a squashed softplus of z, smooth like SiLU and GELU.

    mish(z) = z t,  t = tanh(softplus(z))      softplus(z) = ln(1 + eᶻ),  softplus′(z) = σ(z)

    mish′(z) = t + z t′                        t′ = (1 − t²) σ(z)

    ∂L/∂z = ∂L/∂a ⊙ mish′(z)                   elementwise, any shape

It keeps z, as PyTorch does.

Source: Misra 2019, "Mish: a self regularized non-monotonic activation function".
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function
from manual_backprop.kit.inplace import overwrite
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class MishFunction(Function):
    """a = z tanh(softplus(z)).

    Backward: g ⊙ (t + zσ(z)(1 − t²)),  t = tanh(softplus(z))
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return F.mish(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        t = F.softplus(z).tanh()
        dt = (1 - t * t) * z.sigmoid()  # t′ = (1 − t²) σ(z)
        return (g * (t + z * dt)).to(grad_output.dtype)  # mish′(z) = t + z t′


@public()
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """a = z tanh(softplus(z)), as ``torch.nn.functional.mish``; any shape."""
    return overwrite(mish, input) if inplace else MishFunction.apply(input)


class Mish(torch.nn.Mish):
    """``torch.nn.Mish`` with the backward of ``functional.mish``."""

    def forward(self, input: Tensor) -> Tensor:
        return mish(input, self.inplace)
