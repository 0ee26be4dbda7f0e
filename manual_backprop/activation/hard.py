"""Hardtanh, ReLU6, Hardsigmoid and Hardswish: sigmoids and SiLU drawn with straight lines.

    hardtanh(z)    = min(max(z, lo), hi)      hardtanh′(z)    = 1    if lo < z < hi else 0
    relu6(z)       = min(max(z, 0), 6)        relu6′(z)       = 1    if 0 < z < 6 else 0
    hardsigmoid(z) = relu6(z + 3)/6           hardsigmoid′(z) = ⅙    if −3 < z < 3 else 0
    hardswish(z)   = z hardsigmoid(z)         hardswish′(z)   = z/3 + ½ if −3 < z < 3,
                                                                0 below, 1 above

    ∂L/∂z = ∂L/∂a ⊙ hardtanh′(z)              elementwise, any shape

At a kink the derivative is the one from outside, as in PyTorch. They are cheap: no exponential,
and nothing to round where a phone computes in integers. All keep z.

Source: Collobert 2004 (hardtanh); Krizhevsky 2010 (ReLU6); Courbariaux, Bengio, David 2015
(hardsigmoid); Howard et al. 2019, "Searching for MobileNetV3" (hardswish).
"""

import torch
from torch import Tensor

from manual_backprop.kit.choice import where
from manual_backprop.kit.function import Function
from manual_backprop.kit.inplace import overwrite
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public

SIXTH = torch.tensor(1 / 6, dtype=torch.float32).item()  # PyTorch's, a C++ float in float64, too


class HardtanhFunction(Function):
    """a = min(max(z, lo), hi).

    Backward: g where lo < z < hi, else 0
    """

    @staticmethod
    def forward(input: Tensor, lo: float, hi: float) -> Tensor:
        return torch.nn.functional.hardtanh(input, lo, hi)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.lo, ctx.hi = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx, grad_output):
        (z,) = ctx.saved_tensors
        return where((z > ctx.lo) & (z < ctx.hi), grad_output, 0), None, None


class HardsigmoidFunction(Function):
    """a = relu6(z + 3)/6.

    Backward: g/6 where −3 < z < 3, else 0
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.nn.functional.hardsigmoid(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        (z,) = ctx.saved_tensors
        return where(z.abs() < 3, grad_output * SIXTH, 0)  # hardsigmoid′(z) = ⅙ or 0


class HardswishFunction(Function):
    """a = z relu6(z + 3)/6.

    Backward: g ⊙ (z/3 + ½) where −3 < z < 3, else 0 below and g above
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.nn.functional.hardswish(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        between = g * (z / 3 + 0.5)
        return where(z >= 3, g, where(z <= -3, torch.zeros_like(g), between)).to(grad_output.dtype)


@public()
def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """a = min(max(z, lo), hi), as ``torch.nn.functional.hardtanh``; any shape.

    Raises:
        ValueError: if ``min_val`` is greater than ``max_val``.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: expected min_val ≤ max_val, got {min_val} and {max_val}")
    if inplace:
        return overwrite(lambda z: hardtanh(z, min_val, max_val), input)
    return HardtanhFunction.apply(input, min_val, max_val)


@public()
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """a = min(max(z, 0), 6), as ``torch.nn.functional.relu6``; any shape."""
    return hardtanh(input, 0.0, 6.0, inplace)


@public()
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """a = relu6(z + 3)/6, as ``torch.nn.functional.hardsigmoid``; any shape."""
    return overwrite(hardsigmoid, input) if inplace else HardsigmoidFunction.apply(input)


@public()
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """a = z relu6(z + 3)/6, as ``torch.nn.functional.hardswish``; any shape."""
    return overwrite(hardswish, input) if inplace else HardswishFunction.apply(input)


class Hardtanh(torch.nn.Hardtanh):
    """``torch.nn.Hardtanh`` with the backward of ``functional.hardtanh``."""

    def forward(self, input: Tensor) -> Tensor:
        return hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(torch.nn.ReLU6):
    """``torch.nn.ReLU6`` with the backward of ``functional.relu6``, that of Hardtanh."""

    def forward(self, input: Tensor) -> Tensor:
        return relu6(input, self.inplace)


class Hardsigmoid(torch.nn.Hardsigmoid):
    """``torch.nn.Hardsigmoid`` with the backward of ``functional.hardsigmoid``."""

    def forward(self, input: Tensor) -> Tensor:
        return hardsigmoid(input, self.inplace)


class Hardswish(torch.nn.Hardswish):
    """``torch.nn.Hardswish`` with the backward of ``functional.hardswish``."""

    def forward(self, input: Tensor) -> Tensor:
        return hardswish(input, self.inplace)
