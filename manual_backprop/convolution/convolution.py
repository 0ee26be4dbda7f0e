"""Convolution: one small weight, laid on every place of the input.

    y_not = Σ_ck W_ock x_nc(st+dk−p) + b_o            x is 0 outside

    δ = ∂L/∂y                                         the gradient that arrives from above
    ∂L/∂x_nci = Σ_o Σ_{t,k: st+dk−p = i} W_ock δ_not  the transposed convolution of δ with W
    ∂L/∂W_ock = Σ_nt δ_not x_nc(st+dk−p)              a convolution again: of x with δ
    ∂L/∂b_o   = Σ_nt δ_not

n counts samples, c input channels, o output channels. i is a position in x, t in y, k in W, each
with one to three coordinates; s is the stride, p the padding, d the dilation.

In ∂L/∂W the sum runs over n and t, for every c and k. So t and k change places, and with them s
and d; n takes the place of a channel, which is summed over, and c the place of a sample.

With g groups an output channel sees the C/g input channels of its own group only.

Shapes: x (n, C, i), W (O, C/g, k), b (O), y and δ (n, O, t).

Source: LeCun, Boser, Denker, Henderson, Howard, Hubbard, Jackel 1989; strides, padding and
transposes: Dumoulin, Visin 2016.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from manual_backprop.kit.function import Function


class ConvolutionFunction(Function):
    """y = W ⋆ x + b.

    Backward: ∂L/∂x = W ⋆ᵀ δ,  ∂L/∂W = δ ⋆ x,  ∂L/∂b = Σ δ
    """

    @staticmethod
    def forward(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
        groups: int,
    ) -> Tensor:
        return convolved(input, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, _, *ctx.geometry = inputs
        ctx.save_for_backward(input, weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = input_gradient(grad_output, weight, input.shape, *ctx.geometry)
        if ctx.needs_input_grad[1]:
            grad_weight = weight_gradient(input, grad_output, weight.shape, *ctx.geometry)
        if ctx.needs_input_grad[2]:
            grad_bias = bias_gradient(grad_output)
        return grad_input, grad_weight, grad_bias, None, None, None, None


def input_gradient(
    delta: Tensor,
    weight: Tensor,
    shape: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """∂L/∂x = W ⋆ᵀ δ, for an x of this shape."""
    if delta.numel() == 0 or weight.numel() == 0:
        return delta.new_zeros(shape)
    # What the strides do not reach at the end of x has no gradient; output_padding is its size.
    beyond = [
        (i + 2 * p - d * (k - 1) - 1) % s
        for i, k, s, p, d in zip(
            shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    return torch.convolution(delta, weight, None, stride, padding, dilation, True, beyond, groups)


def weight_gradient(
    input: Tensor,
    delta: Tensor,
    shape: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """∂L/∂W = δ ⋆ x, for a W of this shape."""
    if input.numel() == 0 or delta.numel() == 0:
        return delta.new_zeros(shape)
    # (n, C, i) → (C/g, g·n, i): n as channels, in g groups, the rest of C as samples
    x = input.unflatten(1, (groups, -1)).transpose(0, 2).flatten(1, 2)
    delta = delta.transpose(0, 1)  # (n, O, t) → (O, n, t)
    grad_weight = convolved(x, delta, None, dilation, padding, stride, groups)  # (C/g, O, ≥ k)
    for dim, k in enumerate(shape[2:], start=2):
        grad_weight = grad_weight.narrow(dim, 0, k)
    return grad_weight.transpose(0, 1)


def bias_gradient(delta: Tensor) -> Tensor:
    """∂L/∂b = Σ_nt δ_nt."""
    return delta.sum([0, *range(2, delta.dim())])


def convolved(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """W ⋆ x + b."""
    no_more = [0] * len(stride)  # as output padding, which a convolution has not
    return torch.convolution(input, weight, bias, stride, padding, dilation, False, no_more, groups)
