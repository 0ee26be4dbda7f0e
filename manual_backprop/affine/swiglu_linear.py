"""SwiGLULinear: SwiGLU and the affine map above it as one, which keeps u and v and forgets a.

    a = silu(u) ⊙ v                 y = a Wᵀ + b

    δ = ∂L/∂y                       the gradient that arrives from above
    ∂L/∂a = δ W                     ∂L/∂W = δᵀ a            a again, computed anew
    ∂L/∂v = ∂L/∂a ⊙ silu(u)         ∂L/∂b = Σ_n δ_n
    ∂L/∂u = ∂L/∂a ⊙ v ⊙ silu′(u)

It is the upper half of a transformer's feed-forward layer, in which u, v and a are its largest
tensors. As three layers autograd keeps u, silu(u), v and a, four of them; here it is two, and silu
is computed twice, which is little beside the products.

Shapes: u and v, the halves of the input (…, 2i), and a (…, i); W (o, i), b (o), y and δ (…, o);
n counts samples.

Source: Shazeer 2020, "GLU variants improve transformer"; recomputation: Chen, Xu, Zhang, Guestrin
2016.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.activation.smooth_rectifiers import silu_gradient
from manual_backprop.affine.linear import check_linear, samples_in_rows
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class SwiGLULinearFunction(Function):
    """y = (silu(u) ⊙ v) Wᵀ + b.

    Backward: ∂L/∂u = δW ⊙ v ⊙ silu′(u),  ∂L/∂v = δW ⊙ silu(u),  ∂L/∂W = δᵀa,  ∂L/∂b = Σ δ
    """

    @staticmethod
    def forward(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        u, v = input.chunk(2, -1)
        return F.linear((F.silu(u) * v).to(weight.dtype), weight, bias)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, _ = inputs
        ctx.save_for_backward(input, weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        u, v = input.chunk(2, -1)
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[1]:
            delta, a = samples_in_rows(grad_output), samples_in_rows(F.silu(u) * v)
            grad_weight = delta.T @ a.to(weight.dtype)  # ∂L/∂W = δᵀ a
            del a  # before the gradients of u and v, which are as large
        if ctx.needs_input_grad[0]:
            grad_a, u_, v_ = in_opmath(grad_output @ weight, u, v)  # ∂L/∂a = δ W
            grad_u = silu_gradient(grad_a * v_, u_)  # ∂L/∂a ⊙ v ⊙ silu′(u)
            grad_v = grad_a * F.silu(u_)  # ∂L/∂a ⊙ silu(u)
            grad_input = torch.cat([grad_u, grad_v], -1).to(input.dtype)
        if ctx.needs_input_grad[2]:
            grad_bias = samples_in_rows(grad_output).sum(0)  # ∂L/∂b = Σ_n δ_n
        return grad_input, grad_weight, grad_bias


# Under autocast a is computed in the type of u and v and then rounded, as the layers apart do it.
@public(cpu="lower", cuda="lower", input_as_is=True)
def swiglu_linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = (silu(u) ⊙ v) Wᵀ + b, as ``linear(swiglu(*input.chunk(2, -1)), weight, bias)``.

    Args:
        input: u and then v along the last dimension, shape (…, 2 in).
        weight: W, shape (out, in).
        bias: b, shape (out).

    Returns:
        y, shape (…, out).

    Raises:
        ValueError: if the shapes do not fit.
    """
    if weight.dim() != 2 or input.shape[-1:] != (2 * weight.shape[1],):
        raise ValueError(
            f"swiglu_linear: expected input (…, 2 in) and weight (out, in), got "
            f"{tuple(input.shape)} and {tuple(weight.shape)}"
        )
    check_linear("swiglu_linear", input[..., : weight.shape[1]], weight, bias)
    return SwiGLULinearFunction.apply(input, weight, bias)


class SwiGLULinear(torch.nn.Linear):
    """``torch.nn.Linear`` of silu(u) ⊙ v, with the backward of ``functional.swiglu_linear``.

    Its input is (…, 2 in_features): u is the first half of the features and v the second.
    """

    def forward(self, input: Tensor) -> Tensor:
        return swiglu_linear(input, self.weight, self.bias)
