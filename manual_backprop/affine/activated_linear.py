"""ActivatedLinear: an activation and the affine map above it as one, which keeps z and forgets a.

    a = σ(z)                        y = a Wᵀ + b

    δ = ∂L/∂y                       the gradient that arrives from above
    ∂L/∂z = (δ W) ⊙ σ′(z)
    ∂L/∂W = δᵀ σ(z)                 a again, computed anew
    ∂L/∂b = Σ_n δ_n

As two layers, σ keeps z for its derivative and the Linear keeps a for its weights: twice the
memory, unless a tells σ′(z) by itself, as for ReLU, sigmoid and tanh. As one, the price is that σ
is computed twice, which is little beside the products.

Shapes: z and a (…, i), W (o, i), b (o), y and δ (…, o); n counts samples.

Source: lecture note "Backpropagation" (the equations); recomputation: Chen, Xu, Zhang,
Guestrin 2016.
"""

import torch
from torch import Tensor

from manual_backprop.activation.table import ACTIVATIONS
from manual_backprop.affine.linear import check_linear, samples_in_rows
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class ActivatedLinearFunction(Function):
    """y = σ(z) Wᵀ + b.

    Backward: ∂L/∂z = δW ⊙ σ′(z),  ∂L/∂W = δᵀσ(z),  ∂L/∂b = Σ δ
    """

    @staticmethod
    def forward(input: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
        σ = ACTIVATIONS[activation].function
        return torch.nn.functional.linear(σ(input).to(weight.dtype), weight, bias)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, _, ctx.activation = inputs
        ctx.save_for_backward(input, weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        σ, gradient = ACTIVATIONS[ctx.activation]
        grad_input = grad_weight = grad_bias = None
        a = σ(input)
        if ctx.needs_input_grad[0]:
            g, z, of_z = in_opmath(grad_output @ weight, input, a)
            grad_input = gradient(g, z, of_z).to(input.dtype)  # ∂L/∂z = (δ W) ⊙ σ′(z)
        if ctx.needs_input_grad[1]:
            delta, a = samples_in_rows(grad_output), samples_in_rows(a.to(weight.dtype))
            grad_weight = delta.T @ a  # ∂L/∂W = δᵀ σ(z)
        if ctx.needs_input_grad[2]:
            grad_bias = samples_in_rows(grad_output).sum(0)  # ∂L/∂b = Σ_n δ_n
        return grad_input, grad_weight, grad_bias, None


# Under autocast σ(z) is computed in the type of z and then rounded, as the two layers do it.
@public(cpu="lower", cuda="lower", input_as_is=True)
def activated_linear(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str = "gelu"
) -> Tensor:
    """y = σ(z) Wᵀ + b, as ``linear(σ(input), weight, bias)`` with less memory.

    Args:
        input: z, shape (…, in), or (in) for a single sample.
        weight: W, shape (out, in).
        bias: b, shape (out).
        activation: σ, a name in ``activation.table.ACTIVATIONS``.

    Returns:
        y, shape (…, out).

    Raises:
        ValueError: if the shapes do not fit or there is no such activation.
    """
    _check_activation(activation)
    if weight.dim() != 2:
        raise ValueError(f"activated_linear: expected weight (out, in), got {tuple(weight.shape)}")
    check_linear("activated_linear", input, weight, bias)
    return ActivatedLinearFunction.apply(input, weight, bias, activation)


def _check_activation(activation: str) -> None:
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"activated_linear: expected an activation of {', '.join(ACTIVATIONS)}, "
            f"got {activation!r}"
        )


class ActivatedLinear(torch.nn.Linear):
    """``torch.nn.Linear`` of σ(input), with the backward of ``functional.activated_linear``.

    Args:
        in_features, out_features, bias, device, dtype: as for ``torch.nn.Linear``.
        activation: σ, a name in ``activation.table.ACTIVATIONS``.

    Raises:
        ValueError: if there is no such activation.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        activation: str = "gelu",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        _check_activation(activation)
        super().__init__(in_features, out_features, bias, device, dtype)
        self.activation = activation

    def forward(self, input: Tensor) -> Tensor:
        return activated_linear(input, self.weight, self.bias, self.activation)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, activation={self.activation}"
