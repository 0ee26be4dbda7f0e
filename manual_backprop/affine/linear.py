"""Linear: the affine map of a layer.

    z = x Wᵀ + b            z_no = Σ_i x_ni W_oi + b_o

    δ = ∂L/∂z               the gradient that arrives from above
    ∂L/∂x = δ W             ∂L/∂x_ni = Σ_o δ_no W_oi
    ∂L/∂W = δᵀ x            ∂L/∂W_oi = Σ_n δ_no x_ni
    ∂L/∂b = Σ_n δ_n         ∂L/∂b_o  = Σ_n δ_no

n counts samples (all leading dimensions flattened), i inputs, o outputs. Shapes: x (…, i),
W (o, i), b (o), z and δ (…, o).

Source: lecture notes "Deep Learning" (backpropagation equations) and "Backpropagation"; there a
sample is a column, so that z = W a + b and ∂L/∂W = δ aᵀ.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.public import public


def samples_in_rows(tensor: Tensor) -> Tensor:
    """(…, k) → (n, k); a single sample (k) → (1, k)."""
    if tensor.dim() == 2:
        return tensor
    return tensor.flatten(0, -2) if tensor.dim() > 1 else tensor.unsqueeze(0)


class LinearFunction(Function):
    """z = x Wᵀ + b.

    Backward: ∂L/∂x = δW,  ∂L/∂W = δᵀx,  ∂L/∂b = Σ δ
    """

    @staticmethod
    def forward(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return torch.nn.functional.linear(input, weight, bias)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, _ = inputs
        ctx.save_for_backward(input, weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output @ weight  # ∂L/∂x = δ W
        if ctx.needs_input_grad[1]:
            delta, x = samples_in_rows(grad_output), samples_in_rows(input)
            grad_weight = delta.T @ x  # ∂L/∂W = δᵀ x
        if ctx.needs_input_grad[2]:
            grad_bias = samples_in_rows(grad_output).sum(0)  # ∂L/∂b = Σ_n δ_n
        return grad_input, grad_weight, grad_bias


def check_linear(name: str, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raise ValueError unless the shapes are those of an affine map."""
    if input.dim() == 0 or weight.dim() not in (1, 2) or input.shape[-1] != weight.shape[-1]:
        raise ValueError(
            f"{name}: expected input (…, in) and weight (out, in), "
            f"got input {tuple(input.shape)} and weight {tuple(weight.shape)}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(
            f"{name}: expected bias {tuple(weight.shape[:1])} for weight {tuple(weight.shape)}, "
            f"got {tuple(bias.shape)}"
        )


@public(cpu="lower", cuda="lower")
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """z = x Wᵀ + b, as ``torch.nn.functional.linear``.

    Args:
        input: x, shape (…, in), or (in) for a single sample.
        weight: W, shape (out, in), or (in) for one output without a dimension of its own.
        bias: b, shape (out); none with a weight of shape (in).

    Returns:
        z, shape (…, out), or (…) with a weight of shape (in).

    Raises:
        ValueError: if the shapes do not fit.
    """
    check_linear("linear", input, weight, bias)
    if weight.dim() == 1:
        if bias is not None:
            raise ValueError("linear: expected weight (out, in) to go with a bias, got (in)")
        return LinearFunction.apply(input, weight.unsqueeze(0), None).squeeze(-1)
    return LinearFunction.apply(input, weight, bias)


class Linear(torch.nn.Linear):
    """``torch.nn.Linear`` with the backward of ``functional.linear``."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)
