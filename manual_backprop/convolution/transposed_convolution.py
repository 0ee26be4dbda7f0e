"""Transposed convolution: every value of the input lays the weight down, and what overlaps adds up.

    y_noj = Σ_c Σ_{t,k: st+dk−p = j} W_cok x_nct + b_o

    δ = ∂L/∂y                                         the gradient that arrives from above
    ∂L/∂x_nct = Σ_ok W_cok δ_no(st+dk−p)              the convolution of δ with W
    ∂L/∂W_cok = Σ_nt x_nct δ_no(st+dk−p)              as of that convolution, x and δ exchanged
    ∂L/∂b_o   = Σ_nj δ_noj

This is ∂L/∂x of ``convolution`` as a layer of its own. It is linear, and the transpose of a
transpose is the convolution again. The letters are those of ``convolution``; where a convolution
goes from i to t, this goes from t to j, and its W has the input channels c first.

``output_padding`` adds positions at the end of y: a convolution with stride s > 1 makes outputs of
the same size from inputs of s different sizes, and this says which.

Shapes: x (n, C, t), W (C, O/g, k), b (O), y and δ (n, O, j).

Source: Zeiler, Krishnan, Taylor, Fergus 2010; Dumoulin, Visin 2016.
"""

import torch
from torch import Tensor

from manual_backprop.convolution.convolution import bias_gradient, convolved, weight_gradient
from manual_backprop.kit.function import Function


class TransposedConvolutionFunction(Function):
    """y = W ⋆ᵀ x + b.

    Backward: ∂L/∂x = W ⋆ δ,  ∂L/∂W = x ⋆ δ,  ∂L/∂b = Σ δ
    """

    @staticmethod
    def forward(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        output_padding: tuple[int, ...],
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
        groups: int,
    ) -> Tensor:
        return torch.convolution(
            input, weight, bias, stride, padding, dilation, True, output_padding, groups
        )

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, _, _, *ctx.geometry = inputs
        ctx.save_for_backward(input, weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = convolved(grad_output, weight, None, *ctx.geometry)  # W ⋆ δ
            for dim, size in enumerate(input.shape[2:], start=2):
                # An output_padding of s or more has room for further places.
                grad_input = grad_input.narrow(dim, 0, size)
        if ctx.needs_input_grad[1]:  # x ⋆ δ
            grad_weight = weight_gradient(grad_output, input, weight.shape, *ctx.geometry)
        if ctx.needs_input_grad[2]:
            grad_bias = bias_gradient(grad_output)
        return grad_input, grad_weight, grad_bias, None, None, None, None, None
