"""PReLU: a LeakyReLU that learns its slope.

    a = z if z > 0 else w z                    w one slope for all, or one for each channel

    ∂L/∂z = g  if z > 0 else w g               g = ∂L/∂a
    ∂L/∂w = Σ (0  if z > 0 else z g)           over all that share the slope

Shapes: z, a and g any, channels in dimension 1; w (1), (channels) or (). At the kink z = 0 the
derivative is the one from the left, as in PyTorch, see rectifiers.py.

Source: He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers".
"""

import torch
from torch import Tensor

from manual_backprop.kit.choice import where
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class PReLUFunction(Function):
    """a = z if z > 0 else w z; here w has as many dimensions as z and broadcasts.

    Backward: ∂L/∂z = g where z > 0, else wg,  ∂L/∂w = Σ zg over z ≤ 0
    """

    @staticmethod
    def forward(input: Tensor, weight: Tensor) -> Tensor:
        return torch.where(input > 0, input, weight * input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        g, z, w = in_opmath(grad_output, *ctx.saved_tensors)
        grad_input = grad_weight = None
        positive = z > 0
        if ctx.needs_input_grad[0]:
            grad_input = where(positive, g, w * g).to(grad_output.dtype)
        if ctx.needs_input_grad[1]:
            # In half precision each product is rounded before they are summed, as in PyTorch.
            of_each = where(positive, torch.zeros_like(g), z * g).to(grad_output.dtype)
            grad_weight = of_each.sum_to_size(w.shape)
        return grad_input, grad_weight


@public(cpu="lower", cuda="lower")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """a = z if z > 0 else w z, as ``torch.nn.functional.prelu``.

    Args:
        input: z, any shape, channels in dimension 1.
        weight: w, shape () or (1) for one slope, or (channels).

    Raises:
        ValueError: if the weight has another shape, or another type than the input.
    """
    channels = input.shape[1] if input.dim() > 1 else 1
    if weight.dim() > 1 or weight.numel() not in (1, channels):
        raise ValueError(
            f"prelu: expected a weight of shape () or (1), or ({channels},) for the channels of "
            f"input {tuple(input.shape)}, got {tuple(weight.shape)}"
        )
    if weight.dtype != input.dtype:
        raise ValueError(
            f"prelu: expected a weight of the input's type {input.dtype}, got {weight.dtype}"
        )
    channel = 1 if input.dim() > 1 else 0
    shape = [weight.numel() if d == channel else 1 for d in range(input.dim())]
    return PReLUFunction.apply(input, weight.reshape(shape))


class PReLU(torch.nn.PReLU):
    """``torch.nn.PReLU`` with the backward of ``functional.prelu``."""

    def forward(self, input: Tensor) -> Tensor:
        return prelu(input, self.weight)
