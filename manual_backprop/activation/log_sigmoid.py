"""LogSigmoid: the logarithm of a probability that a sigmoid gives.

    a = ln σ(z) = −ln(1 + e⁻ᶻ)                 ∂a/∂z = e⁻ᶻ/(1 + e⁻ᶻ) = 1 − σ(z) = σ(−z)

    ∂L/∂z = ∂L/∂a ⊙ σ(−z)                      elementwise, any shape

σ(−z) and not 1 − σ(z): for large z nothing is left of the difference. It keeps z, where PyTorch
keeps e^{−|z|} as well on the CPU.

Source: the chain rule, with σ′ = σ(1 − σ) from the lecture note "Deep Learning".
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class LogSigmoidFunction(Function):
    """a = ln σ(z).

    Backward: g ⊙ σ(−z)
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.nn.functional.logsigmoid(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        return (g * torch.sigmoid(-z)).to(grad_output.dtype)  # g ⊙ σ(−z)


@public()
def logsigmoid(input: Tensor) -> Tensor:
    """a = ln σ(z), as ``torch.nn.functional.logsigmoid``; any shape."""
    return LogSigmoidFunction.apply(input)


class LogSigmoid(torch.nn.LogSigmoid):
    """``torch.nn.LogSigmoid`` with the backward of ``functional.logsigmoid``."""

    def forward(self, input: Tensor) -> Tensor:
        return logsigmoid(input)
