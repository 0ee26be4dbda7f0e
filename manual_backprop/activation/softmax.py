"""Softmax and LogSoftmax: from real numbers to probabilities, along one dimension.

    a_k = e^{z_k} / Σ_j e^{z_j}                ℓ_k = ln a_k = z_k − ln Σ_j e^{z_j}

    ∂a_k/∂z_j = a_k([k=j] − a_j)               ∂ℓ_k/∂z_j = [k=j] − a_j

[k=j] is 1 if k = j, else 0. Every output depends on every input, so the chain rule sums over k:

    ∂L/∂z = a ⊙ (g − Σ_k g_k a_k)              g = ∂L/∂a
    ∂L/∂z = g − e^ℓ Σ_k g_k                    g = ∂L/∂ℓ

The sums over k are the cross terms. For a uniform g the first gradient is 0, because the a_k
always sum to 1: a test that feeds such a g passes a backward that returns zeros. Any shape; k
and j run along ``dim``.

Source: lecture notes "The MNIST network by hand", "Deep Learning" (softmax), "How results change
with the loss function" (its derivative under cross entropy).
"""

import warnings

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class SoftmaxFunction(Function):
    """a = softmax(z).

    Backward: a ⊙ (g − Σ g a)
    """

    @staticmethod
    def forward(input: Tensor, dim: int) -> Tensor:
        return torch.softmax(input, dim)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.dim = inputs
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_output):
        g, a = in_opmath(grad_output, *ctx.saved_tensors)
        grad_input = a * (g - (g * a).sum(ctx.dim, keepdim=True))
        return grad_input.to(grad_output.dtype), None


class LogSoftmaxFunction(Function):
    """ℓ = ln softmax(z).

    Backward: g − e^ℓ Σ g
    """

    @staticmethod
    def forward(input: Tensor, dim: int) -> Tensor:
        return torch.log_softmax(input, dim)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.dim = inputs
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_output):
        (log_a,) = ctx.saved_tensors
        g, log_a = in_opmath(grad_output, log_a)
        grad_input = log_softmax_gradient(g, g.sum(ctx.dim, keepdim=True), log_a)
        return grad_input.to(grad_output.dtype), None


def log_softmax_gradient(g: Tensor, sum_g: Tensor, log_a: Tensor) -> Tensor:
    """∂L/∂z from g = ∂L/∂ℓ, its sum over the classes, and ℓ."""
    # g − e^ℓ Σ g, in one rounding as PyTorch's own kernel does it
    return torch.addcmul(g, exp(log_a), sum_g, value=-1)


def exp(x: Tensor) -> Tensor:
    """e^x for x ≤ 0, on the CPU to the last bit as in PyTorch's own log-softmax backward.

    ``torch.exp`` and PyTorch's fused kernels use different libraries there, MKL and SLEEF, which
    round one number in ten differently. One bit is enough for two trainings to part after some
    hundred steps. The second result of log-sigmoid, e^{−|x|}, comes from the same library as the
    fused kernels, but is not differentiable: it serves where nobody differentiates again.
    """
    if not x.is_cpu or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return x.exp()
    return torch.ops.aten.log_sigmoid_forward(x)[1]


def implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    """PyTorch's choice for ``dim=None``, with its warning."""
    dim = 0 if ndim in (0, 1, 3) else 1
    warnings.warn(f"{name}: dim was not given; taking dim={dim}", stacklevel=stacklevel + 1)
    return dim


@public(cuda="float32")
def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """a = e^z / Σ e^z along ``dim``, as ``torch.nn.functional.softmax``.

    Args:
        input: z, any shape.
        dim: the dimension along which the result sums to 1; chosen with a warning if ``None``.
        dtype: the type to compute and return; the input's own if ``None``.
    """
    if dim is None:
        dim = implicit_dim("softmax", input.dim(), _stacklevel)
    return SoftmaxFunction.apply(input if dtype is None else input.to(dtype), dim)


@public(cuda="float32")
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """ℓ = ln softmax(z) along ``dim``, as ``torch.nn.functional.log_softmax``.

    Args:
        input: z, any shape.
        dim: the dimension along which e^ℓ sums to 1; chosen with a warning if ``None``.
        dtype: the type to compute and return; the input's own if ``None``.
    """
    if dim is None:
        dim = implicit_dim("log_softmax", input.dim(), _stacklevel)
    return LogSoftmaxFunction.apply(input if dtype is None else input.to(dtype), dim)


class Softmax(torch.nn.Softmax):
    """``torch.nn.Softmax`` with the backward of ``functional.softmax``."""

    def forward(self, input: Tensor) -> Tensor:
        return softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(torch.nn.LogSoftmax):
    """``torch.nn.LogSoftmax`` with the backward of ``functional.log_softmax``."""

    def forward(self, input: Tensor) -> Tensor:
        return log_softmax(input, self.dim, _stacklevel=5)
