"""GLU, SwiGLU and GEGLU: one half of the input, the gate, says how much of the other gets through.

    glu(v, u)    = v ⊙ σ(u)                    v the value, u the gate
    swiglu(u, v) = silu(u) ⊙ v                 silu(u) = u σ(u)
    geglu(u, v)  = gelu(u) ⊙ v                 gelu(u) = u Φ(u)

With f for the function of the gate the product rule gives, elementwise,

    ∂L/∂v = g ⊙ f(u)                           g = ∂L/∂a
    ∂L/∂u = g ⊙ v ⊙ f′(u)                      σ′ = σ(1 − σ); silu′ and gelu′ in their own files

In a network u = x W + b and v = x V + c are two affine maps of one x. PyTorch's GLU takes both in
one tensor, the value first, and halves it. In the papers on the variants the gate comes first,
(σ(x W) ⊙ x V), and so it does here: as the first argument of ``swiglu`` and ``geglu``, and as the
first half of what the modules are given. Some libraries' GEGLU has the value first, like GLU.

Shapes: u, v, a and g have one shape, any; the modules' input is twice as large along ``dim``.

Source: Dauphin et al. 2017 (GLU); Shazeer 2020, "GLU variants improve transformer".
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.activation.gelu import gelu_gradient
from manual_backprop.activation.sigmoids import sigmoid_gradient
from manual_backprop.activation.smooth_rectifiers import silu_gradient
from manual_backprop.kit.blocks import in_blocks
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class GLUFunction(Function):
    """a = v ⊙ σ(u), v and u the halves of the input along ``dim``.

    Backward: ∂L/∂v = g ⊙ σ(u),  ∂L/∂u = g ⊙ v ⊙ σ(u)(1 − σ(u))
    """

    @staticmethod
    def forward(input: Tensor, dim: int) -> Tensor:
        return F.glu(input, dim)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.dim = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx, grad_output):
        g, input = in_opmath(grad_output, *ctx.saved_tensors)
        v, u = input.chunk(2, ctx.dim)
        σ = torch.sigmoid(u)
        grad_input = torch.cat([g * σ, sigmoid_gradient(g * v, σ)], ctx.dim)
        return grad_input.to(grad_output.dtype), None


class SwiGLUFunction(Function):
    """a = silu(u) ⊙ v.

    Backward: ∂L/∂v = g ⊙ silu(u),  ∂L/∂u = g ⊙ v ⊙ silu′(u)
    """

    @staticmethod
    def forward(gate: Tensor, value: Tensor) -> Tensor:
        return F.silu(gate) * value

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        g, u, v = in_opmath(grad_output, *ctx.saved_tensors)
        grad_gate = grad_value = None
        if ctx.needs_input_grad[0]:
            grad_gate = in_blocks(silu_gradient, g * v, u).to(grad_output.dtype)  # g ⊙ v ⊙ silu′(u)
        if ctx.needs_input_grad[1]:
            grad_value = (g * F.silu(u)).to(grad_output.dtype)  # g ⊙ silu(u)
        return grad_gate, grad_value


class GEGLUFunction(Function):
    """a = gelu(u) ⊙ v.

    Backward: ∂L/∂v = g ⊙ gelu(u),  ∂L/∂u = g ⊙ v ⊙ gelu′(u)
    """

    @staticmethod
    def forward(gate: Tensor, value: Tensor) -> Tensor:
        return F.gelu(gate) * value

    setup_context = SwiGLUFunction.setup_context

    @staticmethod
    def backward(ctx, grad_output):
        g, u, v = in_opmath(grad_output, *ctx.saved_tensors)
        grad_gate = grad_value = None
        if ctx.needs_input_grad[0]:
            grad_gate = in_blocks(gelu_gradient, g * v, u).to(grad_output.dtype)  # g ⊙ v ⊙ gelu′(u)
        if ctx.needs_input_grad[1]:
            grad_value = (g * F.gelu(u)).to(grad_output.dtype)  # g ⊙ gelu(u)
        return grad_gate, grad_value


@public()
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a = v ⊙ σ(u), as ``torch.nn.functional.glu``.

    Args:
        input: v and then u along ``dim``, which has an even size; any shape with a dimension.
        dim: the dimension that is halved.

    Returns:
        a, half as large along ``dim``.

    Raises:
        RuntimeError: (by PyTorch) if that dimension cannot be halved.
    """
    return GLUFunction.apply(input, dim)


@public()
def swiglu(gate: Tensor, value: Tensor) -> Tensor:
    """a = silu(gate) ⊙ value, both of one shape; not in PyTorch.

    Raises:
        ValueError: if the shapes differ.
    """
    return SwiGLUFunction.apply(*_alike("swiglu", gate, value))


@public()
def geglu(gate: Tensor, value: Tensor) -> Tensor:
    """a = gelu(gate) ⊙ value, both of one shape; not in PyTorch.

    Raises:
        ValueError: if the shapes differ.
    """
    return GEGLUFunction.apply(*_alike("geglu", gate, value))


def _alike(name: str, gate: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one type."""
    if gate.shape != value.shape:
        raise ValueError(
            f"{name}: expected gate and value of one shape, "
            f"got {tuple(gate.shape)} and {tuple(value.shape)}"
        )
    dtype = torch.promote_types(gate.dtype, value.dtype)
    return gate.to(dtype), value.to(dtype)


class GLU(torch.nn.GLU):
    """``torch.nn.GLU`` with the backward of ``functional.glu``."""

    def forward(self, input: Tensor) -> Tensor:
        return glu(input, self.dim)


class SwiGLU(torch.nn.GLU):
    """a = silu(u) ⊙ v, u the first half of the input along ``dim`` and v the second.

    Any shape; a has half the size along ``dim``. The backward is that of ``functional.swiglu``.

    Raises:
        ValueError: if the size along ``dim`` is odd.
    """

    def forward(self, input: Tensor) -> Tensor:
        return swiglu(*input.chunk(2, self.dim))


class GEGLU(torch.nn.GLU):
    """a = gelu(u) ⊙ v, u the first half of the input along ``dim`` and v the second.

    Any shape; a has half the size along ``dim``. The backward is that of ``functional.geglu``.

    Raises:
        ValueError: if the size along ``dim`` is odd.
    """

    def forward(self, input: Tensor) -> Tensor:
        return geglu(*input.chunk(2, self.dim))
