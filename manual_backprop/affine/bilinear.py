"""Bilinear: an output for every pair of features of two inputs.

    z_no = Σ_ij x_ni W_oij y_nj + b_o

    ∂L/∂x_ni  = Σ_oj δ_no W_oij y_nj           δ = ∂L/∂z
    ∂L/∂y_nj  = Σ_oi δ_no W_oij x_ni
    ∂L/∂W_oij = Σ_n δ_no x_ni y_nj
    ∂L/∂b_o   = Σ_n δ_no

n counts samples (all leading dimensions flattened), i and j the features of the two inputs, o
outputs. Shapes: x (…, i), y (…, j), W (o, i, j), b (o), z and δ (…, o).

Source: Tenenbaum, Freeman 2000, "Separating style and content with bilinear models".
"""

import torch
from torch import Tensor

from manual_backprop.affine.linear import samples_in_rows
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class BilinearFunction(Function):
    """z = xᵀ W y + b.

    Backward: ∂L/∂x = δWy,  ∂L/∂y = δWᵀx,  ∂L/∂W = Σ δxyᵀ,  ∂L/∂b = Σ δ
    """

    @staticmethod
    def forward(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if torch._C._are_functorch_transforms_active():  # PyTorch's has no rule for vmap
            xW = torch.einsum("...i,oij->...oj", input1, weight)
            z = (xW * input2.unsqueeze(-2)).sum(-1)
        else:
            z = torch.nn.functional.bilinear(input1, input2, weight)
        return z.clone() if bias is None else z + bias

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:3])

    @staticmethod
    def backward(ctx, grad_output):
        input1, input2, weight = ctx.saved_tensors
        dtype = grad_output.dtype
        rows = map(samples_in_rows, (input1, input2, grad_output))
        x, y, delta, weight = in_opmath(*rows, weight)
        grad_input1 = grad_input2 = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input1 = torch.einsum("no,oij,nj->ni", delta, weight, y)
            grad_input1 = grad_input1.reshape(input1.shape).to(dtype)
        if ctx.needs_input_grad[1]:
            grad_input2 = torch.einsum("no,oij,ni->nj", delta, weight, x)
            grad_input2 = grad_input2.reshape(input2.shape).to(dtype)
        if ctx.needs_input_grad[2]:
            grad_weight = torch.einsum("no,ni,nj->oij", delta, x, y).to(dtype)
        if ctx.needs_input_grad[3]:
            grad_bias = delta.sum(0).to(dtype)  # ∂L/∂b = Σ_n δ_n
        return grad_input1, grad_input2, grad_weight, grad_bias


@public(cuda="widest")
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """z = xᵀ W y + b, as ``torch.nn.functional.bilinear``.

    Args:
        input1: x, shape (…, in1).
        input2: y, shape (…, in2), with the same leading dimensions.
        weight: W, shape (out, in1, in2).
        bias: b, shape (out).

    Returns:
        z, shape (…, out).

    Raises:
        ValueError: if the shapes do not fit.
    """
    fits = (
        weight.dim() == 3
        and input1.dim() > 0
        and input2.dim() > 0
        and input1.shape[:-1] == input2.shape[:-1]
        and (input1.shape[-1], input2.shape[-1]) == weight.shape[1:]
        and (bias is None or bias.shape == weight.shape[:1])
    )
    if not fits:
        raise ValueError(
            "bilinear: expected inputs (…, in1) and (…, in2), weight (out, in1, in2) and bias "
            f"(out), got {tuple(input1.shape)} and {tuple(input2.shape)}, {tuple(weight.shape)} "
            f"and {None if bias is None else tuple(bias.shape)}"
        )
    return BilinearFunction.apply(input1, input2, weight, bias)


class Bilinear(torch.nn.Bilinear):
    """``torch.nn.Bilinear`` with the backward of ``functional.bilinear``."""

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return bilinear(input1, input2, self.weight, self.bias)
